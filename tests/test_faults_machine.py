"""What a person sees and keeps when the disk, the clock or the system is out of order."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.byteserver import stream_script
from support.disk import SmallDisk
from support.faults import shown_by
from support.notebook import WHOLE, Halves, Notebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.faults import Fault
    from support.notebook import StartServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux lets these faults be made")

GROUP = "The machine"
ALL = "the whole answer"
IN_MEMORY = "all of it in memory, until the kernel ends"
LATER = "all of it in memory, and on disk as soon as that works again"
ASIDE = "the damaged file, under another name; all that is said from here on"
ANSWERED = ("question", WHOLE, "complete")


@pytest.fixture
def disk(notebook: Notebook) -> Iterator[SmallDisk]:
    """A disk of one megabyte, which the data folder is on."""
    with SmallDisk(notebook.home) as small:
        yield small


@pytest.mark.fault(
    GROUP,
    "The disk is full",
    sees="…chats.db' cannot be used: database or disk is full. The conversation goes on in memory.",
    keeps=LATER,
)
def test_a_full_disk(notebook: Notebook, disk: SmallDisk, fault: Fault) -> None:
    """Homes have quotas; an answer that was paid for must come, and be kept when it can be."""
    disk.fill()
    run = notebook.chat("one")
    assert fault.is_seen_in(run)
    assert WHOLE in run.markdown
    assert "memory" not in shown_by(notebook.chat("two"))
    assert notebook.goes_on()
    disk.make_room()
    notebook.reopen()
    assert notebook.kept() == [("one", WHOLE, "complete"), ("two", WHOLE, "complete")]


@pytest.mark.fault(
    GROUP,
    "The disk becomes full in the middle of an answer",
    sees="…chats.db' cannot be used: database or disk is full. The conversation goes on in memory.",
    keeps=LATER,
)
def test_a_disk_that_becomes_full(notebook: Notebook, disk: SmallDisk, fault: Fault) -> None:
    """The other half must not be lost with what the disk did not take."""
    script = Halves("The first half. ", "The second half. " * 50_000)
    running = notebook.begin_half(script)
    disk.fill()
    script.gate.set()
    run = running.finish()
    assert script.halves[1].strip() in run.markdown
    assert fault.is_seen_in(shown_by(run) + shown_by(notebook.chat("two")))
    assert notebook.goes_on()
    with closing(sqlite3.connect(notebook.database)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.fault(
    GROUP,
    "No file may grow any more (a quota)",
    sees="…chats.db' cannot be used: …. The conversation goes on in memory.",
    keeps=LATER,
)
def test_a_quota(notebook: Notebook, fault: Fault) -> None:
    """Shared servers limit what one may write in other ways than by the size of the disk."""
    limit = "__import__('resource').setrlimit(__import__('resource').RLIMIT_FSIZE, ({}, -1))"
    notebook.run(limit.format(0))
    try:
        run = notebook.chat()
        assert fault.is_seen_in(run)
        assert WHOLE in run.markdown
        assert notebook.goes_on()
    finally:
        notebook.run(limit.format(-1))
    notebook.reopen()
    assert notebook.kept() == [ANSWERED]


@pytest.mark.fault(
    GROUP,
    "The data folder is read-only",
    sees="…chats.db…' cannot be used: …. The conversation goes on in memory.",
    keeps="what was kept before, unharmed; the rest in memory, until the kernel ends",
)
def test_a_read_only_folder(notebook: Notebook, disk: SmallDisk, fault: Fault) -> None:
    """An exam, a class, a container: homes that nobody can write to are common."""
    notebook.chat()
    notebook.reopen()
    before = notebook.database.read_bytes()
    disk.make_read_only()
    run = notebook.chat("more")
    assert fault.is_seen_in(run)
    assert WHOLE in run.markdown
    assert notebook.goes_on()
    assert notebook.database.read_bytes() == before


@pytest.mark.fault(
    GROUP,
    "The data folder cannot be made",
    sees="…home' cannot be used: File exists. The conversation goes on in memory.",
    keeps=IN_MEMORY,
)
def test_a_folder_that_cannot_be_made(notebook: Notebook, fault: Fault) -> None:
    """G4F_HOME with a slip in it must not cost the answer, or somebody's file."""
    notebook.home.write_text("in the way")
    run = notebook.chat()
    assert fault.is_seen_in(run)
    assert WHOLE in run.markdown
    assert notebook.goes_on()
    assert notebook.home.read_text() == "in the way"


@pytest.mark.fault(
    GROUP, "Another program locks the database during an answer", sees=WHOLE, keeps=ALL
)
def test_a_short_lock(notebook: Notebook, fault: Fault) -> None:
    """A backup or a sync program reads the file now and then."""
    script = Halves()
    running = notebook.begin_half(script)
    with closing(sqlite3.connect(notebook.database, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        script.gate.set()
        assert fault.is_seen_in(running.finish())
    assert notebook.goes_on()
    notebook.reopen()
    assert notebook.kept() == [ANSWERED]


@pytest.mark.slow
@pytest.mark.fault(
    GROUP,
    "Another program locks the database for long",
    sees="…chats.db' cannot be used: database is locked. The conversation goes on in memory.",
    keeps=LATER,
)
def test_a_long_lock(notebook: Notebook, fault: Fault) -> None:
    """A program that hangs with the file in its hands must not hang the notebook, too."""
    notebook.chat()
    with closing(sqlite3.connect(notebook.database, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        runs = [notebook.chat("two"), notebook.chat("three"), notebook.chat("four")]
        assert fault.is_seen_in("".join(map(shown_by, runs)))
        assert [WHOLE in run.markdown for run in runs] == [True] * 3
        assert notebook.goes_on()
    notebook.reopen()
    assert [prompt for prompt, *_ in notebook.kept()] == ["question", "two", "three", "four"]


def damage(what: str, *, sees: str, keeps: str = ASIDE) -> pytest.MarkDecorator:
    """A row about a file that is not as it was left."""
    return pytest.mark.fault(GROUP, f"The database {what}", sees=sees, keeps=keeps)


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(
            lambda _: b"something else\n" * 1000,
            id="overwritten",
            marks=damage(
                "is overwritten with something else",
                sees="…chats.db' cannot be used: file is not a database."
                " The damaged file is now 'chats.db.damaged-…'; a new one was begun.",
            ),
        ),
        pytest.param(
            lambda content: content[: len(content) // 2 + 100],
            id="cut",
            marks=damage(
                "is cut off",
                sees="…chats.db' cannot be used: file is not a database."
                " The damaged file is now 'chats.db.damaged-…'; a new one was begun.",
            ),
        ),
        pytest.param(
            lambda content: content[:4096] + b"\xa5" * (len(content) - 4096),
            id="inside",
            marks=damage(
                "is damaged inside",
                sees="…chats.db' cannot be used: database disk image is malformed."
                " The damaged file is now 'chats.db.damaged-…'; a new one was begun.",
            ),
        ),
        pytest.param(
            lambda _: b"",
            id="empty",
            marks=damage("is an empty file", sees=WHOLE, keeps="all that is said from here on"),
        ),
    ],
)
def test_a_damaged_database(
    notebook: Notebook, fault: Fault, damaged: Callable[[bytes], bytes]
) -> None:
    """What a crash of the disk has left may be repaired by somebody, and the chat goes on."""
    notebook.chat("before")
    notebook.reopen()
    left = damaged(notebook.database.read_bytes())
    notebook.database.write_bytes(left)
    run = notebook.chat()
    assert fault.is_seen_in(run)
    assert WHOLE in run.markdown
    assert notebook.kept() == [ANSWERED]
    aside = [path.read_bytes() for path in notebook.home.glob("chats.db.damaged-*[0-9]")]
    assert aside == ([left] if left else [])
    assert notebook.goes_on()


@pytest.mark.fault(
    GROUP,
    "The database was written by a newer version",
    sees="…chats.db' was written by a newer g4f_magic (version 99 of its tables)."
    " The conversation goes on in memory. pip install -U g4f_magic, or set G4F_HOME to another"
    " folder",
    keeps="the file of the newer version, unharmed; the rest in memory, until the kernel ends",
)
def test_a_newer_database(notebook: Notebook, fault: Fault) -> None:
    """Two environments on one machine are common, and the newer one wants its file unharmed."""
    notebook.home.mkdir()
    with closing(sqlite3.connect(notebook.database)) as database:
        database.execute("PRAGMA user_version = 99")
    before = notebook.database.read_bytes()
    assert fault.is_seen_in(notebook.chat())
    assert notebook.goes_on()
    assert notebook.database.read_bytes() == before


@pytest.mark.parametrize(
    "delete",
    [
        pytest.param(
            lambda notebook: notebook.database.unlink(),
            id="file",
            marks=damage("is deleted in use", sees=WHOLE, keeps="all that is said from here on"),
        ),
        pytest.param(
            lambda notebook: shutil.rmtree(notebook.home),
            id="folder",
            marks=pytest.mark.fault(
                GROUP,
                "The data folder is deleted in use",
                sees=WHOLE,
                keeps="all that is said from here on",
            ),
        ),
    ],
)
def test_a_database_deleted_in_use(
    notebook: Notebook, fault: Fault, delete: Callable[[Notebook], None]
) -> None:
    """Who deletes what is kept means it so, and wants to go on."""
    notebook.chat("before")
    delete(notebook)
    assert fault.is_seen_in(notebook.chat())
    assert notebook.goes_on()
    assert notebook.kept() == [ANSWERED]


@pytest.mark.fault(
    GROUP,
    "The files beside the database (-wal, -shm) are deleted in use",
    sees=WHOLE,
    keeps="all of it, once the kernel has ended",
)
def test_a_log_deleted_in_use(notebook: Notebook, fault: Fault) -> None:
    """They look like rubbish to those who tidy up."""
    notebook.chat("before")
    script = Halves()
    running = notebook.begin_half(script)
    for ending in ("-wal", "-shm"):
        notebook.database.with_name(f"chats.db{ending}").unlink()
    script.gate.set()
    assert fault.is_seen_in(running.finish())
    assert notebook.goes_on()
    notebook.reopen()
    assert notebook.kept() == [("before", WHOLE, "complete"), ANSWERED]


@pytest.mark.fault(
    GROUP,
    "A character of a kept answer is spoilt on the disk",
    sees="The whole �nswer.",
    keeps="all but that character",
)
def test_a_spoilt_character(notebook: Notebook, fault: Fault) -> None:
    """SQLite does not notice, and one bit must not cost the whole conversation."""
    notebook.chat("before")
    notebook.run("%g4f_chats")  # which comes after the end of the answer has been written
    spoil(notebook, "text = CAST(replace(CAST(text AS BLOB), x'61', x'ff') AS TEXT)")
    assert fault.is_seen_in(notebook.run("%g4f_chats show"))
    assert notebook.chat().error is None
    assert notebook.goes_on()


@pytest.mark.fault(
    GROUP,
    "The notes beside a cached answer are spoilt on the disk",
    sees="cached",
    keeps="the text of the answer",
)
def test_spoilt_notes_of_a_cached_answer(
    notebook: Notebook, fault: Fault, byte_server: StartServer
) -> None:
    """A cache is there to help, and must not be what stops an answer."""
    server = byte_server(stream_script([WHOLE]))
    ask = f"%%chat -p {server.url}/v1 -m m --cache --alone\nquestion"
    notebook.run(ask)
    spoil(notebook, "request = '{', usage = 'x', tool_calls = '[1'")
    run = notebook.run(ask)
    assert fault.is_seen_in(run)
    assert WHOLE in run.markdown
    assert len(server.requests) == 1
    assert notebook.goes_on()


def spoil(notebook: Notebook, change: str) -> None:
    """Change all answers on disk."""
    with closing(sqlite3.connect(notebook.database, isolation_level=None)) as database:
        database.execute(f"UPDATE answers SET {change}")  # noqa: S608  # ours


@pytest.mark.fault(
    GROUP,
    "The file of settings is damaged",
    sees="the settings in '…config.toml' are not used: Invalid value",
    keeps="the file as it is",
)
def test_damaged_settings(notebook: Notebook, fault: Fault) -> None:
    """It is written by hand, too; who made the slip can correct it, and chats meanwhile."""
    notebook.home.mkdir()
    settings = notebook.home / "config.toml"
    settings.write_text("model = ")
    notebook.reopen()
    run = notebook.chat()
    assert fault.is_seen_in(run)
    assert WHOLE in run.markdown
    assert notebook.run("%g4f_config --save cache=on").error is not None
    assert settings.read_text() == "model = "
    assert notebook.goes_on()


@pytest.mark.fault(
    GROUP, "The kept list of models is damaged", sees="test-model", keeps="the list, asked for anew"
)
def test_a_damaged_list_of_models(
    notebook: Notebook, fault: Fault, byte_server: StartServer
) -> None:
    """A cache that cannot be read is as good as none."""
    notebook.home.mkdir()
    kept = notebook.home / "models.json"
    kept.write_text('{"version": 1, "listings": {"a": ')
    run = notebook.run(f"%g4f_models -p {byte_server(stream_script([WHOLE])).url}")
    assert fault.is_seen_in(run)
    assert "test-model" in kept.read_text()
    assert notebook.goes_on()


@pytest.mark.fault(
    GROUP,
    "The disk becomes full while a conversation is exported over an older file",
    sees="talk.md' cannot be written: No space left on device",
    keeps="the older file",
)
def test_an_export_to_a_full_disk(notebook: Notebook, disk: SmallDisk, fault: Fault) -> None:
    """Half a new file is worth less than a whole old one."""
    notebook.chat(script=stream_script(["The whole answer. " * 3000]))
    older = notebook.home / "talk.md"
    older.write_text("older")
    disk.fill()
    assert fault.is_seen_in(notebook.run(f"%g4f_chats export {older} --force"))
    assert older.read_text() == "older"
    assert [path.name for path in notebook.home.glob("talk*")] == ["talk.md"]
    assert notebook.goes_on()
