"""Which notebook and which cell a kernel runs, as far as anybody tells it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.environment import clean_environment
from support.kernel import Kernel
from support.lab import code_cell
from support.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

FRONT_END = "__import__('g4f_magic.cell.front_end').cell.front_end.FrontEnd(get_ipython())"
ASK = f"print(repr({FRONT_END}.notebook()), {FRONT_END}.cell())"
#: What runs a notebook without anybody at the screen.
RUNNERS = {
    "nbclient": ["jupyter-execute", "--inplace"],
    "nbconvert": ["jupyter-nbconvert", "--execute", "--inplace"],
    "papermill": ["papermill", "--no-progress-bar", "-k", "python3"],
}


def asked(kernel: Kernel, cell_id: str | None = "0a1b2c3d") -> str:
    """What the front end of a kernel says of the notebook, as a literal."""
    return kernel.run(ASK, cell_id).text.split(" ")[0]


def started_for(name: str | Path, cwd: Path) -> Kernel:
    """A kernel as Jupyter's server starts it for a notebook."""
    return Kernel({"JPY_SESSION_NAME": str(name)}, cwd=cwd)


def test_a_notebook_goes_by_its_path(tmp_path: Path) -> None:
    """Whichever way one came there: a link to the folder leads to the same conversations."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with started_for(tmp_path / "link" / "a.ipynb", tmp_path) as kernel:
        assert asked(kernel) == repr(str(tmp_path / "real" / "a.ipynb"))
        kernel.run("import os; os.chdir('/')")
        assert asked(kernel) == repr(str(tmp_path / "real" / "a.ipynb"))


def test_a_server_may_tell_the_path_from_its_own_root(tmp_path: Path) -> None:
    """Older ones do; the kernel may be anywhere by the time it is asked."""
    with started_for("work/a.ipynb", tmp_path) as kernel:
        kernel.run("import os; os.chdir('/')")
        assert asked(kernel) == repr(str(tmp_path / "a.ipynb"))


def test_a_text_that_is_a_notebook_counts(tmp_path: Path) -> None:
    """With jupytext, any text opens as one."""
    (tmp_path / "a.md").touch()
    with started_for(tmp_path / "a.md", tmp_path) as kernel:
        assert asked(kernel) == repr(str(tmp_path / "a.md"))


def test_a_console_is_no_notebook(tmp_path: Path) -> None:
    """They are numbered: the next "Console 1" would go on with what another one said."""
    with started_for(tmp_path / "Console 1", tmp_path) as kernel:
        assert asked(kernel) == "''"


def test_a_front_end_that_names_no_cells_has_a_notebook(tmp_path: Path) -> None:
    """Its conversations are kept: what it can do, and a runner cannot, is to ask the person."""
    with started_for(tmp_path / "a.ipynb", tmp_path) as kernel:
        content = {"code": ASK, "silent": False, "store_history": True, "allow_stdin": True}
        kernel.send("execute_request", {**content, "user_expressions": {}})
        kernel.read_until(lambda: any(m.kind == "stream" for m in kernel.other_messages), 20)
        said = [m.content["text"] for m in kernel.other_messages if m.kind == "stream"]
        assert said == [f"{str(tmp_path / 'a.ipynb')!r} None\n"]


def test_nothing_is_made_up(shared_kernel: Kernel) -> None:
    """Without a name the conversation lives in memory, and without a cell each run appends."""
    assert shared_kernel.run(ASK, "0a1b2c3d").text.startswith("'' Cell(id='0a1b2c3d', execution=")
    assert shared_kernel.run(ASK).text == "'' None\n"


def test_each_run_of_a_cell_is_told_from_the_last(shared_kernel: Kernel) -> None:
    """A run replaces the turns of the runs before, not those of its own."""
    twice = f"first = {FRONT_END}.cell()\nprint(first == {FRONT_END}.cell(), first)"
    runs = [shared_kernel.run(twice, "0a1b2c3d").text for _ in range(2)]
    assert all(run.startswith("True Cell(id='0a1b2c3d'") for run in runs)
    assert runs[0] != runs[1]


@pytest.mark.parametrize(
    ("path", "told"), [("/home/ada/a.ipynb", "/home/ada/a.ipynb"), ("Untitled-1.ipynb", "")]
)
def test_vs_code_tells_the_path_in_a_variable(path: str, told: str, tmp_path: Path) -> None:
    """With a remote kernel the server's name is that of a file for one session.

    A notebook that was never saved has no path, but a number that the next one has, too.
    """
    with started_for(tmp_path / "a-jvsc-1234.ipynb", tmp_path) as kernel:
        kernel.run(f"__vsc_ipynb_file__ = {path!r}")
        assert asked(kernel) == repr(told)


def test_a_machine_of_colab_has_one_notebook(shared_kernel: Kernel) -> None:
    """There is no path, and nothing else to mistake it for."""
    shared_kernel.run("import sys; sys.modules['google.colab'] = sys")
    assert asked(shared_kernel) == "'Colab'"
    shared_kernel.run("del sys.modules['google.colab']")


def test_a_notebook_stays_the_same_for_a_session(tmp_path: Path) -> None:
    """Renaming a text, or ``%reset`` in VS Code, would end the conversation in its middle."""
    text = tmp_path / "a.md"
    text.touch()
    names = [{"JPY_SESSION_NAME": str(text)}, {}]
    variables = [{}, {"__vsc_ipynb_file__": str(tmp_path / "a.ipynb")}]
    for env, variable in zip(names, variables, strict=True):
        with Kernel(env, cwd=tmp_path) as kernel:
            kernel.run(f"import builtins; globals().update({variable!r})")
            kernel.run(f"builtins.front_end = {FRONT_END}")
            before = kernel.run("front_end.notebook()", "0a1b2c3d").result
            text.unlink(missing_ok=True)
            kernel.run("%reset -f")
            after = kernel.run("front_end.notebook()", "0a1b2c3d").result
            assert before == after
            assert before is not None
            assert str(tmp_path) in before["text/plain"]


@pytest.mark.slow
@pytest.mark.parametrize("runner", RUNNERS)
def test_a_runner_started_from_a_notebook_is_not_that_notebook(runner: str, tmp_path: Path) -> None:
    """A cell that runs reports by the dozen hands its own name down to all of them."""
    path = tmp_path / "report.ipynb"
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook = {"cells": [code_cell("0a1b2c3d", ASK)], "metadata": {"kernelspec": kernel}}
    path.write_text(json.dumps(notebook | {"nbformat": 4, "nbformat_minor": 5}))
    program, *options = RUNNERS[runner]
    paths = [path.name] * (2 if runner == "papermill" else 1)
    homes = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")
    own = {name: str(tmp_path / name) for name in homes}
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *options, *paths],
        cwd=tmp_path,
        env=clean_environment() | own | {"JPY_SESSION_NAME": str(tmp_path / "all.ipynb")},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outputs = json.loads(path.read_text())["cells"][-1]["outputs"]
    assert ["".join(output["text"]) for output in outputs] == ["'' None\n"]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """IPython in a terminal that was opened from a notebook."""
    own = {"IPYTHONDIR": str(tmp_path), "JPY_SESSION_NAME": str(tmp_path / "a.ipynb")}
    command = [sys.executable, "-m", "IPython", "--no-banner"]
    with Terminal(command, clean_environment() | own, cwd=tmp_path) as started:
        started.wait_for("In [1]:")
        yield started


def test_a_terminal_has_neither_notebook_nor_cells(terminal: Terminal) -> None:
    """What is typed there belongs to nobody's notebook."""
    terminal.type(ASK)
    assert "'' None" in terminal.wait_for("In [2]:")
