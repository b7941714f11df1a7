"""An answer as a document: ordinary Markdown and pictures that need nothing to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from ..version import VERSION
from . import footer
from .controls import CONTROLS
from .images import image_outputs
from .markdown import close_open_fence
from .pieces import folded_reasoning, plain_call, text_with_calls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from IPython.core.displaypub import DisplayPublisher

    from ..messages import Answer

Shown: TypeAlias = "tuple[dict[str, Any], dict[str, Any]]"
"""An output: its MIME bundle, and its metadata."""


def document(answer: Answer, remark: str = "") -> dict[str, str]:
    """Return the answer as ``text/markdown`` and ``text/plain``, safe to be shown.

    ``remark`` is a line to stand below the text.
    """
    who, figures = footer.header(answer), footer.footer(answer)
    if not answer.text and not answer.reasoning:
        who, figures = "", f"{who} · {figures}"
    parts = [
        footer.small(who) if who else "",
        folded_reasoning(answer.reasoning),
        close_open_fence(text_with_calls(answer.text, answer.tool_calls)),
        f"*{footer.note(answer)}*" if footer.note(answer) else "",
        footer.small(remark) if remark else "",
        footer.small(figures) if figures else "",
    ]
    markdown = "\n\n".join(part for part in parts if part.strip())
    said = [answer.text, *map(plain_call, answer.tool_calls), remark, ending(answer)]
    plain = "\n\n".join(piece for piece in said if piece)
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
        "characters": len(printable(answer.text)),  # of text/plain that are the answer's text
    }
    return {
        name: printable(value) if isinstance(value, str) else value
        for name, value in known.items()
        if value is not None
    }


def publish_document(
    publisher: DisplayPublisher,
    answer: Answer,
    display_id: str = "",
    shown: Sequence[Shown] = (),
) -> None:
    """Send the document, into an output that is there or a new one, then the pictures.

    ``shown`` are the outputs to send in place of the document, if not as Markdown.
    """
    metadata = {"g4f_magic": facts(answer)}
    transient = {"display_id": display_id} if display_id else {}
    (bundle, about), *others = shown or [(document(answer), metadata)]
    publisher.publish(bundle, about, transient=transient, update=bool(display_id))
    pictures = ((bundle, about | metadata) for bundle, about in image_outputs(answer))
    for bundle, about in (*others, *pictures):
        publisher.publish(bundle, about)


def told(answer: Answer) -> dict[str, str]:
    """Return all but the text: who answered, what is missing, and the figures."""
    lines = (footer.header(answer), footer.footer(answer))
    small = [footer.small(" · ".join(filter(None, lines)))] if any(lines) else []
    note = [f"*{footer.note(answer)}*"] if footer.note(answer) else []
    thought, calls = folded_reasoning(answer.reasoning), text_with_calls("", answer.tool_calls)
    plain = [*map(plain_call, answer.tool_calls), ending(answer)]
    return {
        "text/markdown": "\n\n".join(filter(None, [thought, calls, *note, *small])),
        "text/plain": printable("\n\n".join(filter(None, plain))),
    }


def ending(answer: Answer) -> str:
    """Return the last lines in plain text: what is missing, then the figures."""
    figures = " · ".join(filter(None, (footer.header(answer), footer.footer(answer))))
    return "\n".join(filter(None, (footer.note(answer), figures)))


def is_empty_failure(answer: Answer) -> bool:
    """Tell whether an error is all there is to show."""
    is_empty = not (answer.text or answer.images or answer.reasoning or answer.tool_calls)
    return answer.state == "failed" and is_empty


def printable(text: str) -> str:
    """Return the text with nothing in it that moves a cursor or turns the writing round."""
    return CONTROLS.sub("\ufffd", text.replace("\r\n", "\n"))
