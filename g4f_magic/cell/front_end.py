"""What the front end tells about the cell that runs, and about itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from ..prompts.conversation import Cell


class FrontEnd:
    """Reads what the shell works on: the request of the cell that runs."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._notebook = ""

    @property
    def is_terminal(self) -> bool:
        """Whether outputs are lines of a terminal."""
        return not hasattr(self._shell, "kernel")

    @property
    def may_click(self) -> bool:
        """Whether somebody may be there to click, as nobody is where notebooks are executed."""
        asks = self._request().get("content", {}).get("allow_stdin")
        return bool(asks) or self.cell() is not None

    def cell(self) -> Cell | None:
        """Return the cell that runs, where the front end names it."""
        request = self._request()
        cell_id = request.get("metadata", {}).get("cellId")
        if not cell_id:
            return None
        return Cell(str(cell_id), str(request.get("header", {}).get("msg_id", "")))

    def notebook(self) -> str:
        """Return what tells the notebook from others, its path as a rule; "" where nothing does.

        Once known it stays the same, though the file be renamed or the variables be deleted.
        """
        if not self._notebook and not self.is_terminal:
            self._notebook = self._identity()
        return self._notebook

    def is_whole_cell(self) -> bool:
        """Tell whether a chat magic is all there is in the cell that runs."""
        code = self._code().strip()
        return code.startswith("%%chat") or (code.startswith("%chat") and "\n" not in code)

    def as_written(self, line: str, body: str) -> str:
        """Return the body of a cell magic without what IPython does to it as to code.

        The line ends around it are left out. IPython cuts ``>>>``, ``...`` and common indents
        out of the bodies of magics, too (9.18).
        """
        code = self._code()
        first, _, written = code.lstrip().partition("\n")
        is_altered = written.strip("\r\n") != body.strip("\r\n")
        if is_altered and first.split() == ["%%chat", *line.split()]:
            # Else it is a function that a {{ }} of the cell calls, and that chats as well.
            call = f"get_ipython().run_cell_magic('chat', {line!r}, {body!r})\n"
            body = written if self._shell.transform_cell(code) == call else body
        return body.strip("\r\n")

    def _identity(self) -> str:
        if "google.colab" in sys.modules:
            return "Colab"  # a machine has one notebook only, whose path it does not know
        path = Path(str(self._shell.user_ns.get("__vsc_ipynb_file__") or self._session_name()))
        if not path.is_absolute():
            return ""  # not saved yet
        is_notebook = path.suffix == ".ipynb" or path.is_file()  # else it is a console
        return os.path.realpath(path) if is_notebook else ""

    def _session_name(self) -> str:
        """Return the path that Jupyter's server has started the kernel for.

        Programs that a cell starts inherit it. A notebook that one of them runs is not ours:
        nobody is there to answer its questions.
        """
        request = self._request()
        asks = request.get("content", {}).get("allow_stdin")
        name = os.environ.get("JPY_SESSION_NAME", "")
        if not name or not (asks or request.get("metadata", {}).get("cellId")):
            return ""
        # Older servers tell it from their own root; the kernel starts in the notebook's folder.
        path = Path(name)
        return name if path.is_absolute() else str(Path(self._shell.starting_dir, path.name))

    def _code(self) -> str:
        if self.is_terminal:
            return str(self._shell.history_manager.input_hist_raw[-1])
        return str(self._request().get("content", {}).get("code", ""))

    def _request(self) -> dict[str, Any]:
        request: dict[str, Any] = {} if self.is_terminal else self._shell.kernel.get_parent("shell")
        return request
