"""Notebook 7 and nbclassic, as people who never went to JupyterLab use them."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.byteserver import stream_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser
    from support.byteserver import ByteServer
    from support.lab import Lab
    from support.lab_page import LabPage

    #: Opens a notebook of these cells on a server, after one that loads the extension.
    Open = Callable[..., LabPage]

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SCREENSHOTS = Path(__file__).parent.parent / "build" / "screenshots"
LOAD = "%load_ext g4f_magic"
#: Long enough for a front end to show what it can do with widgets.
FIRST = "%%chat -m demo-slow --max-tokens 40\nHello"


@pytest.fixture(scope="module")
def server() -> Iterator[Lab]:
    """Notebook 7 and nbclassic on one server."""
    from support.notebook_pages import NotebookServer  # noqa: PLC0415 - playwright is slow to import

    with NotebookServer() as running:
        yield running


@pytest.fixture(scope="module")
def server_without_widgets() -> Iterator[Lab]:
    """The same, without the front end's part of ipywidgets."""
    from support.notebook_pages import NotebookServer  # noqa: PLC0415 - as above

    with NotebookServer(has_widgets=False) as running:
        yield running


@pytest.fixture(params=["notebook7", "nbclassic"])
def front_end(request: pytest.FixtureRequest) -> str:
    """The name of a front end."""
    name: str = request.param
    return name


@pytest.fixture
def path(front_end: str, request: pytest.FixtureRequest) -> str:
    """A notebook of this test only, since a kernel goes with a path."""
    return f"{front_end}-{request.node.originalname}.ipynb"


@pytest.fixture
def open_cells(front_end: str, path: str, browser: Browser) -> Iterator[Open]:
    """Opens a notebook of these cells in the front end, and runs the first."""
    from support.notebook_pages import ClassicPage, NotebookPage  # noqa: PLC0415 - as above

    kinds = {"notebook7": NotebookPage, "nbclassic": ClassicPage}
    with contextlib.ExitStack() as stack:

        def start(server: Lab, *cells: str) -> LabPage:
            server.write_notebook(path, [LOAD, *cells])
            page = stack.enter_context(kinds[front_end](server, browser))
            page.open(path)
            page.run(0)
            return page

        yield start


def test_an_answer_grows_while_the_cell_runs(
    front_end: str, path: str, server: Lab, open_cells: Open
) -> None:
    """Reading begins with the first words, and what is saved is one document."""
    page = open_cells(server, "%%chat -m demo-slow --max-tokens 90\nExplain a p-value, please")
    page.run(1, wait=False)
    early = page.wait_text(1, "not a language model")
    late = page.wait_text(1, "p-value, for a ten-year-old")
    assert page.is_running(1)
    assert len(late) > len(early)
    page.screenshot(SCREENSHOTS / f"{front_end}-streaming.png")
    page.wait_done(1)
    page.wait_text(1, "length limit")
    page.screenshot(SCREENSHOTS / f"{front_end}-answered.png")
    page.save()
    saved = server.read_notebook(path)
    outputs = saved["cells"][1]["outputs"]
    assert [sorted(output["data"]) for output in outputs] == [["text/markdown", "text/plain"]]
    assert "ten-year-old" in "".join(outputs[0]["data"]["text/markdown"])
    assert "widgets" not in saved["metadata"]


def test_stop_in_the_toolbar_leaves_one_line(front_end: str, server: Lab, open_cells: Open) -> None:
    """■ is what everybody knows; the next cell runs."""
    page = open_cells(server, "%%chat -m demo-slow\nHello", "6 * 7")
    page.run(1, wait=False)
    page.wait_text(1, "not a language model")
    page.interrupt()
    page.wait_done(1)
    shown = page.wait_text(1, "Stopped after")
    assert shown.count("Stopped after") == 1
    assert "not a language model" in shown
    assert "Traceback" not in shown
    page.screenshot(SCREENSHOTS / f"{front_end}-stopped.png")
    page.run(2)
    page.wait_text(2, "42")


def test_code_appears_in_a_cell_below(
    front_end: str, server: Lab, open_cells: Open, byte_server: Callable[..., ByteServer]
) -> None:
    """It is there to be read and run, and has not run by itself."""
    url = byte_server(stream_script(["```python\nprint(6 * 7)\n```"])).url
    page = open_cells(server, f"%%chat -p {url}/v1 -m m -f code\nhi")
    page.run(1)
    page.wait_text(1, "the code is in the cell below")
    assert "42" not in page.output(2).inner_text()
    page.screenshot(SCREENSHOTS / f"{front_end}-code.png")
    page.run(2)
    page.wait_text(2, "42")


def test_a_button_stops_where_a_click_arrives(
    front_end: str, server: Lab, open_cells: Open
) -> None:
    """A button that does nothing is worse than none: nbclassic's clicks wait for the cell's end."""
    page = open_cells(server, FIRST, "%%chat -m demo-slow\nHello")
    page.run(1)
    page.run(2, wait=False)
    page.wait_text(2, "not a language model")
    button = page.output(2).locator("button", has_text="Stop")
    if front_end == "nbclassic":
        assert button.count() == 0
        page.interrupt()
    else:
        page.screenshot(SCREENSHOTS / f"{front_end}-button.png")
        button.click()
    page.wait_text(2, "Stopped after")


def test_a_notebook_that_moves_to_nbclassic_leaves_the_button_behind(
    server: Lab, browser: Browser
) -> None:
    """The kernel is the same and still knows what the page before could do."""
    from support.notebook_pages import ClassicPage, NotebookPage  # noqa: PLC0415 - as above

    server.write_notebook("moved.ipynb", [LOAD, FIRST])
    with NotebookPage(server, browser) as before:
        before.open("moved.ipynb")
        before.run(0)
        before.run(1)
    with ClassicPage(server, browser) as page:
        page.open("moved.ipynb")
        page.run(1, wait=False)
        page.wait_text(1, "not a language model")
        assert page.output(1).locator("button").count() == 0
        page.wait_done(1)


def test_errors_and_pictures_are_seen(front_end: str, server: Lab, open_cells: Open) -> None:
    """An error is red and short; a picture is there without a network."""
    page = open_cells(server, "%%chat -m demo-error 401\nHello", "%chat -m demo-image a fox")
    page.run(1)
    assert "401" in page.wait_text(1, "ResponseError")
    page.run(2)
    picture = page.output(2).locator("img")
    picture.wait_for()
    assert picture.evaluate("picture => picture.decode().then(() => picture.naturalWidth)") > 100
    picture.scroll_into_view_if_needed()
    page.screenshot(SCREENSHOTS / f"{front_end}-error-and-picture.png")


def test_nothing_odd_is_seen_without_widgets(
    front_end: str, server_without_widgets: Lab, open_cells: Open
) -> None:
    """Many servers have ipywidgets in the kernel and nothing in the page to draw them."""
    page = open_cells(server_without_widgets, FIRST, FIRST)
    page.run(1)
    page.run(2, wait=False)
    growing = page.wait_text(2, "not a language model")
    page.screenshot(SCREENSHOTS / f"{front_end}-without-widgets.png")
    page.wait_done(2)
    for shown in (growing, page.wait_text(2, "length limit")):
        assert "demo-slow" in shown
        assert not re.search(r"Error|\w+\(\w+=", shown)
