"""An answer in the form that its cell asks for, in JupyterLab in a real browser."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.byteserver import DONE, END, Exchange, chunked, delta, finish, sse_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.byteserver import ByteServer
    from support.lab import Lab
    from support.lab_page import LabPage

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FAR = "http://far.invalid"
ANSWERS = {
    "page": f"""```html
<!DOCTYPE html><html><head>
<meta http-equiv="refresh" content="0;url={FAR}/refresh">
<link rel="stylesheet" href="{FAR}/style.css"><link rel="preconnect" href="{FAR}">
<base href="{FAR}/">
<style>body {{ background: url({FAR}/back.png) }} h1 {{ color: green }}</style>
<script>console.log("canary script"); fetch("{FAR}/script")</script></head>
<body onload="console.log('canary load')">
<h1 id="title">Sandboxed page</h1>
<p>It has its styles, and nothing in it runs.</p>
<img src="{FAR}/picture.png" onerror="console.log('canary error')">
<iframe src="javascript:console.log('canary frame')"></iframe>
<form action="{FAR}/form"><button>Send</button></form>
<a href="javascript:console.log('canary link')" target="_top">Link</a>
</body></html>
```""",
    "code": "First:\n\n```python\nsquares = [n * n for n in range(5)]\n```\n\nThen:\n\n"
    "```python\nprint(squares)\n```\n\nThat prints:\n\n```\n[0, 1, 4, 9, 16]\n```",
    "tree": 'Here you are:\n\n```json\n{"name": "Ada", "born": [1815, 12, 10]}\n```',
}


def open_cells(lab: Lab, page: LabPage, url: str, *cells: tuple[str, str]) -> None:
    """Opens a notebook that asks for answers by name, each in a form, below a loading cell."""
    asks = [f"%%chat --new -p {url}/v1 -m {name} {options}\nhi" for name, options in cells]
    lab.write_notebook("views.ipynb", ["%load_ext g4f_magic", *asks])
    page.open("views.ipynb")
    page.run(0)


def answer_by_name(exchange: Exchange) -> None:
    """A service whose models are the answers."""
    text = ANSWERS[exchange.request.json["model"]]
    exchange.send(sse_head() + chunked(delta(text) + finish() + DONE) + END)


def test_code_appears_in_a_cell_below_and_does_not_run(
    lab: Lab, lab_page: LabPage, byte_server: Callable[..., ByteServer]
) -> None:
    """Copying pieces out of an answer into cells is what this takes away."""
    open_cells(lab, lab_page, byte_server(answer_by_name).url, ("code", "-f code"))
    lab_page.run(1)
    lab_page.wait_text(1, "the code is in the cell below")
    source = lab_page.cell(2).locator(".cm-content").inner_text()
    assert source.startswith("squares = [")
    assert source.endswith("print(squares)")
    assert lab_page.prompt(2).inner_text() == "[ ]:"
    lab_page.run(1)
    lab_page.wait_text(1, "the code is in the cell below")
    assert lab_page.page.locator(".jp-Notebook .jp-CodeCell").count() == 3
    lab_page.run(2)
    assert "[0, 1, 4, 9, 16]" in lab_page.output(2).inner_text()


def test_a_page_of_a_model_runs_and_loads_nothing(
    lab: Lab, lab_page: LabPage, byte_server: Callable[..., ByteServer]
) -> None:
    """What runs in the notebook has the kernel and the files, and an address can tell on."""
    far = byte_server(Exchange.close)
    page = ANSWERS["page"].replace(FAR, far.url)

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta(page) + finish() + DONE) + END)

    open_cells(lab, lab_page, byte_server(script).url, ("page", "-f html"))
    lab_page.run(1)
    frame = lab_page.output(1).frame_locator("iframe")
    title = frame.locator("#title")
    title.wait_for()
    assert title.evaluate("node => getComputedStyle(node).color") == "rgb(0, 128, 0)"
    assert frame.locator("body").inner_text().startswith("Sandboxed page")
    frame.get_by_role("button", name="Send").click()
    frame.get_by_role("link", name="Link").click()
    lab_page.page.wait_for_load_state("networkidle")
    assert [line for line in lab_page.console if line.startswith("canary")] == []
    assert far.connections == 0
    lab_page.output(1).get_by_text("Source").click()
    assert "canary script" in lab_page.output(1).locator("pre").inner_text()


def test_json_is_a_tree_that_the_file_keeps(
    lab: Lab, lab_page: LabPage, byte_server: Callable[..., ByteServer]
) -> None:
    """A large object is looked through by folding, and the file has it for every reader."""
    open_cells(lab, lab_page, byte_server(answer_by_name).url, ("tree", "-f json"))
    lab_page.run(1)
    tree = lab_page.output(1).locator(".jp-RenderedJSON")
    tree.get_by_text("Ada").wait_for()
    lab_page.save()
    saved = json.loads((lab.root / "views.ipynb").read_text())
    assert set(saved["cells"][1]["outputs"][0]["data"]) == {
        *("application/json", "text/markdown", "text/plain")
    }


def test_a_cell_that_failed_is_corrected_below(
    lab: Lab, lab_page: LabPage, byte_server: Callable[..., ByteServer]
) -> None:
    """From the red box to a cell that works is one line and one look."""
    fix = f"%chat --new -p {byte_server(answer_by_name).url}/v1 -m code --fix -f code"
    lab.write_notebook("fix.ipynb", ["%load_ext g4f_magic", "print(squares[0]", fix])
    lab_page.open("fix.ipynb")
    lab_page.run(0)
    lab_page.run(1)
    lab_page.wait_text(1, "SyntaxError")
    lab_page.run(2)
    lab_page.wait_text(2, "the code is in the cell below")
    assert lab_page.prompt(3).inner_text() == "[ ]:"
    lab_page.run(3)
    assert "[0, 1, 4, 9, 16]" in lab_page.output(3).inner_text()
