"""Kernels that are killed while an answer streams in: next to nothing of it is lost."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from support.byteserver import DONE, END, chunked, delta, finish, sse_head
from support.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from support.byteserver import ByteServer, Exchange
    from support.kernel import RunningCell

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]
    #: Text and state of turns by prompt, in order.
    Turns = dict[str, tuple[str, str]]

TURNS = """SELECT prompt, text, state FROM turns JOIN answers ON answers.id = turns.answer
    JOIN conversations AS c ON c.id = conversation JOIN notebooks ON notebooks.id = c.notebook
    WHERE key = ? ORDER BY position"""


@dataclass(frozen=True)
class Moment:
    """When to kill: up to some time after a step, or with the next write to disk after that."""

    step: Literal["sent", "asked", "begun", "ended"]
    within_s: float
    is_writing: bool = False


MOMENTS = [
    Moment("sent", 0.6),  # while the cell gets ready
    Moment("sent", 0.1, is_writing=True),  # as the prompt is written
    Moment("asked", 0.01),  # before the first word
    Moment("begun", 1.0, is_writing=True),
    *[Moment("begun", 3.0)] * 4,
    Moment("ended", 0.02),
    Moment("ended", 0.0, is_writing=True),  # as the whole answer is written
]


@dataclass
class Chat:
    """One prompt, the answer that the service has for it, and which steps they took when."""

    prompt: str
    words: list[str]
    messages: list[dict[str, str]] = field(default_factory=list)
    sent_at: list[float] = field(default_factory=list)  # of each word
    sent: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(self.words)

    def sent_before(self, end: float) -> str:
        """What of the answer was on its way by then."""
        return "".join(self.words[: sum(at < end for at in self.sent_at)])

    def answer(self, exchange: Exchange) -> None:
        """Sends the answer word by word."""
        self.messages = exchange.request.json["messages"]
        self.asked.set()
        exchange.send(sse_head())
        exchange.sleep(0.05)
        for word in self.words:
            exchange.send(chunked(delta(word)))
            self.sent_at.append(time.perf_counter())
            self.begun.set()
            exchange.sleep(0.01)
        self.ended.set()
        exchange.send(chunked(finish() + DONE) + END)


class Service:
    """A server that has an answer for each chat it knows."""

    def __init__(self, start_server: StartServer) -> None:
        self.chats: dict[str, Chat] = {}
        self.url = start_server(self._answer).url

    def _answer(self, exchange: Exchange) -> None:
        self.chats[exchange.request.json["messages"][-1]["content"]].answer(exchange)


class Victim:
    """The kernel of one notebook, which is killed and started anew."""

    def __init__(self, kernel: Kernel, service: Service, killers: ThreadPoolExecutor) -> None:
        self._kernel = kernel
        self._service = service
        self._killers = killers
        self._notebook = kernel.env["JPY_SESSION_NAME"]
        self._database = Path(kernel.env["G4F_HOME"]) / "chats.db"
        self._chats: list[Chat] = []
        self._killed_at: Future[float] | None = None
        kernel.run("%load_ext g4f_magic")

    def chat(self, words: int) -> RunningCell:
        """Starts a chat in a new cell."""
        prompt = f"{self._notebook} {len(self._chats)}"
        chat = Chat(prompt, [f"{word} " for word in range(words)])
        self._chats.append(chat)
        self._service.chats[prompt] = chat
        running = self._kernel.start(f"%%chat -p {self._service.url}/v1 -m m\n{prompt}", prompt)
        chat.sent.set()
        return running

    def chat_to_death(self, moment: Moment, delay_s: float) -> None:
        """Starts a chat that will be killed; returns at once, for `bury` to wait."""
        self.chat(words=3 if moment.step == "ended" else 450)
        self._killed_at = self._killers.submit(self._kill, moment, delay_s)

    def bury(self) -> None:
        """Waits for the end, looks at what is left, and starts another kernel."""
        if self._killed_at is not None:
            self._look(self._killed_at.result(60))
            self._kernel.restart()
            self._kernel.run("%load_ext g4f_magic")

    def chat_to_the_end(self) -> None:
        """Chats as if nothing had happened."""
        run = self.chat(words=3).finish()
        assert run.error is None
        assert not run.text  # no warning either
        before, chat = self._turns(), self._chats[-1]
        assert before.pop(chat.prompt) == (chat.text, "complete")
        self._look_at_history(before)
        shown = self._kernel.run("%g4f_chats show").markdown
        states = [state for _, state in before.values()]
        assert shown.count("· interrupted") == states.count("interrupted")

    def _kill(self, moment: Moment, delay_s: float) -> float:
        assert getattr(self._chats[-1], moment.step).wait(30)
        pause = threading.Event()
        pause.wait(delay_s)
        seen, end = self._last_write(), time.perf_counter() + 2
        while moment.is_writing and self._last_write() == seen and time.perf_counter() < end:
            pause.wait(0.0002)
        provisioner: Any = self._kernel.manager.provisioner
        killed_at = time.perf_counter()
        provisioner.process.kill()
        provisioner.process.wait()
        return killed_at

    def _last_write(self) -> tuple[int, int]:
        try:
            log = self._database.with_name(f"{self._database.name}-wal").stat()
        except FileNotFoundError:
            return 0, 0
        return log.st_size, log.st_mtime_ns

    def _look(self, killed_at: float) -> None:
        """The database is sound, and holds what it must of the last chat."""
        turns, chat = self._turns(), self._chats[-1]
        if chat.prompt in turns:
            text, state = turns.pop(chat.prompt)
            assert text.startswith(chat.sent_before(killed_at - 1.0))
            assert chat.text.startswith(text)
            # The other kernel may have begun since, and marked what it found.
            assert state in {"streaming", "interrupted"} or (state, text) == ("complete", chat.text)
            self._look_at_history(turns)

    def _look_at_history(self, before: Turns) -> None:
        """The last chat went on with what was left of those before it, marked as what it is."""
        assert {state for _, state in before.values()} <= {"interrupted", "complete"}
        chat = self._chats[-1]
        said = [words for prompt, (text, _) in before.items() if text for words in (prompt, text)]
        if chat.asked.is_set():
            assert [message["content"] for message in chat.messages] == [*said, chat.prompt]

    def _turns(self) -> Turns:
        """Each chat whose request has left is there once, in order."""
        turns = read(self._database, self._notebook)
        prompts = [prompt for prompt, *_ in turns]
        chats = self._chats
        assert prompts == [c.prompt for c in chats if c.asked.is_set() or c.prompt in prompts]
        return {prompt: (text, state) for prompt, text, state in turns}


def read(path: Path, notebook: str) -> list[tuple[str, str, str]]:
    """Prompt, text and state of the turns, left for the next kernel to clear up after."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        is_new = database.execute("PRAGMA user_version").fetchone() == (0,)
        return [] if is_new else database.execute(TURNS, (notebook,)).fetchall()


def kill_ten(folder: Path, start_server: StartServer, dice: random.Random) -> None:
    """Kill the kernels of two notebooks in turns, at each moment once; then both go on."""
    service = Service(start_server)
    with ExitStack() as stack:
        killers = stack.enter_context(ThreadPoolExecutor())
        victims = []
        for name in ("one.ipynb", "two.ipynb"):
            env = {"G4F_HOME": str(folder), "JPY_SESSION_NAME": str(folder / name)}
            victims.append(Victim(stack.enter_context(Kernel(env)), service, killers))
        order = dice.sample(MOMENTS, len(MOMENTS))
        for victim, moment in zip(cycle(victims), order, strict=False):
            victim.bury()
            victim.chat_to_death(moment, dice.uniform(0, moment.within_s))
        for victim in victims:
            victim.bury()
            victim.chat_to_the_end()
    assert not list(folder.glob("*damaged*"))


def test_a_killed_kernel_loses_nothing_older_than_a_second(
    tmp_path: Path, byte_server: StartServer
) -> None:
    """Out of memory, a closed laptop, kill -9: what one has read must still be there."""
    kill_ten(tmp_path / "home", byte_server, random.Random(1))  # noqa: S311  # moments, no secret


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_hundred_killed_kernels_lose_nothing(tmp_path: Path, byte_server: StartServer) -> None:
    """Rare moments need many tries."""
    dice = random.Random(200)  # noqa: S311  # moments, no secret
    for number in range(200 // len(MOMENTS)):
        kill_ten(tmp_path / str(number), byte_server, dice)
