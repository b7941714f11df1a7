"""A model calls functions of the notebook: what runs, what is told and what is shown."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pytest
from support.byteserver import DONE, END, ByteServer, Exchange, chunked, delta, finish, sse_head
from support.kernel import Kernel
from support.terminal import Terminal
from test_terminal import IPYTHON, environment

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.cell_run import CellRun
    from support.faults import Fault

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

NOTEBOOK = '''
import asyncio, sys, time
from IPython.display import clear_output, display
done = []

def weather(city: str, days: int = 1) -> str:
    """Tell the weather of a city."""
    done.append((city, days))
    return f"rain in {city}"

def broken():
    raise LookupError("no <b>such</b> thing")

def chatty(again: bool = False):
    print("printed by chatty")
    print("and warned", file=sys.stderr)
    shown = display({"text/plain": "first"}, raw=True, display_id=True)
    shown.update({"text/plain": "<Image>", "image/png": "AAAA"}, raw=True)
    clear_output()
    return {"ok": True}

def endless():
    time.sleep(60)

def gives_up():
    raise KeyboardInterrupt

def hostile():
    return "```\\n</details><script>alert(1)</script>"

def large():
    return "x" * 100_000
'''
SIGNED = {"google": {"thought_signature": "abc"}}
HANDLED = "getattr(asyncio, '_nest_patched', False)"


Calls: TypeAlias = "tuple[tuple[str, Any], ...]"


class Said(NamedTuple):
    """One answer of the service: text, then calls as (name, arguments)."""

    text: str = ""
    calls: Calls = ()


class Service:
    """Gives answers in order, the last one again and again; ``gate`` holds up the last."""

    def __init__(self, *answers: Said) -> None:
        self.answers = answers
        self.gate: threading.Event | None = None

    def __call__(self, exchange: Exchange) -> None:
        """Speak to one request."""
        messages = exchange.request.json["messages"]
        since = next(i for i, m in enumerate(reversed(messages)) if m["role"] == "user")
        asked = sum("tool_calls" in message for message in messages[len(messages) - since :])
        said = self.answers[min(asked, len(self.answers) - 1)]
        exchange.send(sse_head() + chunked(delta(said.text)))
        if said is self.answers[-1] and self.gate is not None:
            exchange.wait(self.gate)
        for place, (name, arguments) in enumerate(said.calls):
            text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            function = {"name": name, "arguments": text}
            call = {"index": place, "id": f"c{asked}{place}", "function": function}
            call["extra_content"] = SIGNED
            exchange.send(chunked(delta(None, tool_calls=[call])))
        reason = "tool_calls" if said.calls else "stop"
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        exchange.send(chunked(finish(reason, usage) + DONE) + END)


@pytest.fixture(scope="module")
def notebook() -> Iterator[Kernel]:
    """A kernel with the extension loaded and the functions defined."""
    with Kernel() as running:
        assert running.run("%load_ext g4f_magic").error is None
        assert running.run(NOTEBOOK).error is None
        yield running


@pytest.fixture
def ask(notebook: Kernel, byte_server: StartServer) -> Callable[..., tuple[ByteServer, CellRun]]:
    """Runs a cell against a service that gives these answers."""

    def run(
        *answers: Said, tools: str = "weather", options: str = ""
    ) -> tuple[ByteServer, CellRun]:
        server = byte_server(Service(*answers))
        notebook.run("done.clear()")
        code = f"%%chat -p {server.url}/v1 -m m --new -o a --tools {tools} {options}\nhi"
        return server, notebook.run(code)

    return run


def results_in(server: ByteServer) -> list[str]:
    """What the model was told last of its calls."""
    messages = server.requests[-1].json["messages"]
    return [message["content"] for message in messages if message["role"] == "tool"]


def test_a_call_runs_and_the_answer_is_one_document(notebook: Kernel, ask: Any) -> None:
    """The text of all rounds, the call between them and its result belong together."""
    server, run = ask(
        Said("Let me look.", (("weather", {"city": "Oslo"}),)), Said("It will be wet.")
    )
    assert run.error is None
    assert notebook.value("done") == [("Oslo", 1)]
    assert len(run.outputs) == 1
    places = [
        run.markdown.index(part)
        for part in ("Let me look", "<details><summary>", "rain in Oslo", "It will be wet")
    ]
    assert places == sorted(places)
    assert "20 in, 10 out" in run.markdown
    assert "tokens/s" not in run.markdown  # the call took time, too
    assert notebook.value("a.text") == "Let me look.\n\nIt will be wet."
    assert notebook.value("[(c.result, c.outcome, c.after) for c in a.tool_calls]") == [
        ("rain in Oslo", "done", 12)
    ]
    asking, result = server.requests[1].json["messages"][1:]
    assert asking["content"] == "Let me look."
    assert asking["tool_calls"][0]["extra_content"] == SIGNED  # or Gemini refuses the result
    assert result == {"role": "tool", "tool_call_id": "c00", "content": "rain in Oslo"}
    assert [tool["function"]["name"] for tool in server.requests[1].json["tools"]] == ["weather"]


def test_a_sync_function_leaves_asyncio_alone() -> None:
    """The patch is for those who need it; others keep Python's own asyncio."""
    with Kernel() as fresh:
        fresh.run("%load_ext g4f_magic")
        fresh.run(NOTEBOOK)
        fresh.run("%%chat --tools weather --new\nWhat is the weather in Oslo?")
        assert fresh.value("done") == [("Oslo", 1)]
        assert fresh.value(HANDLED) is False


def test_calls_of_one_answer_run_in_order(notebook: Kernel, ask: Any) -> None:
    """A model that writes, then reads, expects that."""
    calls: Calls = tuple(("weather", {"city": city}) for city in "CAB")
    server, run = ask(Said("", calls), Said("Done."))
    assert run.error is None
    assert notebook.value("[city for city, _ in done]") == ["C", "A", "B"]
    assert results_in(server) == ["rain in C", "rain in A", "rain in B"]


def test_an_exception_goes_back_to_the_model_and_is_shown(ask: Any) -> None:
    """The model can try another way, and the person sees what failed."""
    server, run = ask(Said("", (("broken", {}),)), Said("Sorry."), tools="broken,weather")
    assert run.error is None
    assert results_in(server) == ["LookupError: 'no <b>such</b> thing'"] or results_in(server) == [
        "LookupError: no <b>such</b> thing"
    ]
    assert "· failed</summary>" in run.markdown
    assert "Sorry." in run.markdown


def test_only_functions_that_were_named_can_be_called(notebook: Kernel, ask: Any) -> None:
    """A model that makes up a name must not reach the rest of the notebook."""
    calls: Calls = (("endless", {}), ("__import__", {"name": "os"}))
    server, run = ask(Said("", calls), Said("Done."))
    assert run.error is None
    assert all(text.startswith("there is no tool") for text in results_in(server))
    assert notebook.value("done") == []


def test_arguments_are_checked_and_converted_before_the_call(notebook: Kernel, ask: Any) -> None:
    """The function gets what its hints promise, or is not called."""
    calls = (
        ("weather", {"city": "A", "days": "3"}),
        ("weather", {"city": "B", "town": "B"}),
        ("weather", {"city": "C", "days": "many"}),
        ("weather", '{"city": '),
        ("weather", "[]"),
    )
    server, run = ask(Said("", calls), Said("Done."))
    assert run.error is None
    assert notebook.value("done") == [("A", 3)]
    assert results_in(server)[1:3] == [
        "not called, since the arguments do not fit: there is no town; there are city, days",
        'not called, since the arguments do not fit: days must be of type integer, not "many"',
    ]
    again = server.requests[-1].json["messages"][1]["tool_calls"]
    assert again[3]["function"]["arguments"] == "{}"  # some services parse it


def test_a_call_made_before_is_not_made_again(notebook: Kernel, ask: Any) -> None:
    """A model that goes round in a circle must not do things again and again."""
    calls = (("weather", '{"city": "Oslo", "days": 2}'),)
    again = (("weather", '{"days":2,"city":"Oslo"}'),)
    server, run = ask(Said("", calls), Said("", again), Said("Done."))
    assert run.error is None
    assert notebook.value("done") == [("Oslo", 2)]
    assert results_in(server)[1].startswith("not called again")
    assert "· repeated</summary>" in run.markdown


@pytest.mark.parametrize(("options", "most"), [("", 8), ("--max-rounds 2", 2)])
def test_the_rounds_come_to_an_end(
    notebook: Kernel, byte_server: StartServer, options: str, most: int
) -> None:
    """A model that never stops asking would spend money for ever."""
    asked: list[int] = []

    def script(exchange: Exchange) -> None:
        asked.append(len(asked))
        Service(Said("", (("weather", {"city": str(len(asked))}),)))(exchange)

    server = byte_server(script)
    notebook.run("done.clear()")
    run = notebook.run(f"%%chat -p {server.url}/v1 -m m --alone --tools weather {options}\nhi")
    assert run.error is None
    assert len(server.requests) == most
    assert len(notebook.value("done")) == most - 1  # nobody would read what the last one gives
    assert "--max-rounds N raises that" in run.markdown


@pytest.mark.fault(
    "Interrupts",
    "While a function of the notebook (--tools) runs",
    sees="Stopped after … s; what had arrived is kept.",
    keeps="your question and the text so far, marked as interrupted",
)
def test_an_interrupt_ends_a_function_and_keeps_what_arrived(
    notebook: Kernel, byte_server: StartServer, fault: Fault
) -> None:
    """A function that hangs must not take the answer with it, nor the kernel."""
    server = byte_server(Service(Said("Wait.", (("endless", {}),))))
    cell = notebook.start(f"%%chat -p {server.url}/v1 -m m --new --tools endless\nhi")
    cell.until(lambda _: "calling endless" in cell.run.markdown)
    notebook.interrupt()
    run = cell.finish()
    assert run.error is not None
    assert run.error.ename == "Stopped"
    assert fault.is_seen_in(run)
    assert "Wait." in run.markdown
    assert "· interrupted</summary>" in run.markdown
    assert "*interrupted after" in run.markdown
    assert len(server.requests) == 1
    assert notebook.run("1 + 1").result == {"text/plain": "2"}


ASYNC = """
async def serve(reader, writer):
    writer.write(b"hello " + await reader.readline())

server = await asyncio.start_server(serve, "127.0.0.1", 0)
port = server.sockets[0].getsockname()[1]
pool = asyncio.Queue()
await pool.put(await asyncio.open_connection("127.0.0.1", port))
cancelled = []

async def over_the_pool(name: str):
    reader, writer = await pool.get()
    writer.write(name.encode() + b"\\n")
    return (await reader.readline()).decode()

async def never():
    open("began", "w").close()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        cancelled.append(True)
        raise
"""


@pytest.fixture(scope="module")
def async_notebook() -> Iterator[Kernel]:
    """A kernel with a pool that was opened on its own loop."""
    with Kernel() as running:
        assert running.run("%load_ext g4f_magic\n" + NOTEBOOK).error is None
        assert running.run(ASYNC).error is None
        yield running


def test_an_async_function_uses_what_top_level_await_opened(
    async_notebook: Kernel, byte_server: StartServer
) -> None:
    """Pools of a database belong to the kernel's loop; on any other they fail or hang."""
    call = ("over_the_pool", {"name": "Ada"})
    server = byte_server(Service(Said("", (call,)), Said("Done.")))
    run = async_notebook.run(f"%%chat -p {server.url}/v1 -m m --tools over_the_pool\nhi")
    assert run.error is None
    assert results_in(server) == ["hello Ada\n"]
    assert async_notebook.run("await asyncio.sleep(0, 'still there')").result == {
        "text/plain": "'still there'"
    }


@pytest.mark.fault(
    "Interrupts",
    "While an async function of the notebook (--tools) runs",
    sees="Stopped after … s; what had arrived is kept.",
    keeps="your question and the text so far, marked as interrupted",
)
def test_an_interrupt_cancels_an_async_function(
    async_notebook: Kernel, byte_server: StartServer, fault: Fault
) -> None:
    """Left running it would hold its connection for ever."""
    server = byte_server(Service(Said("Wait.", (("never", {}),))))
    cell = async_notebook.start(f"%%chat -p {server.url}/v1 -m m --tools never\nhi")
    cell.until(lambda _: "calling never" in cell.run.markdown)
    deadline = time.monotonic() + 20
    while not (async_notebook.cwd / "began").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    async_notebook.interrupt()
    run = cell.finish()
    assert run.error is not None
    assert run.error.ename == "Stopped"
    assert fault.is_seen_in(run)
    assert async_notebook.value("cancelled") == [True]
    assert async_notebook.run("await asyncio.sleep(0, 2)").result == {"text/plain": "2"}


def test_cells_that_wait_are_run_after_an_async_function(
    async_notebook: Kernel, byte_server: StartServer
) -> None:
    """Run All would hang at the next cell."""
    server = byte_server(Service(Said("", (("later", {}),)), Said("Done.")))
    async_notebook.run("async def later():\n    await asyncio.sleep(0.2)\n    return 'later'")
    cells = [
        async_notebook.start(f"%%chat -p {server.url}/v1 -m m --tools later\nhi"),
        async_notebook.start("queued = 1"),
        async_notebook.start("queued += 1"),
    ]
    assert [cell.finish().error for cell in cells] == [None] * 3
    assert results_in(server) == ["later"]
    assert async_notebook.value("queued") == 2


def test_a_later_turn_gets_the_text_and_not_the_calls(
    notebook: Kernel, byte_server: StartServer
) -> None:
    """Many services refuse calls of tools that the request does not have."""
    call = ("weather", {"city": "Oslo"})
    server = byte_server(Service(Said("I look.", (call,)), Said("Wet.")))
    options = f"-p {server.url}/v1 -m m -c later"
    notebook.run(f"%%chat {options} --tools weather\nhi")
    notebook.run(f"%%chat {options}\nthanks")
    request = server.requests[-1].json
    assert "tools" not in request
    assert [(m["role"], m["content"]) for m in request["messages"]] == [
        ("user", "hi"),
        ("assistant", "I look.\n\nWet."),
        ("user", "thanks"),
    ]


def test_what_a_function_prints_stays_in_the_cell(ask: Any) -> None:
    """The card clears the cell at its end; what the user's code shows is not its to clear."""
    calls: Calls = (("chatty", {}), ("chatty", {"again": True}))
    server, run = ask(Said("", calls), Said("Done."), tools="chatty")
    document, *shown = [output.get("text") or output["data"] for output in run.outputs]
    assert "Done." in document["text/markdown"]
    picture = {"text/plain": "<Image>", "image/png": "AAAA"}
    said = ["printed by chatty\n", "and warned\n"]
    assert shown == [*said, picture, *said, picture]
    assert results_in(server) == ['{"ok": true}'] * 2


def test_what_it_prints_among_other_outputs_is_shown_at_once(
    notebook: Kernel, byte_server: StartServer
) -> None:
    """Where the card leaves the outputs of a cell alone, nothing need wait."""
    server = byte_server(Service(Said("", (("says", {}),)), Said("Done.")))
    notebook.run("says = lambda: print('second')")
    chat = f"%chat -p {server.url}/v1 -m m --alone --tools says hi"
    run = notebook.run(f"print('first')\n{chat}\nNone")
    assert run.text == "first\nsecond\n"
    assert "Done." in run.markdown


def test_a_function_that_gives_up_stops_the_calls_after_it(notebook: Kernel, ask: Any) -> None:
    """What an interrupt does, a function may do; the rest is not what one wants then."""
    calls: Calls = (("gives_up", {}), ("weather", {"city": "Oslo"}))
    server, run = ask(Said("", calls), Said("Done."), tools="gives_up,weather")
    assert run.error is not None
    assert run.error.ename == "Stopped"
    assert notebook.value("done") == []
    assert notebook.value("([c.outcome for c in a.tool_calls], a.state)") == (
        ["interrupted", ""],
        "interrupted",
    )
    assert len(server.requests) == 1


def test_a_cached_answer_calls_again(notebook: Kernel, ask: Any) -> None:
    """The cache spares the service; what functions do is asked for each time."""
    answers = (Said("", (("weather", {"city": "Oslo"}),)), Said("Done."))
    server, _ = ask(*answers, options="--cache")
    notebook.run("done.clear()")
    code = f"%%chat -p {server.url}/v1 -m m --new --tools weather --cache\nhi"
    run = notebook.run(code)
    assert len(server.requests) == 2
    assert notebook.value("done") == [("Oslo", 1)]
    assert "cached" in run.markdown


def test_a_result_cannot_break_out_of_its_block(ask: Any) -> None:
    """What comes from a web page or a file is hostile, too."""
    server, run = ask(Said("", (("hostile", {}),)), Said("Done."), tools="hostile")
    assert "````\n```\n</details><script>alert(1)</script>\n````" in run.markdown
    assert results_in(server) == ["```\n</details><script>alert(1)</script>"]


def test_a_long_result_is_cut_and_says_so(ask: Any) -> None:
    """A table by mistake would fill the notebook, and cost a fortune in each round."""
    server, run = ask(Said("", (("large", {}),)), Said("Done."), tools="large")
    assert results_in(server)[0].endswith("… (cut here: 100000 characters in all)")
    assert len(results_in(server)[0]) < 33_000
    assert len(run.markdown) < 5_000
    assert "characters; .tool_calls has all)" in run.markdown


def test_an_error_of_a_later_round_keeps_the_calls(
    notebook: Kernel, byte_server: StartServer
) -> None:
    """What a function did has been done, whatever the service does next."""
    first = Service(Said("", (("weather", {"city": "Oslo"}),)))

    def script(exchange: Exchange) -> None:
        if len(exchange.request.json["messages"]) == 1:
            first(exchange)
        else:
            exchange.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    server = byte_server(script)
    run = notebook.run(f"%%chat -p {server.url}/v1 -m m --alone --tools weather\nhi")
    assert run.error is not None
    assert run.error.ename == "ResponseError"
    assert "rain in Oslo" in run.markdown
    assert "broken off by an error" in run.markdown


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--tools wether", "did you mean 'weather'?"),
        ("--tools nothing_like_it", "run the cell that defines it"),
        ("--tools done", "'done' is no function but a list"),
        ("--tools weather, broken", "lacks a name"),
        ("--tools weather --max-rounds 0", "--max-rounds 0 is no number of rounds"),
        ("--tools weather -m a -m b", "--tools takes one model"),
    ],
)
def test_a_slip_is_told_before_anything_is_sent(
    notebook: Kernel, byte_server: StartServer, options: str, told: str
) -> None:
    """A function under a wrong name would silently not be there."""
    server = byte_server(Service(Said("Done.")))
    run = notebook.run(f"%%chat -p {server.url}/v1 -m m --alone {options}\nhi")
    assert run.error is not None
    assert told in " ".join([run.error.evalue, *run.error.traceback])
    assert server.requests == []


def test_where_nobody_can_allow_a_call_it_is_refused(notebook: Kernel, ask: Any) -> None:
    """A setting that asks first must not be void where notebooks run by themselves."""
    notebook.run("%g4f_config confirm_tools=on")
    try:
        server, run = ask(Said("", (("weather", {"city": "Oslo"}),)), Said("Done."))
    finally:
        notebook.run("%g4f_config confirm_tools=off")
    assert run.error is None
    assert notebook.value("done") == []
    assert results_in(server) == ["not called: confirm_tools is on, and nobody is here to allow it"]
    assert "nobody is here to allow it" in run.markdown


def test_a_person_allows_calls_one_by_one(byte_server: StartServer, tmp_path: Path) -> None:
    """Who wants to see each call before it is made decides on each."""
    calls = (("f", {"x": 1}), ("g", {"x": 2}))
    again: Calls = (("g", {"x": 3}),)
    server = byte_server(Service(Said("I call.", calls), Said("Again.", again), Said("All told.")))
    with Terminal(IPYTHON, environment(tmp_path), cwd=tmp_path) as terminal:
        terminal.wait_for("In [1]:")
        terminal.type("%load_ext g4f_magic", "%g4f_config confirm_tools=on")
        terminal.type("f = lambda x: print('f was', 'called')", "")
        terminal.type("async def g(x: int): return x * 21", "")
        terminal.type(f"%chat -p {server.url}/v1 -m m --tools f,g hi")
        terminal.wait_for("The model wants to call f(x=1). Allow it? [y/N]")
        terminal.type("")
        terminal.wait_for("The model wants to call g(x=2). Allow it? [y/N]")
        terminal.type("y")
        terminal.wait_for("The model wants to call g(x=3). Allow it? [y/N]")
        terminal.type("yes")
        screen = terminal.wait_for("15 out")
    assert results_in(server) == ["not called: the user did not allow it", "42", "63"]
    lines = [line.strip() for line in screen.splitlines()]
    shown = [line for line in lines if line.startswith(("I call", "[tool", "Again", "All"))]
    assert shown == [
        "I call.",
        '[tool call refused: f({"x": 1}) → not called: the user did not allow it]',
        '[tool call: g({"x": 2}) → 42]',
        "Again.",
        '[tool call: g({"x": 3}) → 63]',
        "All told.",
    ]
    assert "f was called" not in screen
