"""The notebooks of the project, executed as their readers would."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter, MarkdownExporter
from support.environment import clean_environment

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
BAR = "[▏▎▍▌▋▊▉█]+"
# Times, bars of them, and the size of a picture, which depends on the fonts that are there.
FIGURES = re.compile(
    rf"\d+(\.\d+)? s( to first token)?|\d+ tokens/s|\d+ +{BAR}|{BAR}| {{2,}}"
    r"|\d+×\d+, [\d.]+ KB|\d+ in, \d+ out"
)


def test_there_are_notebooks() -> None:
    """A test over an empty list proves nothing."""
    assert NOTEBOOKS


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def saved_and_executed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Any]:
    """A notebook as it is in the repository, and as it comes out now."""
    saved = nbformat.read(request.param, as_version=4)
    executed = nbformat.read(request.param, as_version=4)
    # With a key another provider would answer, and out of a cache nobody.
    environ = clean_environment() | {"G4F_HOME": str(tmp_path_factory.mktemp("home"))}
    NotebookClient(executed, timeout=60, kernel_name="python3").execute(env=environ)
    return saved, executed


def shown(notebook: Any) -> list[str]:
    """What the outputs say, without the times, which differ from run to run."""
    texts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {"text/plain": output.get("text", "")})
            texts.append(FIGURES.sub("…", data.get("text/markdown") or data["text/plain"]))
    return texts


def test_a_notebook_is_saved_as_it_comes_out(saved_and_executed: tuple[Any, Any]) -> None:
    """Readers on GitHub see the saved outputs, not what the code does today."""
    saved, executed = saved_and_executed
    assert shown(saved) == shown(executed)
    assert len(shown(saved)) > 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_model_of_the_demo_is_asked_of_the_demo(path: Path) -> None:
    """With a key in the environment another service would be asked for a model it lacks."""
    code = "\n".join(
        cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"
    )
    assert "%g4f_config provider=demo" in code or not re.search('-m "?demo-', code)


def test_a_notebook_reads_on_a_static_page(saved_and_executed: tuple[Any, Any]) -> None:
    """A page without a kernel has the answers, and no place where a widget was."""
    saved, _ = saved_and_executed
    page, _ = HTMLExporter().from_notebook_node(saved)
    text, _ = MarkdownExporter().from_notebook_node(saved)
    assert "not a language model" in page
    assert "not a language model" in text
    assert "widget-view" not in page
