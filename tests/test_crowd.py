"""Several kernels chat with one database at once, and no turn of anybody is lost."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
from support.byteserver import stream_script
from support.environment import clean_environment
from support.kernel import Kernel

from g4f_magic.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.byteserver import ByteServer, Exchange

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

AT_ONCE = 5  # cells that a kernel works on before the next are sent
#: Writes turns as fast as it can: some to a conversation of its own, some to one that all share.
WRITES = """
import sys, time
from pathlib import Path
from g4f_magic.messages import Answer
from g4f_magic.store.saved import SavedTurn
from g4f_magic.store.store import Store

store, me, seconds = Store(Path(sys.argv[1])), sys.argv[2], float(sys.argv[3])
end = time.monotonic() + seconds
number = 0
while number < 40 or time.monotonic() < end:
    for name in ("main", me):
        cell = None if name == "main" else f"cell {number % 7}"
        turn = SavedTurn(prompt=f"{me} {number}", cell_id=cell, execution=f"{number}")
        turn_id = store.begin("shared.ipynb", name, turn)
        store.grow(turn_id, Answer(text="half"))
        store.finish(turn_id, Answer(text=f"answer to {me} {number}"))
    number += 1
store.close()
print(number)
"""


def chat_at_once(folder: Path, start_server: StartServer, names: str, seconds: float) -> None:
    """Let kernels chat in one notebook: nobody is warned, and each turn is there, whole."""
    url = start_server(answer).url
    env = {"G4F_HOME": str(folder), "JPY_SESSION_NAME": str(folder / "n.ipynb")}
    numbers = range(0)
    with ExitStack() as stack:
        kernels = {name: stack.enter_context(Kernel(env)) for name in names}
        for kernel in kernels.values():
            kernel.run("%load_ext g4f_magic")
        end = time.monotonic() + seconds
        while not numbers or time.monotonic() < end:
            numbers = range(len(numbers) + AT_ONCE)
            running = [
                kernels[name].start(chat(url, name, number), f"{name} {number}")
                for number in numbers[-AT_ONCE:]
                for name in names
            ]
            runs = [cell.finish() for cell in running]
            assert [(run.error, run.text) for run in runs] == [(None, "")] * len(runs)
    rows = read(folder / "chats.db")
    for name in names:
        assert [row for row in rows if row[1].startswith(name)] == [
            (where(name, number), f"{name} {number}", whole(number), "complete")
            for number in sorted(numbers, key=lambda number: (where(name, number), number))
        ]


def chat(url: str, name: str, number: int) -> str:
    """The cell of one turn."""
    return f"%%chat -p {url}/v1 -m m --last 2 -c {where(name, number)}\n{name} {number}"


def where(name: str, number: int) -> str:
    """The conversation of a turn: for every other one that which all kernels share."""
    return name if number % 2 else "shared"


def whole(number: int) -> str:
    """The answer to a turn: every fifth lasts long enough to be kept while it grows."""
    return "word " * (3 if number % 5 else 90)


def answer(exchange: Exchange) -> None:
    """Drips the answer to a prompt of that number."""
    number = int(exchange.request.json["messages"][-1]["content"].split()[1])
    stream_script([f"{word} " for word in whole(number).split()], delay_s=0.01)(exchange)


def read(path: Path) -> list[tuple[str, str, str, str]]:
    """Conversation, prompt, text and state of all turns, of each conversation in order."""
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return database.execute(
            "SELECT name, prompt, text, state FROM turns"
            " JOIN answers ON answers.id = turns.answer"
            " JOIN conversations AS c ON c.id = conversation ORDER BY name, position"
        ).fetchall()


def test_kernels_chat_at_once(tmp_path: Path, byte_server: StartServer) -> None:
    """A notebook in each of three windows is an ordinary morning."""
    chat_at_once(tmp_path / "home", byte_server, "abc", seconds=4)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_eight_kernels_chat_for_a_minute(tmp_path: Path, byte_server: StartServer) -> None:
    """A lock that starves somebody shows only after a while."""
    chat_at_once(tmp_path / "home", byte_server, "abcdefgh", seconds=60)


def write_at_once(path: Path, seconds: float) -> None:
    """Let eight processes write to one new database; each turn is there, whole, in order."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITES, str(path), f"w{number}", str(seconds)],
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(8)
    ]
    said = [writer.communicate() for writer in writers]
    assert [errors for _, errors in said] == [""] * 8
    store = Store(path)
    shared = [turn.prompt for turn in store.turns("shared.ipynb", "main")]
    for number, (count, _) in enumerate(said):
        me = f"w{number}"
        mine = [prompt for prompt in shared if prompt.startswith(f"{me} ")]
        assert mine == [f"{me} {turn}" for turn in range(int(count))]
        own = store.turns("shared.ipynb", me)
        last = sorted(range(int(count))[-7:], key=lambda turn: turn % 7)
        assert [turn.prompt for turn in own] == [f"{me} {turn}" for turn in last]
        assert {str(turn.answer) for turn in own} == {f"answer to {turn.prompt}" for turn in own}
    texts = [str(turn.answer) for turn in store.turns("shared.ipynb", "main")]
    assert texts == [f"answer to {prompt}" for prompt in shared]
    store.close()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()


def test_eight_processes_write_at_once(tmp_path: Path) -> None:
    """Far more than people can chat: no write is lost, and none fails for a lock."""
    write_at_once(tmp_path / "home" / "chats.db", seconds=2)
