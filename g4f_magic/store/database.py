"""One SQLite file: opened at its first use, private, up to date, its troubles translated."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..errors import DamagedError, StoreError
from .owners import Owner, is_alive, sweep
from .schema import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

Connection: TypeAlias = sqlite3.Connection
Row: TypeAlias = sqlite3.Row

BUSY_S = 5.0
_PIECE = 512  # bytes, of which all pages are multiples
_LOG_HEAD = 32  # bytes of a log without pages
_FILES = ("-wal", "-shm", "")  # the log before what it belongs to, see set_aside


class Database:
    """A database for one thread of one process; nothing is opened or created before its first use.

    ``busy_s`` is how long to wait for others who write. A forked child must use one of its own.
    """

    def __init__(self, path: Path, *, busy_s: float = BUSY_S) -> None:
        self.path = path
        self._busy_s = busy_s
        self._connection: Connection | None = None
        self._file_id: tuple[int, int] | None = None
        self._owner: Owner | None = None

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Give one consistent view for as long as the block lasts; others may write meanwhile."""
        with self._transaction("BEGIN") as db:
            yield db

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """Let nobody else write for as long as the block lasts; all of it counts, or nothing."""
        with self._transaction("BEGIN IMMEDIATE") as db:
            yield db

    def file_id(self) -> tuple[int, int]:
        """Return what tells the file from another one of the same name; opens it if need be."""
        with self._translated():
            self._open()
            assert self._file_id is not None  # noqa: S101  # it is open
            return self._file_id

    def owner_token(self) -> str:
        """Return this process's name as one that writes; to be called while writing."""
        if self._owner is None:
            sweep(self._owners)
            self._owner = Owner(self._owners)
        return self._owner.token

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._connection is not None:
            self._connection.close()
        if self._owner is not None:
            self._owner.leave()
        self._connection = self._owner = None

    def set_aside(self) -> Path | None:
        """Give a damaged file another name, next to it; None if somebody else has done so.

        Raises ``StoreError`` where it cannot be renamed.
        """
        self.close()
        name = f"{self.path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
        names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        aside = next(place for place in map(self.path.with_name, names) if not place.exists())
        with self._translated():
            if self._file_id is None or self._file_id != _file_id(self.path):
                return None
            # First the log: beside a new file of the old name it would be played into that.
            for ending in _FILES:
                with contextlib.suppress(FileNotFoundError):
                    self.path.with_name(self.path.name + ending).rename(f"{aside}{ending}")
        return aside

    @property
    def _owners(self) -> Path:
        return self.path.with_name(f"{self.path.name}-kernels")

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        with self._translated():
            db = self._open()
            db.execute(begin)
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # SQLite ends it by itself when the disk is full
                    db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
            raise  # ours
        except sqlite3.Error as error:
            # This very class is what "malformed" and "not a database" come as; others are below it.
            is_damaged = type(error) is sqlite3.DatabaseError
            if is_damaged:
                self.close()
            message = f"{str(self.path)!r} cannot be used: {error}"
            raise (DamagedError if is_damaged else StoreError)(message) from error
        except OSError as error:
            message = f"{str(error.filename or self.path)!r} cannot be used: {error.strerror}"
            raise StoreError(message) from error

    def _open(self) -> Connection:
        if self._connection is not None and _file_id(self.path) != self._file_id:
            self.close()  # another kernel has set the file aside, or somebody has deleted it
        if self._connection is None:
            _make_private(self.path)
            self._file_id = _file_id(self.path)
            if _is_cut(self.path):
                message = "file is not a database"
                raise sqlite3.DatabaseError(message)
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> Connection:
        db = sqlite3.connect(self.path, timeout=self._busy_s, isolation_level=None)
        try:
            db.row_factory = sqlite3.Row
            db.text_factory = _readable
            db.execute("PRAGMA foreign_keys = ON")
            # A turn survives the end of this process at once, a power cut within a moment.
            db.execute("PRAGMA synchronous = NORMAL")
            _migrate(db, self.path, self._busy_s)
            _interrupt_the_dead(db, self._owners)
        except BaseException:
            db.close()
            raise
        return db


def _readable(text: bytes) -> str:
    """Return a text; one character that a failing disk has spoilt must not cost all turns."""
    return text.decode(errors="replace")


def _make_private(path: Path) -> None:
    """Create the folder and file where missing, for their owner's eyes only.

    An existing file is not opened: closing it again would take away the locks that another
    thread's connection has on it. SQLite gives its files beside it the same mode.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    if path.is_file() and path.stat().st_mode & 0o077:
        path.chmod(0o600)


def _file_id(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _is_cut(path: Path) -> bool:
    """Tell whether part of a page is missing, which SQLite overlooks, and no log can restore it."""
    log = path.with_name(f"{path.name}-wal")
    has_log = log.exists() and log.stat().st_size > _LOG_HEAD
    return path.stat().st_size % _PIECE != 0 and not has_log


def _migrate(db: Connection, path: Path, busy_s: float) -> None:
    seen = _version(db)
    if seen > len(MIGRATIONS):
        message = f"{str(path)!r} was written by a newer g4f_magic (version {seen} of its tables)"
        raise StoreError(
            message, hint="pip install -U g4f_magic, or set G4F_HOME to another folder"
        )
    if seen < len(MIGRATIONS):
        _use_log(db, busy_s)
        db.execute("BEGIN IMMEDIATE")
        for step in MIGRATIONS[_version(db) :]:  # another kernel may just have done it
            for statement in step:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        db.execute("COMMIT")


def _version(db: Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def _use_log(db: Connection, busy_s: float) -> None:
    """Switch to WAL, for good: readers and a writer no longer wait for each other.

    For this one change SQLite does not wait for others by itself.
    """
    pause = threading.Event()
    end = time.monotonic() + busy_s
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:  # noqa: PERF203  # it has to wait anyway
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            pause.wait(0.01)
        else:
            return


def _interrupt_the_dead(db: Connection, owners: Path) -> None:
    """Mark answers whose process ended in their middle; one that still writes is left alone."""
    tokens = [row[0] for row in db.execute("SELECT DISTINCT owner FROM answers WHERE owner > ''")]
    dead = [(token,) for token in tokens if not is_alive(owners, token)]
    if dead:
        db.execute("BEGIN IMMEDIATE")
        interrupt = "UPDATE answers SET state = 'interrupted', owner = NULL WHERE owner = ?"
        db.executemany(interrupt, dead)
        db.execute("COMMIT")


class MemoryDatabase(Database):
    """A database that ends with the process, for notebooks that nothing tells apart."""

    def __init__(self) -> None:
        super().__init__(Path(":memory:"))

    def file_id(self) -> tuple[int, int]:
        """Return the same for ever."""
        return 0, 0

    def owner_token(self) -> str:
        """Return nobody's name: no other process can see what is written."""
        return ""

    def _open(self) -> Connection:
        if self._connection is None:
            db = sqlite3.connect(":memory:", isolation_level=None)
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA foreign_keys = ON")
            _migrate(db, self.path, self._busy_s)
            self._connection = db
        return self._connection
