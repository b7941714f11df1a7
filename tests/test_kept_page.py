"""A conversation in a real page: it outlives its kernel, and the page."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.byteserver import stream_script

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.byteserver import ByteServer, Exchange
    from support.lab import Lab
    from support.lab_page import LabPage

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SCREENSHOTS = Path(__file__).parent.parent / "build" / "screenshots"
PROMPTS = ["What is a median?", "And a mean?", "Which one for incomes?"]


def echo(exchange: Exchange) -> None:
    """Answers with the question."""
    asked = exchange.request.json["messages"][-1]["content"]
    stream_script([f"**You asked:** {asked}"])(exchange)


def test_restart_run_all_and_reload_leave_each_turn_once(
    lab: Lab, lab_page: LabPage, byte_server: StartServer
) -> None:
    """What one does ten times a day would double the conversation, or lose it."""
    server = byte_server(echo)
    chats = [f"%%chat -p {server.url}/v1 -m m\n{prompt}" for prompt in PROMPTS]
    cells = ["%load_ext g4f_magic", *chats, "%chat"]
    page = lab_page.open(lab.write_notebook("kept.ipynb", cells).name)
    for number in range(len(cells)):
        page.run(number)
    page.restart_and_run_all()
    page.save()
    page.open("kept.ipynb")  # the kernel goes on meanwhile
    for number, prompt in enumerate(PROMPTS, 1):
        page.wait_text(number, f"You asked: {prompt}")
    page.run(2)
    page.run(4)
    page.wait_text(4, "3 turns")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(SCREENSHOTS / "kept.png")

    said = [(prompt, f"**You asked:** {prompt}") for prompt in PROMPTS]
    with closing(sqlite3.connect(Path(lab.env["G4F_HOME"]) / "chats.db")) as database:
        kept = database.execute(
            "SELECT prompt, text FROM turns JOIN answers ON answers.id = turns.answer"
            " ORDER BY position"
        ).fetchall()
    assert kept == said
    for asked, number in zip(server.requests, [0, 1, 2, 0, 1, 2, 1], strict=True):
        before = [text for turn in said[:number] for text in turn]
        sent = [message["content"] for message in asked.json["messages"]]
        assert sent == [*before, PROMPTS[number]]
