"""Frames, series and arrays as text that says their size and types, and shows their start.

The libraries they come from are never imported: to ask whether a value is theirs would
cost every prompt a second.
"""

from __future__ import annotations

import reprlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

LONGEST = 4_000  # characters of what is neither a text nor a table: about 1,000 tokens
_LONGEST_CELL = 200
_MOST_COLUMNS = 30
_MOST_NUMBERS = 200  # of an array that is shown whole
_LINE = 100
_LISTS = reprlib.Repr()  # of lists in a cell, which it never renders as a whole
_LISTS.maxstring = _LISTS.maxother = 100


def is_a(value: Any, name: str) -> bool:
    """Tell whether a value is of ``library.Class``, wherever in the library that stands."""
    library, _, kind = name.partition(".")
    return any(
        each.__name__ == kind and each.__module__.partition(".")[0] == library
        for each in type(value).__mro__
    )


def is_frame(value: Any) -> bool:
    """Tell whether a value is one of those that this module shows."""
    return any(is_a(value, name) for name in _SHOWN)


def frame_text(value: Any, rows: int) -> str:
    """Return the size and the first rows of what ``is_frame``: of frames a Markdown table."""
    return next(show for name, show in _SHOWN.items() if is_a(value, name))(value, rows)


def inner_text(value: Any) -> str:
    """Return what stands for a value of these libraries inside another one; else nothing."""
    if is_a(value, "numpy.generic") and not isinstance(value, (str, bytes)):
        return str(value)  # since NumPy 2.0 repr has the type around every number
    is_large = is_frame(value) and (not is_a(value, "numpy.ndarray") or value.size > _MOST_NUMBERS)
    return f"<{type(value).__name__} of shape {value.shape}>" if is_large else ""


def clipped(text: str, longest: int) -> str:
    """Return a text, or its start and how much is missing."""
    rest = len(text) - longest
    return text if rest <= 0 else f"{text[:longest]}… {rest} more characters"


def _pandas_frame(frame: Any, rows: int) -> str:
    part = frame.iloc[:rows, :_MOST_COLUMNS]
    names = [*_index_name(part.index), *part.columns]
    lines = part.itertuples(index=not _is_counted(part.index), name=None)
    return _table(frame, part, names, lines)


def _polars_frame(frame: Any, rows: int) -> str:
    part = frame[:rows, :_MOST_COLUMNS]
    return _table(frame, part, part.columns, part.iter_rows())


def _table(frame: Any, part: Any, names: Sequence[Any], lines: Iterable[Iterable[Any]]) -> str:
    """Return a table between the size of the frame and the types of its columns."""
    (height, width), (rows, columns) = frame.shape, part.shape
    cuts = [f"{rows} rows"] * (rows < height) + [f"{columns} columns"] * (columns < width)
    head = f"{type(frame).__name__} of {height} rows × {width} columns{_told(cuts)}"
    pairs = zip(part.columns, part.dtypes, strict=True)
    kinds = (f"{_cell(name)} {_cell(kind)}" for name, kind in pairs)
    return f"{head}\n\n{_markdown(names, lines)}\n\nTypes: {', '.join(kinds)}" if columns else head


def _series(series: Any, rows: int) -> str:
    part = series.head(rows)
    cuts = [f"{len(part)} values"] * (len(part) < len(series))
    head = f"{type(series).__name__} of {len(series)} values, {_cell(series.dtype)}{_told(cuts)}"
    name = "value" if series.name in (None, "") else series.name
    if is_a(series, "polars.Series") or _is_counted(part.index):
        return f"{head}\n\n{_markdown([name], ([value] for value in part))}"
    return f"{head}\n\n{_markdown([*_index_name(part.index), name], part.items())}"


def _told(cuts: list[str]) -> str:
    return f", of which the first {' and '.join(cuts)} are shown" if cuts else ""


def _is_counted(index: Any) -> bool:
    """Tell whether an index of pandas only counts the rows."""
    is_range = is_a(index, "pandas.RangeIndex") and index.name is None
    return is_range and (index.start, index.step) == (0, 1)


def _index_name(index: Any) -> list[str]:
    known = (str(name) for name in index.names if name is not None)
    return [] if _is_counted(index) else [", ".join(known)]


def _markdown(names: Sequence[Any], lines: Iterable[Iterable[Any]]) -> str:
    rows = [names, ["---"] * len(names), *lines]
    return "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in rows)


def _cell(value: Any) -> str:
    """Return one line that does not end its cell, and of a list in it the start alone."""
    is_list = isinstance(value, (list, dict, set))
    text = inner_text(value) or (_LISTS.repr(value) if is_list else str(value))
    text = text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}…"
    return "<br>".join(text.replace("|", "\\|").replace("\r", "").split("\n"))


def _array(array: Any, rows: int) -> str:
    """Return an array or the ends of its axes; past two dimensions, those of its first plane."""
    head, plane = f"{type(array).__name__} of shape {array.shape}, {_cell(array.dtype)}", array
    while plane.ndim > 2 and len(plane):  # noqa: PLR2004  # a plane
        plane = plane[0]
    if plane is not array:
        head += f", of which [{', '.join('0' * (array.ndim - plane.ndim))}] is shown"
    if plane.size > _MOST_NUMBERS:
        head += "; ... stands for what is left out"
    text: str = sys.modules["numpy"].array2string(
        plane,
        threshold=_MOST_NUMBERS,
        edgeitems=max(1, rows // 2),
        max_line_width=_LINE,
        separator=", ",
    )
    return f"{head}:\n{clipped(text, LONGEST)}"


_SHOWN: dict[str, Callable[[Any, int], str]] = {
    "pandas.DataFrame": _pandas_frame,
    "pandas.Series": _series,
    "polars.DataFrame": _polars_frame,
    "polars.Series": _series,
    "numpy.ndarray": _array,
}
