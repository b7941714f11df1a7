"""Code of an answer in a new cell below, or in a terminal as the next input; never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..fenced import cell_code

if TYPE_CHECKING:
    from ..messages import Answer
    from ..prompts.conversation import Cell


class NextCell:
    """The way to the next cell of one shell.

    A front end opens one cell for an execution, below the one that ran, and another one
    when that runs again; so what a cell has given already is not given twice.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._given: dict[str, str] = {}  # the code by the cell that asked for it

    def take(self, answer: Answer, cell: Cell | None) -> None:
        """Put the code of an answer there, if there is any that is new."""
        code = cell_code(answer.text).code
        if not code or (cell is not None and self._given.get(cell.id) == code):
            return
        if cell is not None:
            self._given[cell.id] = code
        self._shell.set_next_input(code)
