"""Requests find their way through real proxies, and what goes wrong there names the proxy."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import threading
from contextlib import ExitStack, aclosing, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from support.byteserver import free_port, json_reply, reply, stream_script
from support.proxies import NAME, PASSWORD, microsocks, tinyproxy
from support.tls import Authority, TlsFront

from g4f_magic.client import Client
from g4f_magic.errors import NetworkError, NetworkTimeoutError, ResponseError, UsageError
from g4f_magic.messages import Waiting
from g4f_magic.pool import proxy_for, without_login
from g4f_magic.providers import OpenaiTemplate
from g4f_magic.settings.config import target
from g4f_magic.transport import Request, exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.byteserver import ByteServer, Exchange
    from support.proxies import Proxy

    from g4f_magic.messages import Message

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

LOGIN = f"{NAME}:{PASSWORD}"


def ok(exchange: Exchange) -> None:
    """A script that answers well."""
    exchange.send(json_reply(200, {"ok": True}))


@pytest.fixture(scope="module")
def http_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """An HTTP proxy for everybody."""
    with tinyproxy(tmp_path_factory.mktemp("open")) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def login_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """An HTTP proxy that asks for a name and a password."""
    with tinyproxy(tmp_path_factory.mktemp("login"), login=True) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def socks_proxy() -> Iterator[Proxy]:
    """A SOCKS proxy for everybody."""
    with microsocks() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def socks_login_proxy() -> Iterator[Proxy]:
    """A SOCKS proxy that asks for a name and a password."""
    with microsocks(login=True) as proxy:
        yield proxy


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority that no machine knows."""
    return Authority(tmp_path)


@pytest.fixture
def front(authority: Authority) -> Iterator[Callable[[int], TlsFront]]:
    """Starts an encrypted front of a port; all are closed after the test."""
    with ExitStack() as stack:
        context = authority.server_context("127.0.0.1")
        yield lambda port: stack.enter_context(TlsFront(context, port))


async def answer(url: str, **options: Any) -> bytes:
    """The body of the reply to a request with a key."""
    headers = {"Authorization": "Bearer sk-secret"}
    request = Request("POST", url, headers, b'{"a":1}', provider="tested", **options)
    async with aclosing(exchange(request)) as steps:
        async for step in steps:
            if not isinstance(step, Waiting):
                assert step.status == 200
                return await step.read(1_000_000)
    return b""


def ask(url: str, **options: Any) -> bytes:
    """`answer` on a loop of its own."""
    return asyncio.run(answer(url, **options))


def failure(url: str, **options: Any) -> NetworkError:
    """The error of a request; it must not show the proxy's password or the key."""
    with pytest.raises(NetworkError) as got:
        ask(url, **options)
    shown = f"{got.value!r} {got.value.hint} {got.value.__cause__!r}"
    assert "hidden" not in shown
    assert "wrong" not in shown.replace("wrong version", "")
    assert "sk-secret" not in shown
    assert "\n" not in str(got.value)
    gc.collect()  # what was left open is warned about here
    return got.value


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield listener.getsockname()[1]


# Ways through


@pytest.mark.parametrize("way", ["text", "http", "http://", "all", "all://"])
def test_a_plain_service_is_reached_through_an_http_proxy(
    http_proxy: Proxy, byte_server: StartServer, way: str
) -> None:
    """Behind a company's proxy there is no other way out."""
    server = byte_server(ok)
    proxies = http_proxy.url() if way == "text" else {way: http_proxy.url()}
    assert ask(server.url, proxies=proxies) == b'{"ok":true}'
    assert "tinyproxy" in server.requests[0].headers["via"]
    assert server.requests[0].headers["authorization"] == "Bearer sk-secret"


@pytest.mark.parametrize("way", ["text", "https", "all"])
def test_an_encrypted_service_is_reached_through_an_http_proxy(
    http_proxy: Proxy,
    byte_server: StartServer,
    authority: Authority,
    front: Callable[[int], TlsFront],
    way: str,
) -> None:
    """The proxy passes the bytes on and sees nothing of them."""
    server = byte_server(ok)
    port = front(server.port).port
    proxies = http_proxy.url() if way == "text" else {way: http_proxy.url()}
    url = f"https://127.0.0.1:{port}/v1"
    assert ask(url, proxies=proxies, verify=authority.file) == b'{"ok":true}'
    http_proxy.wait_for(port)
    assert "via" not in server.requests[0].headers
    assert "proxy-authorization" not in server.requests[0].headers


def test_a_name_and_a_password_open_a_proxy(
    login_proxy: Proxy,
    byte_server: StartServer,
    authority: Authority,
    front: Callable[[int], TlsFront],
) -> None:
    """They are for the proxy alone; the service gets the key alone."""
    server = byte_server(ok)
    options = {"proxies": login_proxy.url(LOGIN), "verify": authority.file}
    for url in (server.url, f"https://127.0.0.1:{front(server.port).port}/v1"):
        assert ask(url, **options) == b'{"ok":true}'
    for request in server.requests:
        assert "proxy-authorization" not in request.headers
        assert request.headers["authorization"] == "Bearer sk-secret"


def test_an_encrypted_proxy_is_checked_like_a_service(
    http_proxy: Proxy,
    byte_server: StartServer,
    authority: Authority,
    front: Callable[[int], TlsFront],
) -> None:
    """A company's proxy has a certificate of the company; it is trusted where that is named."""
    server = byte_server(ok)
    proxy = f"https://me:hidden@127.0.0.1:{front(http_proxy.port).port}"
    assert ask(server.url, proxies=proxy, verify=authority.file) == b'{"ok":true}'
    url = f"https://127.0.0.1:{front(server.port).port}/v1"
    error = failure(url, proxies=proxy, verify=True)
    assert f"the certificate of the proxy {without_login(proxy)} comes from" in str(error)


@pytest.mark.parametrize(("name", "login"), [("socks_proxy", ""), ("socks_login_proxy", LOGIN)])
def test_a_service_is_reached_through_a_socks_proxy(  # noqa: PLR0913, PLR0917  # fixtures
    request: pytest.FixtureRequest,
    byte_server: StartServer,
    authority: Authority,
    front: Callable[[int], TlsFront],
    name: str,
    login: str,
) -> None:
    """Universities and tunnels of ssh offer SOCKS."""
    proxy: Proxy = request.getfixturevalue(name)
    server = byte_server(ok)
    encrypted = front(server.port)
    options = {"proxies": proxy.url(login), "verify": authority.file}
    assert ask(server.url, **options) == b'{"ok":true}'
    proxy.wait_for(server.port)
    assert ask(f"https://127.0.0.1:{encrypted.port}/v1", **options) == b'{"ok":true}'
    proxy.wait_for(encrypted.port)


def test_a_call_and_its_listing_take_the_proxy_that_is_given(
    http_proxy: Proxy, byte_server: StartServer
) -> None:
    """``proxy=`` is for one call."""
    server = byte_server(stream_script(["Hello"]))
    assert said_by(server, proxy=http_proxy.url()) == "Hello"
    assert said_by(server) == "Hello"
    assert ["via" in request.headers for request in server.requests] == [True, False]


def said_by(server: ByteServer, **params: Any) -> str:
    """The text that a service answers."""

    class Service(OpenaiTemplate):
        api_base = server.url
        default_model = "m"

    async def text() -> str:
        messages: list[Message] = [{"role": "user", "content": "hi"}]
        events = Service.create_async_generator(None, messages, **params)
        return "".join([str(event) async for event in events])

    return asyncio.run(text())


def test_the_proxy_of_our_own_variable_is_the_one_of_a_cell(
    http_proxy: Proxy, byte_server: StartServer
) -> None:
    """G4F_PROXY sends the cells through a proxy and nothing else of the kernel."""
    server = byte_server(stream_script(["Hello"]))
    environ = {"G4F_PROXY": http_proxy.url(), "G4F_API_BASE": server.url}
    params = target((None, None), (None, None), environ=environ).params()
    assert said_by(server, proxy=params["proxy"]) == "Hello"
    assert "tinyproxy" in server.requests[0].headers["via"]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_the_standard_variables_are_honoured(
    http_proxy: Proxy,
    byte_server: StartServer,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    """Machines behind a proxy have them set already."""
    server = byte_server(ok)
    monkeypatch.setenv(variable, http_proxy.address)  # the scheme may be left out
    ask(server.url)
    assert "tinyproxy" in server.requests[0].headers["via"]


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks"])
def test_the_socks_proxy_of_the_environment_is_used(
    socks_proxy: Proxy, byte_server: StartServer, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """ALL_PROXY is where SOCKS is usually set."""
    server = byte_server(ok)
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://{socks_proxy.address}")
    assert ask(server.url) == b'{"ok":true}'
    socks_proxy.wait_for(server.port)


def test_a_redirect_to_the_encrypted_form_takes_the_proxy_for_that(
    byte_server: StartServer,
) -> None:
    """Each scheme may have a proxy of its own."""

    def moves(exchange: Exchange) -> None:
        exchange.send(reply(301, b"", headers=[("Location", "https://service.invalid/v1")]))

    def refuses(exchange: Exchange) -> None:
        exchange.send(reply(403, b""))

    plain, encrypted = byte_server(moves), byte_server(refuses)
    proxies = {"http": plain.url, "https": encrypted.url}
    error = failure("http://service.invalid/v1", proxies=proxies)
    assert f"the proxy {encrypted.url} on the way to" in str(error)
    assert encrypted.requests[0].method == "CONNECT"


@pytest.mark.parametrize(
    ("exempt", "is_direct"),
    [
        ("127.0.0.1", True),
        ("other.example, 127.0.0.1", True),
        ("127.0.0.1:{port}", True),
        ("127.0.0.0/8", True),
        ("*", True),
        ("10.0.0.0/8", False),
        ("27.0.0.1", False),
        ("127.0.0.1:1", False),
        ("", False),
    ],
)
def test_no_proxy_names_what_is_reached_directly(
    http_proxy: Proxy,
    byte_server: StartServer,
    monkeypatch: pytest.MonkeyPatch,
    exempt: str,
    *,
    is_direct: bool,
) -> None:
    """Local servers are not to be asked for by way of the company's proxy."""
    server = byte_server(ok)
    monkeypatch.setenv("ALL_PROXY", http_proxy.url())
    monkeypatch.setenv("NO_PROXY", exempt.format(port=server.port))
    ask(server.url)
    assert ("via" not in server.requests[0].headers) == is_direct


@pytest.mark.parametrize(
    ("url", "exempt", "is_direct"),
    [
        ("https://api.example.com/v1", "example.com", True),
        ("https://api.example.com/v1", ".example.com", True),
        ("https://api.example.com/v1", "*.EXAMPLE.com", True),
        ("https://api.example.com:8443/v1", "example.com:8443", True),
        ("https://myexample.com/v1", "example.com", False),
        ("https://example.com.evil.test/v1", "example.com", False),
        ("http://[::1]:8000/v1", "::1", True),
        ("http://[::1]:8000/v1", "127.0.0.1", False),
        ("http://10.1.2.3/v1", "10.1.0.0/16", True),
        ("http://10.2.2.3/v1", "10.1.0.0/16", False),
    ],
)
def test_no_proxy_is_read_as_other_programs_read_it(
    monkeypatch: pytest.MonkeyPatch, url: str, exempt: str, *, is_direct: bool
) -> None:
    """Domains with all below them, addresses, networks."""
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", exempt)
    expected = "" if is_direct else "http://proxy.example:3128"
    assert proxy_for(httpx.URL(url), None) == expected


def test_a_scheme_may_be_exempt_from_the_proxy_for_all() -> None:
    """An empty entry, or None, means: without a proxy."""
    url = httpx.URL("https://service.example")
    for none in ("", None):
        proxies: Any = {"all": "http://proxy.example", "https": none}
        assert not proxy_for(url, proxies)


# What goes wrong


@pytest.mark.parametrize("is_encrypted", [False, True])
@pytest.mark.parametrize("login", ["", "me:wrong"])
def test_a_wrong_password_of_the_proxy_is_not_taken_for_a_wrong_key(
    login_proxy: Proxy, byte_server: StartServer, login: str, *, is_encrypted: bool
) -> None:
    """One answers 401, as services do; people then look at the key for an hour."""
    server = byte_server(ok)
    url = server.url.replace("http", "https" if is_encrypted else "http")
    error = failure(url, proxies=login_proxy.url(login))
    status = "401" if login else "407"
    said = f"the proxy {login_proxy.url()} on the way to 127.0.0.1:{server.port} refused: {status}"
    assert said in str(error)
    assert "the proxy's name and password" in error.hint
    assert server.requests == []


def test_a_wrong_key_is_not_taken_for_a_wrong_password_of_the_proxy(
    http_proxy: Proxy, byte_server: StartServer
) -> None:
    """The other way round it is as bad."""

    def refuses(exchange: Exchange) -> None:
        exchange.send(reply(401, b"", headers=[("Server", "some-proxy/1")]))

    server = byte_server(refuses)

    async def status() -> int:
        request = Request("POST", server.url, {}, b"{}", proxies=http_proxy.url())
        async for step in exchange(request):
            assert not isinstance(step, Waiting)
            return step.status
        return 0

    assert asyncio.run(status()) == 401


@pytest.mark.parametrize("login", ["", "me:wrong"])
def test_a_wrong_password_of_a_socks_proxy_names_it(
    socks_login_proxy: Proxy, byte_server: StartServer, login: str
) -> None:
    """Such a proxy just says no."""
    server = byte_server(ok)
    error = failure(server.url, proxies=socks_login_proxy.url(login))
    assert f"the proxy {socks_login_proxy.url()} on the way to" in str(error)
    assert "password" in error.hint
    assert server.connections == 0


@pytest.mark.parametrize("name", ["http_proxy", "socks_proxy"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_service_that_a_proxy_cannot_reach_is_not_blamed_on_its_password(
    request: pytest.FixtureRequest, name: str, scheme: str
) -> None:
    """The service is down; the proxy only says so."""
    proxy: Proxy = request.getfixturevalue(name)
    port = free_port()
    error = failure(f"{scheme}://127.0.0.1:{port}/v1", proxies=proxy.url())
    assert f"the proxy {proxy.url()} on the way to 127.0.0.1:{port} refused: " in str(error)
    assert "password" not in error.hint
    assert "service's address" in error.hint


@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize("service", ["http://service.invalid", "https://service.invalid"])
def test_a_dead_proxy_is_named(scheme: str, service: str) -> None:
    """The service is innocent, and asking for its address helps nobody."""
    place = f"127.0.0.1:{free_port()}"
    error = failure(service, proxies=f"{scheme}://me:hidden@{place}", max_retries=0)
    assert str(error).startswith(f"the proxy {scheme}://{place} cannot be reached: ")
    assert "address" in error.hint


@pytest.mark.parametrize(
    ("scheme", "service"),
    [
        ("http", "https://service.invalid"),
        ("https", "https://service.invalid"),
        ("https", "http://service.invalid"),
        ("socks5", "https://service.invalid"),
        ("socks5", "http://service.invalid"),
    ],
)
def test_a_proxy_that_keeps_silent_is_given_up_after_the_time_to_connect(
    scheme: str, service: str
) -> None:
    """Neither the answer's patience nor further tries belong to a wrong address of a proxy."""
    with silent_port() as port:
        proxy = f"{scheme}://me:hidden@127.0.0.1:{port}"
        error = failure(service, proxies=proxy, timeout_s=0.1)
    assert isinstance(error, NetworkTimeoutError)
    place = service.partition("//")[2]
    said = f"the proxy {scheme}://127.0.0.1:{port} did not connect to {place} within 0.1 s"
    assert str(error) == said
    assert "http://" in error.hint


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05", b""])
def test_a_socks_proxy_that_speaks_something_else_is_an_error_of_ours(said: bytes) -> None:
    """The port of the HTTP proxy under socks5:// is a common slip."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            taken, _ = listener.accept()
            with taken:
                taken.recv(65536)
                taken.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        error = failure("http://service.invalid", proxies=f"socks5://me:hidden@{place}")
        thread.join()
    assert f"the proxy socks5://{place} on the way to service.invalid refused: " in str(error)
    assert "does not speak SOCKS5" in str(error)
    assert "http://" in error.hint


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_that_hangs_up_is_named(scheme: str) -> None:
    """A proxy that crashes is not the service's fault."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            taken, _ = listener.accept()
            with taken:
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                taken.recv(65536)

        thread = threading.Thread(target=serve)
        thread.start()
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        proxy = f"{scheme}://{place}"
        error = failure("https://service.invalid", proxies=proxy, max_retries=0)
        thread.join()
    assert f"the proxy {proxy} " in str(error)


def test_an_http_proxy_given_as_an_encrypted_one_is_given_up(http_proxy: Proxy) -> None:
    """HTTPS_PROXY=https://… is the usual slip; a real proxy waits for a line that never comes."""
    proxy = http_proxy.url("me:hidden").replace("http:", "https:")
    error = failure("https://service.invalid", proxies=proxy, timeout_s=0.3)
    assert f"the proxy https://{http_proxy.address} " in str(error)
    assert "http://" in error.hint


def test_a_service_that_keeps_silent_behind_a_proxy_is_named_with_it(http_proxy: Proxy) -> None:
    """Either of the two may be to blame; both are said."""
    with silent_port() as port:
        for scheme, said in (("https", "did not take the"), ("http", "sent nothing for 0.1 s")):
            url = f"{scheme}://127.0.0.1:{port}/v1"
            error = failure(url, proxies=http_proxy.url(), timeout_s=0.1, max_retries=0)
            assert said in str(error)
            assert str(error).endswith(f" (through the proxy {http_proxy.url()})")


@pytest.mark.parametrize("name", ["http_proxy", "socks_proxy"])
def test_patience_with_an_answer_is_not_cut_short_by_the_time_to_connect(  # noqa: PLR0913, PLR0917
    request: pytest.FixtureRequest,
    byte_server: StartServer,
    authority: Authority,
    front: Callable[[int], TlsFront],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """A model may think for minutes before its first byte; only the way there is bounded."""
    proxy: Proxy = request.getfixturevalue(name)
    monkeypatch.setattr("g4f_magic.transport.CONNECT_TIMEOUT_S", 0.2)

    def thinks(exchange: Exchange) -> None:
        exchange.sleep(0.4)
        ok(exchange)

    server = byte_server(thinks)
    places = [server.url, f"https://127.0.0.1:{front(server.port).port}/v1"]
    for url in places:
        options = {"proxies": proxy.url(), "verify": authority.file, "max_retries": 0}
        assert ask(url, **options) == b'{"ok":true}'


def test_stopping_while_a_proxy_keeps_silent_closes_the_connection() -> None:
    """Stop means stop; a socket left behind is warned about."""

    async def stopped() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            proxy = f"socks5://127.0.0.1:{listener.getsockname()[1]}"
            asking = asyncio.create_task(answer("http://service.invalid", proxies=proxy))
            taken, _ = await asyncio.to_thread(listener.accept)
            with taken:
                await asyncio.to_thread(taken.recv, 1)  # the greeting, which stays unanswered
                asking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asking

    asyncio.run(stopped())
    gc.collect()


def test_a_proxy_without_a_host_is_refused() -> None:
    """Half an address would end in an odd message about the service."""
    with pytest.raises(UsageError, match="the proxy's address cannot be used"):
        ask("http://service.invalid", proxies="http://")


def test_the_demo_asks_no_proxy_whatever_it_is() -> None:
    """It works without a network, so a slip in the proxy's address is none of its errors."""
    client = Client("demo", proxies="http://[::1")
    with pytest.raises(ResponseError, match="demo-error was asked for this"):
        client.chat.completions.create("demo-error", [{"role": "user", "content": "401"}])
