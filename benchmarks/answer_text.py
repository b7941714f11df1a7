"""A long answer as models write them, and its cut into tokens."""

from __future__ import annotations

from itertools import count, cycle, islice

FIRST_WORD = "Kiwi"
SIZE_BYTES = 32 * 1024
TOKENS = 8000

_SAID = (
    "the estimator keeps a running mean of every column while rows arrive so memory stays flat "
    "and a second pass is not needed unless weights change in between which the log would show "
    "because each batch carries its own count variance and the `dtype` it was read with"
)
_PIECE_SIZES = (4, 3, 5, 4, 6, 2, 4, 5, 3, 5)


def answer_text(size_bytes: int = SIZE_BYTES) -> str:
    """Markdown of exactly that size (all ASCII), beginning with the first word."""
    words = cycle(_SAID.split())
    text = f"{FIRST_WORD} is the name of this answer.\n\n"
    for number in count(1):
        if len(text) >= size_bytes:
            break
        text += _section(number, words)
    return text[:size_bytes]


def tokens(text: str, number: int = TOKENS) -> list[str]:
    """The text in that many pieces, as uneven as tokens are; the last takes the rest."""
    sizes = cycle(_PIECE_SIZES)
    pieces = [FIRST_WORD]
    start = len(FIRST_WORD)
    while start < len(text) and len(pieces) < number - 1:
        size = next(sizes)
        pieces.append(text[start : start + size])
        start += size
    return [piece for piece in (*pieces, text[start:]) if piece]


def _section(number: int, words: cycle[str]) -> str:
    def said(length: int) -> str:
        return " ".join(islice(words, length)).capitalize() + "."

    paragraph = f"{said(23)} {said(31)} **{said(4)}** {said(12)}"
    points = "\n".join(f"- *{said(2)}* {said(11)}" for _ in range(4))
    steps = "\n".join(f"{step}. {said(9)}\n   - {said(7)}" for step in range(1, 4))
    row = " | ".join(islice(words, 4))
    cells = "\n".join(f"| {' | '.join(islice(words, 3))} | {number}.{i} |" for i in range(5))
    code = "\n".join(
        f"    total_{i} = sum(row[{i}] * weight for row, weight in zip(rows, weights))"
        for i in range(6)
    )
    return (
        f"## {number}. {said(4)}\n\n{paragraph}\n\n{paragraph}\n\n{points}\n\n{said(30)}\n\n"
        f"```python\ndef fold_{number}(rows, weights):\n{code}\n    return total_0\n```\n\n"
        f"| {row} |\n| --- | --- | --- | ---: |\n{cells}\n\n{steps}\n\n> {said(20)}\n\n"
        f"The error falls as $\\sigma / \\sqrt{{n}}$, see [the notes](https://example.org/{number})."
        "\n\n"
    )
