"""Lists of messages as chat-completions services take them, and OpenAI's ``.jsonl`` of them.

https://platform.openai.com/docs/api-reference/fine-tuning/chat-input has the format.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..messages import Answer
from ..parts import SOUND_TYPES, Attachment, readable
from ..prompts.conversation import Conversation, Turn
from ..providers.pictures import data_in

if TYPE_CHECKING:
    from ..parts import Part
    from .reading import Node, Source


def write(conversation: Conversation) -> str:
    """Return one line for each time that the conversation started afresh.

    A turn without any text of an answer is left out, as it is from what is sent.
    """
    parts: list[list[Turn]] = [[]]
    for turn in conversation.turns:
        if turn.starts_afresh:
            parts.append([])
        parts[-1].append(turn)
    messages = [_messages(part) for part in parts]
    lines = [json.dumps({"messages": one}, ensure_ascii=False) for one in messages if one]
    return "".join(f"{line}\n" for line in lines)


def read_lines(source: Source) -> Conversation:
    """Return the conversation of a ``.jsonl``: each line starts it afresh."""
    turns: list[Turn] = []
    for line in source.lines():
        if line.text.strip():
            more = read(line.json()).turns
            more[0].starts_afresh = bool(turns)
            turns += more
    return Conversation("", turns)


def read(document: Node) -> Conversation:
    """Return the conversation that a list of messages, or an object with one, holds."""
    messages = document if isinstance(document.value, list) else document["messages"]
    if not isinstance(messages.value, list) or not messages.value:
        document.refuse("has no list of messages")
    turns: list[Turn] = []
    system: str | None = None
    for message in messages.each():
        role = message["role"].text()
        if role in {"system", "developer"}:
            system = _content(message)
        elif role == "user":
            turns.append(_asked(message, system))
            system = None
        elif role != "assistant":
            reason = f"is {role[:40]!r}; system, developer, user and assistant can be imported"
            message["role"].refuse(reason)
        elif not turns or turns[-1].answer is not None or system is not None:
            message.refuse("is an answer that does not follow a user's message")
        else:
            turns[-1].answer = Answer(text=_content(message))
    return Conversation("", turns if system is None else [*turns, Turn("", system=system)])


def _messages(turns: list[Turn]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    told = system = ""
    for turn in turns:
        system = system if turn.system is None else turn.system
        if turn.answer is None or not turn.answer.text:
            continue
        if system != told:
            messages.append({"role": "system", "content": system})
            told = system
        messages.append({"role": "user", "content": turn.content})
        messages.append({"role": "assistant", "content": turn.answer.text})
    return messages


def _asked(message: Node, system: str | None) -> Turn:
    """Return the turn that a message of the user begins."""
    content = message["content"]
    parts = [_part(part) for part in content.each()] if isinstance(content.value, list) else []
    if all(isinstance(part, str) for part in parts):
        return Turn(_content(message), system=system)
    return Turn(readable(parts), system=system, parts=tuple(parts))


def _part(node: Node) -> Part:
    kind, part = node["type"].text(), None
    if kind == "text" and node["text"].value is not None:
        return node["text"].text()
    if kind == "image_url":
        part = Attachment("image", *_held(node["image_url"]["url"]), "")
    elif kind == "file":
        name = node["file"]["filename"].text()
        part = Attachment("file", *_held(node["file"]["file_data"]), name)
    elif kind == "input_audio":
        data = data_in(f"data:;base64,{node['input_audio']['data'].text()}")
        sound = SOUND_TYPES.get(node["input_audio"]["format"].text(), "")
        part = Attachment("audio", data, sound, "")
    if part is None or not part.can_be_sent:
        node.refuse("is neither text nor data that can be sent, and nothing else can be imported")
    return part


def _held(node: Node) -> tuple[bytes, str]:
    """Return the content of a ``data:`` URI and its media type; of an address nothing."""
    head, _, rest = node.text().partition(":")
    return (data_in(rest), rest.partition(";")[0]) if head == "data" else (b"", "")


def _content(message: Node) -> str:
    """Return the text of a message; only an answer may have none."""
    content = message["content"]
    if not isinstance(content.value, list):
        if content.value is None and message["role"].value != "assistant":
            message.refuse("has no 'content'")
        return content.text()
    for part in content.each():
        if part["type"].text() != "text" or part["text"].value is None:
            part.refuse("is no text; only prompts can have other parts")
    return "".join(part["text"].text() for part in content.each())
