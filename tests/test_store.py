"""Conversations on disk are those that were held, whoever writes and however often."""

from __future__ import annotations

import copy
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.environment import clean_environment

from g4f_magic.errors import DamagedError, StoreError, UsageError
from g4f_magic.messages import Answer, Compared, Image, ToolCall, Usage
from g4f_magic.parts import Attachment
from g4f_magic.prompts.conversation import Cell, Conversation, Turn
from g4f_magic.secret import Secret
from g4f_magic.store.saved import History, SavedTurn, Spent
from g4f_magic.store.schema import MIGRATIONS
from g4f_magic.store.store import Store, default_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from g4f_magic.messages import Message
    from g4f_magic.parts import Part

NOTEBOOK = "/home/ada/Analysis.ipynb"
CONTENT = b"\x89PNG not really"
PARTS = (
    "Half \ud83d of",
    Attachment("image", CONTENT, "image/png", "fig", "scaled down"),
    Attachment("text", b"a,b", "text/plain", "n\udc80.csv"),
)
WHOLE = Answer(
    text="Hello **there**",
    reasoning="They greet me",
    images=(
        Image(CONTENT, "image/png", revised_prompt="a fox"),
        Image(url="https://a.example/b", trouble="too large"),
    ),
    tool_calls=(ToolCall("1", "add", '{"a": 1}', after=5),),
    usage=Usage(3, 5, {"total": 8}),
    finish_reason="stop",
    model="m-1",
    provider="local",
    elapsed_s=1.5,
    first_token_s=0.5,
    request={"model": "m-1", "temperature": 0.1},
    attempt=2,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database will be, in a folder that is not there yet."""
    return tmp_path / "home" / "chats.db"


@pytest.fixture
def stores(path: Path) -> Iterator[Callable[[], Store]]:
    """Makes stores on one database, as several kernels have them."""
    made: list[Store] = []

    def make() -> Store:
        made.append(Store(path))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(stores: Callable[[], Store]) -> Store:
    """A store on a database that is not there yet."""
    return stores()


def chat(store: Store, prompt: str, cell: str | None = None, run: str = "", **turn: Any) -> int:
    """Keep a turn and its answer, the prompt in capitals."""
    saved = SavedTurn(prompt=prompt, cell_id=cell, execution=run, **turn)
    number = store.begin(NOTEBOOK, "main", saved)
    store.finish(number, Answer(text=prompt.upper(), model="m", provider="p", request={"n": 1}))
    return number


def prompts(store: Store, name: str = "main") -> list[str]:
    """What was asked, in order."""
    return [turn.prompt for turn in store.turns(NOTEBOOK, name)]


def state_of(store: Store, notebook: str) -> str:
    """Return the state of the first answer."""
    answer = store.turns(notebook, "main")[0].answer
    assert answer is not None
    return answer.state


def count(store: Store, table: str) -> int:
    """How many rows a table has."""
    with store.database.read() as db:
        number: int = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
        return number


class Conversations(RuleBasedStateMachine):
    """Two kernels and one database against the conversations that a kernel has in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.stores = [Store(self.folder / "chats.db") for _ in range(2)]
        self.model = {"main": Conversation()}
        self.executions = 0

    def teardown(self) -> None:
        """Close and remove the database."""
        for store in self.stores:
            store.close()
        shutil.rmtree(self.folder)

    @rule(
        kernel=st.integers(0, 1),
        name=st.sampled_from(["main", "other"]),
        cell=st.none() | st.sampled_from("abc"),
        is_same_run=st.booleans(),
        system=st.none() | st.sampled_from(["", "Be brief", "Be \ud83d"]),
        starts_afresh=st.booleans(),
        answer=st.none() | st.sampled_from(["", "Yes", "No\x00\udc80"]),
        parts=st.sampled_from([(), PARTS, PARTS[1:2]]),
    )
    def run(  # noqa: PLR0913, PLR0917  # one of each that a turn has
        self,
        kernel: int,
        name: str,
        cell: str | None,
        is_same_run: bool,  # noqa: FBT001
        system: str | None,
        starts_afresh: bool,  # noqa: FBT001
        answer: str | None,
        parts: tuple[Part, ...],
    ) -> None:
        """Chat in a cell, or set something without a prompt."""
        self.executions += not is_same_run
        run, prompt = str(self.executions), "" if answer is None else f"{self.executions}?"
        store, conversation = self.stores[kernel], self.model.setdefault(name, Conversation(name))
        history = store.history(NOTEBOOK, name, cell, run)
        owner = None if cell is None else Cell(cell, run)
        parts = parts if prompt else ()
        turn = Turn(prompt, system=system, starts_afresh=starts_afresh, cell=owner, parts=parts)
        conversation.add(turn)
        if not starts_afresh:
            assert as_messages(history, turn) == conversation.messages(turn)
        saved = SavedTurn(
            prompt=prompt,
            system=system,
            starts_afresh=starts_afresh,
            cell_id=cell,
            execution=None if cell is None else run,
            parts=parts,
        )
        number = store.begin(NOTEBOOK, name, saved)
        if answer is not None:
            turn.answer = Answer(text=answer, state="interrupted")
            store.grow(number, Answer(text=answer[:1]))
            store.finish(number, turn.answer)

    @rule(kernel=st.integers(0, 1), name=st.sampled_from(["main", "other"]))
    def undo(self, kernel: int, name: str) -> None:
        """Take back the last turn."""
        turns = self.model[name].turns if name in self.model else []
        undone = self.stores[kernel].undo(NOTEBOOK, name)
        assert (undone and undone.prompt) == (turns.pop().prompt if turns else None)

    @precondition(lambda self: self.model["main"].turns)
    @rule(kernel=st.integers(0, 1))
    def fork(self, kernel: int) -> None:
        """Go on under another name as well."""
        if "other" in self.model:
            with pytest.raises(UsageError, match="'other' is there already"):
                self.stores[kernel].fork(NOTEBOOK, "main", "other")
        else:
            self.stores[kernel].fork(NOTEBOOK, "main", "other")
            turns = [copy.copy(turn) for turn in self.model["main"].turns]
            self.model["other"] = Conversation("other", turns)

    @precondition(lambda self: "other" in self.model)
    @rule(kernel=st.integers(0, 1))
    def delete(self, kernel: int) -> None:
        """Drop a conversation; what it shared with another stays."""
        self.stores[kernel].delete(NOTEBOOK, "other")
        del self.model["other"]

    @rule(kernel=st.integers(0, 1))
    def restart(self, kernel: int) -> None:
        """Close the database; the next use opens it again."""
        self.stores[kernel].close()

    @invariant()
    def is_as_in_memory(self) -> None:
        """Each conversation has the turns it should have, in order."""
        for name, conversation in self.model.items():
            expected = [
                (t.prompt, t.system, t.starts_afresh, t.answer and t.answer.text, t.parts)
                for t in conversation.turns
            ]
            found = [
                (t.prompt, t.system, t.starts_afresh, t.answer and t.answer.text, t.parts)
                for t in self.stores[0].turns(NOTEBOOK, name)
            ]
            assert found == expected
        used = any(turn.parts for one in self.model.values() for turn in one.turns)
        assert count(self.stores[0], "blobs") <= 2 * used


def as_messages(history: History, turn: Turn) -> list[Message]:
    """The messages that `Conversation.messages` would send for a turn after this history."""
    system = history.system if turn.system is None else turn.system
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for prompt, text in history.said:
        messages.append({"role": "user", "content": prompt})
        messages.append({"role": "assistant", "content": text})
    return [*messages, {"role": "user", "content": turn.content}]


TestConversations = Conversations.TestCase
TestConversations.settings = settings(max_examples=40, stateful_step_count=25)


def test_all_that_is_known_of_an_answer_comes_back(store: Store) -> None:
    """After a restart the answer is the same object to look at, pictures and figures included."""
    number = store.begin(NOTEBOOK, "main", SavedTurn(prompt="Hi", cell_id="c", execution="e"))
    store.finish(number, WHOLE, "cut")
    turn = store.turns(NOTEBOOK, "main")[0]
    assert turn.answer == WHOLE
    assert turn.answer.usage.raw == {"total": 8}  # type: ignore[union-attr]
    assert (turn.id, turn.cell_id, turn.execution, turn.error) == (number, "c", "e", "cut")


def test_no_part_of_an_answer_is_forgotten_here() -> None:
    """Guards the test above: a new field of an answer has to be kept, or named here."""
    passing = {"parsed", "waiting", "activity", "notes", "cost"}
    empty = Answer()
    same = {f.name for f in fields(Answer) if getattr(WHOLE, f.name) == getattr(empty, f.name)}
    assert same - passing == {"state", "cached"}  # which other tests here set


@given(text=st.text(st.characters()), state=st.sampled_from(["complete", "failed", "cut off"]))
def test_any_text_comes_back(text: str, state: Any) -> None:
    """Models write NULs and halves of surrogate pairs, and file names have undecodable bytes."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "chats.db")
        answer = Answer(text=text, reasoning=text, model=text, state=state)
        turn = SavedTurn(prompt=text or "?", system=text, cell_id=text, answer=answer, error=text)
        store.begin(text, text, turn)
        kept = store.turns(text, text)[0]
        store.close()
    assert (kept.prompt, kept.system, kept.cell_id) == (text or "?", text, text)
    assert (kept.answer, kept.error) == (answer, text)


def test_a_number_that_cannot_be_a_count_is_left_out(store: Store) -> None:
    """A server may say any number; the answer must be kept all the same."""
    number = store.begin(NOTEBOOK, "main", SavedTurn(prompt="Hi"))
    store.finish(number, Answer(text="Hello", usage=Usage(2**63, 2, {"in": 2**63})))
    answer = store.turns(NOTEBOOK, "main")[0].answer
    assert answer is not None
    assert answer.usage == Usage(None, 2)
    assert answer.usage.raw == {"in": 2**63}


def test_figures_nested_without_end_do_not_harm(store: Store) -> None:
    """A server says what it likes; the answer and the counts must be kept all the same."""
    raw: dict[str, Any] = {}
    for _ in range(100_000):
        raw = {"more": raw}
    number = store.begin(NOTEBOOK, "main", SavedTurn(prompt="Hi"))
    store.finish(number, Answer(text="Hello", usage=Usage(1, 2, raw)))
    assert store.turns(NOTEBOOK, "main")[0].answer == Answer(text="Hello", usage=Usage(1, 2))


def test_nothing_is_on_disk_before_the_first_use(path: Path) -> None:
    """Loading the extension leaves no trace for those who do not chat."""
    Store(path)
    assert not path.parent.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="modes mean nothing there")
def test_nobody_else_can_read_what_was_said(path: Path, store: Store) -> None:
    """Other people work on the same machine: folder 0700, each file 0600, an older one as well."""
    path.parent.mkdir(0o700)
    path.touch(0o644)
    store.begin(NOTEBOOK, "main", SavedTurn(prompt="Secret"))
    files = [found for found in path.parent.rglob("*") if found.is_file()]
    assert {found.name for found in files} > {"chats.db", "chats.db-wal", "chats.db-shm"}
    assert {stat.S_IMODE(found.stat().st_mode) for found in files} == {0o600}
    shutil.rmtree(path.parent)
    store.begin(NOTEBOOK, "main", SavedTurn(prompt="Secret"))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_no_key_and_no_repetition_of_the_history_is_stored(path: Path, store: Store) -> None:
    """A key in a field would be readable for ever, and messages in each turn grow as its square."""
    request = {"model": "m", "user": {"token": Secret("sk-1")}, "messages": [{"content": "Q"}]}
    number = store.begin(NOTEBOOK, "main", SavedTurn(prompt="Hi"))
    store.finish(number, Answer(text="Hello", request=request))
    answer = store.turns(NOTEBOOK, "main")[0].answer
    store.close()
    assert answer is not None
    assert answer.request == {"model": "m", "user": {"token": "…"}}
    assert b"sk-1" not in path.read_bytes()


def test_a_newer_database_is_refused_and_left_as_it_is(path: Path, store: Store) -> None:
    """An older version of the package would misread what a newer one wrote."""
    chat(store, "Hi")
    store.close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    before = path.read_bytes()
    newer = rf"newer g4f_magic \(version {len(MIGRATIONS) + 1} of its tables\)"
    with pytest.raises(StoreError, match=newer) as caught:
        store.turns(NOTEBOOK, "main")
    assert "G4F_HOME" in caught.value.hint
    assert path.read_bytes() == before


def test_a_database_of_an_older_version_is_brought_up_to_date(path: Path, store: Store) -> None:
    """An update of the package would cost all conversations."""
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        for statement in MIGRATIONS[0]:
            db.execute(statement)
        db.execute("PRAGMA user_version = 1")
        db.execute("INSERT INTO notebooks (key) VALUES (?)", (NOTEBOOK,))
        db.execute("INSERT INTO conversations VALUES (1, 1, 'main', 0)")
        db.execute(
            "INSERT INTO answers (state, updated_at, elapsed_s, attempt, cached, model, provider,"
            " reasoning, text) VALUES ('complete', 0, 0, 1, 0, 'm', 'p', '', 'Hello')"
        )
        db.execute("INSERT INTO turns VALUES (1, 1, 0, 1, 0, 0, NULL, NULL, NULL, 'Hi')")
    db.close()
    (turn,) = store.turns(NOTEBOOK, "main")
    assert turn.answer is not None
    assert (turn.prompt, turn.answer.text, turn.compared) == ("Hi", "Hello", ())
    store.delete(NOTEBOOK, "main")
    assert count(store, "answers") == 0


def test_all_answers_are_kept_where_several_are_compared(store: Store) -> None:
    """The conversation goes on with one; the others were paid for, too."""
    under_way = Answer(state="streaming")
    begun = (Compared("a", under_way), Compared("b", under_way))
    number = store.begin(NOTEBOOK, "main", SavedTurn(prompt="Hi", compared=begun))
    half = (Compared("a", under_way), Compared("b", Answer(text="He", state="streaming")))
    store.grow(number, half[1].answer, half)
    assert store.history(NOTEBOOK, "main").said == (("Hi", "He"),)
    whole = (Compared("a", WHOLE, "cut"), Compared("b", Answer(text="Hello", model="m")))
    store.finish(number, whole[1].answer, "", whole)
    (turn,) = store.turns(NOTEBOOK, "main")
    assert turn.answer is not None
    assert turn.answer.text == "Hello"
    assert [(one.label, one.answer.text, one.error) for one in turn.compared] == [
        ("a", WHOLE.text, "cut"),
        ("b", "Hello", ""),
    ]
    assert turn.compared[0].answer.images == WHOLE.images
    store.keep(number, whole[0].answer, whole)
    assert store.history(NOTEBOOK, "main").said == (("Hi", WHOLE.text),)
    store.fork(NOTEBOOK, "main", "copy")
    store.delete(NOTEBOOK, "main")
    (copied,) = store.turns(NOTEBOOK, "copy")
    assert copied.compared == turn.compared
    store.delete(NOTEBOOK, "copy")
    assert count(store, "answers") == count(store, "blobs") == 0


def test_a_database_that_others_are_just_making_is_waited_for(path: Path) -> None:
    """Of eight kernels that start at once one would else be told that it is locked."""
    path.parent.mkdir()
    maker = sqlite3.connect(path, isolation_level=None)
    maker.execute("BEGIN IMMEDIATE")
    found: list[object] = []

    def open_store() -> None:
        store = Store(path, busy_s=60)
        found.append(store.conversations())
        store.close()

    opener = threading.Thread(target=open_store)
    opener.start()
    opener.join(0.1)
    is_waiting = opener.is_alive()
    maker.close()
    opener.join()
    assert (is_waiting, found) == (True, [[]])


def test_a_step_that_fails_leaves_no_half_made_tables(path: Path, store: Store) -> None:
    """The next version of the package would stumble over them."""
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE turns (foreign_to_us)")
    db.close()
    with pytest.raises(StoreError, match="table turns already exists"):
        store.turns(NOTEBOOK, "main")
    with sqlite3.connect(path) as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        version = db.execute("PRAGMA user_version").fetchone()
    db.close()
    assert (tables, version) == ([("turns",)], (0,))


def test_a_page_that_was_written_in_part_is_restored_from_the_log(
    path: Path, store: Store, tmp_path: Path
) -> None:
    """A full disk can cut the file; it is not damaged as long as the log has what is missing."""
    chat(store, "Hi")
    for file in path.parent.glob("chats.db*"):
        if file.is_file():
            shutil.copy(file, tmp_path)
    with (tmp_path / "chats.db").open("ab") as cut:
        cut.write(b"part of a page")
    other = Store(tmp_path / "chats.db")
    assert prompts(other) == ["Hi"]
    other.close()


def test_a_deleted_file_is_begun_anew(path: Path, store: Store) -> None:
    """Who deletes the database under a running kernel wants the next turns kept again."""
    chat(store, "old")
    for file in path.parent.glob("chats.db*"):
        if file.is_file():
            file.unlink()
    chat(store, "new")
    assert prompts(store) == ["new"]


def test_a_file_is_set_aside_by_the_first_who_finds_it_damaged(
    path: Path, stores: Callable[[], Store]
) -> None:
    """The second kernel must not take the new file away from the first."""
    path.parent.mkdir()
    path.write_bytes(b"garbage" * 512)
    first, second = stores(), stores()
    for store in (first, second):
        with pytest.raises(DamagedError, match="file is not a database"):
            store.conversations()
    assert first.database.set_aside() is not None
    chat(first, "Hi")
    assert second.database.set_aside() is None
    assert prompts(second) == ["Hi"]


def test_no_file_that_is_set_aside_takes_the_place_of_another(path: Path, store: Store) -> None:
    """Two in one second have the same name; each may be all that is left of a conversation."""
    path.parent.mkdir()
    for content in (b"first", b"second", b"third"):
        path.write_bytes(content)
        with pytest.raises(DamagedError):
            store.conversations()
        assert store.database.set_aside() is not None
    kept = {file.read_bytes() for file in path.parent.glob("chats.db.damaged-*")}
    assert kept == {b"first", b"second", b"third"}


def test_what_is_written_by_another_kernel_is_seen(stores: Callable[[], Store]) -> None:
    """Two kernels on one notebook continue one conversation."""
    one, other = stores(), stores()
    chat(one, "a")
    chat(other, "b")
    chat(one, "c")
    assert prompts(one) == prompts(other) == ["a", "b", "c"]
    assert one.history(NOTEBOOK, "main").said[1] == ("b", "B")


def test_a_replaced_turn_does_not_write_into_the_one_that_took_its_place(
    stores: Callable[[], Store],
) -> None:
    """Two kernels that run the same cell at once must not mix two answers."""
    one, other = stores(), stores()
    slow = one.begin(NOTEBOOK, "main", SavedTurn(prompt="slow", cell_id="c", execution="1"))
    quick = other.begin(NOTEBOOK, "main", SavedTurn(prompt="quick", cell_id="c", execution="2"))
    one.grow(slow, Answer(text="SL"))
    one.finish(slow, Answer(text="SLOW", images=(Image(CONTENT),)))
    other.grow(quick, Answer(text="QU"))
    kept = [(turn.prompt, str(turn.answer)) for turn in one.turns(NOTEBOOK, "main")]
    assert kept == [("quick", "QU")]
    assert count(one, "pictures") == 0


def test_an_answer_that_another_kernel_still_writes_is_left_alone(
    stores: Callable[[], Store],
) -> None:
    """Opening a second notebook must not declare the first one's answer over."""
    writer, reader = stores(), stores()
    number = writer.begin(NOTEBOOK, "main", SavedTurn(prompt="Hi"))
    writer.grow(number, Answer(text="Hel"))
    assert state_of(reader, NOTEBOOK) == "streaming"
    writer.finish(number, Answer(text="Hello"))
    assert state_of(reader, NOTEBOOK) == "complete"


def test_an_answer_whose_writer_is_gone_is_interrupted(stores: Callable[[], Store]) -> None:
    """After a restart nothing may look as if it were still being written."""
    writer, reader = stores(), stores()
    number = writer.begin(NOTEBOOK, "main", SavedTurn(prompt="Hi"))
    writer.grow(number, Answer(text="Hel", reasoning="Hm"))
    writer.close()
    answer = reader.turns(NOTEBOOK, "main")[0].answer
    assert answer == Answer(text="Hel", reasoning="Hm", state="interrupted")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
def test_a_forked_child_does_not_keep_its_parents_answers_alive(tmp_path: Path) -> None:
    """Workers of a killed kernel live on for a while; its answer is over all the same."""
    program = f"""
import os, sys
from pathlib import Path
from g4f_magic.store.saved import SavedTurn
from g4f_magic.store.store import Store
store = Store(Path({str(tmp_path)!r}) / "chats.db")
store.begin("n", "main", SavedTurn(prompt="Hi"))
if os.fork():
    os._exit(0)
print("child", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"child\n"
        parent.wait()
        store = Store(tmp_path / "chats.db")
        assert state_of(store, "n") == "interrupted"
        store.close()


def test_equal_pictures_are_stored_once_and_go_with_the_last_turn(store: Store) -> None:
    """A notebook with the same plot in each answer would grow by it each time."""
    for cell in "ab":
        turn = SavedTurn(prompt="Hi", cell_id=cell, execution="1", answer=WHOLE)
        store.begin(NOTEBOOK, "main", turn)
    assert (count(store, "pictures"), count(store, "blobs")) == (4, 1)
    chat(store, "Hi", "a", "2")
    assert (count(store, "pictures"), count(store, "blobs")) == (2, 1)
    store.delete(NOTEBOOK, "main")
    assert [count(store, table) for table in ("pictures", "blobs", "answers")] == [0, 0, 0]


def test_what_prompts_and_answers_share_goes_with_the_last_of_them(store: Store) -> None:
    """A deleted conversation must leave no picture behind, and take none from another."""
    chat(store, "Hi", parts=PARTS)
    store.begin("other.ipynb", "main", SavedTurn(prompt="Draw", answer=WHOLE))
    assert count(store, "blobs") == 2
    store.delete(NOTEBOOK, "main")
    assert (count(store, "parts"), count(store, "blobs")) == (0, 1)
    chat(store, "Hi", parts=PARTS)
    store.delete("other.ipynb", "main")
    assert count(store, "blobs") == 2
    store.undo(NOTEBOOK, "main")
    assert [count(store, table) for table in ("parts", "pictures", "blobs")] == [0, 0, 0]


def test_a_cached_answer_is_whole_until_it_is_forgotten(store: Store) -> None:
    """Running a cell again with the cache on must find what the first run was told."""
    store.cache.remember("key", WHOLE)
    assert store.cache.recall("key") == WHOLE
    assert store.cache.clear() == 1
    assert store.cache.recall("key") is None
    assert count(store, "answers") == count(store, "blobs") == 0


def test_only_complete_answers_are_cached(store: Store) -> None:
    """Half an answer must not be given twice."""
    for state in ("interrupted", "failed", "cut off", "streaming"):
        store.cache.remember("key", Answer(text="He", state=state))
    assert store.cache.recall("key") is None


def test_the_newer_of_two_answers_to_one_request_is_recalled(store: Store) -> None:
    """Who asks again without the cache wants the new answer from then on."""
    for text in ("a", "b"):
        store.cache.remember("key", Answer(text=text))
    assert str(store.cache.recall("key")) == "b"
    assert count(store, "answers") == 1


def test_a_conversation_is_listed_with_what_tells_it_from_others(store: Store) -> None:
    """Names alone do not say which one it was."""
    chat(store, "  Why is\n the sky blue?", system="Be brief")
    store.begin(NOTEBOOK, "old", SavedTurn(prompt="", starts_afresh=True))
    store.begin("other.ipynb", "main", SavedTurn(prompt="Hi", answer=WHOLE))
    everywhere = store.conversations()
    assert [(c.notebook, c.name, c.turns) for c in everywhere] == [
        ("other.ipynb", "main", 1),
        (NOTEBOOK, "old", 0),
        (NOTEBOOK, "main", 1),
    ]
    assert (everywhere[0].tokens_in, everywhere[0].tokens_out, everywhere[0].model) == (3, 5, "m-1")
    assert everywhere[2].first_words == "Why is the sky blue?"
    assert [c.name for c in store.conversations(NOTEBOOK)] == ["old", "main"]


def test_a_conversation_has_another_name_and_its_turns_still(store: Store) -> None:
    """Renaming is no reason to lose anything."""
    chat(store, "a")
    store.rename(NOTEBOOK, "main", "physics")
    assert (prompts(store), prompts(store, "physics")) == ([], ["a"])
    with pytest.raises(UsageError, match="no conversation 'main'"):
        store.rename(NOTEBOOK, "main", "x")
    chat(store, "b")
    with pytest.raises(UsageError, match="'physics' is there already"):
        store.rename(NOTEBOOK, "main", "physics")


def test_turns_are_found_by_their_words(store: Store) -> None:
    """In the prompt or the answer, in any case and language, literally."""
    chat(store, "Größe in %?")
    chat(store, "Other")
    store.begin("other.ipynb", "main", SavedTurn(prompt="The GRÖSSE"))
    assert [f.prompt for f in store.search(["grösse"])] == ["The GRÖSSE", "Größe in %?"]
    assert [f.text for f in store.search(["größe", "%"], NOTEBOOK)] == ["GRÖSSE IN %?"]
    assert store.search(["größe", "other"]) == []


def test_what_was_spent_counts_turns_that_are_gone(store: Store) -> None:
    """A cell that was run ten times was paid ten times."""
    for run in range(3):
        number = store.begin(
            NOTEBOOK, "main", SavedTurn(prompt="?", cell_id="c", execution=f"{run}")
        )
        store.finish(number, WHOLE)
    chat(store, "no figures")
    for answer in (Answer(text="again", cached=True), Answer(state="failed")):
        store.finish(store.begin(NOTEBOOK, "main", SavedTurn(prompt="?")), answer)
    assert store.usage(NOTEBOOK) == [
        Spent("local", "m-1", 3, 0, 9, 15),
        Spent("p", "m", 1, 1, 0, 0),
    ]
    assert store.usage("other.ipynb") == []


def test_the_last_turns_can_be_read_alone(store: Store) -> None:
    """``--last 2`` of a long conversation, and what is shown first of it."""
    for prompt in "abc":
        chat(store, prompt)
    assert [turn.prompt for turn in store.turns(NOTEBOOK, "main", last=2)] == ["b", "c"]
    assert store.history(NOTEBOOK, "main", last=2).said == (("b", "B"), ("c", "C"))


def test_reading_what_is_not_there_creates_nothing(store: Store) -> None:
    """A look must not leave empty conversations behind."""
    assert store.turns(NOTEBOOK, "x") == []
    assert store.history(NOTEBOOK, "x") == History()
    assert store.undo(NOTEBOOK, "x") is None
    with pytest.raises(UsageError, match="no conversation 'x'"):
        store.delete(NOTEBOOK, "x")
    assert store.conversations() == []


def steps_of(store: Store, action: Callable[[], object]) -> int:
    """How many tens of instructions SQLite's machine needs for an action."""
    taken = 0

    def tick() -> int:
        nonlocal taken
        taken += 1
        return 0

    with store.database.read() as db:
        db.set_progress_handler(tick, 10)
    action()
    with store.database.read() as db:
        db.set_progress_handler(None, 0)
    return taken


@pytest.mark.parametrize("action", ["append", "run again", "history"])
def test_a_long_conversation_costs_what_a_short_one_does(store: Store, action: str) -> None:
    """The thousandth turn must not wait for all those before it to be read."""

    def history() -> History:
        return store.history(NOTEBOOK, "main", last=5)

    def act() -> None:
        if action == "history":
            assert any(isinstance(said, list) for said, _ in history().said)
        else:
            chat(store, "again", "c5" if action == "run again" else None, f"{len(taken)}")

    taken: list[int] = []
    for size in (10, 1000):
        for number in range(count(store, "turns") if taken else 0, size):
            chat(store, "Hi", f"c{number}", "1", parts=PARTS if number % 2 else ())
        taken.append(steps_of(store, act))
    assert taken[1] <= taken[0] * 1.5


def test_the_database_is_in_the_folder_that_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a setting it is where the platform keeps such things."""
    monkeypatch.setenv("G4F_HOME", str(tmp_path))
    assert default_path() == tmp_path / "chats.db"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("G4F_HOME")
    assert default_path().parent.name == "g4f_magic"


def test_many_turns_are_added_at_once_or_not_at_all(store: Store) -> None:
    """Half an imported conversation would look like a whole one."""

    def breaking() -> Iterator[SavedTurn]:
        yield SavedTurn(prompt="a")
        raise LookupError

    with pytest.raises(LookupError):
        store.add(NOTEBOOK, "x", breaking())
    assert store.conversations() == []
    store.add(NOTEBOOK, "x", [SavedTurn(prompt=name) for name in "abc"])
    assert prompts(store, "x") == ["a", "b", "c"]
    with pytest.raises(UsageError, match="'x'"):
        store.add(NOTEBOOK, "x", [])
