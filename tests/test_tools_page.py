"""What a model that calls functions looks like, in JupyterLab in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from test_page import SCREENSHOTS
from test_tool_calls import Said, Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.byteserver import ByteServer, Exchange
    from support.lab import Lab
    from support.lab_page import LabPage

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FUNCTIONS = """%load_ext g4f_magic
import time

def weather(city: str) -> dict:
    "Tell the weather of a city."
    print("asked the station")
    return {"city": city, "sky": "<b>rain</b>", "degrees": 7}

def slow():
    time.sleep(60)
"""


@pytest.mark.timeout(240)
def test_calls_are_folded_where_they_happened(
    lab: Lab, lab_page: LabPage, byte_server: StartServer
) -> None:
    """Who reads an answer sees what was called, opens it, and finds the same in the file."""
    calls = (("weather", {"city": "Oslo"}), ("weather", {"town": "Rome"}))
    ending = "It will be **wet**. " + "More words of the answer. " * 200
    server = byte_server(Service(Said("I ask the station.", calls), Said(ending)))
    chat = f"%%chat -p {server.url}/v1 -m m --tools weather,slow\nHow is the weather in Oslo?"
    lab.write_notebook("tools.ipynb", [FUNCTIONS, chat])
    lab_page.open("tools.ipynb")
    lab_page.run(0)
    lab_page.run(1)
    shown = lab_page.wait_text(1, "It will be wet")
    places = [shown.index(part) for part in ("I ask", "Tool call: weather", "It will")]
    assert places == sorted(places)
    assert "asked the station" in shown
    assert "degrees" not in shown  # folded
    folds = lab_page.output(1).locator("details")
    expect(folds).to_have_count(2)
    expect(folds.nth(1)).to_contain_text("failed")
    folds.first.locator("summary").click()
    expect(folds.first.get_by_text("<b>rain</b>")).to_be_visible()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    lab_page.screenshot(SCREENSHOTS / "tools.png")
    assert lab_page.console_errors == []


@pytest.mark.timeout(240)
def test_a_person_is_asked_before_a_call(
    lab: Lab, lab_page: LabPage, byte_server: StartServer
) -> None:
    """The question has to be seen, and its answer to arrive."""
    server = byte_server(Service(Said("", (("weather", {"city": "Oslo"}),)), Said("It is wet.")))
    chat = f"%%chat -p {server.url}/v1 -m m --tools weather\nHow is the weather?"
    lab.write_notebook("asked.ipynb", [FUNCTIONS, "%g4f_config confirm_tools=on", chat])
    lab_page.open("asked.ipynb")
    lab_page.run(0)
    lab_page.run(1)
    lab_page.run(2, wait=False)
    lab_page.wait_text(2, 'The model wants to call weather(city="Oslo"). Allow it? [y/N]')
    lab_page.output(2).locator("input").fill("y")
    lab_page.output(2).locator("input").press("Enter")
    shown = lab_page.wait_text(2, "It is wet.")
    lab_page.wait_done(2)
    assert "asked the station" in lab_page.wait_text(2, "asked")
    assert "Allow it?" not in lab_page.output(2).inner_text()
    assert "refused" not in shown


@pytest.mark.timeout(240)
def test_the_stop_button_stops_a_function(
    lab: Lab, lab_page: LabPage, byte_server: StartServer
) -> None:
    """A function that hangs is what one most wants to stop."""
    server = byte_server(Service(Said("I wait.", (("slow", {}),))))
    chat = f"%%chat -p {server.url}/v1 -m m --tools slow\nWait."
    lab.write_notebook("slow.ipynb", [FUNCTIONS, chat])
    lab_page.open("slow.ipynb")
    lab_page.run(0)
    lab_page.wait_warm()
    lab_page.run(1, wait=False)
    lab_page.wait_text(1, "calling slow")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    lab_page.screenshot(SCREENSHOTS / "tools-calling.png")
    lab_page.stop_button(1).click()
    lab_page.wait_text(1, re.compile(r"Stopped after [\d.]+ s"))
    lab_page.wait_text(1, "Tool call: slow · interrupted")
