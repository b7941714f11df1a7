"""Proxies of other people as child processes: tinyproxy for HTTP, microsocks for SOCKS5."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

from support.environment import find_program, free_port
from support.process import Process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NAME, PASSWORD = "me", "hidden"


class Proxy:
    """A running proxy: its ``address`` (host:port), and what it said so far."""

    def __init__(self, scheme: str, port: int, process: Process) -> None:
        self.scheme = scheme
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.process = process

    def url(self, login: str = "") -> str:
        """The URL of the proxy; ``login`` is ``name:password``."""
        return f"{self.scheme}://{login}{'@' if login else ''}{self.address}"

    def has_passed(self, port: int) -> bool:
        """True when it has reported a connection to a port of a service."""
        return any(f":{port}" in line or f" {port}" in line for line in self.process.lines)

    def wait_for(self, port: int) -> None:
        """Returns when the proxy has reported a connection to a port of a service."""
        self.process.wait_until(lambda: self.has_passed(port), 5)


@contextlib.contextmanager
def tinyproxy(folder: Path, *, login: bool = False) -> Iterator[Proxy]:
    """An HTTP proxy, with a name and a password if ``login``."""
    program = find_program("tinyproxy", "tinyproxy", reason="an HTTP proxy to go through")
    port = free_port()
    settings = [f"Port {port}", "Listen 127.0.0.1", "Timeout 60", "MaxClients 20"]
    settings += [f"BasicAuth {NAME} {PASSWORD}"] if login else []
    file = folder / f"tinyproxy-{port}.conf"
    file.write_text("\n".join([*settings, ""]), encoding="utf-8")
    with _running("http", port, [program, "-d", "-c", str(file)]) as proxy:
        yield proxy


@contextlib.contextmanager
def microsocks(*, login: bool = False) -> Iterator[Proxy]:
    """A SOCKS5 proxy, with a name and a password if ``login``."""
    program = find_program("microsocks", "microsocks", reason="a SOCKS proxy to go through")
    port = free_port()
    command = [program, "-i", "127.0.0.1", "-p", str(port)]
    command += ["-u", NAME, "-P", PASSWORD] if login else []
    with _running("socks5", port, command) as proxy:
        yield proxy


@contextlib.contextmanager
def _running(scheme: str, port: int, command: Sequence[str]) -> Iterator[Proxy]:
    process = Process(command, os.environ)
    try:
        process.wait_until(lambda: _takes_connections(port), 10)
        yield Proxy(scheme, port, process)
    finally:
        process.stop()


def _takes_connections(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False
