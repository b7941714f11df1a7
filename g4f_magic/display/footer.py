"""The lines around an answer: who speaks, how it goes, what is known at the end."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from .controls import CONTROLS

if TYPE_CHECKING:
    from ..messages import Answer

_CHARACTERS_A_TOKEN = 4
_LEAST_COST = 0.0001
_BROKEN = {
    "cut off": "cut off: the server never finished this answer",
    "failed": "broken off by an error",
}
_ENDED = {
    "length": "the answer reached its length limit; --max-tokens N raises it",
    "content_filter": "the service's content filter ended this answer",
}


def header(answer: Answer) -> str:
    """Return who answers, and at which attempt if it is not the first."""
    names = dict.fromkeys(filter(None, (answer.model, answer.provider)))
    attempt = [f"attempt {answer.attempt}"] if answer.attempt > 1 else []
    return " · ".join([*names, *attempt])


def status(answer: Answer) -> str:
    """Return how an answer under way is going: what it waits for, or its time and size."""
    seconds = f"{answer.elapsed_s:.0f} s"
    if answer.waiting is not None:
        return f"{answer.waiting.reason}; again in {answer.waiting.seconds:.1f} s"
    if answer.activity:
        return f"{answer.activity} · {seconds}"
    if answer.first_token_s is None:
        return f"waiting · {seconds}"
    if not answer.text:
        return f"thinking · {seconds} · {_size(answer, answer.reasoning)}"
    return f"writing · {seconds} · {_size(answer, answer.text)}"


def _size(answer: Answer, text: str) -> str:
    """Return how much there is, estimated: services count tokens at the end."""
    tokens = len(text) // _CHARACTERS_A_TOKEN
    arriving_s = answer.elapsed_s - (answer.first_token_s or 0.0)
    rate = f", {tokens / arriving_s:.0f} a second" if arriving_s >= 1 else ""
    return f"about {tokens} tokens{rate}"


def footer(answer: Answer) -> str:
    """Return the true figures of an answer that ended, nothing estimated, then its notes."""
    figures = []
    if answer.cached:
        figures.append("cached")
    elif answer.images and not answer.text:
        figures.append(f"{answer.elapsed_s:.1f} s")
    elif answer.first_token_s is not None:
        figures.append(f"{answer.first_token_s:.1f} s to first token")
    if not answer.cached and (rate := tokens_a_second(answer)) is not None:
        figures.append(f"{rate:.0f} tokens/s")
    if answer.usage is not None:
        sides = ((answer.usage.tokens_in, "in"), (answer.usage.tokens_out, "out"))
        counts = [f"{count} {side}" for count, side in sides if count is not None]
        figures += [", ".join(counts)] if counts else []
    if answer.cost:
        figures.append(_dollars(answer.cost))
    return " · ".join([*figures, *answer.notes])


def _dollars(cost: float) -> str:
    return f"${cost:,.4f}" if cost >= _LEAST_COST else f"under ${_LEAST_COST}"


def tokens_a_second(answer: Answer) -> float | None:
    """Return the rate after the first token, where there were more and the server counted."""
    if any(call.outcome for call in answer.tool_calls):  # the calls took time as well
        return None
    out = answer.usage.tokens_out if answer.usage is not None else None
    writing_s = answer.elapsed_s - (answer.first_token_s or 0.0)
    if not out or out == 1 or answer.first_token_s is None or writing_s <= 0:
        return None
    return out / writing_s


def note(answer: Answer) -> str:
    """Return what must be said of an answer that is not whole; empty if it is."""
    if answer.state == "interrupted":
        return f"interrupted after {answer.elapsed_s:.1f} s"
    if any(call.outcome == "not run" for call in answer.tool_calls):
        return "the model asks for more calls than its rounds allow; --max-rounds N raises that"
    return _BROKEN.get(answer.state, "") or _ENDED.get(answer.finish_reason or "", "")


def small(line: str, role: str = "") -> str:
    """Return a plain line as small Markdown text, with nothing in it taken for markup.

    ``role`` is what it is to a screen reader.
    """
    # MathJax reads the page, where entities are characters again: no command may follow "\\".
    plain = CONTROLS.sub("\ufffd", " ".join(line.split()))
    escaped = html.escape(plain, quote=False).replace("\\", "\\\u2060")
    for mark in "\\`*_[]!~$|":
        escaped = escaped.replace(mark, f"&#{ord(mark)};")
    opening = f'<small role="{role}">' if role else "<small>"
    return f"{opening}{escaped}</small>"
