"""The first ten minutes of somebody who has a copy of the repository and reads its README."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt
from support.byteserver import ByteServer, free_port, stream_script
from support.environment import find_program, is_foreign
from support.installed import Environment, run
from support.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # pip may wait for the network

TREE = Path(__file__).parent.parent
LONGEST_README_LINES = 150
SAID = "It learned the noise."


@pytest.fixture(scope="module")
def copy() -> Iterator[Path]:
    """A copy of what the repository has, in a folder that was empty."""
    git = find_program("git", "git", reason="it knows which files are the repository's")
    listed = run([git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=TREE)
    with tempfile.TemporaryDirectory(prefix="newcomer-") as empty:
        folder = Path(empty) / "g4f_magic"
        for name in filter(None, listed.split("\0")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TREE / name, folder / name)
        yield folder


@pytest.fixture(scope="module")
def readme(copy: Path) -> str:
    """All that a newcomer reads."""
    return (copy / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def demo(copy: Path, readme: str) -> str:
    """What the first command of README prints, to somebody who has a key."""
    key = {
        "OPENAI_API_KEY": "of-the-newcomer",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{free_port()}",
    }
    return run(printed(readme, "make demo").split(), cwd=copy, env=pip_settings() | key)


@pytest.fixture(scope="module")
def jupyter(copy: Path, readme: str, demo: str) -> Environment:
    """An environment that has a kernel, after README's command for such ones."""
    assert demo
    environment = Environment(copy / ".venv")
    env = {**pip_settings(), "PATH": environment.env["PATH"]}
    run(printed(readme, "pip install").split(), cwd=copy, env=env)
    return environment


@pytest.fixture(scope="module")
def service() -> Iterator[ByteServer]:
    """What plays OpenAI and Ollama."""
    with ByteServer(stream_script([SAID])) as server:
        yield server


@pytest.fixture(scope="module")
def notebook(jupyter: Environment) -> Iterator[Kernel]:
    """A kernel of that environment, without any network."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    offline = {"HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "NO_PROXY": "127.0.0.1"}
    with Kernel(env={**jupyter.env, **offline}, python=jupyter.python) as kernel:
        yield kernel


def pip_settings() -> dict[str, str]:
    """The environment with how pip gets through here, and without anybody's keys."""
    return {
        name: value
        for name, value in os.environ.items()
        if "PROXY" in name.upper() or not (is_foreign(name) or name.startswith("MAKE"))
    }


def printed(readme: str, begin: str) -> str:
    """The first command that stands in the text and begins so."""
    found = re.search(rf"`({re.escape(begin)}[^`]*)`", readme)
    assert found is not None
    return found[1]


def blocks(readme: str) -> list[tuple[str, str]]:
    """The language and the text of each block of code, in order; cells have none."""
    tokens = MarkdownIt("commonmark").parse(readme)
    return [(token.info, token.content) for token in tokens if token.type == "fence"]


def shown(outputs: list[dict[str, Any]]) -> dict[str, str]:
    """What the outputs of a cell have, by type."""
    bundles = [output.get("data", {}) for output in outputs]
    return {kind: data[kind] for data in bundles for kind in data}


def test_the_readme_is_short(readme: str) -> None:
    """Ten minutes are over soon."""
    assert len(readme.splitlines()) <= LONGEST_README_LINES


def test_one_command_shows_an_answer(demo: str) -> None:
    """Who tries it before reading on gets an answer of one command, with nothing set up before."""
    assert "not a language model" in demo
    found = re.search(r"as a page: (.+)", demo)
    assert found is not None
    assert "not a language model" in Path(found[1]).read_text(encoding="utf-8")


def test_the_cells_of_the_readme_work_as_printed(
    readme: str, notebook: Kernel, service: ByteServer
) -> None:
    """An answer, a picture, a file and a comparison: whoever types them gets what is promised."""
    cells = [code for language, code in blocks(readme) if not language]
    seen = [notebook.run(code) for code in cells[:2]]
    for name, value in (
        ("OPENAI_API_KEY", "of-the-newcomer"),
        ("OPENAI_BASE_URL", f"{service.url}/v1"),
        ("OLLAMA_HOST", service.url),
    ):
        assert notebook.run(f"%env {name}={value}").error is None
    seen += [
        notebook.run(code) for code in cells[2:]
    ]  # with a key or without, the rest is the same
    assert [run.error for run in seen] == [None] * len(cells)

    first = shown(seen[1].outputs)
    assert "not a language model" in first["text/markdown"]
    assert any("image/png" in shown(run.outputs) for run in seen)
    exported = (notebook.cwd / "talk.md").read_text(encoding="utf-8")
    assert "Explain a p-value" in exported
    assert "not a language model" in exported
    tables = [shown(run.outputs).get("text/html", "") for run in seen]
    columns = [table for table, code in zip(tables, cells, strict=True) if "-m ollama" in code]
    assert len(columns) == 1
    assert columns[0].count(SAID) == 3
    assert notebook.value("reply.text") == SAID
    assert notebook.value("'site-packages' in __import__('g4f_magic').__file__")


def test_the_script_of_the_readme_works_as_printed(
    readme: str, jupyter: Environment, notebook: Kernel, service: ByteServer
) -> None:
    """The lines that others paste into a script of theirs."""
    scripts = [code for language, code in blocks(readme) if language == "python"]
    assert scripts
    for script in scripts:
        said = jupyter.run("-c", script, cwd=notebook.cwd, env={"OLLAMA_HOST": service.url})
        assert SAID in said


def test_every_file_that_the_readme_names_is_there(copy: Path, readme: str) -> None:
    """A link that leads nowhere is the last one somebody follows."""
    links = re.findall(r"\]\(([^)#:]+)\)", readme)
    assert len(links) > 5
    assert [link for link in links if not (copy / link).is_file()] == []
