"""Conversations stay with their notebook when its file is renamed, copied or replaced."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from support.lab import code_cell

from g4f_magic.cell.notebooks import Notebooks
from g4f_magic.messages import Answer
from g4f_magic.prompts.conversation import Cell
from g4f_magic.store.adoption import adopt
from g4f_magic.store.saved import SavedTurn
from g4f_magic.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from g4f_magic.cell.front_end import FrontEnd

FIRST, SECOND, OTHER = "0a1b2c3d", "4e5f6a7b", "8c9d0e1f"
BEFORE, AFTER = 1.0, 4e9  # any chat of a test


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store on a database that is not there yet."""
    made = Store(tmp_path / "home" / "chats.db")
    yield made
    made.close()


def save(path: Path, *cells: str, at: float = AFTER) -> str:
    """Write a notebook with cells of these ids; returns its path."""
    notebook = {"cells": [code_cell(cell, "") for cell in cells], "nbformat": 4}
    path.write_text(json.dumps(notebook))
    os.utime(path, (at, at))
    return str(path)


def chat(store: Store, key: str, *cells: str | None) -> None:
    """Keep one turn of each cell."""
    for cell in cells:
        store.begin(key, "main", SavedTurn(prompt=f"from {cell}", cell_id=cell))


def prompts(store: Store, key: str) -> list[str]:
    """What was asked in a notebook, in order."""
    return [turn.prompt for turn in store.turns(key, "main")]


def test_a_new_notebook_goes_by_its_path(store: Store, tmp_path: Path) -> None:
    """The list of all conversations then says where each was held."""
    path = save(tmp_path / "a.ipynb", FIRST)
    assert adopt(store, path, FIRST) == path


@pytest.mark.parametrize("running", [FIRST, OTHER, None])
def test_a_notebook_finds_its_own(store: Store, tmp_path: Path, running: str | None) -> None:
    """In the next session, whichever cell is the first to run, a new one included."""
    path = save(tmp_path / "a.ipynb", FIRST)
    chat(store, path, FIRST)
    assert adopt(store, path, running) == path


@pytest.mark.parametrize("running", [FIRST, OTHER, None])
def test_a_renamed_notebook_brings_its_conversations(
    store: Store, tmp_path: Path, running: str | None
) -> None:
    """A better name is given when one knows what the notebook is about: after chatting."""
    chat(store, save(tmp_path / "Untitled.ipynb", FIRST), FIRST)
    new = str((tmp_path / "Untitled.ipynb").rename(tmp_path / "Analysis.ipynb"))
    assert adopt(store, new, running) == new
    assert prompts(store, new) == [f"from {FIRST}"]
    assert [each.notebook for each in store.conversations()] == [new]


def test_a_renamed_folder_takes_all_along(store: Store, tmp_path: Path) -> None:
    """The notebooks in it have moved as well."""
    (tmp_path / "old").mkdir()
    for name, cell in (("a", FIRST), ("b", SECOND)):
        chat(store, save(tmp_path / "old" / f"{name}.ipynb", cell), cell)
    (tmp_path / "old").rename(tmp_path / "new")
    for name, cell in (("a", FIRST), ("b", SECOND)):
        path = str(tmp_path / "new" / f"{name}.ipynb")
        assert prompts(store, adopt(store, path, OTHER)) == [f"from {cell}"]


def test_a_copy_begins_with_nothing(store: Store, tmp_path: Path) -> None:
    """It has the same cells; what is asked in one must not go on in the other."""
    original = save(tmp_path / "a.ipynb", FIRST)
    chat(store, original, FIRST)
    copy = shutil.copy(original, str(tmp_path / "b.ipynb"))
    assert adopt(store, copy, FIRST) == copy
    assert prompts(store, copy) == []
    chat(store, copy, FIRST, SECOND)
    assert prompts(store, original) == [f"from {FIRST}"]
    assert (adopt(store, original, FIRST), adopt(store, copy, FIRST)) == (original, copy)


def test_a_copy_that_has_begun_takes_nothing_over(store: Store, tmp_path: Path) -> None:
    """Not even when the original is deleted: two conversations cannot become one."""
    original = save(tmp_path / "a.ipynb", FIRST)
    copy = save(tmp_path / "b.ipynb", FIRST)
    chat(store, original, FIRST)
    chat(store, copy, SECOND)
    Path(original).unlink()
    save(Path(copy), FIRST, SECOND)
    assert adopt(store, copy, FIRST) == copy
    assert prompts(store, copy) == [f"from {SECOND}"]
    assert prompts(store, original) == [f"from {FIRST}"]


def test_a_new_notebook_of_an_old_name_begins_with_nothing(store: Store, tmp_path: Path) -> None:
    """``Untitled.ipynb`` is renamed, and the next notebook is ``Untitled.ipynb`` again.

    It would send what was said in the other one to a model.
    """
    untitled, analysis = tmp_path / "Untitled.ipynb", tmp_path / "Analysis.ipynb"
    chat(store, save(untitled, FIRST), FIRST)
    untitled.rename(analysis)
    save(untitled)
    key = adopt(store, str(untitled), SECOND)
    assert prompts(store, key) == []
    chat(store, key, SECOND)
    chat(store, str(untitled), OTHER)  # the session of the renamed one goes on as it began
    save(untitled, SECOND)
    assert prompts(store, adopt(store, str(untitled), None)) == [f"from {SECOND}"]
    save(analysis, FIRST, OTHER)
    assert prompts(store, adopt(store, str(analysis), None)) == [f"from {FIRST}", f"from {OTHER}"]
    assert prompts(store, adopt(store, str(untitled), None)) == [f"from {SECOND}"]


def test_the_cell_that_runs_decides_between_two_of_one_name(store: Store, tmp_path: Path) -> None:
    """The renamed one's kernel was restarted, and is told the old path by an old server."""
    untitled = save(tmp_path / "Untitled.ipynb", SECOND)
    chat(store, untitled, FIRST)
    chat(store, f"{untitled}#2", SECOND)
    assert adopt(store, untitled, FIRST) == untitled
    assert adopt(store, untitled, SECOND) == f"{untitled}#2"


def test_a_third_of_the_same_name_is_told_from_both(store: Store, tmp_path: Path) -> None:
    """Some people rename their notebooks on Fridays."""
    path = tmp_path / "Untitled.ipynb"
    keys = []
    for cell in (FIRST, SECOND, OTHER):
        keys.append(adopt(store, save(path), cell))
        chat(store, keys[-1], cell)
        path = path.rename(tmp_path / f"{cell}.ipynb").with_name(path.name)
        save(tmp_path / f"{cell}.ipynb", cell)
    assert keys == [str(path), f"{path}#2", f"{path}#3"]
    for cell in (SECOND, FIRST, OTHER):
        key = adopt(store, str(tmp_path / f"{cell}.ipynb"), None)
        assert prompts(store, key) == [f"from {cell}"]


def test_an_unsaved_notebook_is_no_new_one(store: Store, tmp_path: Path) -> None:
    """A kernel is restarted before the page has saved the cell that chatted."""
    path = save(tmp_path / "Untitled.ipynb", at=BEFORE)
    chat(store, path, FIRST)
    assert adopt(store, path, SECOND) == path


def test_a_cell_that_runs_is_proof_before_it_is_saved(store: Store, tmp_path: Path) -> None:
    """The page wrote an older state of the notebook just after the chat."""
    path = save(tmp_path / "a.ipynb", SECOND)
    chat(store, path, FIRST)
    assert adopt(store, path, FIRST) == path


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "null",
        "\xff",
        '{"cells": 1}',
        '{"cells": [{"id": 1}]}',
        '{"cells": [{}]}',
        '{"cells": [{"id": "0"}, {"id": "1"}]}',
        '{"cells": ' + "[" * 100_000,
    ],
    ids=["empty", "list", "null", "bytes", "cells", "id", "format 4.4", "nbstripout", "nested"],
)
def test_a_file_that_does_not_tell_its_cells_changes_nothing(
    store: Store, tmp_path: Path, content: str
) -> None:
    """Older notebooks, texts under jupytext, and half a notebook while it is written."""
    path = tmp_path / "a.ipynb"
    chat(store, str(path), FIRST)
    path.write_text(content, encoding="latin-1")
    os.utime(path, (AFTER, AFTER))
    assert adopt(store, str(path), SECOND) == str(path)
    moved = str(path.rename(tmp_path / "b.ipynb"))
    assert adopt(store, moved, FIRST) == moved
    assert prompts(store, moved) == []


def test_numbers_are_no_proof(store: Store, tmp_path: Path) -> None:
    """Tools number the cells of every notebook alike: one would get a stranger's chats."""
    deleted, path = str(tmp_path / "deleted.ipynb"), save(tmp_path / "a.ipynb", "0", "1")
    chat(store, deleted, "0", "1")
    assert adopt(store, path, "0") == path
    assert prompts(store, path) == []


def test_addresses_of_cells_are_no_proof_either(store: Store, tmp_path: Path) -> None:
    """VS Code names cells by such, which no file has."""
    path = save(tmp_path / "a.ipynb", FIRST)
    chat(store, path, f"vscode-notebook-cell:{path}#W0sZmlsZQ%3D%3D")
    assert adopt(store, path, f"vscode-notebook-cell:{path}#W1sZmlsZQ%3D%3D") == path


def test_a_notebook_that_is_not_on_this_machine_takes_nothing_over(
    store: Store, tmp_path: Path
) -> None:
    """Where no file is seen, one that is missing means nothing, and a copy looks like a move."""
    remote, copy = str(tmp_path / "remote" / "a.ipynb"), str(tmp_path / "remote" / "b.ipynb")
    chat(store, remote, FIRST)
    assert adopt(store, copy, FIRST) == copy
    assert prompts(store, remote) == [f"from {FIRST}"]
    assert adopt(store, remote, SECOND) == remote


def test_the_nearest_relative_is_taken(store: Store, tmp_path: Path) -> None:
    """Two that are gone were made from one template; the one with more of the cells is meant."""
    for name, cells in (("a", [FIRST, SECOND]), ("b", [FIRST]), ("c", [FIRST, OTHER])):
        chat(store, str(tmp_path / f"{name}.ipynb"), *cells)
    path = save(tmp_path / "new.ipynb", FIRST, SECOND)
    assert prompts(store, adopt(store, path, None)) == [f"from {FIRST}", f"from {SECOND}"]


def test_two_kernels_agree(store: Store, tmp_path: Path) -> None:
    """One notebook may have a second kernel; both go on with the same conversation."""
    chat(store, save(tmp_path / "a.ipynb", FIRST), FIRST)
    new = str((tmp_path / "a.ipynb").rename(tmp_path / "b.ipynb"))
    second = Store(tmp_path / "home" / "chats.db")
    assert adopt(store, new, FIRST) == adopt(second, new, SECOND) == new
    second.close()
    assert prompts(store, new) == [f"from {FIRST}"]


def test_a_path_may_end_like_a_mark(store: Store, tmp_path: Path) -> None:
    """A text under jupytext can have any name; it keeps its chats as any other."""
    plain, marked = tmp_path / "notes", tmp_path / "notes#2"
    for path, cell in ((plain, FIRST), (marked, SECOND)):
        path.touch()
        chat(store, str(path), cell)
    assert adopt(store, str(marked), OTHER) == str(marked)
    assert adopt(store, str(plain), OTHER) == str(plain)
    plain.unlink()
    other = save(tmp_path / "c.ipynb", SECOND)
    assert adopt(store, other, SECOND) == other
    assert prompts(store, str(marked)) == [f"from {SECOND}"]


def test_what_was_spent_moves_along(store: Store, tmp_path: Path) -> None:
    """The bill is the notebook's, whatever it is called."""
    old = save(tmp_path / "a.ipynb", FIRST)
    turn = store.begin(old, "main", SavedTurn(prompt="hi", cell_id=FIRST))
    store.finish(turn, Answer(text="hello", model="m", provider="p", request={"n": 1}))
    new = str(Path(old).rename(tmp_path / "b.ipynb"))
    assert [spent.requests for spent in store.usage(adopt(store, new, FIRST))] == [1]


def test_names_are_those_of_this_notebook(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tab would offer what the notebook holds that has left this path."""
    monkeypatch.setenv("G4F_HOME", str(tmp_path / "home"))
    path = save(tmp_path / "Untitled.ipynb", OTHER)
    chat(store, path, FIRST)
    store.begin(path, "theirs", SavedTurn(prompt="x", cell_id=FIRST))
    front_end = SimpleNamespace(notebook=lambda: path, cell=lambda: Cell(OTHER, "1"))
    notebooks = Notebooks(cast("FrontEnd", front_end))
    assert notebooks.chats.notebook == f"{path}#2"
    store.begin(notebooks.chats.notebook, "mine", SavedTurn(prompt="x", cell_id=OTHER))
    assert notebooks.names() == ["mine"]
    notebooks.close()
