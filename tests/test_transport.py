"""Requests go out and replies come in, whatever the network does in between."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from contextlib import aclosing, suppress
from dataclasses import replace
from email.utils import formatdate
from traceback import TracebackException
from typing import TYPE_CHECKING, Any

import certifi
import httpx
import pytest
from support.byteserver import (
    DONE,
    END,
    chunked,
    delta,
    finish,
    free_port,
    json_reply,
    reply,
    sse_head,
    stream_script,
)
from support.environment import clean_environment

from g4f_magic.errors import (
    NetworkError,
    NetworkTimeoutError,
    ResponseError,
    UsageError,
)
from g4f_magic.messages import Waiting
from g4f_magic.pool import Way
from g4f_magic.providers import OpenaiTemplate
from g4f_magic.secret import Secret
from g4f_magic.service import ServiceReply
from g4f_magic.transport import (
    LONGEST_PAUSE_S,
    Reply,
    Request,
    back_off_s,
    exchange,
    retry_after_s,
    warm_up,
)
from g4f_magic.trouble import translated

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping

    from support.byteserver import ByteServer, Exchange

    Script = Callable[[Exchange], None]
    StartServer = Callable[[Script], ByteServer]

SOON: tuple[str, str] = ("retry-after-ms", "1")


def post(url: str, **options: Any) -> Request:
    """A request with a key, as providers make them."""
    headers = {"Authorization": "Bearer sk-secret", **options.pop("headers", {})}
    return Request("POST", url, headers, b'{"a":1}', provider="tested", **options)


async def steps_of(request: Request) -> tuple[list[Waiting], int, bytes]:
    """The pauses, the status and the body of one exchange."""
    pauses: list[Waiting] = []
    status, body = 0, b""
    async with aclosing(exchange(request)) as steps:
        async for step in steps:
            if isinstance(step, Waiting):
                pauses.append(step)
            else:
                status, body = step.status, await step.read(1_000_000)
    return pauses, status, body


def ask(request: Request) -> tuple[list[Waiting], int, bytes]:
    """`steps_of` on a loop of its own."""
    return asyncio.run(steps_of(request))


def in_turn(*scripts: Script) -> Script:
    """A script that answers each request by the next of ``scripts``, the last one for ever."""
    left = list(scripts)

    def script(exchange: Exchange) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(exchange)

    return script


def says(data: bytes) -> Script:
    """A script that sends these bytes."""
    return lambda exchange: exchange.send(data)


def refuses(status: int, *headers: tuple[str, str]) -> Script:
    """A script that answers with a status."""
    return says(json_reply(status, {"error": {"message": "no"}}, headers))


OK = says(json_reply(200, {"ok": True}))


def drops(exchange: Exchange) -> None:
    """A script that closes without a word."""
    exchange.close()


def silent(exchange: Exchange) -> None:
    """A script that never answers."""
    exchange.sleep(30)


# The pool


def test_one_connection_serves_many_requests(byte_server: StartServer) -> None:
    """A new connection for each question costs a TLS handshake, a tenth of a second or more."""
    server = byte_server(OK)

    async def several() -> None:
        await warm_up()
        for _ in range(3):
            assert (await steps_of(post(server.url)))[1] == 200

    asyncio.run(several())
    assert (len(server.requests), server.connections) == (3, 1)


def test_a_stream_read_to_its_done_leaves_its_connection_for_the_next(
    byte_server: StartServer,
) -> None:
    """Readers stop at [DONE]; the bytes behind it must not cost the connection."""
    server = byte_server(stream_script(["Hello"]))

    class Service(OpenaiTemplate):
        api_base = server.url
        default_model = "m"

    async def several() -> None:
        for _ in range(3):
            events = Service.create_async_generator(None, [{"role": "user", "content": "hi"}])
            assert "".join([str(event) async for event in events]) == "Hello"

    asyncio.run(several())
    assert (len(server.requests), server.connections) == (3, 1)


def test_what_comes_after_done_does_not_cost_the_connection(byte_server: StartServer) -> None:
    """Some servers send the end of the body a moment later, in a packet of its own."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("Hello") + finish() + DONE))
        exchange.sleep(0.01)
        exchange.send(chunked(b": bye\n\n"))
        exchange.send(END)

    server = byte_server(script)

    class Service(OpenaiTemplate):
        api_base = server.url
        default_model = "m"

    async def several() -> None:
        for _ in range(2):
            events = Service.create_async_generator(None, [{"role": "user", "content": "hi"}])
            assert "".join([str(event) async for event in events]) == "Hello"

    asyncio.run(several())
    assert (len(server.requests), server.connections) == (2, 1)


def test_a_server_that_keeps_silent_after_done_does_not_hold_up_the_answer(
    byte_server: StartServer,
) -> None:
    """Some servers never end the body; the cell would hang after the last word."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("Hello") + finish() + DONE))
        exchange.sleep(30)

    server = byte_server(script)

    class Service(OpenaiTemplate):
        api_base = server.url
        default_model = "m"

    async def once() -> str:
        events = Service.create_async_generator(None, [{"role": "user", "content": "hi"}])
        text = "".join([str(event) async for event in events])
        server.wait_for(lambda: server.exchanges[0].client_closed, timeout=0.5)
        return text

    assert asyncio.run(once()) == "Hello"


def test_leaving_a_stream_early_closes_its_connection_within_100_ms(
    byte_server: StartServer,
) -> None:
    """A stream that nobody reads goes on costing money."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("Hello")))
        exchange.sleep(30)

    server = byte_server(script)

    async def leave() -> None:
        async with aclosing(exchange(post(server.url))) as steps:
            async for step in steps:
                assert isinstance(step, Reply)
                async for _ in step.chunks():
                    break
                break
        server.wait_for(lambda: server.exchanges[0].client_closed, timeout=0.1)

    asyncio.run(leave())


def test_a_pooled_connection_that_died_is_replaced_without_a_word(
    byte_server: StartServer,
) -> None:
    """Local servers close idle connections; the next cell must neither fail nor wait."""
    server = byte_server(in_turn(OK, drops, OK))

    async def twice() -> None:
        await steps_of(post(server.url))
        pauses, status, _ = await steps_of(post(server.url, max_retries=0))
        assert (pauses, status) == ([], 200)

    asyncio.run(twice())
    assert (len(server.requests), server.connections) == (3, 2)


def test_a_new_connection_that_is_dropped_counts_as_a_failure(byte_server: StartServer) -> None:
    """A server that always hangs up would otherwise be asked for ever."""
    server = byte_server(in_turn(OK, drops))

    async def twice() -> None:
        await steps_of(post(server.url))
        await steps_of(post(server.url, max_retries=0))

    with pytest.raises(NetworkError, match="tested broke the connection: Server disconnected"):
        asyncio.run(twice())
    assert len(server.requests) == 3


def test_each_loop_has_its_pool_and_closes_it(byte_server: StartServer) -> None:
    """Scripts call asyncio.run again and again; sockets left behind are warned about."""
    server = byte_server(OK)
    code = f"""
import asyncio, gc
from g4f_magic.transport import Request, exchange

async def main():
    async for reply in exchange(Request("POST", {server.url!r}, {{}}, b"{{}}")):
        print((await reply.read(100)).decode())

asyncio.run(main())
gc.collect()
asyncio.run(main())
gc.collect()
"""
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", code]
    done = subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.split() == ['{"ok":true}'] * 2
    assert done.stderr == ""
    assert server.connections == 2


def test_a_connection_closes_with_its_loop(byte_server: StartServer) -> None:
    """A server that counts connections would run out of them."""
    server = byte_server(OK)
    ask(post(server.url))
    server.wait_for(lambda: server.exchanges[0].client_closed, timeout=1)


def test_many_loops_at_once_do_not_disturb_each_other(byte_server: StartServer) -> None:
    """Threads with a loop each come and go; a pool of one is none of the other's."""
    server = byte_server(OK)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                assert ask(post(server.url))[1] == 200
        except BaseException as error:  # noqa: BLE001  # told to the thread that asserts
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(server.requests) == 40


# What fails


def test_a_port_where_nobody_listens_is_said_so() -> None:
    """The commonest failure of local servers must name the address that was tried."""
    port = free_port()
    with pytest.raises(NetworkError, match=f"tested cannot be reached at 127.0.0.1:{port}") as got:
        ask(post(f"http://127.0.0.1:{port}/v1", max_retries=0))
    assert "running" in got.value.hint
    assert got.value.provider == "tested"


def test_a_server_that_starts_late_is_reached(byte_server: StartServer) -> None:
    """A local server may still be loading when the first cell runs."""
    server = byte_server(in_turn(drops, OK))
    pauses, status, _ = ask(post(server.url))
    assert status == 200
    assert ["tested broke the connection" in pause.reason for pause in pauses] == [True]
    assert 0.3 < pauses[0].seconds <= 0.5


def test_silence_ends_after_the_time_limit_and_is_not_repeated(byte_server: StartServer) -> None:
    """Waiting three times the limit for a dead service is not what a limit means."""
    server = byte_server(silent)
    with pytest.raises(NetworkTimeoutError, match=r"tested sent nothing for 0\.05 s") as got:
        ask(post(server.url, timeout_s=0.05))
    assert "--timeout" in got.value.hint
    assert len(server.requests) == 1


def test_silence_in_the_middle_of_an_answer_is_a_timeout(byte_server: StartServer) -> None:
    """A stream that stalls would freeze the cell for ever."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("Hello")))
        exchange.sleep(30)

    with pytest.raises(NetworkTimeoutError):
        ask(post(byte_server(script).url, timeout_s=0.05))


def test_an_address_that_takes_no_connection_is_given_up() -> None:
    """A wrong address behind a firewall swallows packets; nobody waits minutes for it."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in (first, second):  # the queue is full, and further calls are not taken
            filler.settimeout(0)
            with suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(NetworkTimeoutError, match=r"did not take the .* within 0\.1 s"):
            ask(post(url, timeout_s=0.1, max_retries=0))


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_a_refusal_that_passes_is_asked_again(byte_server: StartServer, status: int) -> None:
    """An overloaded service is the rule in the afternoon; a cell must not fail for it."""
    server = byte_server(in_turn(refuses(status, SOON), OK))
    pauses, final, body = ask(post(server.url))
    assert (final, body) == (200, b'{"ok":true}')
    assert [pause.seconds for pause in pauses] == [0.001]
    assert f"tested said {status}" in pauses[0].reason
    assert [request.body for request in server.requests] == [b'{"a":1}'] * 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_for_good_is_not_asked_again(byte_server: StartServer, status: int) -> None:
    """A wrong key stays wrong; asking again only locks it."""
    server = byte_server(refuses(status, SOON))
    pauses, final, body = ask(post(server.url))
    assert (pauses, final) == ([], status)
    assert b"no" in body
    assert len(server.requests) == 1


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_it_is_asked_again_as_often_as_was_said(byte_server: StartServer, retries: int) -> None:
    """--retries 0 means once; the last refusal is handed over with its body."""
    server = byte_server(refuses(503, SOON))
    pauses, status, body = ask(post(server.url, max_retries=retries))
    assert (len(pauses), len(server.requests), status) == (retries, retries + 1, 503)
    assert b"no" in body


def test_a_pause_longer_than_two_minutes_is_not_waited_for(byte_server: StartServer) -> None:
    """Nobody sits in front of a cell for an hour; the caller is told when to come back."""
    server = byte_server(refuses(429, ("Retry-After", "3600")))

    async def look() -> float | None:
        async for step in exchange(post(server.url)):
            assert isinstance(step, Reply)
            return step.retry_after_s
        return None

    assert asyncio.run(look()) == 3600
    assert len(server.requests) == 1


def test_what_is_hopeless_is_not_asked_again_and_keeps_its_body(byte_server: StartServer) -> None:
    """A spent budget also comes as 429; its message is what the person needs."""
    body = {"error": {"message": "pay", "code": "insufficient_quota"}}
    server = byte_server(says(json_reply(429, body, [SOON])))
    request = post(server.url, is_hopeless=lambda status, raw: status == 429 and b"quota" in raw)
    pauses, status, raw = ask(request)
    assert (pauses, status) == ([], 429)
    assert b"insufficient_quota" in raw
    assert len(server.requests) == 1


def test_an_error_page_without_end_is_read_only_in_part(byte_server: StartServer) -> None:
    """A broken gateway that sends for ever would fill the memory of the kernel."""

    def endless(exchange: Exchange) -> None:
        exchange.send(sse_head("text/html").replace(b"200 OK", b"502 Bad") + chunked(b"x" * 99_999))
        exchange.sleep(30)

    server = byte_server(in_turn(endless, OK))
    asked: list[int] = []

    def is_hopeless(_status: int, raw: bytes) -> bool:
        asked.append(len(raw))
        return True

    _, status, body = ask(post(server.url, is_hopeless=is_hopeless))
    assert (status, asked, len(body)) == (502, [64 * 1024], 64 * 1024)


def test_an_error_whose_body_breaks_off_is_asked_again(byte_server: StartServer) -> None:
    """A crashing server says 500 and then nothing more."""

    def breaks(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 500 Oops\r\nContent-Length: 99\r\nRetry-After: 0\r\n\r\nhalf")
        exchange.close()

    assert ask(post(byte_server(in_turn(breaks, OK)).url))[1] == 200


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after": formatdate(1_000_030, usegmt=True)}, 30.0),
        ({"retry-after": formatdate(999_000, usegmt=True)}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after-ms": "9" * 400, "retry-after": "9"}, 9.0),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_the_pause_a_service_asks_for_is_understood(
    headers: dict[str, str], expected: float | None
) -> None:
    """Asking too soon is punished by most services with a longer wait."""
    assert retry_after_s(headers, 1_000_000) == expected


def test_a_date_to_come_back_is_honoured(byte_server: StartServer) -> None:
    """Gateways send dates instead of seconds."""
    past = formatdate(time.time() - 10, usegmt=True)
    pauses, status, _ = ask(post(byte_server(in_turn(refuses(503, ("Retry-After", past)), OK)).url))
    assert (status, [pause.seconds for pause in pauses]) == (200, [0.0])


def test_pauses_double_up_to_eight_seconds() -> None:
    """A herd of notebooks that comes back at once brings the service down again."""
    for retry, longest in enumerate([0.5, 1, 2, 4, 8, 8]):
        pauses = {back_off_s(retry) for _ in range(50)}
        assert max(pauses) <= longest
        assert min(pauses) >= longest * 0.75
        assert len(pauses) > 1
    assert LONGEST_PAUSE_S == 120


def test_no_frame_of_an_error_holds_the_key() -> None:
    """Where a write fails, the bytes with the key are at hand for a verbose traceback."""
    failures = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        resetting = threading.Thread(target=_reset_all, args=(listening,))
        resetting.start()
        headers = {"Authorization": Secret("Bearer sk-secret")}
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        request = post(url, headers=headers, max_retries=0)
        for _ in range(40):
            with pytest.raises(NetworkError) as caught:
                ask(request)
            failures.append(caught.value)
        listening.shutdown(socket.SHUT_RDWR)
        resetting.join()
    for failure in failures:
        assert failure.__cause__ is not None
        assert failure.__cause__.__traceback__ is None
        shown = TracebackException.from_exception(failure, capture_locals=True)
        assert "sk-secret" not in "".join(shown.format())


def _reset_all(listening: socket.socket) -> None:
    """Break each connection as soon as it is made."""
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def test_a_reset_in_the_middle_keeps_what_had_arrived(byte_server: StartServer) -> None:
    """Half an answer is worth more than a stack of calls."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("Half an ")))
        exchange.sleep(0.1)
        exchange.reset()

    server = byte_server(script)

    class Service(OpenaiTemplate):
        api_base = server.url
        default_model = "m"

    async def read() -> None:
        async for _ in Service.create_async_generator(None, [{"role": "user", "content": "hi"}]):
            pass

    with pytest.raises(NetworkError, match="Service broke the connection") as got:
        asyncio.run(read())
    assert got.value.partial == "Half an "
    assert len(server.requests) == 1


def test_a_key_that_comes_back_in_a_broken_reply_is_not_quoted(byte_server: StartServer) -> None:
    """A server that echoes would put the key into a verbose traceback, cause and all."""

    def echoes(exchange: Exchange) -> None:
        key = exchange.request.headers["authorization"].encode()
        exchange.send(b"HTTP/1.1 200 OK\r\nAuthorization " + key + b"\r\n\r\n")

    request = replace(post(byte_server(echoes).url), headers={"Authorization": "sk-secret"})
    with pytest.raises(NetworkError, match="does not speak HTTP as it should") as got:
        ask(replace(request, max_retries=0))
    assert "sk-secret" not in "".join(TracebackException.from_exception(got.value).format())


def test_every_error_of_httpx_becomes_one_of_ours() -> None:
    """A foreign error in a cell shows forty lines of somebody else's code."""
    known = {
        *(httpx.ConnectTimeout, httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout),
        *(httpx.ReadError, httpx.WriteError, httpx.ConnectError, httpx.CloseError),
        *(httpx.ProxyError, httpx.UnsupportedProtocol, httpx.LocalProtocolError),
        *(httpx.RemoteProtocolError, httpx.DecodingError, httpx.TooManyRedirects),
    }
    told = {"provider": "tested", "url": "http://user:hidden@h/"}
    leaves = set(leaves_of(httpx.RequestError))
    assert leaves == known, "httpx has other errors than those considered here"
    for kind in leaves:
        ours = translated(kind(""), Way(3), timeout_s=3, **told)
        assert isinstance(ours, NetworkError)
        assert isinstance(ours, NetworkTimeoutError) == issubclass(kind, httpx.TimeoutException)
        assert ours.provider == "tested"
        assert "hidden" not in f"{ours} {ours.hint}"
        assert not str(ours).endswith(": ")
    # The rest is not about the network: never raised here, or a mistake of ours.
    others = set(leaves_of(httpx.HTTPError)) - leaves
    assert others == {httpx.HTTPStatusError}
    stream_errors = {httpx.StreamConsumed, httpx.StreamClosed}
    stream_errors |= {httpx.ResponseNotRead, httpx.RequestNotRead}
    assert set(leaves_of(httpx.StreamError)) == stream_errors
    assert not issubclass(httpx.InvalidURL, httpx.HTTPError)


def leaves_of(kind: type[Exception]) -> Iterator[type[Exception]]:
    """The errors of httpx below ``kind`` that have none below themselves."""
    below = [one for one in kind.__subclasses__() if one.__module__.partition(".")[0] == "httpx"]
    if not below:
        yield kind
    for one in below:
        yield from leaves_of(one)


# Redirects and addresses


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_host_keeps_the_method_and_the_body(
    byte_server: StartServer, status: int
) -> None:
    """A missing slash must not turn a question into a visit of the start page."""
    moved = says(reply(status, b"", headers=[("Location", "/v1/there")]))
    server = byte_server(in_turn(moved, OK))
    assert ask(post(f"{server.url}/here"))[1] == 200
    second = server.requests[1]
    assert (second.method, second.path, second.body) == ("POST", "/v1/there", b'{"a":1}')
    assert second.headers["authorization"] == "Bearer sk-secret"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nothing_is_sent_to_another_place(byte_server: StartServer, host: str) -> None:
    """A hijacked or misconfigured service would collect the key."""
    thief = byte_server(OK)
    target = f"http://{host}:{thief.port}/v1"
    server = byte_server(says(reply(307, b"", headers=[("Location", target)])))
    with pytest.raises(ResponseError, match=f"redirects to another place, .*{host}") as got:
        ask(post(server.url))
    assert got.value.status == 307
    assert "nothing was sent there" in got.value.hint
    assert (thief.connections, len(server.requests)) == (0, 1)


@pytest.mark.parametrize("target", ["http://[bad", "ftp://127.0.0.1/", "https://u:pw@evil.test/"])
def test_a_redirect_that_leads_nowhere_is_an_error_of_ours(
    byte_server: StartServer, target: str
) -> None:
    """Odd gateways send odd addresses."""
    server = byte_server(says(reply(302, b"", headers=[("Location", target)])))
    with pytest.raises(ResponseError, match="redirects to another place") as got:
        ask(post(server.url))
    assert "pw" not in str(got.value)


def test_a_redirect_to_no_address_is_an_error_of_ours_also_on_a_pooled_connection(
    byte_server: StartServer,
) -> None:
    """A connection in good order must not be taken for a dead one again and again."""
    server = byte_server(in_turn(OK, says(reply(302, b"", headers=[("Location", "http://a:b/")]))))

    async def twice() -> None:
        await steps_of(post(server.url))
        await steps_of(post(server.url, max_retries=0))

    with pytest.raises(NetworkError, match="Invalid URL in location header"):
        asyncio.run(twice())
    assert len(server.requests) == 3


def test_a_redirect_in_circles_ends(byte_server: StartServer) -> None:
    """The cell would spin for ever."""
    server = byte_server(says(reply(308, b"", headers=[("Location", "/again")])))
    with pytest.raises(ResponseError, match=r"127\.0\.0\.1 redirects in circles"):
        ask(post(server.url))
    assert len(server.requests) == 5


def test_a_status_between_without_an_address_is_handed_over(byte_server: StartServer) -> None:
    """300 or 304 is no redirect; its body is judged by the provider."""
    assert ask(post(byte_server(says(reply(304, b""))).url))[1] == 304


def in_process(target: str) -> Callable[..., Any]:
    """A service that redirects to ``target`` once."""
    seen: list[str] = []

    async def body() -> AsyncIterator[bytes]:
        yield b"there"

    async def serve(
        _method: str, path: str, _headers: Mapping[str, str], _body: bytes, /
    ) -> ServiceReply:
        seen.append(path)
        if len(seen) > 1:
            return ServiceReply(200, {}, body())
        return ServiceReply(301, {"location": target}, body())

    return serve


def test_an_encrypted_service_is_not_left_for_plain_text() -> None:
    """Whoever listens on the way would read the key."""
    service = in_process("http://safe.invalid/v1")
    with pytest.raises(ResponseError, match=r"another place, http://safe\.invalid"):
        ask(post("https://safe.invalid/v1", service=service))


def test_a_plain_service_may_lead_to_its_encrypted_self() -> None:
    """Typing http:// for https:// is the commonest slip in base URLs."""
    service = in_process("https://safe.invalid/v1")
    assert ask(post("http://safe.invalid/v1", service=service))[2] == b"there"


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8000/v1", "ftp://h/", "http://", "http:///v1", "http://[::1", "http://\0/"],
)
def test_what_is_no_address_is_said_so_before_anything_is_sent(url: str) -> None:
    """A typing error in a base URL is the person's to mend, so it must be quoted."""
    with pytest.raises(UsageError, match="is not the address of a service") as got:
        ask(post(url))
    assert "http://localhost" in got.value.hint


def test_a_bad_address_is_quoted_without_its_password() -> None:
    """Error outputs are saved in notebooks and pushed to GitHub."""
    with pytest.raises(UsageError, match="ftp://…@h") as got:
        ask(post("ftp://me:hidden@h/"))
    assert "hidden" not in str(got.value)


@pytest.mark.parametrize("key", ["sk-secret\n", "sk-sec…", " sk-secret ", "sk\tsecret"])
def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(
    byte_server: StartServer, key: str
) -> None:
    """A key read from a file ends in a line break, and h11 quotes it in its error."""
    server = byte_server(OK)
    with pytest.raises(UsageError, match="'X-Api-Key' cannot be sent") as got:
        ask(post(server.url, headers={"X-Api-Key": key}))
    shown = f"{got.value!r} {got.value.hint} {got.value.__cause__!r} {got.value.__context__!r}"
    assert "sk" not in shown
    assert server.requests == []


@pytest.mark.parametrize("name", ["", "X Team", "X-Team:", "Équipe", "X\nTeam"])
def test_a_name_that_no_header_can_have_is_refused(byte_server: StartServer, name: str) -> None:
    """The service would be said to have broken the connection."""
    server = byte_server(OK)
    with pytest.raises(UsageError, match="cannot be sent"):
        ask(post(server.url, headers={name: "7"}))
    assert server.requests == []


# Bodies


def test_a_compressed_body_arrives_as_text(byte_server: StartServer) -> None:
    """Gateways compress streams; raw bytes would be nonsense."""
    packed = gzip.compress(delta("Grüße"))
    headers = [("Content-Encoding", "gzip")]

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head(headers=headers))
        for at in range(len(packed)):
            exchange.send(chunked(packed[at : at + 1]))
        exchange.send(END)

    assert ask(post(byte_server(script).url))[2] == delta("Grüße")


def test_a_body_that_cannot_be_unpacked_is_an_error_of_ours(byte_server: StartServer) -> None:
    """A broken gateway is not a reason for a foreign stack."""
    server = byte_server(says(reply(200, b"nonsense", headers=[("Content-Encoding", "gzip")])))
    with pytest.raises(NetworkError, match="cannot be decompressed"):
        ask(post(server.url))


def test_no_more_of_a_body_is_read_than_asked_for(byte_server: StartServer) -> None:
    """A limit protects the memory of the kernel."""
    server = byte_server(says(reply(200, b"0123456789")))

    async def start() -> bytes:
        async for step in exchange(post(server.url)):
            assert isinstance(step, Reply)
            return await step.read(4)
        return b""

    assert asyncio.run(start()) == b"0123"


# Proxies


@pytest.fixture
def proxy(byte_server: StartServer) -> ByteServer:
    """A forward proxy that answers for any service, and refuses to tunnel."""

    def script(exchange: Exchange) -> None:
        if exchange.request.method == "CONNECT":
            exchange.send(reply(407, b"", headers=[("Proxy-Authenticate", "Basic")]))
        else:
            exchange.send(reply(200, b"by proxy"))

    return byte_server(script)


def authority(server: ByteServer) -> str:
    """The proxy's address with a name and a password."""
    return f"http://me:hidden@127.0.0.1:{server.port}"


def with_proxy(server: ByteServer) -> list[Any]:
    """The ways to give a proxy for http."""
    url = authority(server)
    return [url, {"http": url}, {"http://": url}, {"all": url, "https": ""}]


@pytest.mark.parametrize("way", range(4))
def test_a_proxy_that_is_given_is_used(proxy: ByteServer, way: int) -> None:
    """Behind a company's proxy there is no other way out."""
    proxies = with_proxy(proxy)[way]
    assert ask(post("http://service.invalid/v1", proxies=proxies))[2] == b"by proxy"
    request = proxy.requests[0]
    assert (request.method, request.path) == ("POST", "http://service.invalid/v1")
    assert request.headers["proxy-authorization"].startswith("Basic ")


def test_a_proxy_for_another_scheme_is_not_used(
    proxy: ByteServer, byte_server: StartServer
) -> None:
    """A proxy for https alone must not see what goes to the local server."""
    server = byte_server(OK)
    assert ask(post(server.url, proxies={"https": authority(proxy)}))[1] == 200
    assert proxy.requests == []


def test_the_proxy_of_the_environment_is_used_and_may_change(
    proxy: ByteServer, byte_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People set HTTP_PROXY in the middle of a notebook, when they notice."""
    server = byte_server(says(reply(200, b"direct")))

    async def thrice() -> list[bytes]:
        bodies = [(await steps_of(post(server.url)))[2]]
        monkeypatch.setenv("HTTP_PROXY", authority(proxy))
        bodies.append((await steps_of(post(server.url)))[2])
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        bodies.append((await steps_of(post(server.url)))[2])
        return bodies

    assert asyncio.run(thrice()) == [b"direct", b"by proxy", b"direct"]


def test_an_empty_proxy_means_none_whatever_the_environment_says(
    proxy: ByteServer, byte_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Local servers are reached directly, also where a proxy is set for the whole machine."""
    monkeypatch.setenv("ALL_PROXY", authority(proxy))
    assert ask(post(byte_server(OK).url, proxies=""))[2] == b'{"ok":true}'
    assert proxy.requests == []


def test_a_proxy_that_refuses_is_named_as_the_cause(proxy: ByteServer) -> None:
    """A wrong proxy password looks like a wrong key unless somebody says so."""
    request = post("https://service.invalid/v1", proxies=authority(proxy))
    with pytest.raises(NetworkError, match=r"on the way to service\.invalid") as got:
        ask(request)
    assert "password" in got.value.hint
    assert "hidden" not in f"{got.value!r} {got.value.__cause__!r}"
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("by_environment", [True, False])
def test_a_socks_proxy_without_its_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, *, by_environment: bool
) -> None:
    """University networks offer SOCKS; the missing package is one line of pip away."""
    url = "socks5://me:hidden@127.0.0.1:1080"
    monkeypatch.setitem(sys.modules, "socksio", None)
    if by_environment:
        monkeypatch.setenv("ALL_PROXY", url)
    with pytest.raises(UsageError, match="socksio") as got:
        ask(post("http://service.invalid/", proxies=None if by_environment else url))
    assert "pip install" in got.value.hint
    assert "hidden" not in f"{got.value!r} {got.value.hint} {got.value.__cause__!r}"


@pytest.mark.parametrize("url", ["gopher://me:hidden@h", "me:hidden@h", "http://me:hid/den@h:x"])
def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    """Passwords with odd characters are the usual mistake, and errors are saved."""
    with pytest.raises(UsageError, match="the proxy's address cannot be used") as got:
        ask(post("http://service.invalid/", proxies=url))
    assert "hid" not in f"{got.value!r} {got.value.hint} {got.value.__cause__!r}"
    assert got.value.__suppress_context__


# Certificates


def test_certificates_are_checked_as_asked() -> None:
    """A company's own authority comes as a file, a test server without any."""
    port = free_port()
    context = ssl.create_default_context()
    for verify in (True, False, certifi.where(), context):
        with pytest.raises(NetworkError, match="cannot be reached"):
            ask(post(f"https://127.0.0.1:{port}/", verify=verify, max_retries=0))


def test_certificates_that_cannot_be_read_are_named() -> None:
    """A wrong path is the person's to mend."""
    with pytest.raises(UsageError, match=r"'nowhere\.pem' cannot be read"):
        ask(post("https://h.invalid/", verify="nowhere.pem"))


def test_a_plain_server_asked_for_encryption_is_an_error_of_ours(
    byte_server: StartServer,
) -> None:
    """https:// in front of a local server is a common slip; some servers just keep silent."""
    server = byte_server(OK)
    with pytest.raises(NetworkTimeoutError, match="did not take the connection"):
        ask(post(server.url.replace("http:", "https:"), timeout_s=0.1, max_retries=0))


# Services inside the process


def test_a_service_may_answer_with_any_iterator() -> None:
    """A plugin's service need not be a generator."""

    class Pieces:
        def __init__(self) -> None:
            self.left = [b"a", b"b"]

        def __aiter__(self) -> Pieces:
            return self

        async def __anext__(self) -> bytes:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    async def serve(*_: object) -> ServiceReply:
        return ServiceReply(200, {}, Pieces())

    assert ask(post("http://inside.invalid/", service=serve))[2] == b"ab"


def test_a_service_inside_the_process_is_asked_without_a_socket() -> None:
    """The demo works with no network at all."""
    asked: list[tuple[str, str, bytes]] = []
    ended: list[bool] = []

    async def pieces() -> AsyncGenerator[bytes, None]:
        try:
            for piece in (b"one ", b"two ", b"three"):
                yield piece
        finally:
            ended.append(True)

    async def serve(
        method: str, path: str, headers: Mapping[str, str], body: bytes, /
    ) -> ServiceReply:
        asked.append((method, path, body))
        assert headers["authorization"] == "Bearer sk-secret"
        return ServiceReply(200, {"content-type": "text/plain"}, pieces())

    request = post("http://inside.invalid/v1/x", service=serve)

    async def partly() -> None:
        assert (await steps_of(request))[2] == b"one two three"
        async with aclosing(exchange(replace(request))) as steps:
            async for step in steps:
                assert isinstance(step, Reply)
                assert await step.read(3) == b"one"
                assert step.headers["content-type"] == "text/plain"
        assert ended == [True, True]

    asyncio.run(partly())
    assert asked == [("POST", "/v1/x", b'{"a":1}')] * 2
