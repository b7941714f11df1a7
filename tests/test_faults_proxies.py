"""What a person sees when a proxy on the way to a service refuses, fails or is none."""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.byteserver import free_port, reply
from support.fault_notebook import QUESTION, FaultNotebook
from support.fault_rows import fault_row
from support.proxies import NAME, PASSWORD, microsocks, tinyproxy
from support.toxic import silent, speaking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.faults import Fault

row = partial(fault_row, "Proxies")


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultNotebook]:
    """A notebook for all rows of this module."""
    with FaultNotebook(tmp_path_factory.mktemp("notebook")) as running:
        yield running


@contextmanager
def http_proxy(login: str = "") -> Iterator[str]:
    """The address of an HTTP proxy; where a login is given it wants the right one."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tinyproxy(Path(folder), login=bool(login)) as proxy,
    ):
        yield proxy.url(login.strip("-"))


@contextmanager
def socks_proxy(login: str = "") -> Iterator[str]:
    """The address of a SOCKS proxy; where a login is given it wants the right one."""
    with microsocks(login=bool(login)) as proxy:
        yield proxy.url(login)


@contextmanager
def nobody() -> Iterator[int]:
    """A port at which nobody listens."""
    yield free_port()


@contextmanager
def proxy_at(scheme: str, server: AbstractContextManager[int]) -> Iterator[str]:
    """The address of what is no proxy."""
    with server as port:
        yield f"{scheme}://{NAME}:{PASSWORD}@127.0.0.1:{port}"


BAD_PROXIES = [
    row(
        "The proxy wants a name and a password",
        http_proxy("-"),
        "check the proxy's name and password (the service's key was not looked at)",
        QUESTION,
    ),
    row(
        "The proxy refuses the password, with 401 where 407 is meant",
        http_proxy(f"{NAME}:wrong"),
        "NetworkError: the proxy http://127.0.0.1:… on the way to 127.0.0.1:… refused: 401",
        QUESTION,
    ),
    row(
        "The proxy cannot reach the service",
        http_proxy(),
        "NetworkError: the proxy http://127.0.0.1:… on the way to 127.0.0.1:… refused: 500",
        QUESTION,
    ),
    row(
        "Nobody listens where the proxy should be",
        proxy_at("http", nobody()),
        "NetworkError: the proxy http://127.0.0.1:… cannot be reached: Connection refused",
        QUESTION,
    ),
    row(
        "The proxy keeps silent",
        proxy_at("socks5", silent()),
        "NetworkTimeoutError: the proxy socks5://127.0.0.1:… did not connect to … within 0.5 s",
        QUESTION,
    ),
    row(
        "The proxy talks nonsense",
        proxy_at("http", speaking(b"nonsense\r\n\r\n")),
        "NetworkError: … does not speak HTTP as it should: … (through the proxy http://…)",
        QUESTION,
    ),
    row(
        "The proxy hangs up",
        proxy_at("http", speaking(b"")),
        "NetworkError: … broke the connection: Server disconnected … (through the proxy http://…)",
        QUESTION,
    ),
    row(
        "A gateway in between answers with a web page (502)",
        proxy_at("http", speaking(reply(502, b"<title>502 Bad Gateway</title>", "text/html"))),
        "ResponseError: … said 502 Bad Gateway",
        QUESTION,
    ),
    row(
        "A SOCKS proxy refuses the password",
        socks_proxy(f"{NAME}:wrong"),
        "NetworkError: the proxy socks5://127.0.0.1:… on the way to 127.0.0.1:… refused: …",
        QUESTION,
    ),
    row(
        "Nobody listens where the SOCKS proxy should be",
        proxy_at("socks5", nobody()),
        "NetworkError: the proxy socks5://127.0.0.1:… cannot be reached: Connection refused",
        QUESTION,
    ),
    row(
        "An HTTP proxy is given as a SOCKS proxy",
        proxy_at("socks5", speaking(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        "is its address right? Most proxies are http://…, also for https services",
        QUESTION,
    ),
]


@pytest.mark.parametrize(("proxy", "text"), BAD_PROXIES)
def test_trouble_with_a_proxy_names_the_proxy(
    fault: Fault, notebook: FaultNotebook, proxy: AbstractContextManager[str], text: str
) -> None:
    """The service is innocent, its key is good, and the password stays where it is."""
    with proxy as address:
        url = f"http://127.0.0.1:{free_port()}"
        run = notebook.ask(url, "--timeout 0.5", f"--proxy {address}")
    notebook.check(fault, run, text)
    assert PASSWORD not in str(run.outputs)
    assert "wrong" not in str(run.outputs)
