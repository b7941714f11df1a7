"""Turns reach the disk without holding anybody up, and a failing disk stops no answer."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from support.environment import clean_environment

from g4f_magic.errors import StoreError, UsageError
from g4f_magic.messages import Answer
from g4f_magic.prompts.conversation import Turn
from g4f_magic.store.chats import Chats
from g4f_magic.store.keeper import Keeper
from g4f_magic.store.saved import SavedTurn
from g4f_magic.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOTEBOOK = "notes.ipynb"
HOLDS_LOCK = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database will be, in a folder that is not there yet."""
    return tmp_path / "home" / "chats.db"


@pytest.fixture
def new_keeper() -> Iterator[Callable[[Path], Keeper]]:
    """Makes keepers that do not wait long for a lock."""
    made: list[Keeper] = []

    def make(path: Path) -> Keeper:
        made.append(Keeper(path, busy_s=0.05))
        return made[-1]

    yield make
    for keeper in made:
        keeper.close()


@pytest.fixture
def keeper(path: Path, new_keeper: Callable[[Path], Keeper]) -> Keeper:
    """A keeper whose database is not there yet."""
    return new_keeper(path)


@pytest.fixture
def locked(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the database locked until its input ends."""
    store = Store(path)
    store.begin(NOTEBOOK, "main", SavedTurn(prompt="before"))
    store.close()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_LOCK, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        yield holder
        if holder.stdin is not None:
            holder.stdin.close()


def chat(keeper: Keeper, prompt: str) -> None:
    """Keep a turn and its answer, the prompt in capitals."""
    keeper.begin(NOTEBOOK, "main", SavedTurn(prompt=prompt)).finish(Answer(text=prompt.upper()))


def on_disk(path: Path) -> list[tuple[str, str, str]]:
    """The prompts, texts and states that another process would find."""
    store = Store(path)
    turns: list[tuple[str, str, str]] = [
        (turn.prompt, turn.answer.text, turn.answer.state)
        for turn in store.turns(NOTEBOOK, "main")
        if turn.answer is not None
    ]
    store.close()
    return turns


def is_sound(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with a file."""
    db = sqlite3.connect(path)
    verdict = db.execute("PRAGMA integrity_check").fetchall()
    db.close()
    return verdict == [("ok",)]


def test_the_prompt_is_on_disk_when_the_request_leaves(path: Path, keeper: Keeper) -> None:
    """A kernel that dies while it waits for the answer must not take the question with it."""
    kept = keeper.begin(NOTEBOOK, "main", SavedTurn(prompt="Hi"))
    assert on_disk(path) == [("Hi", "", "streaming")]
    kept.finish(Answer(text="Hello"))
    assert keeper.flush()
    assert on_disk(path) == [("Hi", "Hello", "complete")]
    assert (keeper.news(), kept.id) == ([], 1)


def test_what_arrives_is_kept_without_being_pushed(path: Path, keeper: Keeper) -> None:
    """The thread that draws may be busy; the answer is on disk all the same, but not too often."""
    asked_at: list[float] = []
    was_asked = threading.Event()

    def so_far() -> Answer:
        asked_at.append(time.monotonic())
        if len(asked_at) == 3:
            was_asked.set()
        return Answer(text="word " * len(asked_at), reasoning="hm", state="streaming")

    keeper.begin(NOTEBOOK, "main", SavedTurn(prompt="Hi")).follow(lambda: (so_far(), ()))
    assert was_asked.wait(30)
    assert len(on_disk(path)[0][1]) >= len("word ") * 2
    assert all(later - earlier > 0.4 for earlier, later in itertools.pairwise(asked_at))


def test_marks_and_imported_answers_are_kept_as_they_are(path: Path, keeper: Keeper) -> None:
    """They are done when they begin; nobody will finish them."""
    keeper.begin(NOTEBOOK, "main", SavedTurn(prompt="", system="Be brief"))
    keeper.begin(NOTEBOOK, "main", SavedTurn(prompt="Hi", answer=Answer(text="Hello")))
    assert on_disk(path) == [("Hi", "Hello", "complete")]
    assert keeper.call(lambda store: store.history(NOTEBOOK, "main").system) == "Be brief"


def test_one_turn_that_cannot_be_kept_costs_no_other(keeper: Keeper, path: Path) -> None:
    """A plugin may give a number for a text, and nothing would be kept for the rest of the day."""
    odd = Answer(text="a", finish_reason=cast("str", 3))
    keeper.begin(NOTEBOOK, "main", SavedTurn(prompt="odd")).finish(odd)
    chat(keeper, "next")
    assert keeper.flush()
    assert on_disk(path)[1] == ("next", "NEXT", "complete")
    (line,) = keeper.news()
    assert line.startswith("A turn cannot be kept: AttributeError")


def test_a_call_sees_all_that_was_kept_before_it(keeper: Keeper) -> None:
    """``%g4f_chats show`` right after an answer shows that answer."""
    chat(keeper, "Hi")
    assert keeper.call(lambda store: store.history(NOTEBOOK, "main").said) == (("Hi", "HI"),)
    with pytest.raises(UsageError, match="no conversation 'x'"):
        keeper.call(lambda store: store.delete(NOTEBOOK, "x"))


def test_a_lock_stops_no_answer_and_loses_none(
    path: Path, keeper: Keeper, locked: subprocess.Popen[bytes]
) -> None:
    """A backup that locks the file for a minute costs one line, and no turn."""
    for prompt in "abc":
        chat(keeper, prompt)
    assert not keeper.flush()
    [line] = keeper.news()
    assert line == (
        f"{str(path)!r} cannot be used: database is locked. The conversation goes on in memory."
    )
    assert locked.stdin is not None
    locked.stdin.close()
    locked.wait()
    assert keeper.flush()
    assert [prompt for prompt, _, _ in on_disk(path)] == ["before", "a", "b", "c"]
    assert keeper.news() == []


def test_an_end_that_comes_while_the_disk_is_waited_for_is_kept_with_the_turn(
    path: Path, locked: subprocess.Popen[bytes]
) -> None:
    """Who stops a chat and closes the notebook finds it interrupted, not under way for ever."""
    patient = Keeper(path, busy_s=60)
    keeping = Chats(patient, NOTEBOOK).keep(Turn("Hi"), "main")
    begins = threading.Thread(target=keeping.begin, args=[Answer])
    begins.start()
    deadline = time.monotonic() + 1  # the thread waits for two seconds
    while not keeping.has_begun and time.monotonic() < deadline:
        time.sleep(0.01)
    assert keeping.has_begun
    keeping.finish(Answer(state="interrupted"), None)
    assert locked.stdin is not None
    locked.stdin.close()
    patient.close(30)
    begins.join()
    assert on_disk(path)[1:] == [("Hi", "", "interrupted")]


def test_a_call_that_takes_too_long_is_an_error_and_not_made_later(
    path: Path, locked: subprocess.Popen[bytes]
) -> None:
    """Who was told that deleting failed must not lose the conversation a minute later."""
    patient = Keeper(path, busy_s=60)
    patient.begin(NOTEBOOK, "main", SavedTurn(prompt="", system="waits for the lock"))
    with pytest.raises(StoreError, match=r"is busy: nothing came back within 0\.1 s"):
        patient.call(lambda store: store.delete(NOTEBOOK, "main"), within_s=0.1)
    assert locked.stdin is not None
    locked.stdin.close()
    assert patient.flush(30)
    assert [prompt for prompt, _, _ in on_disk(path)] == ["before"]
    patient.close()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no alarm here")
def test_what_was_interrupted_before_it_began_is_not_done(keeper: Keeper) -> None:
    """`%g4f_chats delete` that somebody stopped must not delete a moment later."""

    def ring(*_: object) -> None:
        raise KeyboardInterrupt

    done, is_free = threading.Event(), threading.Event()
    working = threading.Thread(target=keeper.call, args=[lambda _: is_free.wait()])
    working.start()
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            keeper.call(lambda _: done.set())
    finally:
        signal.signal(signal.SIGALRM, before)
        is_free.set()
        working.join()
    assert keeper.flush()
    assert not done.is_set()


def test_a_full_disk_stops_no_answer(path: Path, keeper: Keeper) -> None:
    """It is said once; when there is room again, all is written, in order."""
    chat(keeper, "first")

    def limit(pages: int) -> None:
        def set_limit(store: Store) -> None:
            with store.database.read() as db:
                db.execute(f"PRAGMA max_page_count = {pages}")

        keeper.call(set_limit)

    limit(1)
    for prompt in "ab":
        chat(keeper, prompt * 50_000)
    assert not keeper.flush()
    [line] = keeper.news()
    assert "database or disk is full" in line
    limit(100_000)
    assert keeper.flush()
    assert [prompt[0] for prompt, _, _ in on_disk(path)] == ["f", "a", "b"]
    assert is_sound(path)


@pytest.mark.skipif(sys.platform == "win32", reason="only where files can be limited")
def test_a_disk_that_takes_no_more_bytes_stops_no_answer(path: Path) -> None:
    """The error of a real file system, in the middle of a write, at one size after the other."""
    program = """
import resource, sys
from pathlib import Path
from g4f_magic.prompts.conversation import Turn
from g4f_magic.store.chats import Chats
from g4f_magic.store.keeper import Keeper
from g4f_magic.messages import Answer
from g4f_magic.store.saved import SavedTurn
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
keeper = Keeper(Path(sys.argv[1]))
for number in range(4):
    kept = keeper.begin("notes.ipynb", "main", SavedTurn(prompt=f"{number}" * 9000))
    kept.finish(Answer(text="answer" * 9000))
assert not keeper.flush()
[line] = keeper.news()
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
assert keeper.flush()
print(line)
"""
    for size in (0, 5_000, 50_000, 330_000, 400_000):
        run = subprocess.run(
            [sys.executable, "-c", program, str(path), str(size)],
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        assert "goes on in memory" in run.stdout
        assert is_sound(path)
        assert [prompt[0] for prompt, _, _ in on_disk(path)] == list("0123")
        shutil.rmtree(path.parent)


def test_a_folder_that_cannot_be_made_stops_no_answer(
    tmp_path: Path, new_keeper: Callable[[Path], Keeper]
) -> None:
    """G4F_HOME below a file, in a place where nobody may write, or a folder as the database."""
    (tmp_path / "file").touch()
    (tmp_path / "chats.db").mkdir()
    places = [tmp_path / "file" / "home" / "chats.db", tmp_path / "chats.db"]
    if sys.platform == "linux":
        places.append(Path("/proc/g4f/chats.db"))
    for place in places:
        keeper = new_keeper(place)
        chat(keeper, "a")
        chat(keeper, "b")
        [line] = keeper.news()
        assert "cannot be used: " in line
        assert "\n" not in line
        with pytest.raises(StoreError):
            keeper.call(lambda store: store.conversations())
    assert list((tmp_path / "chats.db").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="only where there are other users")
def test_a_read_only_folder_stops_no_answer(path: Path) -> None:
    """A home on a read-only disk, with a database in it from better days."""
    store = Store(path)
    store.begin(NOTEBOOK, "main", SavedTurn(prompt="before"))
    store.close()
    program = """
import os, sys
from pathlib import Path
from g4f_magic.prompts.conversation import Turn
from g4f_magic.store.chats import Chats
from g4f_magic.store.keeper import Keeper
from g4f_magic.messages import Answer
from g4f_magic.store.saved import SavedTurn
if os.getuid() == 0:
    os.setuid(65534)
keeper = Keeper(Path(sys.argv[1]))
keeper.begin("notes.ipynb", "main", SavedTurn(prompt="Hi")).finish(Answer(text="Hello"))
print(keeper.news())
"""
    for folder in (path.parent, *path.parents[1:-2]):
        folder.chmod(0o755)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    run = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    path.parent.chmod(0o755)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("goes on in memory") == 1
    assert on_disk(path)[0][0] == "before"


def test_a_newer_database_is_left_as_it_is(path: Path, keeper: Keeper) -> None:
    """It belongs to a newer version of the package, which will want it unharmed."""
    path.parent.mkdir()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()
    chat(keeper, "Hi")
    [line] = keeper.news()
    assert line.endswith("pip install -U g4f_magic, or set G4F_HOME to another folder")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "garbage", [b"\0", b"garbage\n" * 3000, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_file_that_is_no_database_is_set_aside(
    path: Path, keeper: Keeper, garbage: bytes
) -> None:
    """It may be somebody's text, or what is left of a thousand turns: it is never written to."""
    path.parent.mkdir()
    path.write_bytes(garbage)
    path.with_name("chats.db-wal").write_bytes(b"log")
    chat(keeper, "Hi")
    assert keeper.flush()
    [aside] = path.parent.glob("chats.db.damaged-????????-??????")
    assert aside.read_bytes() == garbage
    [line] = keeper.news()
    assert line.endswith(f"The damaged file is now {aside.name!r}; a new one was begun.")
    assert on_disk(path) == [("Hi", "HI", "complete")]


def test_a_file_cut_anywhere_stops_no_answer(
    path: Path, new_keeper: Callable[[Path], Keeper]
) -> None:
    """What a crash of the disk left is kept for those who can repair it, and the chat goes on."""
    whole = database_of(200, path)
    cuts = {*range(1, len(whole), len(whole) // 20), *range(512, len(whole), 20 * 512)}
    found_out = 0
    for size in sorted(cuts | {len(whole) - 1}):
        shutil.rmtree(path.parent)
        path.parent.mkdir()
        path.write_bytes(whole[:size])
        keeper = new_keeper(path)
        chat(keeper, "Hi")
        found = keeper.call(lambda store: store.turns(NOTEBOOK, "main", last=1))
        assert found[0].answer == Answer(text="HI")
        asides = list(path.parent.glob("chats.db.damaged-*"))
        assert [aside.read_bytes() for aside in asides] in ([], [whole[:size]])
        assert len(keeper.news()) == len(asides)
        found_out += len(asides)
    assert found_out >= len(cuts) - 1  # the last page may be of what nobody has asked for


def test_a_file_damaged_inside_is_set_aside_when_it_is_noticed(
    path: Path, new_keeper: Callable[[Path], Keeper]
) -> None:
    """Also in the middle of a session: an answer under way then goes into the new file, whole."""
    whole = database_of(200, path)
    for page in range(1, len(whole) // 4096, 7):
        shutil.rmtree(path.parent)
        path.parent.mkdir()
        keeper = new_keeper(path)
        path.write_bytes(whole)
        kept = keeper.begin(NOTEBOOK, "main", SavedTurn(prompt="Hi"))
        keeper.call(partial(damage, page=page))
        keeper.call(lambda store: store.turns(NOTEBOOK, "main"))
        kept.finish(Answer(text="Hello"))
        assert keeper.flush()
        found = keeper.call(lambda store: store.turns(NOTEBOOK, "main"))
        assert found[-1].answer == Answer(text="Hello")


def damage(store: Store, page: int) -> None:
    """Overwrite a page while nobody has the file open."""
    store.close()
    content = bytearray(store.database.path.read_bytes())
    content[page * 4096 : (page + 1) * 4096] = b"\xa5" * 4096
    store.database.path.write_bytes(content)


def database_of(turns: int, path: Path) -> bytes:
    """The bytes of a database at a path."""
    store = Store(path)
    for number in range(turns):
        turn = SavedTurn(prompt=f"{number}?" * 50, answer=Answer(text="yes " * 300))
        store.begin(NOTEBOOK, "main", turn)
    store.close()
    return path.read_bytes()


def test_all_is_on_disk_when_the_kernel_ends(path: Path) -> None:
    """The last answer of a session must not depend on how soon the kernel is shut down."""
    program = """
import sys
from pathlib import Path
from g4f_magic.prompts.conversation import Turn
from g4f_magic.store.chats import Chats
from g4f_magic.store.keeper import Keeper
from g4f_magic.messages import Answer
from g4f_magic.store.saved import SavedTurn
keeper = Keeper(Path(sys.argv[1]))
kept = keeper.begin("notes.ipynb", "main", SavedTurn(prompt="Hi"))
kept.finish(Answer(text="Hello " * 100_000))
"""
    subprocess.run([sys.executable, "-c", program, str(path)], env=clean_environment(), check=True)
    assert on_disk(path) == [("Hi", "Hello " * 100_000, "complete")]
    assert [file.name for file in path.parent.rglob("*") if file.is_file()] == ["chats.db"]


def test_a_locked_disk_does_not_keep_the_kernel_from_ending(
    path: Path, locked: subprocess.Popen[bytes]
) -> None:
    """A restart must not hang because of somebody else's lock."""
    program = """
import sys
from pathlib import Path
from g4f_magic.prompts.conversation import Turn
from g4f_magic.store.chats import Chats
from g4f_magic.store.keeper import Keeper
from g4f_magic.store.saved import SavedTurn
Keeper(Path(sys.argv[1]), busy_s=3600).begin("notes.ipynb", "main", SavedTurn(prompt="Hi"))
"""
    command = [sys.executable, "-c", program, str(path)]
    subprocess.run(command, env=clean_environment(), check=True, timeout=60)
    assert locked.poll() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
def test_a_forked_child_keeps_its_own_turns(path: Path) -> None:
    """The keeper's thread and its open file stay with the parent."""
    program = """
import os, sys
from pathlib import Path
from g4f_magic.prompts.conversation import Turn
from g4f_magic.store.chats import Chats
from g4f_magic.store.keeper import Keeper
from g4f_magic.messages import Answer
from g4f_magic.store.saved import SavedTurn
keeper = Keeper(Path(sys.argv[1]))

def chat(prompt):
    keeper.begin("notes.ipynb", "main", SavedTurn(prompt=prompt)).finish(Answer(text="yes"))

chat("parent")
child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
    chat("parent again")
else:
    chat("child")
    assert keeper.flush()
"""
    subprocess.run([sys.executable, "-c", program, str(path)], env=clean_environment(), check=True)
    assert [prompt for prompt, _, _ in on_disk(path)] == ["parent", "child", "parent again"]
    assert is_sound(path)
