"""Several models asked by one cell: what is sent, shown, kept, and gone on with."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import (
    DONE,
    END,
    ByteServer,
    Exchange,
    chunked,
    delta,
    finish,
    json_reply,
    sse_head,
)
from support.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.faults import Fault

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the conversations are kept."""
    return tmp_path / "home"


@pytest.fixture
def notebook(tmp_path: Path, home: Path) -> Iterator[Kernel]:
    """A kernel that knows its notebook, with the extension."""
    env = {"JPY_SESSION_NAME": str(tmp_path / "notes.ipynb"), "G4F_HOME": str(home)}
    with Kernel(env | {"G4F_API_KEY": "k"}) as kernel:
        kernel.run("%load_ext g4f_magic", "load")
        yield kernel


def says_its_name(exchange: Exchange) -> None:
    """A service whose models say how they are called; ``bad`` fails."""
    name = exchange.request.json["model"]
    if name.startswith("bad"):
        exchange.send(json_reply(400, {"error": {"message": "that one is broken"}}))
        return
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    exchange.send(sse_head() + chunked(delta(f"I am {name}.") + finish(usage=usage) + DONE) + END)


@pytest.fixture
def server(byte_server: StartServer) -> ByteServer:
    """The service whose models say their names."""
    return byte_server(says_its_name)


def asking(server: ByteServer, *models: str, rest: str = "\nWho are you?") -> str:
    """A cell that asks several models of a service."""
    named = " ".join(f"-m '{model}'" for model in models)
    return f"%%chat -p {server.url}/v1 {named} {rest}"


def asked(server: ByteServer) -> list[tuple[str, str]]:
    """Who said what in the last request."""
    messages = server.requests[-1].json["messages"]
    return [(message["role"], message["content"]) for message in messages]


def kept(home: Path, query: str) -> list[Any]:
    """What a query finds on disk."""
    with closing(sqlite3.connect(home / "chats.db")) as db:
        return db.execute(query).fetchall()


LABELS = "SELECT label FROM compared ORDER BY place"
ALL = "SELECT label, text, state FROM compared JOIN answers ON answers.id = answer ORDER BY place"


def test_the_first_that_succeeds_is_gone_on_with(
    notebook: Kernel, server: ByteServer, home: Path
) -> None:
    """A model that fails must cost neither the other answers nor the conversation."""
    run = notebook.run(asking(server, "bad", "a", "b"), "one")
    assert run.error is None
    shown = run.outputs[0]["data"]
    for said in ("that one is broken", "I am a.", "I am b."):
        assert said in shown["text/html"]
        assert said in shown["text/plain"]
    assert "── a ── ✓ kept" in shown["text/plain"]
    assert shown["text/html"].count("✓ kept") == 1
    notebook.run(asking(server, "c"), "two")
    assert asked(server)[1] == ("assistant", "I am a.")
    assert kept(home, ALL) == [
        ("bad", "", "failed"),
        ("a", "I am a.", "complete"),
        ("b", "I am b.", "complete"),
    ]


def test_another_answer_can_be_kept(notebook: Kernel, server: ByteServer, home: Path) -> None:
    """The best answer is often not the first one."""
    cell = notebook.run(asking(server, "a", "b"), "one")
    assert notebook.run("_.keep('b')", "two").error is None
    assert "── b ── ✓ kept" in cell.outputs[0]["data"]["text/plain"]
    notebook.run(asking(server, "c"), "three")
    assert asked(server)[1] == ("assistant", "I am b.")
    notebook.restart()
    notebook.run("%load_ext g4f_magic", "load")
    notebook.run(asking(server, "c", rest="\nAnd now?"), "four")
    assert asked(server)[1] == ("assistant", "I am b.")
    assert kept(home, LABELS) == [("a",), ("b",)]


def test_a_button_keeps_an_answer(notebook: Kernel, server: ByteServer) -> None:
    """Who reads the columns has a hand on the mouse."""
    cell = notebook.run(asking(server, "a", "b"), "one")
    view = "application/vnd.jupyter.widget-view+json"
    assert [sorted(output["data"]) for output in cell.outputs] == [
        ["text/html", "text/plain"],
        [view, "text/plain"],
    ]
    model_id = cell.outputs[1]["data"][view]["model_id"]
    notebook.send(
        "comm_msg", {"comm_id": model_id, "data": {"method": "update", "state": {"index": 1}}}
    )
    notebook.value("1")
    assert "── b ── ✓ kept" in cell.outputs[0]["data"]["text/plain"]
    notebook.run(asking(server, "c"), "two")
    assert asked(server)[1] == ("assistant", "I am b.")


def test_the_buttons_go_away_with_the_next_cell(notebook: Kernel, server: ByteServer) -> None:
    """A notebook would be full of controls that no longer do anything."""
    notebook.run(asking(server, "a", "b"), "one")
    run = notebook.run("1", "two")
    assert "comm_close" in [message.kind for message in run.messages]


def test_running_the_cell_again_replaces_all_answers(
    notebook: Kernel, server: ByteServer, home: Path
) -> None:
    """The answers that nobody sees any more would fill the disk."""
    for _ in range(2):
        notebook.run(asking(server, "a", "b"), "one")
    assert kept(home, LABELS) == [("a",), ("b",)]
    assert kept(home, "SELECT count(*) FROM answers") == [(2,)]
    assert kept(home, "SELECT count(*) FROM turns") == [(1,)]
    notebook.run(asking(server, "c"), "one")
    assert kept(home, "SELECT count(*) FROM answers") == [(1,)]


def test_what_each_model_used_is_counted(notebook: Kernel, server: ByteServer) -> None:
    """A comparison costs as often as it has columns."""
    notebook.run(asking(server, "a", "b", "a?seed=1"), "one")
    table = notebook.run("%g4f_chats usage", "two").outputs[0]["data"]["text/plain"]
    assert [line.split()[-5:-2] for line in table.splitlines()[1:3]] == [
        ["2", "6", "8"],
        ["1", "3", "4"],
    ]


def test_a_kernel_that_dies_leaves_all_that_had_arrived(
    notebook: Kernel, byte_server: StartServer, home: Path
) -> None:
    """What was paid for would be lost, of all models."""
    forever = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta(f"half of {exchange.request.json['model']}")))
        exchange.wait(forever)

    cell = notebook.start(asking(byte_server(script), "a", "b"), "one")
    cell.until(lambda shown: all(f"half of {name}" in json.dumps(shown) for name in "ab"))
    texts = "SELECT text FROM compared JOIN answers ON answers.id = answer ORDER BY place"
    notebook.read_until(lambda: kept(home, texts) == [("half of a",), ("half of b",)], 20)
    notebook.restart()
    notebook.run("%load_ext g4f_magic", "load")
    shown = notebook.run("%g4f_chats show", "two").outputs[0]["data"]["text/plain"]
    assert "half of a" in shown
    assert kept(home, ALL) == [("a", "half of a", "interrupted"), ("b", "half of b", "interrupted")]


@pytest.mark.fault(
    "Interrupts",
    "While several models answer side by side",
    sees="Stopped; what had arrived is kept.",
    keeps="your question and all texts so far, marked as interrupted",
)
def test_an_interrupt_keeps_what_had_arrived(
    notebook: Kernel, byte_server: StartServer, home: Path, fault: Fault
) -> None:
    """■ ends all of them in one line."""
    forever = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta(f"half of {exchange.request.json['model']}")))
        exchange.wait(forever)

    cell = notebook.start(asking(byte_server(script), "a", "b", rest="-o both\nhi"), "one")
    cell.until(lambda shown: all(f"half of {name}" in json.dumps(shown) for name in "ab"))
    notebook.interrupt()
    run = cell.finish()
    assert run.error is not None
    assert len(run.error.traceback) == 1
    assert fault.is_seen_in(run)
    assert notebook.value("[answer.text for answer in both]") == ["half of a", "half of b"]
    assert kept(home, ALL) == [("a", "half of a", "interrupted"), ("b", "half of b", "interrupted")]


def test_only_where_all_fail_the_cell_does(notebook: Kernel, server: ByteServer) -> None:
    """*Run All* has to stop where there is nothing to go on with."""
    run = notebook.run(asking(server, "bad", "bad2"), "one")
    assert run.error is not None
    assert "that one is broken" in run.error.evalue
    notebook.run(asking(server, "c"), "two")
    assert asked(server) == [("user", "Who are you?")]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("-m nowhere:a -m 'b?api_key=SECRET'", "api_key"),
        ("-m a -m b?", "KEY=VALUE"),
        ("-p nowhere -m a -m b", "nowhere"),
    ],
)
def test_a_slip_in_one_name_asks_nobody(notebook: Kernel, options: str, told: str) -> None:
    """Half a comparison is paid for and of no use."""
    error = notebook.run(f"%%chat {options}\nhi", "one").error
    assert error is not None
    assert told in error.evalue
    assert "SECRET" not in json.dumps([error.evalue, error.traceback])


def test_the_same_again_comes_from_the_cache(notebook: Kernel, server: ByteServer) -> None:
    """A notebook that is run again pays for each column again."""
    for _ in range(2):
        run = notebook.run(asking(server, "a", "b", rest="--cache --alone\nhi"), "one")
    assert len(server.requests) == 2
    assert run.outputs[0]["data"]["text/plain"].count("cached") >= 2
    assert "✓ kept" not in run.outputs[0]["data"]["text/plain"]


def test_quiet_shows_nothing(notebook: Kernel, server: ByteServer) -> None:
    """A script in a notebook wants the values only."""
    run = notebook.run(asking(server, "a", "b", rest="--quiet -o both\nhi"), "one")
    assert [output["output_type"] for output in run.outputs] in ([], ["execute_result"])
    assert notebook.value("both.models") == ("a", "b")


def test_all_answers_are_exported_and_come_back(
    notebook: Kernel, server: ByteServer, home: Path, tmp_path: Path
) -> None:
    """An export is the copy that people rely on."""
    notebook.run(asking(server, "a", "b"), "one")
    notebook.run("_.keep('b')", "two")
    path = tmp_path / "chat.json"
    assert notebook.run(f"%g4f_chats export '{path}'", "three").error is None
    notebook.run("%g4f_chats delete main --yes", "four")
    assert kept(home, LABELS) == []
    assert notebook.run(f"%g4f_chats import '{path}'", "five").error is None
    assert [text for _, text, _ in kept(home, ALL)] == ["I am a.", "I am b."]
    assert kept(home, "SELECT text FROM turns JOIN answers ON answers.id = answer") == [
        ("I am b.",)
    ]
    fork = notebook.run("%g4f_chats fork copy", "six")
    assert fork.error is None
    assert kept(home, "SELECT label FROM compared ORDER BY turn, place") == [("a",), ("b",)] * 2
