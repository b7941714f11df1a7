"""Notebooks that run without anybody at the screen, and what is read of them afterwards."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbconvert import HTMLExporter, LatexExporter, MarkdownExporter
from support.environment import clean_environment, find_program
from support.lab import code_cell

if TYPE_CHECKING:
    from nbformat import NotebookNode

pytestmark = pytest.mark.slow

#: What runs a notebook in its place, by the name people know it under.
RUNNERS = {
    "nbclient": ["jupyter-execute", "--inplace"],
    "nbconvert": ["jupyter-nbconvert", "--execute", "--inplace"],
    "papermill": ["papermill", "--no-progress-bar", "-k", "python3"],
}
CELLS = [
    "%load_ext g4f_magic",
    "%%chat -m demo-reasoning\nExplain a p-value, please",
    "%%chat -m demo-slow --max-tokens 50\nHello",
    "%chat -m demo-image a fox",
]
#: What a status line says while an answer grows.
PASSING = re.compile(r"\b(waiting|thinking|writing) · \d")


def run_notebook(runner: str, folder: Path, cells: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs ``asked.ipynb`` made of ``cells`` in ``folder``, in place."""
    path = folder / "asked.ipynb"
    notebook = {
        "cells": [code_cell(f"cell-{number}", source) for number, source in enumerate(cells)],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(notebook))
    program, *options = RUNNERS[runner]
    paths = [path.name] * (2 if runner == "papermill" else 1)
    homes = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "G4F_HOME")
    return subprocess.run(
        [Path(sys.executable).with_name(program), *options, *paths],
        cwd=folder,
        env=clean_environment() | {name: str(folder / name) for name in homes},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.fixture(scope="module", params=RUNNERS)
def executed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A notebook that a runner has executed, as it is on disk."""
    folder = tmp_path_factory.mktemp(request.param)
    done = run_notebook(request.param, folder, CELLS)
    assert done.returncode == 0, done.stderr
    return nbformat.read(folder / "asked.ipynb", as_version=4)


def data_of(notebook: NotebookNode, cell: int) -> list[dict[str, str]]:
    """The MIME data of the outputs of a cell."""
    return [output["data"] for output in notebook.cells[cell]["outputs"]]


def test_each_answer_is_one_whole_document(executed: NotebookNode) -> None:
    """A report that runs at night must not hold half an answer, or one twice."""
    for cell, said in ((1, "It does *not* say how likely"), (2, "not a language model")):
        (document,) = data_of(executed, cell)
        assert sorted(document) == ["text/markdown", "text/plain"]
        assert said in document["text/markdown"]
        assert said in document["text/plain"]
        assert not PASSING.search(document["text/markdown"] + document["text/plain"])


def test_a_picture_is_in_the_notebook(executed: NotebookNode) -> None:
    """A link to a picture is dead when the report is read."""
    pictures = [data["image/png"] for data in data_of(executed, 3) if "image/png" in data]
    assert [base64.b64decode(picture)[:4] for picture in pictures] == [b"\x89PNG"]


def test_no_widget_is_left(executed: NotebookNode) -> None:
    """Where a widget was, a reader without a kernel sees 'model not found'."""
    assert "widgets" not in executed.metadata
    assert "widget-view" not in json.dumps(executed)


@pytest.mark.parametrize("exporter", [HTMLExporter, MarkdownExporter, LatexExporter])
def test_it_is_converted_without_a_kernel(executed: NotebookNode, exporter: Any) -> None:
    """Pages, READMEs and PDFs are made later, elsewhere."""
    if exporter is LatexExporter:
        find_program("pandoc", "pandoc", reason="nbconvert makes LaTeX with it")
    page, resources = exporter().from_notebook_node(executed)
    for said in ("not a language model", "how likely it is that", "demo-image", "tokens/s"):
        assert said in " ".join(page.split())
    assert "data:image/png;base64," in page or any(n.endswith(".png") for n in resources["outputs"])
    assert "vnd.jupyter.widget" not in page
    assert not PASSING.search(page)


def test_it_reads_on_github(executed: NotebookNode) -> None:
    """GitHub keeps only the HTML it knows; nothing we say may go with the rest."""
    from support.github import github_html  # noqa: PLC0415 - not in every environment

    page = github_html(data_of(executed, 1)[0]["text/markdown"])
    assert re.search(r"<details><summary>[^<]*</summary>\s*<blockquote>\s*<p>", page)
    assert re.search(r"<small>[^<]*demo-reasoning", page)
    assert re.search(r"<small>[^<]*tokens/s", page)
    assert "<h2>A p-value, for a ten-year-old</h2>" in page
    assert "<strong>not a language model</strong>" in page
    assert re.search(r"<pre[^>]*><code[^>]*>from math import comb", page)


@pytest.mark.parametrize("runner", RUNNERS)
def test_an_error_ends_the_run(runner: str, tmp_path: Path) -> None:
    """What comes after a failed question would be built on nothing."""
    reached = tmp_path / "reached"
    cells = [CELLS[0], "%%chat -m demo-error 401\nHello", f"open({str(reached)!r}, 'w').close()"]
    done = run_notebook(runner, tmp_path, cells)
    assert done.returncode != 0
    assert "401" in done.stderr
    assert not reached.exists()
