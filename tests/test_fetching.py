"""Pictures that a service tells the address of: which are fetched, and which never."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import socket
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import ByteServer, reply
from support.environment import free_port
from support.tls import Authority, TlsFront

from g4f_magic.errors import NetworkError
from g4f_magic.fetching import fetched, is_public
from g4f_magic.limits import PICTURE
from g4f_magic.messages import Image
from g4f_magic.transport import Reply, Request, exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.byteserver import Exchange
    from support.events import StartServer

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
PRIVATE = "an address of a private network"


def sends(body: bytes = PNG, status: int = 200, **headers: str) -> Callable[[Exchange], None]:
    """A script that always answers so."""
    kind = headers.pop("Content_Type", "text/plain")
    told = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return lambda exchange: exchange.send(reply(status, body, kind, told))


def get(url: str, home: str | None = None, **options: Any) -> Image:
    """The picture at an address, told by the service at ``home``, which is the same place."""
    (image,) = asyncio.run(fetched([Image(url=url)], home=home or url, **options))
    assert image.url == url
    assert bool(image.data) != bool(image.trouble)
    return image


def resolve_all(monkeypatch: pytest.MonkeyPatch, *addresses: str, leads_to: str) -> list[str]:
    """Let every name mean these addresses, and bring connections to another one; tell to which."""
    found = [(0, socket.SOCK_STREAM, 0, "", (address, 80)) for address in addresses]
    connected: list[str] = []
    connect = asyncio.BaseEventLoop.create_connection

    async def note(loop: Any, factory: Any, host: str, *rest: Any, **options: Any) -> Any:
        connected.append(host)
        return await connect(loop, factory, leads_to, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", note)
    return connected


# What is fetched


def test_a_picture_at_its_service_is_fetched(byte_server: StartServer) -> None:
    """The notebook shows it when the service has long forgotten it."""
    server = byte_server(sends())
    image = get(f"{server.url}/a.png", f"{server.url}/v1/images/generations")
    assert (image.data, image.media_type) == (PNG, "image/png")


def test_pictures_keep_their_order_and_what_is_there_stays(byte_server: StartServer) -> None:
    """The second variant is the second one, also where the first came slowly."""

    def script(exchange: Exchange) -> None:
        if exchange.request.path == "/1":
            server.wait_for(lambda: len(server.requests) == 3)
        exchange.send(reply(200, PNG + exchange.request.path.encode()))

    server = byte_server(script)
    there = Image(b"GIF89a", "image/gif")
    asked = [Image(url=f"{server.url}/1"), there, *(Image(url=f"{server.url}/{n}") for n in (2, 3))]
    got = asyncio.run(fetched(asked, home=server.url))
    assert [image.data[-2:] for image in got] == [b"/1", b"9a", b"/2", b"/3"]
    assert got[1] is there


def test_a_redirect_within_the_service_is_followed(byte_server: StartServer) -> None:
    """Services keep their pictures behind short links."""

    def script(exchange: Exchange) -> None:
        if exchange.request.path == "/short":
            sends(b"", 302, Location="/long.png")(exchange)
        else:
            sends()(exchange)

    server = byte_server(script)
    assert get(f"{server.url}/short").data == PNG
    assert [request.path for request in server.requests] == ["/short", "/long.png"]


def test_nothing_that_identifies_the_user_goes_along(byte_server: StartServer) -> None:
    """Whoever names an address must not get a key or a cookie sent there."""
    server = byte_server(sends(set_cookie="session=1"))

    async def one_after_the_other() -> None:
        for login in ("user:secret@", "", ""):
            url = f"http://{login}127.0.0.1:{server.port}/a.png"
            await fetched([Image(url=url)], home=server.url)

    asyncio.run(one_after_the_other())
    assert len(server.requests) == 3
    for request in server.requests:
        assert not {"authorization", "cookie", "referer"} & request.headers.keys()
        assert "secret" not in f"{request.path}{request.headers}"


# What is not


@pytest.fixture
def behind() -> Iterator[ByteServer]:
    """A server in the private network that must never be asked for anything."""
    with ByteServer(sends()) as server:
        yield server
        assert server.connections == 0


@pytest.mark.parametrize("is_redirect", [False, True])
@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "localhost.", "[::1]", "[::ffff:127.0.0.1]", "2130706433"),
        *("0x7f.1", "127.1", "0.0.0.0", "[::]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),  # noqa: S104  # named, not bound
        *("169.254.169.254", "10.0.0.1", "100.64.0.1", "[fe80::1]", "[fd00::1]", "[fec0::1]"),
    ],
)
def test_no_other_private_address_is_asked(
    byte_server: StartServer, behind: ByteServer, host: str, *, is_redirect: bool
) -> None:
    """A service could have the notebook read what only this machine can reach."""
    private = f"http://{host}:{behind.port}/a.png"
    server = byte_server(sends(b"", 302, Location=private))
    image = get(f"{server.url}/a.png" if is_redirect else private, server.url)
    assert PRIVATE in image.trouble
    assert len(server.requests) == is_redirect


def test_the_host_of_the_service_is_private_only_to_itself(behind: ByteServer) -> None:
    """A service on the internet has no business at home, and its port is part of its place."""
    private = f"{behind.url}/a.png"
    for home in ("https://api.example/v1", f"http://127.0.0.1:{free_port()}", "", "http://[x"):
        assert PRIVATE in get(private, home or "demo").trouble


@pytest.mark.parametrize(
    ("addresses", "passes"),
    [(["93.184.216.34"], True), (["93.184.216.34", "127.0.0.1"], False), (["::1"], False)],
)
def test_a_name_is_private_if_one_of_its_addresses_is(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str], *, passes: bool
) -> None:
    """Who owns a name decides what it resolves to, and may give a mixture."""
    connected = resolve_all(monkeypatch, *addresses, leads_to="127.0.0.1")
    place = f"pictures.example:{free_port()}"
    image = get(f"http://{place}/a.png", "http://api.example", timeout_s=1)
    assert image.trouble.startswith(
        f"the server of the picture cannot be reached at {place}"
        if passes
        else f"pictures.example is {PRIVATE}"
    )
    assert set(connected) == (set(addresses) if passes else set())


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "localhost", "[::1]"])
def test_through_a_proxy_what_the_address_says_is_checked(
    byte_server: StartServer, host: str
) -> None:
    """The proxy may stand where private addresses can be reached, too."""
    proxy = byte_server(sends())
    assert PRIVATE in get(f"http://{host}/a.png", "http://api.example", proxies=proxy.url).trouble
    assert proxy.requests == []
    image = get("http://pictures.example/a.png", "http://api.example", proxies=proxy.url)
    assert image.data == PNG
    assert proxy.requests[0].path == "http://pictures.example/a.png"


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://x.example/a", "javascript:alert(1)", "http://", "//x", "a"]
)
def test_only_the_web_is_asked(url: str) -> None:
    """An address may be anything; files of this machine are none of a service's business."""
    assert "is not the address of a service" in get(url, "http://api.example").trouble


@pytest.mark.parametrize("target", ["file:///etc/passwd", "http://[", "ftp://x.example/a"])
def test_a_redirect_out_of_the_web_is_refused(byte_server: StartServer, target: str) -> None:
    """It must not lead where an address could not."""
    server = byte_server(sends(b"", 302, Location=target))
    assert get(f"{server.url}/a.png").trouble


def test_an_endless_redirect_ends(byte_server: StartServer) -> None:
    """The cell would run for ever."""
    server = byte_server(sends(b"", 302, Location="/a.png"))
    assert "in circles" in get(f"{server.url}/a.png").trouble
    assert len(server.requests) == 5


def test_a_name_that_cannot_be_is_said(byte_server: StartServer) -> None:
    """A foreign error would end the whole answer."""
    server = byte_server(sends(b"", 302, Location=f"http://{'a' * 70}.example/"))
    assert "there is no host called" in get(f"{server.url}/a.png").trouble


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (sends(b"<!DOCTYPE html>", Content_Type="image/png"), "is none: PNG"),
        (sends(b"", Content_Type="image/png"), "is none: PNG"),
        (sends(gzip.compress(PNG), Content_Encoding="gzip"), "came compressed"),
        (sends(status=404), "said 404"),
        (lambda exchange: exchange.close(), "the server of the picture"),
    ],
)
def test_what_is_no_picture_is_not_taken_for_one(
    byte_server: StartServer, script: Callable[[Exchange], None], why: str
) -> None:
    """Pages of errors come with any label."""
    assert why in get(f"{byte_server(script).url}/a.png").trouble


@pytest.mark.parametrize("is_announced", [False, True])
def test_what_is_too_large_is_not_read_to_its_end(
    byte_server: StartServer, *, is_announced: bool
) -> None:
    """A notebook of a gigabyte cannot be opened."""
    length = f"Content-Length: {PICTURE.size_bytes + 1}\r\n" if is_announced else ""

    def script(exchange: Exchange) -> None:
        exchange.send(f"HTTP/1.1 200 OK\r\n{length}Connection: close\r\n\r\n".encode() + PNG)
        while not is_announced or not exchange.client_closed:
            exchange.send(bytes(1 << 20))
            if is_announced:
                exchange.sleep(5)

    server = byte_server(script)
    said = (
        f"the picture has more than 20 MB; %g4f_config max_picture_mb={21 if is_announced else 40}"
    )
    assert get(f"{server.url}/a.png").trouble == f"{said} allows that"
    server.wait_for(server.exchanges[0].done.is_set)


def test_a_picture_may_be_as_large_as_the_limit(byte_server: StartServer) -> None:
    """Guards the test above."""
    data = PNG + bytes(PICTURE.size_bytes - len(PNG))
    assert len(get(f"{byte_server(sends(data)).url}/a.png").data) == PICTURE.size_bytes


def test_a_picture_that_drips_is_given_up(byte_server: StartServer) -> None:
    """Each byte in time, and yet the cell would never end."""

    def script(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n\r\n" + PNG)
        while exchange.sleep(0.01):
            exchange.send(b"\0")

    server = byte_server(script)
    assert "longer than 0.3 s" in get(f"{server.url}/a.png", longest_s=0.3).trouble
    server.wait_for(lambda: server.exchanges[0].client_closed)


def test_silence_is_a_timeout(byte_server: StartServer) -> None:
    """``--timeout`` holds for pictures as well."""

    def script(exchange: Exchange) -> None:
        exchange.sleep(30)

    server = byte_server(script)
    assert "sent nothing for 0.3 s" in get(f"{server.url}/a.png", timeout_s=0.3).trouble


# Encrypted, at an address that was checked


async def pinned(url: str, **options: Any) -> bytes:
    """What a name answers that is connected to at 127.0.0.1."""

    async def gate(_host: str, _port: int, _is_proxied: bool) -> str:  # noqa: FBT001  # as asked
        return "127.0.0.1"

    request = Request("GET", url, {}, gate=gate, max_retries=0, **options)
    async with aclosing(exchange(request)) as steps:
        async for step in steps:
            assert isinstance(step, Reply)
            return await step.read(1000)
    raise AssertionError


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who certifies the servers of these tests."""
    return Authority(tmp_path)


def test_the_certificate_is_checked_for_the_name_not_the_address(
    byte_server: StartServer, authority: Authority
) -> None:
    """Connecting to the address that was checked must not cost the check of who is there."""
    server = byte_server(sends())
    context = authority.server_context("pictures.example")
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with TlsFront(context, server.port) as front:
        place = f"pictures.example:{front.port}"
        assert asyncio.run(pinned(f"https://{place}/a", verify=authority.file)) == PNG
        assert (asked, server.requests[0].headers["host"]) == (["pictures.example"], place)
        with pytest.raises(NetworkError, match=r"of other\.example:\d+ is for another host"):
            asyncio.run(pinned(f"https://other.example:{front.port}/", verify=authority.file))
    assert len(server.requests) == 1


def test_a_connection_serves_one_name_only(byte_server: StartServer, authority: Authority) -> None:
    """Names at one address would share it, and only the first would have shown a certificate."""
    server = byte_server(sends())
    context = authority.server_context("pictures.example")

    async def one_after_the_other(port: int) -> None:
        options = {"verify": authority.file}
        assert await pinned(f"https://pictures.example:{port}/", **options) == PNG
        with pytest.raises(NetworkError, match="for another host"):
            await pinned(f"https://other.example:{port}/", **options)

    with TlsFront(context, server.port) as front:
        asyncio.run(one_after_the_other(front.port))


def test_the_trust_in_a_service_ends_at_its_host(
    byte_server: StartServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own certificate is accepted as in its answers; elsewhere the usual ones hold."""
    server = byte_server(sends())
    context = authority.server_context("127.0.0.1", "pictures.example")
    with TlsFront(context, server.port) as front:
        resolve_all(monkeypatch, "93.184.216.34", leads_to="127.0.0.1")
        home = f"https://127.0.0.1:{front.port}/v1"
        elsewhere = f"https://pictures.example:{front.port}/a.png"
        assert get(f"{home}/a.png", home, verify=authority.file).data == PNG
        assert "unknown authority" in get(f"{home}/a.png", home).trouble
        assert "unknown authority" in get(elsewhere, home, verify=authority.file).trouble
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        assert get(elsewhere, home).data == PNG


# Addresses


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *((address, True) for address in ("8.8.8.8", "93.184.216.34", "2606:4700::1111")),
        *((address, True) for address in ("::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::")),
        *((address, False) for address in ("224.0.0.1", "239.1.1.1", "255.255.255.255")),
        *((address, False) for address in ("240.0.0.1", "192.168.1.1", "172.16.0.1", "0.1.2.3")),
        *((address, False) for address in ("198.18.0.1", "192.0.2.1", "100.127.255.255")),
        *((address, False) for address in ("ff02::1", "2001:db8::1", "100::1", "fe80::1%eth0")),
        *((address, False) for address in ("::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::")),
        *((address, False) for address in ("64:ff9b:1::8.8.8.8", "::127.0.0.1", "2001::1")),
    ],
)
def test_only_addresses_of_the_open_internet_are_public(address: str, *, public: bool) -> None:
    """One range forgotten is a way into somebody's network."""
    assert is_public(address) == public
    assert ipaddress.ip_address(address.partition("%")[0])
