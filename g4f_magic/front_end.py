"""What the front end tells about the cell that runs, and about itself."""

from __future__ import annotations

from typing import Any

from .conversation import Cell


class FrontEnd:
    """Reads the request that the shell works on; asked anew for each cell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    @property
    def is_terminal(self) -> bool:
        """Whether outputs are lines of a terminal."""
        return not hasattr(self._shell, "kernel")

    def cell(self) -> Cell | None:
        """Return the cell that runs, where the front end names it."""
        request = self._request()
        cell_id = request.get("metadata", {}).get("cellId")
        if not cell_id:
            return None
        return Cell(str(cell_id), str(request.get("header", {}).get("msg_id", "")))

    def is_whole_cell(self) -> bool:
        """Tell whether a chat magic is all there is in the cell that runs."""
        code = self._code().strip()
        return code.startswith("%%chat") or (code.startswith("%chat") and "\n" not in code)

    def as_written(self, line: str, body: str) -> str:
        """Return the body of a cell magic without what IPython does to it as to code.

        It cuts ``>>>``, ``...`` and common indents out of the bodies of magics, too (9.18).
        """
        first, _, written = self._code().lstrip("\n").partition("\n")
        return written if first.split() == ["%%chat", *line.split()] else body

    def _code(self) -> str:
        if self.is_terminal:
            return str(self._shell.history_manager.input_hist_raw[-1])
        return str(self._request().get("content", {}).get("code", ""))

    def _request(self) -> dict[str, Any]:
        request: dict[str, Any] = {} if self.is_terminal else self._shell.kernel.get_parent("shell")
        return request
