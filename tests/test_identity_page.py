"""A notebook and its cells stay themselves, whatever is done to them in the page."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser
    from support.lab import Lab
    from support.lab_page import LabPage

    #: Opens a notebook in a page of its own.
    Open = Callable[[str], LabPage]

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ASK = """import json
from g4f_magic.cell.front_end import FrontEnd
front_end = FrontEnd(get_ipython())
print("told:", json.dumps([front_end.notebook(), front_end.cell().id]))"""
#: Keeps a turn as a chat would; says what it goes on with, and where.
CHAT = """import json
from g4f_magic.store.adoption import adopt
from g4f_magic.cell.front_end import FrontEnd
from g4f_magic.store.saved import SavedTurn
from g4f_magic.store.store import Store, default_path
front_end, store = FrontEnd(get_ipython()), Store(default_path())
cell = front_end.cell()
if "key" not in globals():
    key = adopt(store, front_end.notebook(), cell.id)
store.begin(key, "main", SavedTurn(prompt="{}", cell_id=cell.id, execution=cell.execution))
said = " ".join(turn.prompt for turn in store.turns(key, "main"))
store.close()
print("told:", json.dumps([key, said]))"""


@pytest.fixture(scope="module", params=["lab", "notebook7"])
def server(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A server whose pages are those of JupyterLab or of Notebook 7."""
    from support.lab import Lab  # noqa: PLC0415 - only where a page is tested
    from support.notebook_pages import NotebookServer  # noqa: PLC0415 - playwright is slow

    with Lab() if request.param == "lab" else NotebookServer() as running:
        yield running


@pytest.fixture
def open_page(server: Lab, browser: Browser) -> Iterator[Open]:
    """Opens notebooks, each in a page of its own."""
    from support.lab_page import LabPage  # noqa: PLC0415 - playwright is slow to import
    from support.notebook_pages import NotebookPage, NotebookServer  # noqa: PLC0415 - as above

    kind = NotebookPage if isinstance(server, NotebookServer) else LabPage
    with contextlib.ExitStack() as stack:
        yield lambda path: stack.enter_context(kind(server, browser)).open(path)


def run(page: LabPage, number: int, source: str | None = None) -> list[str]:
    """Runs a cell, with another source if one is given; returns what it said."""
    if source is not None:
        page.type(number, source)
    page.run(number)
    told: list[str] = json.loads(page.wait_text(number, "told:").partition("told:")[2])
    return told


def do(page: LabPage, operation: str, *paths: str) -> None:
    """Does something to files as the page's file browser does."""
    call = f"paths => window.jupyterapp.serviceManager.contents.{operation}(...paths)"
    page.page.evaluate(call, list(paths))


def command(page: LabPage, number: int, *names: str) -> None:
    """Runs commands on a cell."""
    page.select(number)
    page.page.keyboard.press("Escape")
    for name in names:
        page.command(f"notebook:{name}")


def chat(page: LabPage, prompt: str) -> list[str]:
    """Chats in a new last cell; returns under which key, and what was said there by now."""
    number = page.page.locator(".jp-Notebook .jp-CodeCell").count()
    command(page, number - 1, "insert-cell-below")
    return run(page, number, CHAT.format(prompt))


def close(page: LabPage) -> None:
    """Saves the notebook and ends its kernel."""
    page.save()
    page.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")


def test_a_cell_keeps_its_name(server: Lab, open_page: Open) -> None:
    """Run again, changed, moved: it is the same cell, and its turn is replaced."""
    path = server.write_notebook("cells.ipynb", [ASK, "0"])
    page = open_page(path.name)
    first = [str(path), "cell-0"]
    assert run(page, 0) == run(page, 0) == first
    assert run(page, 0, ASK + "  # changed") == first
    command(page, 0, "move-cell-down")
    assert run(page, 1) == first
    command(page, 1, "cut-cell", "paste-cell-below")
    assert run(page, 1) == first


def test_a_cell_that_is_copied_or_split_is_two(server: Lab, open_page: Open) -> None:
    """Both may chat, and neither replaces what the other has said."""
    page = open_page(server.write_notebook("copied.ipynb", [ASK]).name)
    command(page, 0, "copy-cell", "paste-cell-below")
    names = {run(page, 0)[1], run(page, 1)[1]}
    page.select(0)
    page.page.keyboard.press("ArrowDown")
    page.command("notebook:split-cell-at-cursor")
    names |= {run(page, number, ASK)[1] for number in range(3)}
    assert len(names) == 3
    assert "cell-0" in names


def test_a_conversation_goes_where_its_notebook_goes(server: Lab, open_page: Open) -> None:
    """A name is given when there is something to name; nothing said before is lost."""
    before, after = server.write_notebook("first.ipynb", []), server.root / "second.ipynb"
    page = open_page(before.name)
    assert chat(page, "one") == [str(before), "one"]
    page.save()
    do(page, "rename", before.name, after.name)
    assert chat(page, "two") == [str(before), "one two"]  # nobody tells the kernel
    kernel = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
    page.page.evaluate(f"{kernel}.restart()")
    page.wait_idle()
    assert chat(page, "three")[1] == "one two three"
    close(page)
    assert chat(open_page(after.name), "four") == [str(after), "one two three four"]


def test_a_copied_notebook_begins_with_nothing(server: Lab, open_page: Open) -> None:
    """It has the same cells, and is another notebook."""
    page = open_page(server.write_notebook("original.ipynb", []).name)
    chat(page, "one")
    page.save()
    do(page, "copy", "original.ipynb", "")
    copy = open_page("original-Copy1.ipynb")
    assert run(copy, 1) == [str(server.root / "original-Copy1.ipynb"), "one"]
    assert chat(copy, "two")[1] == "one two"
    assert run(page, 1) == [str(server.root / "original.ipynb"), "one"]


def test_a_new_notebook_of_an_old_name_begins_with_nothing(server: Lab, open_page: Open) -> None:
    """Every notebook is ``Untitled.ipynb`` at first; two kernels are then told the same path."""
    draft = server.write_notebook("draft.ipynb", [])
    renamed = open_page(draft.name)
    chat(renamed, "one")
    do(renamed, "rename", draft.name, "renamed.ipynb")
    server.write_notebook(draft.name, [])
    new = open_page(draft.name)
    assert chat(new, "another")[1] == "another"
    assert chat(renamed, "two")[1] == "one two"
    assert chat(new, "more")[1] == "another more"
    close(renamed)
    close(new)
    assert chat(open_page("renamed.ipynb"), "three")[1] == "one two three"
    assert chat(open_page(draft.name), "most")[1] == "another more most"


def test_nbclassic_tells_neither_notebook_nor_cell(browser: Browser) -> None:
    """It starts kernels for a folder; all notebooks in it must not share a conversation."""
    from support.notebook_pages import ClassicPage, NotebookServer  # noqa: PLC0415 - as above

    with NotebookServer() as server, ClassicPage(server, browser) as page:
        server.write_notebook("classic.ipynb", [ASK.replace("cell().id", "cell()")])
        page.open("classic.ipynb")
        assert run(page, 0) == ["", None]
