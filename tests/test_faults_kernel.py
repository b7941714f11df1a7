"""What a person sees and keeps when the kernel, or what else runs in it, is in the way."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import stream_script
from support.notebook import WHOLE, Halves, Notebook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.byteserver import ByteServer
    from support.faults import Fault
    from support.kernel import Kernel
    from support.notebook import StartServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux lets these faults be made")

KERNEL, NOTEBOOK = "The kernel", "The notebook"
ALL = "the whole answer"
SO_FAR = "your question and the text so far, marked as interrupted"
FORKS = """
import os, warnings
warnings.simplefilter("ignore")  # Python 3.12 and later: that other threads run
child = os.fork()
if child == 0:
    try:
        %chat {options} --quiet -o reply from the child
        open("child", "w").write(reply.text)
        %unload_ext g4f_magic
    finally:
        os._exit(0)
print("child ended with", os.waitpid(child, 0)[1])
%chat {options} from the parent
"""
POOLS = """
import multiprocessing, warnings, asking_{method} as asking
warnings.simplefilter("ignore")
asking.ask("before")
with multiprocessing.get_context("{method}").Pool(2) as pool:
    print(*pool.map(asking.ask, "ab"))
print(asking.ask("after"))
"""
ASKING = """
from g4f_magic import Client

def ask(prompt):
    messages = [{{"role": "user", "content": prompt}}]
    answer = Client({url!r}).chat.completions.create("m", messages)
    return answer.choices[0].message.content
"""
BESIDE = """
import asyncio, threading
from g4f_magic import AsyncClient, Client
url = {url!r}
messages = [{{"role": "user", "content": "question"}}]
async def ask():
    answer = await AsyncClient(url).chat.completions.create("m", messages)
    return answer.choices[0].message.content
"""


@pytest.fixture
def server(byte_server: StartServer) -> ByteServer:
    """A service that gives the whole answer."""
    return byte_server(stream_script([WHOLE]))


@pytest.mark.fault(
    KERNEL, "The notebook's process forks, and both chat", sees=WHOLE, keeps="both answers"
)
def test_a_fork(notebook: Notebook, server: ByteServer, fault: Fault) -> None:
    """Libraries fork without saying so; neither of the two may hang, or lose what it was told."""
    run = notebook.run(FORKS.format(options=f"-p {server.url}/v1 -m m"))
    assert fault.is_seen_in(run)
    assert "child ended with 0" in run.text
    assert (notebook.kernel.cwd / "child").read_text() == WHOLE
    assert notebook.goes_on()
    notebook.reopen()
    assert sorted(notebook.kept()) == [
        ("from the child", WHOLE, "complete"),
        ("from the parent", WHOLE, "complete"),
    ]


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(
            method,
            marks=pytest.mark.fault(
                KERNEL,
                f"Processes of a pool ({method}) use the Client",
                sees=f"{WHOLE} {WHOLE}",
                keeps="what they return",
            ),
        )
        for method in ("fork", "spawn")
    ],
)
def test_a_pool_of_processes(
    notebook: Notebook, server: ByteServer, fault: Fault, method: str
) -> None:
    """A hundred prompts in parallel is where people reach for multiprocessing."""
    # A name for each: of a file written again within a second Python uses what it compiled before.
    (notebook.kernel.cwd / f"asking_{method}.py").write_text(ASKING.format(url=server.url))
    run = notebook.run(POOLS.format(method=method))
    assert fault.is_seen_in(run)
    assert run.text.count(WHOLE) == 3
    assert notebook.goes_on()


def restart(notebook: Notebook) -> None:
    """Restart the kernel as a front end does; it must end by itself."""
    process = process_of(notebook.kernel)
    notebook.kernel.restart(now=False)
    assert process.returncode == 0


def terminate(notebook: Notebook) -> None:
    """Send SIGTERM once half of the answer is on disk, and start the kernel anew."""
    notebook.kernel.read_until(lambda: notebook.kept()[0][1], 20)
    process = process_of(notebook.kernel)
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    notebook.kernel.restart()


def process_of(kernel: Kernel) -> Any:
    """The kernel's process."""
    provisioner: Any = kernel.manager.provisioner
    return provisioner.process


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(
            restart,
            marks=pytest.mark.fault(
                KERNEL,
                "The kernel is restarted during an answer",
                sees="· interrupted",
                keeps=SO_FAR,
            ),
        ),
        pytest.param(
            terminate,
            marks=pytest.mark.fault(
                KERNEL,
                "The kernel is ended by SIGTERM during an answer, as at a logout",
                sees="· interrupted",
                keeps="your question and the text up to a second before, marked as interrupted",
            ),
        ),
    ],
)
def test_a_kernel_that_ends_during_an_answer(
    kernel: Kernel,
    tmp_path: Path,
    byte_server: StartServer,
    fault: Fault,
    end: Callable[[Notebook], None],
) -> None:
    """The next kernel shows what had arrived, and goes on with it."""
    notebook = Notebook(kernel, tmp_path, byte_server)
    notebook.begin_half(Halves())
    end(notebook)
    notebook.reopen()
    assert fault.is_seen_in(notebook.run("%g4f_chats show"))
    assert notebook.kept() == [("question", "The whole ", "interrupted")]
    assert notebook.goes_on()


@pytest.mark.slow
@pytest.mark.fault(
    KERNEL, "200 cells are queued (Run All)", sees=WHOLE, keeps="all answers, in the order of cells"
)
def test_two_hundred_cells(notebook: Notebook, server: ByteServer, fault: Fault) -> None:
    """Run All on a long notebook: none is skipped, none asked twice, none out of turn."""
    prompts = [f"prompt {number}" for number in range(200)]
    ask = f"%%chat -p {server.url}/v1 -m m --last 1\n"
    cells = [notebook.kernel.start(ask + prompt, prompt) for prompt in prompts]
    runs = [cell.finish() for cell in cells]
    assert all(fault.is_seen_in(run) for run in runs)
    asked = [request.json["messages"] for request in server.requests]
    assert [messages[-1]["content"] for messages in asked] == prompts
    assert [len(messages) for messages in asked] == [1] + [3] * 199
    assert notebook.goes_on()
    notebook.reopen()
    assert notebook.kept() == [(prompt, WHOLE, "complete") for prompt in prompts]


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(
            "%load_ext g4f_magic",
            marks=pytest.mark.fault(
                KERNEL,
                "The extension is loaded twice",
                sees="The g4f_magic extension is already loaded. To reload it, use:",
                keeps="the conversation",
            ),
        ),
        pytest.param(
            "%reload_ext g4f_magic\n%chat",
            marks=pytest.mark.fault(
                KERNEL,
                "The extension is reloaded in the middle of a conversation",
                sees="conversation 'main' · 1 turn",
                keeps="the conversation",
            ),
        ),
        pytest.param(
            "%unload_ext g4f_magic\n%chat",
            marks=pytest.mark.fault(
                KERNEL,
                "The extension is unloaded",
                sees="Line magic function `%chat` not found.",
                keeps="the conversation, for when it is loaded again",
            ),
        ),
    ],
)
def test_an_extension_that_comes_and_goes(
    notebook: Notebook, server: ByteServer, fault: Fault, code: str
) -> None:
    """The first cell of a notebook is run again and again, in the middle of the work."""
    ask = f"%%chat -p {server.url}/v1 -m m\n"
    notebook.run(f"{ask}one")
    assert fault.is_seen_in(notebook.run(code))
    notebook.run("%load_ext g4f_magic")
    assert WHOLE in notebook.run(f"{ask}two").markdown
    said = [message["content"] for message in server.requests[-1].json["messages"]]
    assert said == ["one", WHOLE, "two"]
    assert notebook.goes_on()


def bent(what: str, code: str, back: str, sees: str = WHOLE) -> Any:
    """A row about a notebook that has changed something in its kernel."""
    keeps = ALL if sees == WHOLE else "the conversation"
    marks = pytest.mark.fault(NOTEBOOK, what, sees=sees, keeps=keeps)
    return pytest.param(code, back, id=what, marks=marks)


@pytest.mark.parametrize(
    ("code", "back"),
    [
        bent(
            "Names are used again (print = open = json = time = 1)",
            "print = open = json = time = asyncio = display = len = str = Exception = 1",
            "del print, open, json, time, asyncio, display, len, str, Exception",
        ),
        bent(
            "Warnings are errors",
            "import warnings; warnings.simplefilter('error')",
            "warnings.resetwarnings()",
        ),
        bent(
            "The working folder was deleted",
            "import os; here = os.getcwd(); os.mkdir('x'); os.chdir('x'); os.rmdir('../x')",
            "os.chdir(here)",
        ),
        bent(
            "Sockets get a time limit of a millisecond",
            "import socket; socket.setdefaulttimeout(0.001)",
            "socket.setdefaulttimeout(None)",
        ),
        bent("The standard input is closed", "import os, sys; sys.stdin.close(); os.close(0)", ""),
        bent(
            "SIGINT is ignored",
            "import signal; s = signal.signal(signal.SIGINT, signal.SIG_IGN)",
            "signal.signal(signal.SIGINT, s)",
        ),
        bent("An event loop is shown to the front end (%gui asyncio)", "%gui asyncio", "%gui"),
        bent(
            "The event loop is patched by nest_asyncio",
            "import nest_asyncio2; nest_asyncio2.apply()",
            "",
        ),
    ],
)
def test_a_notebook_that_bends_the_kernel(
    notebook: Notebook, fault: Fault, code: str, back: str
) -> None:
    """Whatever people do in their cells is theirs to do, and no reason to fail."""
    assert notebook.run(code).error is None
    try:
        run = notebook.chat()
        assert notebook.run("%g4f_chats").error is None
    finally:
        notebook.run(back)
    assert fault.is_seen_in(run)
    assert run.error is None
    assert notebook.goes_on()


def beside(what: str, code: str) -> Any:
    """A row about a chat that is not simply the cell's."""
    marks = pytest.mark.fault(NOTEBOOK, what, sees=WHOLE, keeps="what your code keeps of it")
    return pytest.param(code, id=what, marks=marks)


@pytest.mark.parametrize(
    "code",
    [
        beside(
            "A thread of the notebook chats",
            "def work():\n    shell.run_line_magic('chat', f'-p {url} -m m --alone question')\n"
            "shell = get_ipython()\nthread = threading.Thread(target=work)\n"
            "thread.start(); thread.join()",
        ),
        beside(
            "asyncio.run in a thread asks",
            "thread = threading.Thread(target=lambda: print(asyncio.run(ask())))\n"
            "thread.start(); thread.join()",
        ),
        beside(
            "Code that waits (await) calls the Client that blocks",
            "async def block():\n    return Client(url).chat.completions.create('m', messages)\n"
            "print((await block()).choices[0].message.content)",
        ),
    ],
)
def test_a_chat_beside_the_cell(
    notebook: Notebook, server: ByteServer, fault: Fault, code: str
) -> None:
    """People wrap what works in threads and loops of their own."""
    run = notebook.run(BESIDE.format(url=server.url) + code)
    assert fault.is_seen_in(run)
    assert run.error is None
    assert notebook.goes_on()
