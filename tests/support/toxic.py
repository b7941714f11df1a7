"""A TCP relay whose way back is poisoned: late, slow, stalled, or cut; and worse servers."""

from __future__ import annotations

import contextlib
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.byteserver import ClientGone, Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    Poison = Callable[["Flow"], None]


class Flow:
    """What a server sends on one connection, in the hands of a poison."""

    def __init__(self, client: Connection, server: Connection) -> None:
        self._client = client
        self._server = server

    def take(self) -> bytes:
        """The next bytes of the server; nothing at their end."""
        return self._server.take_some()

    def pass_before(self, mark: bytes) -> bytes:
        """Pass on all that stands before ``mark``, and return what has come of the rest."""
        seen = b""
        while mark not in seen:
            taken = self.take()
            assert taken, f"the server never sent {mark!r}"
            seen += taken
        before, _, after = seen.partition(mark)
        self.send(before)
        return mark + after

    def pass_on(self) -> None:
        """Pass on all that comes."""
        while data := self.take():
            self.send(data)

    def send(self, data: bytes) -> None:
        """Send to the client; `ClientGone` where nobody reads."""
        try:
            self._client.sock.sendall(data)
        except OSError as error:
            raise ClientGone from error

    def wait(self, seconds: float) -> None:
        """Let time pass; `ClientGone` as soon as nobody waits."""
        if self._client.closed.wait(seconds):
            raise ClientGone

    def cut(self, *, reset: bool) -> None:
        """End the connection to the client, with FIN or with RST."""
        self._client.close(reset=reset)


def cut(mark: bytes, *, reset: bool = False) -> Poison:
    """Ends the connection before the first ``mark`` of the reply."""

    def poison(flow: Flow) -> None:
        flow.pass_before(mark)
        flow.cut(reset=reset)

    return poison


def stall(mark: bytes, seconds: float) -> Poison:
    """Sends nothing for some time before the first ``mark`` of the reply, then all of it."""

    def poison(flow: Flow) -> None:
        rest = flow.pass_before(mark)
        flow.wait(seconds)
        flow.send(rest)
        flow.pass_on()

    return poison


def drip(size_bytes: int, every_s: float) -> Poison:
    """Sends pieces of ``size_bytes`` with a pause after each: slow, or narrow."""

    def poison(flow: Flow) -> None:
        while data := flow.take():
            for start in range(0, len(data), size_bytes):
                flow.send(data[start : start + size_bytes])
                flow.wait(every_s)

    return poison


def garble(is_due: threading.Event) -> Poison:
    """Changes a bit of each piece from some time on."""

    def poison(flow: Flow) -> None:
        while data := flow.take():
            flow.send(data[:-1] + bytes([data[-1] ^ 1]) if is_due.is_set() else data)

    return poison


def late(seconds: float) -> Poison:
    """Sends everything later."""

    def poison(flow: Flow) -> None:
        while data := flow.take():
            flow.wait(seconds)
            flow.send(data)

    return poison


class ToxicProxy:
    """Relays connections of ``listener`` to a port of 127.0.0.1, the way back by ``poison``."""

    def __init__(
        self,
        port_behind: int,
        poison: Poison = Flow.pass_on,
        listener: socket.socket | None = None,
    ) -> None:
        self._port_behind = port_behind
        self._poison = poison
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self._open: list[Connection] = []
        self._threads: list[threading.Thread] = []
        host, self.port = self._listener.getsockname()[:2]
        self.url = f"http://{host}:{self.port}"

    def __enter__(self) -> ToxicProxy:
        """Starts taking connections, each in daemon threads."""
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes everything."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # which wakes accept()
        self._listener.close()
        for connection in self._open:
            connection.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, run: Callable[..., None], *args: Connection) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                taken, _ = self._listener.accept()
                behind = socket.create_connection(("127.0.0.1", self._port_behind))
            except OSError:
                return
            client, server = Connection(taken), Connection(behind)
            self._open += [client, server]
            self._start(self._to_server, client, server)
            self._start(self._to_client, client, server)

    def _to_server(self, client: Connection, server: Connection) -> None:
        with contextlib.suppress(OSError):
            while data := client.take_some():
                server.sock.sendall(data)
        server.close()

    def _to_client(self, client: Connection, server: Connection) -> None:
        with contextlib.suppress(ClientGone):
            self._poison(Flow(client, server))
        client.close()
        server.close()


@contextmanager
def speaking(said: bytes) -> Iterator[int]:
    """The port of a server that answers whatever it hears with these bytes, and hangs up."""

    def serve() -> None:
        taken, _ = listener.accept()
        with taken:
            taken.recv(65536)
            taken.sendall(said)
            taken.shutdown(socket.SHUT_WR)
            while taken.recv(65536):  # or what is unread would make a reset of the end
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


@contextmanager
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
