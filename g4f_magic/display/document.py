"""An answer as a document: ordinary Markdown and pictures that need nothing to be read."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from ..version import VERSION
from . import footer
from .markdown import close_open_fence, neutralise

if TYPE_CHECKING:
    from IPython.core.displaypub import DisplayPublisher

    from ..messages import Answer, Image

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def document(answer: Answer) -> dict[str, str]:
    """Return the answer as ``text/markdown`` and ``text/plain``, safe to be shown."""
    who, figures = footer.header(answer), footer.footer(answer)
    if not answer.text and not answer.reasoning:
        who, figures = "", f"{who} · {figures}"
    parts = [
        footer.small(who) if who else "",
        _folded(answer.reasoning),
        close_open_fence(neutralise(answer.text)),
        f"*{footer.note(answer)}*" if footer.note(answer) else "",
        footer.small(figures) if figures else "",
    ]
    markdown = "\n\n".join(part for part in parts if part.strip())
    plain = f"{answer.text}\n\n{ending(answer)}".lstrip("\n")
    return {"text/markdown": markdown, "text/plain": printable(plain)}


def facts(answer: Answer) -> dict[str, Any]:
    """Return what the notebook keeps about an answer: no prompt, no key."""
    known = {
        "version": VERSION,
        "model": answer.model,
        "provider": answer.provider,
        "state": answer.state,
        "finish_reason": answer.finish_reason,
        "tokens_in": answer.usage.tokens_in if answer.usage else None,
        "tokens_out": answer.usage.tokens_out if answer.usage else None,
        "first_token_s": answer.first_token_s and round(answer.first_token_s, 3),
        "elapsed_s": round(answer.elapsed_s, 3),
    }
    return {name: value for name, value in known.items() if value is not None}


def publish_document(publisher: DisplayPublisher, answer: Answer, display_id: str = "") -> None:
    """Send the document, into an output that is there or a new one, then the pictures."""
    metadata = {"g4f_magic": facts(answer)}
    transient = {"display_id": display_id} if display_id else {}
    publisher.publish(document(answer), metadata, transient=transient, update=bool(display_id))
    for image in answer.images:
        publisher.publish(picture(image))


def picture(image: Image) -> dict[str, str]:
    """Return a picture's MIME bundle: its bytes, or its address where it has only that."""
    if not image.data:
        return {"text/plain": printable(image.url), "text/markdown": neutralise(f"<{image.url}>")}
    return {image.media_type: base64.b64encode(image.data).decode(), "text/plain": repr(image)}


def ending(answer: Answer) -> str:
    """Return the last lines in plain text: what is missing, then the figures."""
    figures = " · ".join(filter(None, (footer.header(answer), footer.footer(answer))))
    return "\n".join(filter(None, (footer.note(answer), figures)))


def is_empty_failure(answer: Answer) -> bool:
    """Tell whether an error is all there is to show."""
    return answer.state == "failed" and not (answer.text or answer.images or answer.reasoning)


def printable(text: str) -> str:
    """Return the text with nothing in it that moves a cursor or turns the writing round."""
    return _CONTROLS.sub("\ufffd", text.replace("\r\n", "\n"))


def _folded(reasoning: str) -> str:
    if not reasoning.strip():
        return ""
    inner = close_open_fence(neutralise(reasoning.strip()))
    return f"<details><summary>Reasoning</summary>\n\n{inner}\n\n</details>"
