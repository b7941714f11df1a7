"""Nothing that was kept is lost, however the process ends and whoever else writes."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.environment import clean_environment

from g4f_magic.store import Store

if TYPE_CHECKING:
    from pathlib import Path

AT_ONCE = 5
#: Streams answers for ever, and reports each step: what it is, and when it was done.
STREAMS = """
import sys, threading, time
from pathlib import Path
from g4f_magic.keeper import Keeper
from g4f_magic.messages import Answer
from g4f_magic.saved import SavedTurn

def report(*words):
    print(*words, time.monotonic(), flush=True)

keeper = Keeper(Path(sys.argv[1]))
pause = threading.Event()
number = 0
report("up")
while True:
    kept = keeper.begin(sys.argv[2], "main", SavedTurn(prompt=f"{number}?"))
    report("begun", number)
    pieces = []
    kept.follow(lambda: Answer(text="".join(pieces), state="streaming"))
    for piece in range(150):
        pieces.append(f" {piece}")
        report("grown", number, piece)
        pause.wait(0.01)
    kept.finish(Answer(text="".join(pieces), request={"n": number}))
    report("done", number)
    number += 1
"""
#: Writes turns: some to a conversation of its own, some to one that all share.
WRITES = """
import sys, time
from pathlib import Path
from g4f_magic.messages import Answer
from g4f_magic.saved import SavedTurn
from g4f_magic.store import Store

store, me, seconds = Store(Path(sys.argv[1])), sys.argv[2], float(sys.argv[3])
end = time.monotonic() + seconds
number = 0
while number < 40 or time.monotonic() < end:
    for name in ("main", me):
        cell = None if name == "main" else f"cell {number % 7}"
        turn = SavedTurn(prompt=f"{me} {number}", cell_id=cell, execution=f"{number}")
        turn_id = store.begin("shared.ipynb", name, turn)
        store.grow(turn_id, "half")
        store.finish(turn_id, Answer(text=f"answer to {me} {number}"))
    number += 1
store.close()
print(number)
"""


@dataclass
class Killed:
    """What a process had reported when it was killed."""

    notebook: str
    reports: list[list[str]]
    killed_at: float

    def last(self, *words: str, older_than_s: float = 0.0) -> list[str] | None:
        """The last such report, among those that had that age."""
        latest = self.killed_at - older_than_s
        found = [
            report
            for report in self.reports
            if report[: len(words)] == [*words] and float(report[-1]) < latest
        ]
        return found[-1] if found else None


def kill_some(path: Path, round_number: int, dice: random.Random) -> list[Killed]:
    """Start processes that stream, kill each at a random moment, and return what they said."""
    running = []
    for number in range(AT_ONCE):
        notebook = f"{round_number}-{number}.ipynb"
        child = subprocess.Popen(
            [sys.executable, "-c", STREAMS, str(path), notebook],
            env=clean_environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append((notebook, child))
    return [
        killed_after(child, notebook, dice.choice((0, 1, 2, dice.randrange(320))))
        for notebook, child in running
    ]


def killed_after(child: subprocess.Popen[str], notebook: str, reports: int) -> Killed:
    """Kill a process after some reports more, and return all of them."""
    with child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(reports + 1)]
        killed_at = time.monotonic()
        child.kill()
        lines += child.stdout.readlines()
    return Killed(notebook, [line.split() for line in lines if line.endswith("\n")], killed_at)


def lost(store: Store, killed: Killed) -> list[str]:
    """Tell what is not there of what a killed process had kept."""
    turns = {int(turn.prompt[:-1]): turn for turn in store.turns(killed.notebook, "main")}
    found = []
    if (begun := killed.last("begun")) and int(begun[1]) not in turns:
        found.append(f"the prompt of turn {begun[1]}")
    if grown := killed.last("grown", older_than_s=1.0):
        answer = turns[int(grown[1])].answer
        expected = "".join(f" {piece}" for piece in range(int(grown[2]) + 1))
        if answer is None or not answer.text.startswith(expected):
            found.append(f"turn {grown[1]} from piece {grown[2]} on: {answer}")
    if any(turn.answer is None or turn.answer.state == "streaming" for turn in turns.values()):
        found.append("the mark that it was interrupted")
    return found


def kill_and_look(path: Path, rounds: int) -> None:
    """Kill processes round after round; after each the database is sound, and nothing is lost."""
    dice = random.Random(rounds)  # noqa: S311  # moments, not secrets
    for number in range(rounds):
        all_killed = kill_some(path, number, dice)
        store = Store(path)
        assert [lost(store, killed) for killed in all_killed] == [[]] * AT_ONCE
        with store.database.read() as db:
            assert [row[0] for row in db.execute("PRAGMA integrity_check")] == ["ok"]
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        store.close()


def test_a_killed_kernel_loses_nothing_older_than_a_second(tmp_path: Path) -> None:
    """Out of memory, a closed laptop, kill -9: what one has read must still be there."""
    kill_and_look(tmp_path / "chats.db", rounds=3)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_hundred_killed_kernels_lose_nothing(tmp_path: Path) -> None:
    """Rare moments need many tries."""
    kill_and_look(tmp_path / "chats.db", rounds=200 // AT_ONCE)


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


def test_eight_kernels_write_at_once(tmp_path: Path) -> None:
    """Several notebooks work at the same time; nobody is told that the database is locked."""
    write_at_once(tmp_path / "home" / "chats.db", seconds=2)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_eight_kernels_write_for_a_minute(tmp_path: Path) -> None:
    """A lock that starves somebody shows only after a while."""
    write_at_once(tmp_path / "home" / "chats.db", seconds=60)
