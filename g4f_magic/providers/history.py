"""Messages as a service can take them, where it cannot take them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .completions import plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..messages import Message

_SYSTEM = {"system", "developer"}


def last_prompt(messages: Sequence[Message]) -> str:
    """Return the text of the last message of the user."""
    said = _last_said(messages)
    return plain_text(said[0].get("content")) if said else ""


def last_media(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return what the last message of the user has besides text."""
    contents = (message.get("content") for message in _last_said(messages))
    parts = (part for content in contents if isinstance(content, list) for part in content)
    return [part for part in parts if isinstance(part, dict) and part.get("type") != "text"]


def without_history(messages: Sequence[Message]) -> list[Message]:
    """Return the system prompt and the last message of the user."""
    return [*(one for one in messages if one.get("role") in _SYSTEM), *_last_said(messages)]


def without_system(messages: Sequence[Message]) -> list[Message]:
    """Return the messages with the system prompt in front of the first one of the user."""
    system = [plain_text(m.get("content")) for m in messages if m.get("role") in _SYSTEM]
    others = [message for message in messages if message.get("role") not in _SYSTEM]
    prompt = "\n\n".join(text for text in system if text)
    if not prompt:
        return others
    for place, message in enumerate(others):
        if message.get("role") == "user":
            others[place] = {**message, "content": _joined(prompt, message.get("content"))}
            return others
    return [{"role": "user", "content": prompt}, *others]


def _last_said(messages: Sequence[Message]) -> list[Message]:
    return [message for message in messages if message.get("role") == "user"][-1:]


def _joined(prompt: str, content: Any) -> Any:
    if isinstance(content, list):
        return [{"type": "text", "text": prompt}, *content]
    return f"{prompt}\n\n{content}" if content else prompt
