"""Encrypted services are reached if their certificate is good, and refused clearly if not."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from contextlib import ExitStack, aclosing
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import free_port, json_reply, reply, stream_script
from support.environment import find_program
from support.tls import Authority, TlsFront

from g4f_magic.errors import NetworkError, ResponseError, UsageError
from g4f_magic.messages import Waiting
from g4f_magic.providers import OpenaiTemplate
from g4f_magic.transport import Request, TlsSetting, exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.byteserver import ByteServer, Exchange

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]
    StartFront = Callable[..., TlsFront]


def ok(exchange: Exchange) -> None:
    """A script that answers well."""
    exchange.send(json_reply(200, {"ok": True}))


@pytest.fixture(autouse=True)
def usual_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of those that this machine adds."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority that no machine knows."""
    return Authority(tmp_path)


@pytest.fixture
def front(authority: Authority) -> Iterator[StartFront]:
    """Starts an encrypted front of a server; all are closed after the test."""
    with ExitStack() as stack:

        def start(server: ByteServer, *hosts: str, **options: Any) -> TlsFront:
            context = authority.server_context(*(hosts or ("127.0.0.1",)), **options)
            return stack.enter_context(TlsFront(context, server.port))

        yield start


async def answer(url: str, **options: Any) -> bytes:
    """The body of the reply to a request with a key; a pause before a retry is a failure."""
    headers = {"Authorization": "Bearer sk-secret"}
    request = Request("POST", url, headers, b'{"a":1}', provider="tested", **options)
    async with aclosing(exchange(request)) as steps:
        async for step in steps:
            assert not isinstance(step, Waiting), f"asked again after: {step.reason}"
            return await step.read(1_000_000)
    return b""


def ask(front: TlsFront, host: str = "127.0.0.1", **options: Any) -> bytes:
    """`answer` of an encrypted server, on a loop of its own."""
    return asyncio.run(answer(f"https://{host}:{front.port}/v1", **options))


def folder_of(authority: Authority, folder: Path) -> Path:
    """A folder with the authority under the name by which OpenSSL looks for it."""
    program = find_program("openssl", "openssl", reason="it names files after their subjects")
    command = [program, "x509", "-subject_hash", "-noout", "-in", str(authority.file)]
    name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    place = folder / "authorities"
    place.mkdir()
    (place / f"{name}.0").write_bytes(authority.file.read_bytes())
    return place


# Good certificates


@pytest.mark.parametrize("way", ["context", "path", "text", "folder"])
def test_an_authority_of_ones_own_is_trusted_where_it_is_named(
    byte_server: StartServer, front: StartFront, authority: Authority, tmp_path: Path, way: str
) -> None:
    """Companies run their services under an authority that only they know."""
    verify: TlsSetting = str(authority.file)
    if way == "context":
        verify = authority.context()
    elif way == "path":
        verify = authority.file
    elif way == "folder":
        verify = str(folder_of(authority, tmp_path))
    server = byte_server(ok)
    assert ask(front(server), verify=verify) == b'{"ok":true}'
    assert server.requests[0].headers["authorization"] == "Bearer sk-secret"


def test_an_unchecked_certificate_is_taken_as_it_is(
    byte_server: StartServer, front: StartFront
) -> None:
    """A test server on the next desk has no better one."""
    assert ask(front(byte_server(ok), "other.example"), verify=False) == b'{"ok":true}'


def test_a_provider_names_its_authority_in_its_class(
    byte_server: StartServer, front: StartFront, authority: Authority
) -> None:
    """That is the place which the hint names."""
    encrypted = front(byte_server(stream_script(["Hello"])))

    class Service(OpenaiTemplate):
        api_base = f"https://127.0.0.1:{encrypted.port}/v1"
        default_model = "m"
        ssl = str(authority.file)

    async def text() -> str:
        events = Service.create_async_generator(None, [{"role": "user", "content": "hi"}])
        return "".join([str(event) async for event in events])

    assert asyncio.run(text()) == "Hello"


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_the_authorities_of_the_environment_are_used_as_soon_as_they_are_named(
    byte_server: StartServer,
    front: StartFront,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    """Who follows the hint and sets the variable in a cell need not restart the kernel."""
    is_file = variable == "SSL_CERT_FILE"
    place = authority.file if is_file else folder_of(authority, authority.file.parent)
    url = f"https://127.0.0.1:{front(byte_server(ok)).port}/v1"

    async def before_and_after() -> bytes:
        with pytest.raises(NetworkError, match="unknown authority"):
            await answer(url)
        monkeypatch.setenv(variable, str(place))
        return await answer(url)

    assert asyncio.run(before_and_after()) == b'{"ok":true}'


def test_authorities_of_the_environment_that_cannot_be_read_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wrong path would otherwise end in a foreign stack, for every service at once."""
    monkeypatch.setenv("SSL_CERT_FILE", "nowhere.pem")
    with pytest.raises(UsageError, match=r"'nowhere\.pem' cannot be read") as got:
        asyncio.run(answer("https://service.invalid/v1"))
    assert "SSL_CERT_FILE" in got.value.hint


def test_a_setting_of_the_provider_wins_over_the_environment(
    byte_server: StartServer,
    front: StartFront,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is set for one service is meant for it."""
    monkeypatch.setenv("SSL_CERT_FILE", "nowhere.pem")
    assert ask(front(byte_server(ok)), verify=authority.file) == b'{"ok":true}'


# Bad certificates


def refused(front: TlsFront, server: ByteServer, **options: Any) -> NetworkError:
    """The error of a request that must be neither answered nor repeated."""
    with pytest.raises(NetworkError) as got:
        ask(front, **options)
    assert "\n" not in str(got.value)
    assert "sk-secret" not in f"{got.value} {got.value.hint}"
    assert server.requests == []
    return got.value


def test_an_unknown_authority_is_said_so(byte_server: StartServer, front: StartFront) -> None:
    """Behind a company's inspecting gateway every service shows such a certificate."""
    server = byte_server(ok)
    encrypted = front(server)
    error = refused(encrypted, server)
    place = f"127.0.0.1:{encrypted.port}"
    assert str(error).startswith(f"the certificate of {place} comes from an unknown authority")
    assert "SSL_CERT_FILE" in error.hint
    assert "class attribute ssl" in error.hint


def test_an_error_that_was_being_handled_is_not_taken_for_the_reason() -> None:
    """A list of providers tries the next one while it handles the failure of the first."""

    async def next_one() -> None:
        try:
            raise ssl.SSLCertVerificationError(1, "of the one before")
        except ssl.SSLError:
            await answer(f"https://127.0.0.1:{free_port()}/v1", max_retries=0)

    with pytest.raises(NetworkError, match=r"tested cannot be reached at 127\.0\.0\.1"):
        asyncio.run(next_one())


def test_a_certificate_that_has_expired_is_said_so(
    byte_server: StartServer, front: StartFront, authority: Authority
) -> None:
    """It is the service's to renew, or the clock of this computer is wrong."""
    server = byte_server(ok)
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    error = refused(front(server, "127.0.0.1", not_after=yesterday), server, verify=authority.file)
    assert " has expired" in str(error)
    assert "clock" in error.hint
    assert "class attribute ssl" in error.hint


@pytest.mark.parametrize(
    ("certified", "asked"), [("other.example", "localhost"), ("10.0.0.1", "127.0.0.1")]
)
def test_a_certificate_for_another_host_is_said_so(
    byte_server: StartServer,
    front: StartFront,
    authority: Authority,
    certified: str,
    asked: str,
) -> None:
    """A service asked by its number instead of its name is the usual slip."""
    server = byte_server(ok)
    error = refused(front(server, certified), server, host=asked, verify=authority.file)
    assert f"the certificate of {asked}:" in str(error)
    assert "is for another host" in str(error)
    assert "address" in error.hint


def test_a_certificate_that_breaks_another_rule_says_which(
    byte_server: StartServer, front: StartFront, authority: Authority
) -> None:
    """Newer Pythons are stricter with certificates; the rule is what one can look up."""
    server = byte_server(ok)
    context = authority.context()
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    error = refused(front(server), server, verify=context)
    assert "is not accepted (unable to get certificate CRL)" in str(error)
    assert "ssl.SSLContext" in error.hint


def test_a_server_that_answers_in_plain_text_is_not_asked_again() -> None:
    """https:// in front of a local server; it stays wrong however often it is tried."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        calls: list[int] = []

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                calls.append(len(sock.recv(65536)))
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(NetworkError, match="does not speak TLS as it should: ") as got:
            asyncio.run(answer(f"https://127.0.0.1:{listener.getsockname()[1]}/v1"))
        thread.join()
    assert "http://" in got.value.hint
    assert len(calls) == 1


def test_a_server_that_hangs_up_while_encryption_is_agreed_is_asked_again() -> None:
    """A service that is just being restarted does that, and is there a moment later."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(65536)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(AssertionError, match="asked again after: tested cannot be reached"):
            asyncio.run(answer(f"https://127.0.0.1:{listener.getsockname()[1]}/v1"))
        thread.join()


# Redirects


def test_an_encrypted_redirect_keeps_the_key_on_the_same_host_only(
    byte_server: StartServer, front: StartFront, authority: Authority
) -> None:
    """Another service with as good a certificate is still another service."""
    thief = byte_server(ok)
    elsewhere = f"https://localhost:{front(thief, 'localhost').port}/v1"
    places = ["/v1/here", elsewhere]

    def script(exchange: Exchange) -> None:
        exchange.send(reply(307, b"", headers=[("Location", places.pop(0))]))

    server = byte_server(script)
    with pytest.raises(ResponseError, match="redirects to another place, https://localhost:"):
        ask(front(server), verify=authority.file)
    keys = [request.headers["authorization"] for request in server.requests]
    assert keys == ["Bearer sk-secret"] * 2
    assert [request.path for request in server.requests] == ["/v1", "/v1/here"]
    assert thief.connections == 0
