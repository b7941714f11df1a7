"""What a person sees when the way to a service is blocked, wrong, lossy or not to be trusted."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.byteserver import DONE, END, chunked, delta, finish, free_port, sse_head
from support.far_host import FarHost
from support.fault_notebook import ANSWER, KEY, PART, QUESTION, FaultNotebook
from support.fault_rows import HALF, TEXT, WHOLE, fault_row, redirects, stream
from support.names import SILENT, SLOW, TWOFOLD, NameServer
from support.tls import Authority, TlsFront
from support.toxic import ToxicProxy, garble, silent, speaking

if TYPE_CHECKING:
    from pathlib import Path

    from support.byteserver import Exchange
    from support.fault_rows import StartServer
    from support.faults import Fault

WAY, ENCRYPTION = "The way to the service", "Encryption"
DAY = timedelta(days=1)

encryption = partial(fault_row, ENCRYPTION)


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    """The name server that the notebook asks."""
    with NameServer() as running:
        yield running


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that the notebook trusts."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def notebook(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[FaultNotebook]:
    """A notebook for all rows of this module; it asks our name server if root started it."""
    folder = tmp_path_factory.mktemp("notebook")
    under = [] if os.geteuid() else request.getfixturevalue("names").under(folder)
    with FaultNotebook(folder, {"SSL_CERT_FILE": str(authority.file)}, under) as running:
        yield running


def answers(exchange: Exchange) -> None:
    """A script of a sound service."""
    exchange.send(stream(WHOLE))


# Names and packets


@pytest.mark.usefixtures("names")
@pytest.mark.fault(
    WAY,
    "The name of the host does not resolve",
    sees="NetworkError: … cannot be reached at nowhere.test: Name or service not known",
    keeps=QUESTION,
)
def test_a_name_that_nobody_knows_is_told(fault: Fault, notebook: FaultNotebook) -> None:
    """A slip in the address is the usual reason."""
    notebook.check(fault, notebook.ask("http://nowhere.test"))


@pytest.mark.fault(
    WAY,
    "The name server does not answer",
    sees=f"NetworkError: … cannot be reached at {SILENT}: Temporary failure in name resolution",
    keeps=QUESTION,
)
def test_a_silent_name_server_is_told(
    fault: Fault, notebook: FaultNotebook, names: NameServer
) -> None:
    """The VPN that is not up looks like this."""
    notebook.check(fault, notebook.ask(f"http://{SILENT}"))
    assert SILENT in names.asked


@pytest.mark.fault(WAY, "The name server is slow", sees=TEXT, keeps=ANSWER)
def test_a_slow_name_server_is_waited_for(
    fault: Fault, notebook: FaultNotebook, names: NameServer, byte_server: StartServer
) -> None:
    """Some networks take their time for the first look-up."""
    server = byte_server(answers)
    notebook.check(fault, notebook.ask(f"http://{SLOW}:{server.port}"), TEXT)
    assert SLOW in names.asked


@pytest.mark.fault(
    WAY,
    "Nobody listens at the port",
    sees="NetworkError: … cannot be reached at 127.0.0.1:…: Connection refused",
    keeps=QUESTION,
)
def test_a_dead_port_is_told(fault: Fault, notebook: FaultNotebook) -> None:
    """A local server that was not started is the most common fault of all."""
    notebook.check(fault, notebook.ask(f"http://127.0.0.1:{free_port()}"))


@pytest.mark.usefixtures("names")
@pytest.mark.fault(
    WAY,
    "Nobody listens at any address of the host",
    sees=f"NetworkError: … cannot be reached at {TWOFOLD}:…: Connection refused",
    keeps=QUESTION,
)
def test_several_dead_addresses_are_told_like_one(fault: Fault, notebook: FaultNotebook) -> None:
    """`localhost` has two addresses on most machines."""
    notebook.check(fault, notebook.ask(f"http://{TWOFOLD}:{free_port()}"))


@pytest.fixture(scope="module")
def far_host() -> Iterator[FarHost]:
    """A host in a network of its own."""
    with FarHost() as host:
        yield host


@pytest.fixture
def far(far_host: FarHost, byte_server: StartServer) -> Iterator[Callable[..., ToxicProxy]]:
    """Starts a service on the far host, where packets pass again after the test."""
    with ExitStack() as stack:
        stack.callback(far_host.heal)

        def start(script: Callable[[Exchange], None] = answers) -> ToxicProxy:
            port = byte_server(script).port
            return stack.enter_context(ToxicProxy(port, listener=far_host.listener()))

        yield start


@pytest.mark.fault(
    WAY,
    "There is no route to the host",
    sees="NetworkError: … cannot be reached at 198.…: No route to host",
    keeps=QUESTION,
)
def test_a_host_without_a_route_is_told(
    fault: Fault, notebook: FaultNotebook, far_host: FarHost, far: Callable[..., ToxicProxy]
) -> None:
    """The network is down, or the service is in another one."""
    service = far()
    far_host.refuse("INPUT", "-p", "tcp", "--dport", str(service.port))
    notebook.check(fault, notebook.ask(service.url))


@pytest.mark.fault(
    WAY,
    "A firewall drops all packets",
    sees="NetworkTimeoutError: … did not take the connection to 198.… within 0.5 s",
    keeps=QUESTION,
)
def test_packets_that_vanish_are_given_up(
    fault: Fault, notebook: FaultNotebook, far_host: FarHost, far: Callable[..., ToxicProxy]
) -> None:
    """Without a limit the system itself would try for two minutes."""
    service = far()
    far_host.lose("INPUT", "-p", "tcp", "--dport", str(service.port))
    notebook.check(fault, notebook.ask(service.url, "--timeout 0.5"))
    assert far_host.lost()


@pytest.mark.fault(
    WAY,
    "The cable is pulled out in the middle of an answer",
    sees="NetworkTimeoutError: … sent nothing for 0.5 s",
    keeps=PART,
)
def test_a_network_that_goes_away_is_noticed(
    fault: Fault, notebook: FaultNotebook, far_host: FarHost, far: Callable[..., ToxicProxy]
) -> None:
    """A laptop that leaves the Wi-Fi gets neither an end nor a reset."""
    is_unplugged = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta(HALF)))
        exchange.wait(is_unplugged)
        exchange.send(chunked(delta(" and more")))

    running = notebook.begin(far(script).url, "--timeout 0.5")
    running.until(lambda outputs: HALF in str(outputs))
    far_host.unplug()
    is_unplugged.set()
    run = running.finish()
    far_host.plug()
    notebook.check(fault, run, HALF)


@pytest.mark.fault(WAY, "Every 50th packet is lost", sees=TEXT, keeps=ANSWER)
def test_packets_that_are_lost_are_sent_again(
    fault: Fault, notebook: FaultNotebook, far_host: FarHost, far: Callable[..., ToxicProxy]
) -> None:
    """Mobile networks do that all day."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head())
        for character in TEXT:
            exchange.send(chunked(delta(character)))
            for _ in range(20):
                exchange.send(chunked(b": still here\n\n"))
        exchange.send(chunked(finish() + DONE) + END)

    service = far(script)
    every = ["-m", "statistic", "--mode", "nth", "--every", "50", "--packet", "0"]
    far_host.lose("OUTPUT", "-p", "tcp", "--sport", str(service.port), *every)
    notebook.check(fault, notebook.ask(service.url), TEXT)
    assert far_host.lost()


# Encryption


NOW = datetime.now(timezone.utc)
Certify = Callable[[Authority, Authority], ssl.SSLContext]

CERTIFICATES = [
    encryption(
        "The certificate has expired",
        lambda known, _: known.server_context("127.0.0.1", not_after=NOW - DAY),
        "NetworkError: the certificate of 127.0.0.1:… has expired",
        QUESTION,
    ),
    encryption(
        "The certificate is not valid yet",
        lambda known, _: known.server_context(
            "127.0.0.1", not_before=NOW + DAY, not_after=NOW + 2 * DAY
        ),
        "NetworkError: the certificate of 127.0.0.1:… is not valid yet",
        QUESTION,
    ),
    encryption(
        "The certificate is for another host",
        lambda known, _: known.server_context("other.example"),
        "NetworkError: the certificate of 127.0.0.1:… is for another host",
        QUESTION,
    ),
    encryption(
        "Nobody knows who issued the certificate",
        lambda _, unknown: unknown.server_context("127.0.0.1"),
        "NetworkError: the certificate of 127.0.0.1:… comes from an unknown authority",
        QUESTION,
    ),
]


@pytest.mark.parametrize(("certify", "text"), CERTIFICATES)
def test_a_certificate_that_cannot_be_trusted_is_told(  # noqa: PLR0913, PLR0917  # fixtures
    fault: Fault,
    notebook: FaultNotebook,
    authority: Authority,
    byte_server: StartServer,
    tmp_path: Path,
    certify: Certify,
    text: str,
) -> None:
    """It matters which it is: a wrong clock, a wrong address, a gateway, or a thief."""
    server = byte_server(answers)
    with TlsFront(certify(authority, Authority(tmp_path)), server.port) as front:
        run = notebook.ask(f"https://127.0.0.1:{front.port}")
    notebook.check(fault, run, text)
    assert server.requests == []


HANDSHAKES = [
    encryption(
        "The service speaks plain HTTP, not TLS",
        speaking(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "NetworkError: 127.0.0.1:… does not speak TLS as it should: …",
        QUESTION,
    ),
    encryption(
        "The service finds this TLS too new or too old",
        speaking(b"\x15\x03\x01\x00\x02\x02\x46"),  # the alert `protocol_version`
        "NetworkError: 127.0.0.1:… does not speak TLS as it should: tlsv1 alert protocol version",
        QUESTION,
    ),
    encryption(
        "The service hangs up while encryption is agreed",
        speaking(b""),
        "NetworkError: … cannot be reached at 127.0.0.1:…: it hung up without a word",
        QUESTION,
    ),
    encryption(
        "The service keeps silent while encryption is agreed",
        silent(),
        "NetworkTimeoutError: … did not take the connection to 127.0.0.1:… within 0.5 s",
        QUESTION,
    ),
]


@pytest.mark.parametrize(("service", "text"), HANDSHAKES)
def test_an_encrypted_connection_that_does_not_come_about_is_told(
    fault: Fault, notebook: FaultNotebook, service: AbstractContextManager[int], text: str
) -> None:
    """https:// before a local server is the usual slip, and looks like a broken service."""
    with service as port:
        run = notebook.ask(f"https://127.0.0.1:{port}", "--timeout 0.5")
    notebook.check(fault, run, text)


@pytest.mark.fault(
    ENCRYPTION,
    "The service is encrypted, and the address begins with http://",
    sees="NetworkError: … broke the connection: …",
    keeps=QUESTION,
)
def test_a_missing_s_in_the_address_is_told(
    fault: Fault, notebook: FaultNotebook, authority: Authority, byte_server: StartServer
) -> None:
    """The other slip."""
    context = authority.server_context("127.0.0.1")
    with TlsFront(context, byte_server(answers).port) as front:
        notebook.check(fault, notebook.ask(f"http://127.0.0.1:{front.port}"))


@pytest.mark.fault(
    ENCRYPTION,
    "A bit changes on the way in the middle of an answer",
    sees="NetworkError: … broke the connection: [SSL: …",
    keeps=PART,
)
def test_an_encrypted_answer_that_was_changed_is_not_taken(
    fault: Fault, notebook: FaultNotebook, authority: Authority, byte_server: StartServer
) -> None:
    """A broken router, or somebody in between."""
    is_due = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta(HALF)))
        exchange.wait(is_due)
        exchange.send(chunked(delta(" and more")))

    context = authority.server_context("127.0.0.1")
    with (
        TlsFront(context, byte_server(script).port) as front,
        ToxicProxy(front.port, garble(is_due)) as proxy,
    ):
        running = notebook.begin(f"https://127.0.0.1:{proxy.port}")
        running.until(lambda outputs: HALF in str(outputs))
        is_due.set()
        notebook.check(fault, running.finish(), HALF)


@pytest.mark.fault(ENCRYPTION, "The service redirects from http to https", sees=TEXT, keeps=ANSWER)
def test_a_redirect_to_the_encrypted_service_is_followed(
    fault: Fault,
    notebook: FaultNotebook,
    names: NameServer,
    authority: Authority,
    byte_server: StartServer,
) -> None:
    """The same host on its usual ports may have the key, and the question is asked once more."""
    host, behind = names.address, byte_server(answers)
    plain = byte_server(redirects(f"https://{host}/v1/chat/completions"))
    with ExitStack() as stack:
        front = stack.enter_context(TlsFront(authority.server_context(host), behind.port))
        for place, port in ((80, plain.port), (443, front.port)):
            listener = socket.create_server((host, place))
            stack.enter_context(ToxicProxy(port, listener=listener))
        notebook.check(fault, notebook.ask(f"http://{host}"), TEXT)
    assert behind.requests[0].headers["authorization"] == f"Bearer {KEY}"
