"""Finds a notebook's conversations again when files have changed their names.

A kernel is told the path of its notebook once, as the session begins. Two things follow.
What was said in a notebook is kept under a path that it may have left since. And a path may
have been taken by another notebook, as `Untitled.ipynb` is again and again. So the path
proposes, and the ids of the cells decide.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .saved import stored, text_of

if TYPE_CHECKING:
    from .database import Connection
    from .store import Store

# Random, as Jupyter makes them. Not the 0, 1, 2 … that nbstripout writes into every notebook, and
# not the addresses of VS Code, which are in no file and number the cells anew at each opening.
_TELLING = re.compile(r"[A-Za-z0-9_-]{8,64}")
_MARK = re.compile(r"#\d+\Z")


@dataclass(slots=True)
class _Kept:
    """What is kept under a key: the cells that chatted, and when one last did."""

    cells: set[str] = field(default_factory=set)
    used_at: float = 0.0


@dataclass(frozen=True, slots=True)
class _File:
    """A notebook on disk."""

    cells: frozenset[str]
    written_at: float


def adopt(store: Store, notebook: str, cell_id: str | None) -> str:
    """Return the key under which the conversations of a notebook are, or will be.

    To be asked once per session, before its first chat, with the path of the notebook and the
    cell that runs; the session then keeps to the answer, whatever happens to the files. It is
    the path, with a mark ("#2") where that still stands for a notebook that has moved on.
    Conversations of a notebook that has moved here are brought along. A copy begins with
    nothing as long as its original is there. Raises ``StoreError``.
    """
    running = {cell_id} if cell_id and _TELLING.fullmatch(cell_id) else set()
    file = _read(Path(notebook))
    cells = running | (file.cells if file else set())
    with store.database.read() as db:
        kept = _all_kept(db)

    def nearness(key: str) -> tuple[bool, int, float]:
        known = kept[key].cells
        return not running.isdisjoint(known), len(cells & known), kept[key].used_at

    own = [key for key in kept if notebook in {key, _path(key)}]
    here = [key for key in own if not _has_moved_on(kept[key], file, running)]
    if here:
        return max(here, key=nearness)
    marked = (f"{notebook}#{number}" for number in itertools.count(2))
    new = next(key for key in itertools.chain([notebook], marked) if key not in kept)
    alike = [key for key in kept if not cells.isdisjoint(kept[key].cells)]
    moved = [key for key in alike if _is_gone(key, kept[key])]
    if moved and file:  # what cannot be seen from here may as well be a copy
        _rename(store, max(moved, key=nearness), new)
    return new


def _rename(store: Store, key: str, new: str) -> None:
    with store.database.write() as db:  # another kernel may just have done it
        change = "UPDATE notebooks SET key = ? WHERE key = ?"
        db.execute(change, (stored(new), stored(key)))


def _all_kept(db: Connection) -> dict[str, _Kept]:
    kept = {text_of(key): _Kept() for (key,) in db.execute("SELECT key FROM notebooks")}
    found: dict[int, _Kept] = {}
    for number, key, used_at in db.execute(
        "SELECT c.id, key, used_at FROM conversations AS c"
        " JOIN notebooks ON notebooks.id = c.notebook"
    ):
        found[number] = kept[text_of(key)]
        found[number].used_at = max(found[number].used_at, used_at)
    # Of all turns there are, but only the index is read.
    turns = "SELECT conversation, cell_id FROM turns WHERE cell_id IS NOT NULL"
    for number, cell_id in db.execute(turns):
        if _TELLING.fullmatch(cell := text_of(cell_id)):
            found[number].cells.add(cell)
    return kept


def _read(path: Path) -> _File | None:
    """Return what a notebook's file tells of its cells; None where it does not."""
    try:
        written_at = path.stat().st_mtime
        ids = [cell["id"] for cell in json.loads(path.read_bytes())["cells"]]
        if all(_TELLING.fullmatch(cell_id) for cell_id in ids):
            return _File(frozenset(ids), written_at)
    except (KeyError, OSError, RecursionError, TypeError, ValueError):
        pass  # no notebook, one without ids, as before nbformat 4.5, or one that is just written
    return None


def _has_moved_on(kept: _Kept, file: _File | None, running: set[str]) -> bool:
    """Tell whether a path's file is by now another notebook than the one that chatted.

    It is if it was written after the last chat and yet has none of the cells that chatted.
    """
    if file is None or not kept.cells or not running.isdisjoint(kept.cells):
        return False
    return file.written_at > kept.used_at and file.cells.isdisjoint(kept.cells)


def _is_gone(key: str, kept: _Kept) -> bool:
    path = Path(_path(key))
    return not path.exists() or _has_moved_on(kept, _read(path), set())


def _path(key: str) -> str:
    """Return the path in a key, without its mark; a file may be called like that, too."""
    path = _MARK.sub("", key)
    return key if path != key and Path(key).exists() else path
