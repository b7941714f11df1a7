"""What several answers beside each other look like and do, in JupyterLab in a real browser."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import DONE, END, chunked, delta, finish, sse_head
from test_compare import WITH_BUTTONS
from test_hostile_page import IS_TRUSTED, LAST, MILD, NUMBERED, POKE, WITNESS, cut

from g4f_magic.display.columns import bundle
from g4f_magic.messages import Answer, Compared

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.byteserver import ByteServer, Exchange
    from support.lab import Lab
    from support.lab_page import LabPage

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

pytestmark = pytest.mark.browser

IMPORT = "from g4f_magic.compare import compare"
#: Where the columns of the last output are: the left and upper edges of each, and its text.
COLUMNS = """() => [...document.querySelectorAll(".jp-OutputArea-output td > b")].map(name => {
    const column = name.parentElement, {left, top, width} = column.getBoundingClientRect();
    return {left, top, width, text: column.innerText};
})"""


def columns_of(page: LabPage) -> list[dict[str, Any]]:
    """The columns that are on the page."""
    columns: list[dict[str, Any]] = page.page.evaluate(COLUMNS)
    return columns


def endless(exchange: Exchange) -> None:
    """A service that counts until nobody listens any more."""
    exchange.send(sse_head())
    number = 0
    while exchange.sleep(0.02):
        number += 1
        exchange.send(chunked(delta(f"{exchange.request.json['model']}{number} ")))


def open_cells(lab: Lab, page: LabPage, name: str, *cells: str) -> None:
    """Opens a notebook of these cells, below one that has loaded the extension."""
    lab.write_notebook(f"{name}.ipynb", [f"%load_ext g4f_magic\n{IMPORT}", *cells])
    page.open(f"{name}.ipynb")
    page.run(0)
    page.wait_warm()


def harm(page: LabPage) -> list[str]:
    """What ran, what was asked from elsewhere and what waits to be clicked."""
    page.page.locator(".jp-CodeCell").last.locator("mjx-container").last.wait_for()
    page.page.evaluate(POKE.replace("RenderedMarkdown", "RenderedHTML"))
    page.page.wait_for_load_state("networkidle")
    ran = [line for line in page.console if line.startswith("canary")]
    return [*ran, *page.asked_elsewhere, *page.page.evaluate("window.faults")]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_answer_does_harm(lab: Lab, lab_page: LabPage, byte_server: StartServer) -> None:
    """What runs in the notebook has the kernel and the files: at once, or when it is opened."""
    texts = ["\n\n".join(NUMBERED[start : start + 4]) for start in range(0, MILD, 4)]
    texts += [*NUMBERED[MILD:], LAST]

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head())
        for piece in cut(texts[int(exchange.request.json["model"])], 12):
            exchange.send(chunked(delta(piece)))
            exchange.sleep(0.02)
        exchange.send(chunked(finish() + DONE) + END)

    url = f"{byte_server(script).url}/v1"
    loop = f"for start in range(0, {len(texts)}, 16):\n"
    loop += f"    names = [str(n) for n in range(start, min(start + 16, {len(texts)}))]\n"
    loop += f"    compare('hi', names, provider='{url}')"
    lab_page.context.add_init_script(WITNESS)
    open_cells(lab, lab_page, "harm", loop)
    lab_page.run(1)
    lab_page.wait_text(1, "The last formula")
    assert len(columns_of(lab_page)) == len(texts)
    assert harm(lab_page) == []
    lab_page.save()
    lab_page.open("harm.ipynb")
    assert lab_page.page.evaluate(IS_TRUSTED)
    lab_page.wait_text(1, "The last formula")
    assert harm(lab_page) == []


def test_all_columns_grow_beside_each_other(
    lab: Lab, lab_page: LabPage, byte_server: StartServer
) -> None:
    """Who compares looks from one to the other while they write."""
    url = byte_server(endless).url
    cell = f"compare('hi', ['a', 'b', 'c', 'd'], provider='{url}/v1')"
    open_cells(lab, lab_page, "grow", cell)
    lab_page.run(1, wait=False)
    for name in "abcd":
        lab_page.wait_text(1, f"{name}5 ")
    before = columns_of(lab_page)
    assert len({column["top"] for column in before}) == 1
    assert len({column["left"] for column in before}) == 4
    lab_page.page.wait_for_function(
        f"before => ({COLUMNS})().every((column, place) => column.text !== before[place])",
        arg=[column["text"] for column in before],
    )
    lab_page.page.set_viewport_size({"width": 600, "height": 900})
    lab_page.page.wait_for_function(f"new Set(({COLUMNS})().map(c => c.left)).size === 1")
    lab_page.interrupt()
    lab_page.wait_done(1)
    lab_page.wait_text(1, "interrupted after")
    notebook = lab_page.page.locator(".jp-WindowedPanel-outer")
    assert notebook.evaluate("panel => panel.scrollWidth <= panel.clientWidth")


@pytest.mark.slow
def test_one_is_stopped_and_then_all(lab: Lab, lab_page: LabPage, byte_server: StartServer) -> None:
    """A model that talks too long is stopped alone; the others go on, and can be stopped too."""
    server = byte_server(endless)
    models = ["first", "second", "third"]
    code = WITH_BUTTONS.format(url=server.url, models=models)
    open_cells(lab, lab_page, "stop", code, "[column.answer.state for column in columns]")
    lab_page.run(1, wait=False)
    area = lab_page.output(1)
    area.get_by_role("button", name="Stop second").click()
    lab_page.wait_text(1, "interrupted after")
    assert area.get_by_role("button", name="Stop second").is_disabled()
    server.wait_for(lambda: sum(e.client_closed for e in server.exchanges) == 1, timeout=5)
    for name in ("first", "third"):
        lab_page.wait_text(1, f"{name}60 ")
    area.get_by_role("button", name="Stop all").click()
    lab_page.wait_done(1)
    assert area.get_by_role("button").count() == 0
    server.wait_for(lambda: all(e.client_closed for e in server.exchanges), timeout=5)
    lab_page.run(2)
    assert lab_page.output(2).inner_text().count("interrupted") == 3


def test_a_stranger_s_notebook_shows_the_same(lab: Lab, lab_page: LabPage) -> None:
    """What is sent around is not trusted where it is read, and loses scripts and odd styles."""
    answers = [Compared(name, Answer(f"Says *{name}*.", model=name)) for name in "abc"]
    path = lab.write_notebook("sent.ipynb", ["compare()"])
    book = json.loads(path.read_text())
    output = {"output_type": "display_data", "metadata": {}, "data": bundle(answers)}
    book["cells"][0]["outputs"] = [output]
    path.write_text(json.dumps(book))
    lab_page.open("sent.ipynb")
    assert not lab_page.page.evaluate(IS_TRUSTED)
    columns = columns_of(lab_page)
    assert [column["text"].split()[-2:] for column in columns] == [["Says", f"{n}."] for n in "abc"]
    assert len({column["top"] for column in columns}) == 1
    assert lab_page.output(0).locator("em").count() == 3
    lab_page.page.set_viewport_size({"width": 600, "height": 900})
    lab_page.page.wait_for_function(f"new Set(({COLUMNS})().map(c => c.left)).size === 1")


@pytest.mark.slow
def test_an_answer_is_kept_with_a_click(
    lab: Lab, lab_page: LabPage, byte_server: StartServer
) -> None:
    """Whoever has read the columns goes on with the best, and the file needs no kernel."""

    def script(exchange: Exchange) -> None:
        text = f"I am {exchange.request.json['model']}."
        exchange.send(sse_head() + chunked(delta(text) + finish() + DONE) + END)

    ask = f"%%chat -p {byte_server(script).url}/v1 -m a -m b\nWho are you?"
    open_cells(lab, lab_page, "kept", ask, "%g4f_chats show")
    lab_page.run(1)
    assert "a ✓ kept" in columns_of(lab_page)[0]["text"]
    lab_page.output(1).get_by_role("button", name="b", exact=True).click()
    lab_page.page.wait_for_function(f"({COLUMNS})()[1].text.includes('b ✓ kept')")
    assert "kept" not in columns_of(lab_page)[0]["text"]
    lab_page.run(2)
    assert "I am b." in lab_page.wait_text(2, "kept of")
    lab_page.output(1).get_by_text("Keep").wait_for(state="hidden")
    lab_page.save()
    saved = json.loads((lab.root / "kept.ipynb").read_text())
    views = [
        output["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
        for output in saved["cells"][1]["outputs"]
        if "application/vnd.jupyter.widget-view+json" in output["data"]
    ]
    assert views in ([], [""])
