"""A TCP server that sends the very bytes a script says, to play any service."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from support.chat_bytes import (
    DONE,
    END,
    chunked,
    delta,
    event,
    finish,
    json_reply,
    reply,
    sse_head,
    stream_script,
)
from support.environment import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    Script = Callable[["Exchange"], None]

__all__ = [
    "DONE",
    "END",
    "ByteServer",
    "ClientGone",
    "Exchange",
    "Request",
    "chunked",
    "delta",
    "event",
    "finish",
    "free_port",
    "json_reply",
    "reply",
    "sse_head",
    "stream_script",
]


class ClientGone(Exception):  # noqa: N818 - an event for the script, not a failure
    """The other end closed; it ends a script that goes on sending."""


@dataclass(frozen=True)
class Request:
    """One HTTP request as it arrived; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    #: ``time.perf_counter()`` when its last byte was here.
    at: float

    @cached_property
    def json(self) -> Any:
        """The body as JSON; ``None`` when there is none."""
        return json.loads(self.body) if self.body else None


class Connection:
    """One accepted socket: a thread reads all along, so that a close is seen."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.closed = threading.Event()
        self.closed_at: float | None = None
        self.closed_by_us = False
        self._buffer = bytearray()
        self._arrival = threading.Condition()
        self._reader = threading.Thread(target=self._read_on, daemon=True)
        self._reader.start()

    def _read_on(self) -> None:
        while True:
            try:
                data = self.sock.recv(65536)
            except OSError:
                data = b""
            with self._arrival:
                self._buffer += data
                if not data:
                    self.mark_closed()
                self._arrival.notify_all()
            if not data:
                return

    def mark_closed(self) -> None:
        """Notes the time of the first sign that the connection is over."""
        if self.closed_at is None:
            self.closed_at = time.perf_counter()
        self.closed.set()

    def take_until(self, mark: bytes) -> bytes:
        """The bytes up to and without ``mark``; `ClientGone` at the end."""
        with self._arrival:
            self._arrival.wait_for(lambda: mark in self._buffer or self.closed.is_set())
            if mark not in self._buffer:
                raise ClientGone
            head, _, rest = bytes(self._buffer).partition(mark)
            self._buffer[:] = rest
            return head

    def take(self, size: int) -> bytes:
        """Exactly ``size`` bytes; `ClientGone` when fewer arrive."""
        with self._arrival:
            self._arrival.wait_for(lambda: len(self._buffer) >= size or self.closed.is_set())
            if len(self._buffer) < size:
                raise ClientGone
            taken = bytes(self._buffer[:size])
            del self._buffer[:size]
            return taken

    def take_some(self) -> bytes:
        """What there is, at least one byte; nothing at the end."""
        with self._arrival:
            self._arrival.wait_for(lambda: self._buffer or self.closed.is_set())
            taken = bytes(self._buffer)
            self._buffer.clear()
            return taken

    def close(self, *, reset: bool = False) -> None:
        """Ends the connection with FIN, or with RST when ``reset``."""
        self.closed_by_us = self.closed_by_us or not self.closed.is_set()
        with contextlib.suppress(OSError):
            # SHUT_RD sends nothing and wakes the reader, whose recv() would
            # otherwise keep the socket alive and hold the RST back.
            self.sock.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
        if threading.current_thread() is not self._reader:
            self._reader.join(5)
        if reset:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Exchange:
    """A request and the hand that answers it, given to the script."""

    def __init__(self, request: Request, connection: Connection) -> None:
        self.request = request
        self._connection = connection
        #: Set when the script has returned, whatever way.
        self.done = threading.Event()

    def send(self, data: bytes) -> None:
        """Sends ``data`` as it is; `ClientGone` ends the script when nobody reads."""
        try:
            self._connection.sock.sendall(data)
        except OSError as error:
            self._connection.mark_closed()
            raise ClientGone from error

    def sleep(self, seconds: float) -> bool:
        """Waits, at most until the client closes; true while it is there."""
        return not self._connection.closed.wait(seconds)

    def wait(self, event: threading.Event, timeout: float = 30.0) -> bool:
        """Waits for a test's event; true when it came before a close."""
        end = time.monotonic() + timeout
        while not event.wait(0.005):
            if self._connection.closed.is_set() or time.monotonic() > end:
                return event.is_set()
        return True

    def close(self) -> None:
        """Ends the connection as a server does that is done (FIN)."""
        self._connection.close()

    def reset(self) -> None:
        """Breaks the connection (RST), as a crashed server or a router does."""
        self._connection.close(reset=True)

    @property
    def client_closed(self) -> bool:
        """True once the client has closed or reset the connection."""
        return self._connection.closed.is_set() and not self._connection.closed_by_us

    @property
    def closed_at(self) -> float | None:
        """``time.perf_counter()`` of the end of the connection, by whomever."""
        return self._connection.closed_at


class ByteServer:
    """A server on 127.0.0.1 that answers each request as ``script`` says.

    The script runs in the connection's thread; when it returns without having
    closed, the next request on the same connection is read. An error in a
    script is raised when the server's ``with`` block ends.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.exchanges: list[Exchange] = []
        self.errors: list[BaseException] = []
        self.connections = 0
        self._open: list[Connection] = []
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> ByteServer:
        """Starts listening in a daemon thread."""
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes everything; raises what went wrong in a script."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        self._acceptor.join(5)
        self._listener.close()
        for connection in self._open:
            connection.close()
        for thread in self._threads:
            thread.join(5)
        if self.errors and error is None:
            raise self.errors[0]

    def wait_for(self, predicate: Callable[[], object], timeout: float = 5.0) -> None:
        """Returns when ``predicate()`` is true; `AssertionError` after ``timeout`` seconds."""
        end = time.monotonic() + timeout
        while not predicate():
            if time.monotonic() > end:
                message = f"not true after {timeout} s; {len(self.requests)} requests arrived"
                raise AssertionError(message)
            self._stopping.wait(0.002)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if self._stopping.is_set():
                sock.close()
                return
            connection = Connection(sock)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self.connections += 1
            self._open.append(connection)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            while not connection.closed.is_set():
                exchange = Exchange(read_request(connection), connection)
                self.exchanges.append(exchange)
                self.requests.append(exchange.request)
                try:
                    self.script(exchange)
                finally:
                    exchange.done.set()
        except ClientGone:
            pass
        except BaseException as error:  # noqa: BLE001 - kept for the test, raised at the end
            self.errors.append(error)
        finally:
            connection.close()


def read_request(connection: Connection) -> Request:
    """The next request of a connection, its body whole."""
    head = connection.take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    pairs = (line.partition(":") for line in head[1:])
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = b""
        while size := int(connection.take_until(b"\r\n").partition(b";")[0], 16):
            body += connection.take(size)
            connection.take(2)
        connection.take_until(b"\r\n")
    else:
        body = connection.take(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body, time.perf_counter())
