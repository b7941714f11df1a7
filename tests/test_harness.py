"""The harness does what it says: otherwise no other test means anything."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from support.aimock import AimockServer, answer
from support.byteserver import (
    DONE,
    END,
    ByteServer,
    chunked,
    delta,
    finish,
    free_port,
    json_reply,
    sse_head,
    stream_script,
)
from support.environment import clean_environment, need
from support.llmock_server import LlmockServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.byteserver import Exchange
    from support.kernel import Kernel
    from support.lab import Lab
    from support.lab_page import LabPage

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

CHAT: dict[str, Any] = {"model": "m", "stream": True}
CHAT["messages"] = [{"role": "user", "content": "hello"}]
GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


def connect(server: ByteServer) -> socket.socket:
    """A bare connection, without an HTTP library between the test and the bytes."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=5)


def read_all(sock: socket.socket) -> bytes:
    """Every byte up to the end of the connection."""
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def test_the_bytes_are_exactly_those_of_the_script(byte_server: StartServer) -> None:
    """Nothing is added or mended: broken HTTP can be played too."""
    sent = b"HTTP/1.1 200 Sure\nX: \xff\n\nhalf a \xe2\x82"

    def script(exchange: Exchange) -> None:
        exchange.send(sent[:10])
        exchange.send(sent[10:])
        exchange.close()

    with connect(byte_server(script)) as sock:
        sock.sendall(GET)
        assert read_all(sock) == sent


def test_the_request_is_kept_as_it_came(byte_server: StartServer) -> None:
    """What the package sends is asserted on this, chunked bodies included."""
    server = byte_server(lambda exchange: exchange.send(json_reply(200, {"ok": True})))
    pieces = iter([b'{"a"', b": [1]}"])
    httpx.post(f"{server.url}/v1/x?y=z", content=pieces, headers={"X-Odd": "Yes"})
    request = server.requests[0]
    assert (request.method, request.path) == ("POST", "/v1/x?y=z")
    assert request.headers["x-odd"] == "Yes"
    assert request.json == {"a": [1]}
    assert request.at <= time.perf_counter()


def test_a_connection_serves_several_requests(byte_server: StartServer) -> None:
    """Pooled connections are a thing to test; a server that closes would hide them."""
    server = byte_server(lambda exchange: exchange.send(json_reply(200, {})))
    with httpx.Client() as client:
        for _ in range(3):
            assert client.get(server.url).json() == {}
    assert (len(server.requests), server.connections) == (3, 1)


def test_a_reset_is_seen_as_a_reset(byte_server: StartServer) -> None:
    """A crash of the server differs from its clean end."""

    def script(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n\r\n")
        exchange.reset()

    server = byte_server(script)
    with connect(server) as sock:
        sock.sendall(GET)
        with pytest.raises(ConnectionResetError):
            read_all(sock)
    assert not server.exchanges[0].client_closed


def test_a_close_by_the_client_is_noticed_within_100_ms(byte_server: StartServer) -> None:
    """Whether an interrupt really stops the paid stream is measured with this."""

    def script(exchange: Exchange) -> None:
        exchange.sleep(30)

    server = byte_server(script)
    sock = connect(server)
    sock.sendall(GET)
    server.wait_for(lambda: server.exchanges)
    assert not server.exchanges[0].client_closed
    closed_at = time.perf_counter()
    sock.close()
    server.wait_for(lambda: server.exchanges[0].client_closed, timeout=0.1)
    server.wait_for(server.exchanges[0].done.is_set, timeout=0.1)
    noticed_at = server.exchanges[0].closed_at
    assert noticed_at is not None
    assert 0 <= noticed_at - closed_at < 0.1


def test_a_script_that_sends_for_ever_ends_with_its_client(byte_server: StartServer) -> None:
    """No thread may outlive the test that started it."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head())
        while True:
            exchange.send(chunked(delta("x")))

    server = byte_server(script)
    with connect(server) as sock:
        sock.sendall(GET)
        assert sock.recv(100)
    server.wait_for(server.exchanges[0].done.is_set)
    assert server.exchanges[0].client_closed


def test_a_script_waits_for_the_test(byte_server: StartServer) -> None:
    """Order between test and server is made with events, never by sleeping."""
    gate = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("first")))
        assert exchange.wait(gate)
        exchange.send(chunked(delta("second")) + END)

    server = byte_server(script)
    with httpx.stream("GET", server.url) as response:
        pieces = response.iter_bytes()
        assert b"first" in next(pieces)
        assert not server.exchanges[0].done.is_set()
        gate.set()
        assert b"second" in b"".join(pieces)


def test_an_error_in_a_script_fails_the_test() -> None:
    """An assertion inside a script would otherwise be lost in its thread."""

    def script(exchange: Exchange) -> None:
        assert exchange.request.path == "/expected"

    def ask() -> None:
        with ByteServer(script) as server, contextlib.suppress(httpx.HTTPError):
            httpx.get(f"{server.url}/other")

    with pytest.raises(AssertionError, match="/expected"):
        ask()


def test_the_chat_script_streams_and_answers_at_once(byte_server: StartServer) -> None:
    """The usual service in one line, as httpx reads it."""
    server = byte_server(stream_script(["Grüße", " 👋"]))
    url = f"{server.url}/v1/chat/completions"
    streamed = httpx.post(url, json=CHAT)
    assert streamed.headers["content-type"] == "text/event-stream"
    role, usage = delta("", role="assistant"), {"completion_tokens": 2}
    usage = {"prompt_tokens": 3, **usage, "total_tokens": 5}
    expected = role + delta("Grüße") + delta(" 👋") + finish("stop", usage) + DONE
    assert streamed.content == expected
    whole = httpx.post(url, json={**CHAT, "stream": False}).json()
    assert whole["choices"][0]["message"]["content"] == "Grüße 👋"
    assert httpx.get(f"{server.url}/v1/models").json()["data"][0]["id"] == "test-model"


def test_a_free_port_is_dead() -> None:
    """Connection refused is the commonest failure of local servers."""
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{free_port()}")


def test_no_key_or_proxy_reaches_a_test(kernel: Kernel) -> None:
    """A developer's key would be spent, a proxy would swallow local requests."""
    names = {"OPENAI_API_KEY": "1", "https_proxy": "1", "NO_PROXY": "1", "G4F_MODEL": "1"}
    cleaned = clean_environment({**names, "HOME": "/home"})
    assert not names.keys() & cleaned.keys()
    assert cleaned["HOME"] == "/home"
    in_kernel = kernel.value("[name for name in __import__('os').environ if 'G4F' in name]")
    assert in_kernel == ["G4F_HOME"]


def test_a_missing_part_skips_here_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """A skip that nobody sees is a test that nobody runs."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="engine"):
        need("engine", "it drives")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="engine"):
        need("engine", "it drives")


def test_a_cell_gives_its_result_streams_and_size(shared_kernel: Kernel) -> None:
    """The plain facts about a cell that every other assertion builds on."""
    code = "import sys; print(6 * 7); print('no', file=sys.stderr); {'a': 1}"
    run = shared_kernel.run(code, cell_id="c-1")
    kinds = [output["output_type"] for output in run.outputs]
    assert kinds == ["stream", "stream", "execute_result"]
    assert run.text == "42\nno\n"
    assert run.result == {"text/plain": "{'a': 1}"}
    assert run.error is None
    assert run.reply is not None
    assert run.reply["status"] == "ok"
    assert 0 < run.duration_s < 60
    assert run.iopub_bytes > 5 * 300  # each message has some hundred bytes of header
    assert run.messages[-1].at >= run.messages[0].at


def test_the_cell_id_reaches_the_kernel(shared_kernel: Kernel) -> None:
    """Turns belong to cells by this id; it must come as JupyterLab sends it."""
    parent = "get_ipython().kernel.get_parent('shell')['metadata'].get('cellId')"
    with_id = shared_kernel.run(parent, cell_id="c-2")
    without = shared_kernel.run(parent)
    assert with_id.result == {"text/plain": "'c-2'"}
    assert without.result is None


def test_clears_and_updates_are_folded_as_a_front_end_does(shared_kernel: Kernel) -> None:
    """Streaming redraws all the time; only the last picture counts."""
    shared_kernel.run("from IPython.display import *\nMD = lambda t: {'text/markdown': t}")
    run = shared_kernel.run(
        "print('gone')\n"
        "clear_output(wait=True)\n"
        "frozen = display(MD('one '), raw=True, display_id=True)\n"
        "tail = display(MD('tw'), raw=True, display_id=True)\n"
        "tail.update(MD('two '), raw=True)\n"
        "display(MD('three'), raw=True)\n"
    )
    assert run.markdown == "one two three"
    assert run.text == ""
    assert len(run.outputs) == 3
    later = shared_kernel.run("frozen.update(MD('1 '), raw=True)")
    assert later.outputs == []
    assert run.markdown == "1 two three"
    waiting = shared_kernel.run("print('stays'); clear_output(wait=True)")
    assert waiting.text == "stays\n"
    at_once = shared_kernel.run("print('goes'); clear_output()")
    assert at_once.outputs == []


def test_an_error_is_an_output_and_stops_queued_cells(shared_kernel: Kernel) -> None:
    """Run All stops at an error; that is asserted with queued cells."""
    failing = shared_kernel.start("import time; time.sleep(.2); 1/0")
    queued = shared_kernel.start("print('never')")
    error = failing.finish().error
    assert error is not None
    assert (error.ename, error.evalue) == ("ZeroDivisionError", "division by zero")
    reply = queued.finish().reply
    assert reply is not None
    assert reply["status"] in {"error", "aborted"}
    assert queued.run.outputs == []


def test_a_running_cell_can_be_watched_and_interrupted(shared_kernel: Kernel) -> None:
    """Half an answer is looked at, then ■ is pressed."""
    code = "import time\nprint('half')\nfor _ in range(600): time.sleep(.1)"
    cell = shared_kernel.start(code)
    cell.until(lambda outputs: outputs and "half" in outputs[0]["text"])
    shared_kernel.interrupt()
    run = cell.finish(timeout=10)
    assert run.error is not None
    assert run.error.ename == "KeyboardInterrupt"
    assert run.text == "half\n"


def test_a_kernel_restarts_and_forgets(kernel: Kernel) -> None:
    """What survives a restart is only what was written down."""
    kernel.run("kept = 'it\\'s ' + 'long ' * 500")
    assert kernel.value("kept") == "it's " + "long " * 500
    kernel.restart()
    assert kernel.value("'kept' in globals()") is False
    assert kernel.request("complete_request", {"code": "impor", "cursor_pos": 5})["matches"]


def test_aimock_streams_a_chat() -> None:
    """A reading of the API that is not ours: own fakes repeat own mistakes."""
    with AimockServer([answer("hello", "Hello there, friend.")], chunk_chars=5) as server:
        streamed = httpx.post(f"{server.url}/chat/completions", json=CHAT)
        assert streamed.status_code == 200
        lines = [line[6:] for line in streamed.text.split("\n") if line.startswith("data: {")]
        choices = [json.loads(line)["choices"] for line in lines]
        texts = [choice[0]["delta"].get("content", "") for choice in choices if choice]
        assert "".join(texts) == "Hello there, friend."
        assert len(texts) >= 4
        assert server.journal()[0]["body"]["messages"] == CHAT["messages"]


def test_aimock_fails_when_told() -> None:
    """Refusals and broken connections come from outside too."""
    refusal = {"error": {"message": "slow down", "type": "rate_limit_error"}, "status": 429}
    fixtures = [
        {"match": {"userMessage": "hello", "sequenceIndex": 0}, "response": refusal},
        answer("hello", "It breaks off in the middle.", latency=30, truncateAfterChunks=2),
    ]
    with AimockServer(fixtures, chunk_chars=4) as server:
        url = f"{server.url}/chat/completions"
        assert httpx.post(url, json=CHAT).status_code == 429
        with (
            httpx.stream("POST", url, json=CHAT) as response,
            pytest.raises(httpx.RemoteProtocolError),
        ):
            response.read()


def test_llmock_breaks_streams_in_order() -> None:
    """Faults of a third hand, and a judge of how a client bears them."""
    with LlmockServer() as server:
        server.order({"type": "fail", "status": 429, "retry_after": 0.1})
        server.order({"type": "stream_fault", "kind": "truncate", "after_chunks": 2})
        url = f"{server.url}/chat/completions"
        assert httpx.post(url, json=CHAT).headers["retry-after"]
        cut = httpx.post(url, json=CHAT).text
        assert "data: {" in cut
        assert '"stop"' not in cut
        assert [request["path"] for request in server.requests()] == ["/v1/chat/completions"] * 2
        codes = {finding["code"] for finding in server.verdict()["findings"]}
        assert codes


@pytest.mark.browser
def test_a_page_runs_a_cell(lab: Lab, lab_page: LabPage, tmp_path: Path) -> None:
    """What a user sees is looked at in a real JupyterLab."""
    lab.write_notebook("page.ipynb", ["", "1 + 1"])
    lab_page.open("page.ipynb")
    lab_page.type(0, "print(6*7)")
    lab_page.run(0, keys="Shift+Enter")
    assert lab_page.wait_text(0, "42").strip() == "42"
    picture = tmp_path / "page.png"
    lab_page.screenshot(picture)
    assert picture.stat().st_size > 10_000
    lab_page.save()
    saved = lab.read_notebook("page.ipynb")["cells"][0]
    assert saved["outputs"][0]["text"] == ["42\n"]


@pytest.mark.browser
def test_a_page_interrupts_and_runs_all_again(lab: Lab, lab_page: LabPage) -> None:
    """■ and Restart & Run All are the two buttons that break notebooks."""
    waiting = "import time\nprint('half', flush=True)\nfor _ in range(30): time.sleep(slow)"
    lab.write_notebook("stop.ipynb", ["slow = .001", "slow = 10", waiting])
    lab_page.open("stop.ipynb")
    lab_page.run(1)
    lab_page.run(2, wait=False)
    lab_page.wait_text(2, "half")
    assert lab_page.is_running(2)
    lab_page.interrupt()
    lab_page.wait_text(2, "KeyboardInterrupt")
    lab_page.wait_done(2)
    lab_page.type(1, "again = 'yes'")
    lab_page.restart_and_run_all()
    assert lab_page.prompt(2).inner_text() == "[3]:"
    assert lab_page.output(2).inner_text().strip() == "half"
    lab_page.type(1, "1/0")
    lab_page.restart_and_run_all()
    assert lab_page.prompt(2).inner_text().strip() == "[ ]:"
