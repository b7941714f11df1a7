"""How long models take, as a picture: a bar up to the median, and a paler one on to the p95."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .table import Cell, Table, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .summary import ModelFigures

_WIDTH, _ROW, _TOP, _MARGIN = 720, 30, 44, 14  # pixels
_LABELS, _BARS = 210, 350  # how wide they are
_LONGEST_LABEL = 30  # characters
# A ground of its own, so that neither a light nor a dark page swallows the text.
_GROUND, _TEXT, _MEDIAN, _P95 = "#ffffff", "#24292f", "#1f77b4", "#a9cbe6"
_NOT_IN_XML = re.compile("[\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture that needs no library; ``svg`` is all of it."""

    figures: tuple[ModelFigures, ...]

    @property
    def svg(self) -> str:
        """The picture as an SVG document, with nothing of a stranger's in it but text."""
        height = _TOP + _ROW * len(self.figures) + _MARGIN
        longest = max((one.total_p95_s or 0.0 for one in self.figures), default=0.0)
        rows = [_row(number, one, longest) for number, one in enumerate(self.figures)]
        return "".join(
            [
                (
                    f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"'
                    f' viewBox="0 0 {_WIDTH} {height}" role="img"'
                    ' font-family="sans-serif" font-size="13">'
                ),
                "<title>Seconds that the models take</title>",
                f'<rect width="{_WIDTH}" height="{height}" rx="6" fill="{_GROUND}"/>',
                _text(_MARGIN, 26, "seconds to the whole answer", weight="bold"),
                *_key(),
                *rows,
                "</svg>",
            ]
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        del include, exclude
        return {"image/svg+xml": self.svg, "text/plain": str(self)}

    def __str__(self) -> str:
        """Return the figures of the picture as text."""
        rows = ((Cell(one.model), *map(_seconds, _times(one))) for one in self.figures)
        return Table(("model", "median", "p95"), tuple(rows)).plain()

    def __repr__(self) -> str:
        """Stay short."""
        return f"<Plot of {len(self.figures)} models>"


def _row(number: int, one: ModelFigures, longest: float) -> str:
    top = _TOP + number * _ROW
    median, p95 = (round((time or 0.0) / longest * _BARS) if longest else 0 for time in _times(one))
    told = " · ".join(dict.fromkeys(_seconds(time).text for time in _times(one)))
    left = _MARGIN + _LABELS
    return "".join(
        [
            _text(_MARGIN, top + 18, _shortened(one.model)),
            f'<rect x="{left}" y="{top + 5}" width="{p95}" height="18" fill="{_P95}"/>',
            f'<rect x="{left}" y="{top + 5}" width="{median}" height="18" fill="{_MEDIAN}"/>',
            _text(left + p95 + 8, top + 18, told),
        ]
    )


def _key() -> Sequence[str]:
    left = _MARGIN + _LABELS
    return (
        f'<rect x="{left}" y="15" width="12" height="12" fill="{_MEDIAN}"/>',
        _text(left + 18, 26, "median"),
        f'<rect x="{left + 84}" y="15" width="12" height="12" fill="{_P95}"/>',
        _text(left + 102, 26, "p95"),
    )


def _times(one: ModelFigures) -> tuple[float | None, float | None]:
    return one.total_median_s, one.total_p95_s


def _seconds(time: float | None) -> Cell:
    return Cell("no answer" if time is None else f"{time:.2f} s", is_number=True)


def _text(x: int, y: int, text: str, weight: str = "normal") -> str:
    escaped = html.escape(_NOT_IN_XML.sub("\ufffd", one_line(text)))
    return f'<text x="{x}" y="{y}" fill="{_TEXT}" font-weight="{weight}">{escaped}</text>'


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 1]}…"
