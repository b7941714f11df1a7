"""The list of models and its picker in JupyterLab, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.byteserver import json_reply
from support.chat_bytes import stream_script

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator
    from support.byteserver import ByteServer, Exchange
    from support.lab import Lab
    from support.lab_page import LabPage

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = (
    '<img src=x onerror="window.hacked = 1">',
    "</script><script>window.hacked = 1</script>",
    r"zz $\href{javascript:window.hacked=1}{x}$ \(x\)",
)


def two_thousand(exchange: Exchange) -> None:
    """A script of a service with 2,000 models, three of them hostile, that answers chats."""
    if exchange.request.method != "GET":
        stream_script(["Hello ", "there."])(exchange)
        return
    models = [
        {"id": f"maker/model-{number}", "pricing": {"input": number / 4, "output": 1}}
        for number in range(1997)
    ]
    hostile = [{"id": name} for name in HOSTILE]
    exchange.send(json_reply(200, {"data": [*hostile, *models]}))


def open_list(lab: Lab, page: LabPage, server: ByteServer, *lines: str) -> None:
    """Opens a notebook whose second cell asks the server for its models, and runs it."""
    first = f"%load_ext g4f_magic\nurl = {f'{server.url}/v1'!r}"
    lab.write_notebook("models.ipynb", [first, *lines])
    page.open("models.ipynb")
    page.run(0)
    page.run(1)


def rows(page: LabPage) -> Locator:
    """The rows of the table in the second cell."""
    return page.output(1).locator("tbody tr")


def assert_unharmed(page: LabPage) -> None:
    """Nothing of a name has run, or become a formula."""
    assert page.page.evaluate("window.hacked") is None
    expect(page.output(1).locator("mjx-container, img")).to_have_count(0)


def test_the_table_filters_and_sorts_in_the_page(
    lab: Lab, lab_page: LabPage, byte_server: StartServer
) -> None:
    """Among 2,000 models one finds one's own without running the cell again."""
    server = byte_server(two_thousand)
    open_list(lab, lab_page, server, f"%g4f_models -p {server.url}/v1")
    search = lab_page.output(1).get_by_role("searchbox")
    expect(rows(lab_page)).to_have_count(100)
    assert_unharmed(lab_page)

    search.press_sequentially("model-199")
    expect(lab_page.output(1)).to_contain_text("8 of 2000")
    expect(rows(lab_page)).to_have_count(8)
    price = lab_page.output(1).get_by_role("columnheader", name="per 1M in")
    price.click()
    expect(rows(lab_page).first).to_contain_text("maker/model-199")
    price.press("Enter")
    expect(rows(lab_page).first).to_contain_text("maker/model-1996")
    expect(price).to_have_attribute("aria-sort", "descending")
    # Enter was for the heading, not for the notebook.
    expect(lab_page.page.locator(".jp-Notebook.jp-mod-editMode")).to_have_count(0)

    for name in HOSTILE:
        search.fill(name)
        expect(rows(lab_page)).to_have_count(1)
        expect(rows(lab_page).first).to_contain_text(name)
    assert_unharmed(lab_page)
    assert lab_page.asked_elsewhere == []


def test_a_model_is_searched_tried_and_chosen_with_the_keyboard(
    lab: Lab, lab_page: LabPage, byte_server: StartServer
) -> None:
    """The picker is for who does not know the names; nor is a mouse at every hand."""
    server = byte_server(two_thousand)
    open_list(
        lab,
        lab_page,
        server,
        f"%g4f_models -p {server.url}/v1 --pick",
        "%g4f_config provider model",
        "%chat hello",
    )
    page, output = lab_page.page, lab_page.output(1)
    options = output.locator("select option")
    expect(options).to_have_count(200)
    expect(output).to_contain_text("2,000 of 2,000, the first 200 listed")
    output.get_by_placeholder("search").click()
    page.keyboard.type("model-42")
    expect(options).to_have_count(11)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(output.locator("td").first).to_have_text("maker/model-420")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(output).to_contain_text("Hello there.")
    expect(output).to_contain_text("s to first token")
    asked = server.requests[-1].json
    assert asked["model"] == "maker/model-420"

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(output).to_contain_text("The default is now")
    lab_page.run(2)
    lab_page.wait_text(2, f"{server.url}/v1")
    lab_page.wait_text(2, "maker/model-420")
    lab_page.run(3)
    lab_page.wait_text(3, "Hello there.")
    assert server.requests[-1].json["model"] == "maker/model-420"
    assert_unharmed(lab_page)


def test_hostile_names_are_options_and_nothing_else(
    lab: Lab, lab_page: LabPage, byte_server: StartServer
) -> None:
    """A click on a name must not run it."""
    server = byte_server(two_thousand)
    open_list(lab, lab_page, server, f"%g4f_models -p {server.url}/v1 --pick")
    output = lab_page.output(1)
    for name in HOSTILE:
        output.get_by_placeholder("search").fill(name)
        expect(output.locator("select option")).to_have_count(1)
        expect(output.locator("td").first).to_have_text(name)
    assert_unharmed(lab_page)
