"""What a person sees and keeps when the system has no more files or threads, or another time."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.environment import find_program, free_port
from support.kernel import Kernel
from support.notebook import WHOLE, Halves, Notebook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.faults import Fault
    from support.notebook import StartServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux lets these faults be made")

MACHINE = "The machine"
ALL = "the whole answer"
DAY_S = 86_400
#: The limit is over before the kernel itself needs a file to tell the front end.
NO_FILES = """
import os, resource
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, limits[1]))
try:
    %chat -p http://127.0.0.1:{port} -m m --retries 0 --quiet question
except Exception as error:
    failure = error
finally:
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
raise failure
"""


@pytest.mark.fault(
    MACHINE,
    "No more files can be opened",
    sees="cannot be reached at …: Too many open files",
    keeps="your question",
)
def test_no_more_files(notebook: Notebook, fault: Fault) -> None:
    """A loop that leaves files open must not be blamed on the service."""
    notebook.chat("before")
    run = notebook.run(NO_FILES.format(port=free_port()))
    assert fault.is_seen_in(run)
    assert run.error is not None
    assert len(run.error.traceback) == 2
    assert notebook.goes_on()
    notebook.reopen()
    assert [prompt for prompt, *_ in notebook.kept()] == ["before", "question"]


@pytest.mark.fault(
    MACHINE,
    "No more threads can be started",
    sees="nothing can be sent: can't start new thread",
    keeps="nothing of this question; the next ones as ever",
)
def test_no_more_threads(
    kernel: Kernel, tmp_path: Path, byte_server: StartServer, fault: Fault
) -> None:
    """Shared servers limit them; it must be said, and be over when there are some again."""
    fresh = Notebook(kernel, tmp_path, byte_server)
    kernel.run("import threading\nthreading.stack_size(1 << 46)")
    for _ in range(2):
        run = fresh.chat("lost")
        assert fault.is_seen_in(run)
        assert run.error is not None
        assert len(run.error.traceback) == 2
    kernel.run("threading.stack_size(0)")
    assert WHOLE in fresh.chat().markdown
    assert fresh.goes_on()
    fresh.reopen()
    assert ("question", WHOLE, "complete") in fresh.kept()


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kernel, Path]]:
    """A kernel whose wall clock jumps by as many seconds as one writes to a file."""
    folder = tmp_path_factory.mktemp("clock")
    compiler = find_program("a C compiler", "cc", "gcc", reason="clocks jump in a library")
    source, library = Path(__file__).with_name("support") / "clock.c", folder / "clock.so"
    command = [compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    with Kernel({"LD_PRELOAD": str(library), "CLOCK_JUMP": str(folder / "jump")}) as kernel:
        yield kernel, folder / "jump"


@pytest.mark.parametrize(
    "jump_s",
    [
        pytest.param(
            jump_s,
            id=way,
            marks=pytest.mark.fault(
                MACHINE, f"The clock jumps {way} by a day during an answer", sees=WHOLE, keeps=ALL
            ),
        )
        for way, jump_s in (("forward", DAY_S), ("back", -DAY_S))
    ],
)
def test_a_clock_that_jumps(
    clock: tuple[Kernel, Path],
    tmp_path: Path,
    byte_server: StartServer,
    fault: Fault,
    jump_s: int,
) -> None:
    """Laptops wake up, virtual machines move: no pause may last a day, and no turn move."""
    kernel, jump = clock
    jump.write_text("0")
    notebook = Notebook(kernel, tmp_path, byte_server)
    notebook.chat("before")
    script = Halves()
    running = notebook.begin_half(script)
    jump.write_text(str(jump_s))
    script.gate.set()
    run = running.finish()
    assert fault.is_seen_in(run)
    assert kernel.value("_.elapsed_s < 60")
    jumped_s = kernel.value("__import__('time').time()") - time.time()
    assert abs(jumped_s - jump_s) < 600
    assert notebook.goes_on()
    prompts = [prompt for prompt, *_ in notebook.kept()]
    assert prompts == ["before", "question"]
