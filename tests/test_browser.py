"""A person's first minute in JupyterLab, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.lab import Lab
    from support.lab_page import LabPage

pytestmark = pytest.mark.browser

SCREENSHOTS = Path(__file__).parent.parent / "build" / "screenshots"


def test_an_answer_grows_while_the_cell_runs(lab: Lab, lab_page: LabPage) -> None:
    """Type a prompt, press Shift+Enter, and read while it is being written."""
    lab.write_notebook("chat.ipynb", ["%load_ext g4f_magic", "", ""])
    lab_page.open("chat.ipynb")
    lab_page.run(0)
    lab_page.type(1, "%%chat -m demo-slow --max-tokens 90\nExplain a p-value, please")
    lab_page.run(1, wait=False)
    lab_page.wait_text(1, "not a language model")
    early = len(lab_page.output(1).inner_text())
    assert lab_page.is_running(1)
    lab_page.wait_text(1, "p-value, for a ten-year-old")
    assert len(lab_page.output(1).inner_text()) > early
    assert lab_page.is_running(1)
    lab_page.screenshot(SCREENSHOTS / "streaming.png")
    lab_page.wait_done(1)
    assert "length limit" in lab_page.output(1).inner_text()
    assert lab_page.output(1).locator(".jp-OutputArea-child").count() == 1
    lab_page.screenshot(SCREENSHOTS / "answered.png")


def test_the_saved_notebook_holds_one_markdown_output(lab: Lab, lab_page: LabPage) -> None:
    """What is saved reads anywhere."""
    lab.write_notebook("saved.ipynb", ["%load_ext g4f_magic", "%%chat\nHello"])
    lab_page.open("saved.ipynb")
    lab_page.run(0)
    lab_page.run(1)
    lab_page.wait_text(1, "tokens/s")
    lab_page.save()
    outputs = lab.read_notebook("saved.ipynb")["cells"][1]["outputs"]
    assert [sorted(output["data"]) for output in outputs] == [["text/markdown", "text/plain"]]


def test_stop_in_the_toolbar_leaves_one_line(lab: Lab, lab_page: LabPage) -> None:
    """■ is what everybody knows."""
    lab.write_notebook("stop.ipynb", ["%load_ext g4f_magic", "%%chat -m demo-slow\nHello"])
    lab_page.open("stop.ipynb")
    lab_page.run(0)
    lab_page.run(1, wait=False)
    lab_page.wait_text(1, "not a language model")
    lab_page.interrupt()
    lab_page.wait_done(1)
    text = lab_page.output(1).inner_text()
    assert "Stopped after" in text
    assert "interrupted after" in text
    assert "Traceback" not in text
    lab_page.screenshot(SCREENSHOTS / "stopped.png")
