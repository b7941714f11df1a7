"""Notebook 7 and nbclassic in a real browser, from the one server where both are installed."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from support.lab import NO_NEWS, Lab
from support.lab_page import LabPage

if TYPE_CHECKING:
    from playwright.sync_api import Locator

CLASSIC_IS_IDLE = """() => {
    const notebook = window.Jupyter?.notebook;
    return notebook?._fully_loaded && notebook.kernel?.is_connected() && !notebook.kernel_busy;
}"""


class NotebookServer(Lab):
    """A running Notebook 7; nbclassic is an extension of its server.

    Without ``has_widgets`` neither page has its part of ipywidgets.
    """

    def __init__(self, *, has_widgets: bool = True) -> None:
        super().__init__()
        self._has_widgets = has_widgets

    def _write_files(self) -> None:
        super()._write_files()
        if self._has_widgets:
            return
        off = NO_NEWS["disabledExtensions"] | {"@jupyter-widgets/jupyterlab-manager": True}
        files: dict[str, Any] = {
            "labconfig/page_config.json": {"disabledExtensions": off},
            "nbconfig/notebook.json": {"load_extensions": {"jupyter-js-widgets/extension": False}},
        }
        for name, content in files.items():
            path = self.home / "config" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(content))

    def _command(self) -> list[str]:
        options = [option for option in super()._command()[3:] if "--LabApp" not in option]
        shown = "--JupyterNotebookApp.expose_app_in_browser=True"
        return [sys.executable, "-m", "notebook", shown, *options]


class NotebookPage(LabPage):
    """A notebook that is open in Notebook 7, which is made of JupyterLab's parts."""

    def open(self, path: str) -> LabPage:
        """Loads a notebook; returns when its kernel is idle."""
        self.page.goto(f"{self.lab.url}/notebooks/{path}")
        self.page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for()
        self.wait_idle()
        return self


class ClassicPage(LabPage):
    """A notebook that is open in nbclassic, which shares nothing with JupyterLab."""

    def open(self, path: str) -> LabPage:
        """Loads a notebook; returns when its kernel is idle."""
        self.page.goto(f"{self.lab.url}/nbclassic/notebooks/{path}")
        self.wait_idle()
        return self

    def wait_idle(self) -> None:
        """Returns when the kernel is connected and idle."""
        self.page.wait_for_function(CLASSIC_IS_IDLE)

    def cell(self, number: int) -> Locator:
        """A code cell."""
        return self.page.locator("#notebook-container .code_cell").nth(number)

    def output(self, number: int) -> Locator:
        """The whole output area of a cell."""
        return self.cell(number).locator(".output")

    def prompt(self, number: int) -> Locator:
        """What stands before a cell: ``In [ ]:``, ``In [*]:`` or ``In [3]:``."""
        return self.cell(number).locator(".input_prompt")

    def select(self, number: int) -> None:
        """Puts the cursor into a cell."""
        self.cell(number).locator(".CodeMirror").click()

    def interrupt(self) -> None:
        """Clicks the ■ of the toolbar."""
        self.page.locator('[data-jupyter-action="jupyter-notebook:interrupt-kernel"]').click()

    def save(self) -> None:
        """Writes the notebook to disk."""
        self.page.evaluate("window.Jupyter.notebook.save_notebook()")
        expect(self.page.locator(".autosave_status")).to_contain_text("autosaved")
