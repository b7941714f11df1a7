"""Conversations that outlive their kernel, in real kernels on a real database."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import DONE, END, chunked, delta, finish, sse_head, stream_script
from support.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.byteserver import ByteServer, Exchange
    from support.faults import Fault

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

KEY = "sk-secret-0123456789"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of the database."""
    return tmp_path / "home"


@pytest.fixture
def notebook(home: Path, tmp_path: Path) -> Iterator[Kernel]:
    """A kernel that was started for a notebook."""
    env = {"G4F_HOME": str(home), "JPY_SESSION_NAME": str(tmp_path / "n.ipynb")}
    with Kernel(env={**env, "G4F_API_KEY": KEY}) as kernel:
        kernel.run("%load_ext g4f_magic")
        yield kernel


def said(server: ByteServer) -> list[tuple[str, str]]:
    """Role and text of the messages of the last request."""
    return [(m["role"], m["content"]) for m in server.requests[-1].json["messages"]]


def rows(home: Path) -> list[tuple[Any, ...]]:
    """Prompt, text and state of the turns on disk, once the last has been written."""
    end = time.monotonic() + 10
    with closing(sqlite3.connect(home / "chats.db")) as database:
        while True:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            found = database.execute(
                "SELECT prompt, text, state FROM turns JOIN answers ON answers.id = turns.answer"
                " ORDER BY position"
            ).fetchall()
            if time.monotonic() > end or all(state != "streaming" for _, _, state in found):
                return found


def restart(kernel: Kernel) -> None:
    """Ends the kernel at once and starts another one in its place."""
    kernel.restart()
    kernel.run("%load_ext g4f_magic")


def test_a_conversation_goes_on_after_a_restart(notebook: Kernel, byte_server: StartServer) -> None:
    """Every restart would begin at nothing, and nobody would dare to restart."""
    server = byte_server(stream_script(["one"]))
    ask = f"%%chat -p {server.url}/v1 -m m"
    assert notebook.run(f"{ask} -s 'Be brief.'\nfirst", "a").error is None
    restart(notebook)
    notebook.run(f"{ask}\nsecond", "b")
    assert said(server) == [
        ("system", "Be brief."),
        ("user", "first"),
        ("assistant", "one"),
        ("user", "second"),
    ]
    assert "2 turns" in notebook.run("%chat", "c").text


def test_restart_and_run_all_is_the_same_conversation_once(
    notebook: Kernel, home: Path, byte_server: StartServer
) -> None:
    """Each run of the notebook would double what is sent, and what it costs."""
    server = byte_server(stream_script(["ok"]))
    cells = {name: f"%%chat -p {server.url}/v1 -m m\nprompt {name}" for name in "abc"}
    for _ in range(2):
        for name, code in cells.items():
            notebook.run(code, name)
        requests = [len(asked.json["messages"]) for asked in server.requests[-3:]]
        assert requests == [1, 3, 5]
        restart(notebook)
    notebook.run(cells["b"], "b")
    assert [prompt for prompt, *_ in rows(home)] == ["prompt a", "prompt b", "prompt c"]
    assert len(said(server)) == 3


def test_a_fresh_start_without_a_prompt_belongs_to_its_cell(
    notebook: Kernel, byte_server: StartServer
) -> None:
    """Run again, it would stand behind the turns, and hide all of them from the next one."""
    server = byte_server(stream_script(["ok"]))
    ask = f"%%chat -p {server.url}/v1 -m m"
    cells = {"a": "%chat --new -s Be.brief", "b": f"{ask}\nprompt b"}
    for _ in range(2):
        for name, code in cells.items():
            assert notebook.run(code, name).error is None
    notebook.run(f"{ask}\nprompt c", "c")
    assert said(server) == [
        ("system", "Be.brief"),
        ("user", "prompt b"),
        ("assistant", "ok"),
        ("user", "prompt c"),
    ]


def test_conversations_by_name_do_not_mix(notebook: Kernel, byte_server: StartServer) -> None:
    """A question aside would end up in the context of everything after."""
    server = byte_server(stream_script(["ok"]))
    ask = f"%%chat -p {server.url}/v1 -m m"
    notebook.run(f"{ask}\nmain one", "a")
    notebook.run(f"{ask} -c aside\nother one", "b")
    assert said(server) == [("user", "other one")]
    notebook.run(f"{ask}\nmain two", "c")
    assert ("user", "other one") not in said(server)


def test_a_conversation_set_up_by_name_says_where_it_stands(notebook: Kernel) -> None:
    """The line of another conversation would look as if the option was not read."""
    assert "conversation 'aside' · 0 turns" in notebook.run("%chat -c aside -s 'Be brief.'").text


@pytest.mark.parametrize(("last", "sent"), [(0, 1), (1, 3), (9, 7)])
def test_only_the_last_turns_are_sent(
    notebook: Kernel, byte_server: StartServer, last: int, sent: int
) -> None:
    """A long conversation outgrows the model's window, and each turn is paid again."""
    server = byte_server(stream_script(["ok"]))
    ask = f"%%chat -p {server.url}/v1 -m m"
    for number in range(3):
        notebook.run(f"{ask}\nprompt {number}")
    notebook.run(f"{ask} --last {last}\nnow")
    assert len(said(server)) == sent


def test_a_request_that_never_leaves_replaces_nothing(
    notebook: Kernel, home: Path, byte_server: StartServer
) -> None:
    """A missing key or a slip in an option would cost the answer that was there."""
    server = byte_server(stream_script(["the answer"]))
    notebook.run(f"%%chat -p {server.url}/v1 -m m\nquestion", "a")
    notebook.run("del __import__('os').environ['G4F_API_KEY']")
    for options in ("-p openrouter -m m", "-p nowhere", "--last -3"):
        assert notebook.run(f"%%chat {options}\nquestion", "a").error is not None
    assert rows(home) == [("question", "the answer", "complete")]


def test_loading_writes_nothing_and_no_key_is_written(
    notebook: Kernel, home: Path, byte_server: StartServer
) -> None:
    """A database is private, begun when there is something to keep, and holds no secret."""
    assert not home.exists()
    notebook.run(f"%%chat -p {byte_server(stream_script(['ok'])).url}/v1 -m m\nhi", "a")
    assert rows(home) == [("hi", "ok", "complete")]
    files = [path for path in home.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert KEY.encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.fault(
    "The kernel",
    "The kernel is killed (SIGKILL, out of memory) during an answer",
    sees="· interrupted",
    keeps="your question and the text up to a second before, marked as interrupted",
)
def test_what_had_arrived_survives_the_end_of_the_kernel(
    notebook: Kernel, home: Path, byte_server: StartServer, fault: Fault
) -> None:
    """After a crash the half answer is there, marked as such, and the next prompt goes on."""

    def begins(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("the first half")))
        exchange.sleep(60)

    server = byte_server(begins)
    running = notebook.start(f"%%chat -p {server.url}/v1 -m m\nquestion", "a")
    running.until(lambda outputs: "first half" in str(outputs))
    with pytest.raises(AssertionError):  # it never ends
        notebook.read_until(lambda: running.run.is_done, 1.2)
    os.kill(pid(notebook), signal.SIGKILL)
    assert rows(home) == [("question", "the first half", "streaming")]
    restart(notebook)
    other = byte_server(stream_script(["ok"]))
    notebook.run(f"%%chat -p {other.url}/v1 -m m\ngo on", "b")
    assert ("assistant", "the first half") in said(other)
    assert rows(home)[0] == ("question", "the first half", "interrupted")
    assert fault.is_seen_in(notebook.run("%g4f_chats show"))
    with closing(sqlite3.connect(home / "chats.db")) as database:
        assert database.execute("SELECT elapsed_s > 0 FROM answers").fetchone() == (1,)


def pid(kernel: Kernel) -> int:
    """The kernel's process."""
    provisioner: Any = kernel.manager.provisioner
    return int(provisioner.pid)


@pytest.mark.fault(
    "The kernel",
    "Two kernels run the same notebook",
    sees="The whole answer.",
    keeps="the answers of both",
)
def test_two_kernels_share_the_conversation_of_a_notebook(
    notebook: Kernel, home: Path, byte_server: StartServer, fault: Fault
) -> None:
    """A notebook that is open twice is still one; no turn of the other is lost."""

    def drips(exchange: Exchange) -> None:
        exchange.send(sse_head())
        for number in range(20):
            exchange.send(chunked(delta(f"w{number} ")))
            exchange.sleep(0.05)
        exchange.send(chunked(delta("The whole answer.") + finish() + DONE) + END)

    server = byte_server(drips)
    with Kernel(env=notebook.env) as other:
        other.run("%load_ext g4f_magic")
        ask = f"%%chat -p {server.url}/v1 -m m"
        one, two = notebook.start(f"{ask}\none", "a"), other.start(f"{ask}\ntwo", "b")
        for running in (one, two):
            assert fault.is_seen_in(running.finish())
        whole = "".join(f"w{number} " for number in range(20)) + "The whole answer."
        assert sorted(rows(home)) == [("one", whole, "complete"), ("two", whole, "complete")]
        other.run(f"{ask}\nthree", "c")
        assert {"one", "two"} < {text for _, text in said(server)}


def test_without_a_disk_the_chat_goes_on_in_memory(
    tmp_path: Path, byte_server: StartServer
) -> None:
    """A full or read-only disk is said once, and stops no answer."""
    (tmp_path / "file").write_text("in the way")
    env = {"G4F_HOME": str(tmp_path / "file"), "JPY_SESSION_NAME": str(tmp_path / "n.ipynb")}
    server = byte_server(stream_script(["ok"]))
    ask = f"%%chat -p {server.url}/v1 -m m"
    with Kernel(env=env) as kernel:
        kernel.run("%load_ext g4f_magic")
        first = kernel.run(f"{ask}\none", "a")
        assert first.error is None
        assert "goes on in memory" in str(first.outputs)
        second = kernel.run(f"{ask}\ntwo", "b")
        assert "memory" not in str(second.outputs)
        assert [text for _, text in said(server)] == ["one", "ok", "two"]
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_notebook_without_a_name_is_kept_in_memory_only(
    home: Path, byte_server: StartServer
) -> None:
    """Two notebooks that cannot be told apart would share one conversation."""
    server = byte_server(stream_script(["ok"]))
    with Kernel(env={"G4F_HOME": str(home)}) as kernel:
        kernel.run("%load_ext g4f_magic")
        for prompt in ("one", "two"):
            kernel.run(f"%%chat -p {server.url}/v1 -m m\n{prompt}")
        assert [text for _, text in said(server)] == ["one", "ok", "two"]
    assert not home.exists()


def test_the_very_same_request_is_answered_from_the_cache(
    notebook: Kernel, byte_server: StartServer
) -> None:
    """Run All would pay again for what is known, and give other answers each time."""
    answers = iter(["one", "two", "three", "four", "five"])

    def script(exchange: Exchange) -> None:
        stream_script([next(answers)])(exchange)

    server = byte_server(script)
    ask = f"%%chat -p {server.url}/v1 -m m --cache"
    first = notebook.run(f"{ask}\nhi", "a")
    assert "cached" not in str(first.outputs)
    restart(notebook)
    again = notebook.run(f"{ask} -o reply\nhi", "a")
    assert len(server.requests) == 1
    assert "one" in str(again.outputs)
    assert "cached" in str(again.outputs)
    assert notebook.value("(reply.text, reply.cached, reply.usage.tokens_out)") == ("one", True, 1)
    for other in ("-t 0.5\nhi", "\nho", "--no-cache\nhi", "-s 'Be brief.'\nhi"):
        notebook.run(f"{ask} --alone {other}", "b")
    assert len(server.requests) == 5


@pytest.mark.parametrize("is_live", [False, True])
def test_run_all_with_the_cache_on_asks_nobody(
    notebook: Kernel, byte_server: StartServer, *, is_live: bool
) -> None:
    """A notebook that is shown to others gives what it gave its author, word for word."""
    server = byte_server(stream_script(["# Title\n\n", "some **words**\n", "and more"]))
    cells = [f"%%chat -p {server.url}/v1 -m m\nprompt {number}" for number in range(3)]
    texts = []
    for _ in range(2):
        notebook.run(f"%g4f_config cache=on replay={'live' if is_live else 'instant'}")
        for number, code in enumerate(cells):
            assert notebook.run(code, str(number)).error is None
            texts.append(notebook.value("_.text"))
        restart(notebook)
    assert len(server.requests) == 3
    assert texts[:3] == texts[3:]


def test_an_answer_that_failed_or_was_stopped_is_asked_for_again(
    notebook: Kernel, byte_server: StartServer
) -> None:
    """Half an answer would be given for ever."""

    def breaks(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("half")))
        exchange.reset()

    server = byte_server(breaks)
    for _ in range(2):
        assert notebook.run(f"%%chat --alone --cache -p {server.url}/v1 -m m\nhi").error is not None
    assert len(server.requests) == 2
