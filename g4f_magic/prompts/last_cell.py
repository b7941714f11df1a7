"""The cell that failed last, or the one above, put into a prompt about it."""

from __future__ import annotations

import linecache
import os
import re
import sys
import traceback
from itertools import chain
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import G4FError, UsageError
from ..fenced import fenced
from ..secret import names_secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FIX = (
    "A cell of my notebook failed. Say in a few sentences why. Then give the corrected cell, as a "
    "whole, in one fenced block."
)
_EXPLAIN = "Explain what this cell of my notebook does, step by step and in few words."
_BECAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_MEANWHILE = "\nDuring handling of the above exception, another exception occurred:\n\n"

_LONGEST_CODE = 20_000  # in characters, as all of these
_LONGEST_ERROR = 12_000
_LONGEST_MESSAGE = 2_000
_LONGEST_LINE = 200
_FIRST_FRAMES, _LAST_FRAMES = 4, 8
_SHORTEST_KEY = 8  # a shorter value is a word that stands in any text
_LOGIN = re.compile(r"(?<=://)[^/@\s]+(?=@)")  # name and password in an address
_OURS = re.compile(r"\s*(%%?chat\b|%g4f_|%(re)?load_ext g4f_magic|$)")


class Failed(NamedTuple):
    """A cell that failed: its number, its code, and what Python said."""

    number: int
    code: str
    error: str


class LastCell:
    """What of one shell's cells a question can be about; errors of this package do not count."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._failed: Failed | None = None
        error = getattr(sys, "last_value", None)
        if isinstance(error, Exception) and not isinstance(error, G4FError):
            self._failed = Failed(0, _code_of(error), told(error))

    def ended(self, result: Any) -> None:
        """Note whether a cell failed; called by IPython after each."""
        error = result.error_before_exec or result.error_in_exec
        if isinstance(error, Exception) and not isinstance(error, G4FError):
            code = str(result.info.raw_cell if result.info else "")
            self._failed = Failed(result.execution_count or 0, code, told(error))

    def about(self, *, fix: bool, explain: bool) -> str:
        """Return the prompt to fix or explain a cell; an empty one if neither is asked.

        Raises ``UsageError`` if there is no such cell.
        """
        if fix and explain:
            message = "--fix and --explain ask different things"
            raise UsageError(message, hint="--fix explains as well")
        if not (fix or explain):
            return ""
        parts = self._to_fix() if fix else self._to_explain()
        return without_keys("\n\n".join(parts), os.environ)

    def _to_fix(self) -> list[str]:
        if self._failed is None:
            message = "no cell has failed yet"
            raise UsageError(message, hint="--explain is about the cell above")
        return [_FIX, *_shown(self._failed)]

    def _to_explain(self) -> list[str]:
        number, code = self._above()
        if not code:
            message = "no cell has run before this one"
            raise UsageError(message, hint="run it first, then %chat --explain")
        is_failed = self._failed is not None and self._failed.number == number
        cell = self._failed if self._failed and is_failed else Failed(number, code, "")
        return [_EXPLAIN, *_shown(cell)]

    def _above(self) -> tuple[int, str]:
        """Return number and code of the last cell before this one that is not a chat."""
        before = list(enumerate(self._shell.history_manager.input_hist_raw))[1:-1]
        cells = ((number, str(code)) for number, code in reversed(before))
        return next(((number, code) for number, code in cells if not _OURS.match(code)), (0, ""))


def told(error: Exception) -> str:
    """Return the traceback of an error as the person's own code saw it, cut where it is long."""
    found = traceback.TracebackException.from_exception(error, compact=True)
    return cut("".join(_lines(found)), _LONGEST_ERROR).rstrip()


def cut(text: str, longest: int) -> str:
    """Return a text that is not much longer than that, and says what it leaves out."""
    if len(text) <= longest:
        return text
    half = longest // 2
    left_out = f"[… {len(text) - 2 * half} characters left out …]"
    return f"{text[:half]}\n{left_out}\n{text[-half:]}"


def without_keys(text: str, environ: Mapping[str, str]) -> str:
    """Return a text without the keys of an environment, and without what looks like one."""
    from ..providers.refusals import redacted

    keys = [value for name, value in environ.items() if names_secret(name)]
    longest_first = sorted((key for key in keys if len(key) >= _SHORTEST_KEY), key=len)[::-1]
    return _LOGIN.sub("…", redacted(text, longest_first))


def _shown(cell: Failed) -> Iterator[str]:
    number = f", In [{cell.number}]" if cell.number else ""
    yield f"The cell{number}:\n\n{fenced(cut(cell.code, _LONGEST_CODE), 'python')}"
    if cell.error:
        yield f"What Python said:\n\n{fenced(cell.error, 'text')}"


def _code_of(error: Exception) -> str:
    """Return the code of the cell that an error came from, as IPython has kept it."""
    names = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    names += [str(error.filename)] if isinstance(error, SyntaxError) else []
    return "".join(linecache.getlines(next(filter(_is_cell, names), "")))


def _lines(found: traceback.TracebackException) -> Iterator[str]:
    """Yield the lines of a traceback, what led to the error first."""
    if found.__cause__ is not None:
        yield from chain(_lines(found.__cause__), [_BECAUSE])
    elif found.__context__ is not None and not found.__suppress_context__:
        yield from chain(_lines(found.__context__), [_MEANWHILE])
    frames = [frame for frame in found.stack if "IPython" not in PurePath(frame.filename).parts]
    left_out = len(frames) - _FIRST_FRAMES - _LAST_FRAMES
    for place, frame in enumerate(frames):
        if left_out > 0 and place == _FIRST_FRAMES:
            yield f"[… {left_out} frames left out …]\n"
        if left_out <= 0 or not 0 <= place - _FIRST_FRAMES < left_out:
            line = cut(frame.line or "", _LONGEST_LINE)
            yield f"{_place(frame.filename)}, line {frame.lineno}, in {frame.name}\n    {line}\n"
    yield cut("".join(found.format_exception_only()), _LONGEST_MESSAGE)


def _place(filename: str) -> str:
    """Return where code stands, without the folders of this computer."""
    return "Cell" if _is_cell(filename) else "/".join(PurePath(filename).parts[-3:])


def _is_cell(filename: str) -> bool:
    return "ipykernel_" in filename or "ipython-input" in filename  # the latter in terminals, Colab
