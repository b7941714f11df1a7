"""Chatting where others have been before: patched loops, other loops, odd kernels, odd Pythons."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.byteserver import ByteServer, Exchange, chunked, delta, sse_head
from support.environment import clean_environment, need
from support.kernel import Kernel
from support.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

ROOT = Path(__file__).parent.parent
WITH_CLIENTS = """
from concurrent.futures import ThreadPoolExecutor
from g4f_magic import AsyncClient, Client

HELLO = [{"role": "user", "content": "What is 6 * 7?"}]

def ask(_=None):
    return "42" in Client("demo").chat.completions.create(messages=HELLO).choices[0].message.content

async def ask_async():
    client = AsyncClient("demo")
    answer = await client.chat.completions.create(messages=HELLO)
    return "42" in answer.choices[0].message.content

with ThreadPoolExecutor(4) as pool:
    found = [ask(), await ask_async(), *pool.map(ask, range(4))]
found
"""


@contextmanager
def kernel_after(*cells: str, chat: str = "%load_ext g4f_magic") -> Iterator[Kernel]:
    """A kernel in which a person has run something else first."""
    with Kernel() as kernel:
        for cell in (*cells, chat):
            run = kernel.run(cell)
            assert run.error is None, (cell, run.error)
        yield kernel


def chat_as_ever(kernel: Kernel, byte_server: StartServer) -> None:
    """A cell, a comparison, a stop that closes the connection, and the clients all work."""
    assert "42" in kernel.run("%chat What is 6 * 7?", "a").markdown
    compared = kernel.run("%%chat -m demo -m demo-reasoning\nWhat is 6 * 7?", "b")
    assert compared.error is None
    assert "demo-reasoning" in str(compared.outputs)

    def endless(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("on and on")))
        exchange.sleep(60)

    server = byte_server(endless)
    running = kernel.start(f"%chat -p {server.url}/v1 -m m hi", "c", may_abort=False)
    running.until(lambda outputs: "on and on" in str(outputs))
    kernel.interrupt()
    error = running.finish().error
    assert error is not None
    assert error.ename == "Stopped"
    server.wait_for(lambda: server.exchanges[0].client_closed, 10)
    found = kernel.run(WITH_CLIENTS, "d")
    assert found.result == {"text/plain": str([True] * 6)}, found.error


@pytest.mark.parametrize("patch", ["nest_asyncio", "nest_asyncio2"])
def test_a_loop_that_was_patched_before(patch: str, byte_server: StartServer) -> None:
    """Notebooks begin with ``nest_asyncio.apply()`` because some other library needs it."""
    if find_spec(patch) is None:
        need(patch, "others patch the kernel's loop with it")
    with kernel_after(f"import {patch}; {patch}.apply()") as kernel:
        chat_as_ever(kernel, byte_server)


def test_another_kind_of_loop(byte_server: StartServer) -> None:
    """A notebook that serves an API may have made uvloop everybody's loop."""
    if find_spec("uvloop") is None:
        need("uvloop", "it is a loop that is not asyncio's own")
    patch = "import asyncio, uvloop; asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())"
    with kernel_after(patch) as kernel:
        chat_as_ever(kernel, byte_server)
        portal = "__import__('g4f_magic.portal').portal"
        kinds = f"[type(one).__module__ for one in {portal}._loops.values()]"
        assert kernel.value(kinds) == ["uvloop"]


def test_without_widgets(byte_server: StartServer) -> None:
    """Where ipywidgets is broken or was taken away, an answer needs none."""
    with kernel_after("import sys; sys.modules['ipywidgets'] = None") as kernel:
        chat_as_ever(kernel, byte_server)
        picked = kernel.run("%g4f_models --pick --timeout 1 -p demo", "e")
        assert "%g4f_config" in str(picked.outputs)


def test_with_a_gui_loop_with_strict_warnings_and_loaded_twice(byte_server: StartServer) -> None:
    """All of these are ordinary first cells."""
    first = ("%gui asyncio", "import warnings; warnings.simplefilter('error')")
    with kernel_after(*first, "%load_ext g4f_magic") as kernel:
        chat_as_ever(kernel, byte_server)
        kernel.run("%reload_ext g4f_magic\n%reload_ext g4f_magic")
        assert len(kernel.run("%chat Hello", "e").outputs) == 1


@pytest.mark.skipif(version("ipykernel") < "7", reason="ipykernel 6 has no subshells")
def test_in_a_subshell_while_the_main_shell_is_busy() -> None:
    """There a console beside the notebook can ask while a cell computes."""
    with kernel_after("import threading; gate = threading.Event()") as kernel:
        aside = kernel.open_subshell()
        busy = kernel.start("gate.wait(60)", "a")
        for options in ("-m demo", "-m demo -m demo-reasoning"):
            run = kernel.start(f"%chat {options} What is 6 * 7?", "b", subshell=aside).finish()
            assert run.error is None
            assert "42" in str(run.outputs)
        assert kernel.start("%chat -p nope hi", "c", subshell=aside).finish().error is not None
        assert not busy.run.is_done
        kernel.start("gate.set()", "d", subshell=aside).finish()
        busy.finish()
        both = [
            kernel.start("%chat -m demo-slow --max-tokens 9 hi", "e", subshell=shell)
            for shell in ("", aside)
        ]
        shown = [str(one.finish().outputs) for one in both]
        assert all("--max-tokens" in one for one in shown)


def run_script(flags: Sequence[str], folder: Path, *lines: str) -> str:
    """What lines print in IPython without a kernel, run by a Python with flags."""
    script = folder / "session.ipy"
    script.write_text("\n".join(["%load_ext g4f_magic", *lines, ""]))
    done = subprocess.run(
        [sys.executable, *flags, "-m", "IPython", "--no-banner", str(script)],
        env=clean_environment() | {"IPYTHONDIR": str(folder), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("flag", ["-O", "-OO"])
def test_python_without_assertions_or_docstrings(flag: str, tmp_path: Path) -> None:
    """Magics have their help from docstrings; a check must not be a mere assertion."""
    lines = ("%chat What is 6 * 7?", "%chat -m demo -m demo-reasoning hi", "%g4f_config cache")
    printed = run_script([flag], tmp_path, *lines, "%chat -m demo-error 401")
    for said in ("42", "── demo-reasoning ──", "cache ", "ResponseError"):
        assert said in printed
    assert "Traceback" not in printed


@pytest.mark.slow
def test_in_a_console_of_jupyter(tmp_path: Path) -> None:
    """A kernel with a terminal for a page: it has no widgets, and shows only text."""
    if find_spec("jupyter_console") is None:
        need("jupyter_console", "it is a kernel's front end in a terminal")
    homes = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "G4F_HOME")
    env = clean_environment() | {name: str(tmp_path / name) for name in homes}
    env["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "jupyter_console", "--kernel", "python3"]
    with Terminal(command, env, cwd=tmp_path) as terminal:
        terminal.wait_for("In [1]:")
        terminal.type("%load_ext g4f_magic")
        terminal.wait_for("In [2]:")
        terminal.type("%chat What is 6 * 7?")
        shown = terminal.wait_for("In [3]:")
        assert "42" in shown
        assert "<small>" not in shown
        terminal.type("%chat -m demo-error 401")
        assert "401" in terminal.wait_for("In [4]:")
