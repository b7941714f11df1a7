"""Markdown in pieces against the same as a whole, by a renderer that is not ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt

from g4f_magic.display.markdown import finished_length

if TYPE_CHECKING:
    from collections.abc import Iterable

ON_SCREEN = MarkdownIt("commonmark", {"html": True}).enable("table")
# Not the parser's own validation but ours has to keep bad links out.
ON_SCREEN.validateLink = bool  # type: ignore[assignment, method-assign]


def rendered(text: str, env: dict[str, Any] | None = None) -> str:
    """Return the HTML of Markdown, white space aside; ``env`` has links defined elsewhere."""
    return re.sub(r"\s+", "", ON_SCREEN.render(f"{text}\n", env))  # an end, or some raise errors


def pieces(text: str, lengths: Iterable[int]) -> list[str]:
    """Return the finished pieces of a text that grows to these lengths, and what is left."""
    done, found = 0, []
    for length in [*sorted(length % (len(text) + 1) for length in lengths), len(text)]:
        if step := finished_length(text[done:length]):
            found.append(text[done : done + step])
            done += step
    return [*found, text[done:]]


def assert_pieces_are_the_whole(text: str, lengths: Iterable[int]) -> None:
    """Fail where the pieces lose a byte, or look otherwise than the whole text.

    Definitions of links count for all pieces: front ends show a link whose definition is in
    another piece as text until the answer has ended, which `finished_length` says.
    """
    env: dict[str, Any] = {}
    whole = rendered(text, env)
    parts = pieces(text, lengths)
    assert "".join(parts) == text
    assert (
        "".join(rendered(part, {"references": env.get("references", {})}) for part in parts)
        == whole
    )
