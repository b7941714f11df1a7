"""An authority of our own and servers that show its certificates, to play encrypted services."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType


class Authority:
    """Issues certificates that only those trust who know its ``file``."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.file = folder / "authority.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def context(self) -> ssl.SSLContext:
        """What a client uses that trusts this authority alone."""
        return ssl.create_default_context(cafile=self.file)

    def server_context(
        self, *hosts: str, not_before: datetime | None = None, not_after: datetime | None = None
    ) -> ssl.SSLContext:
        """What a server uses that is certified for ``hosts``."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate = self._ca.issue_cert(*hosts, not_before=not_before, not_after=not_after)
        certificate.configure_cert(context)
        return context


class TlsFront:
    """Takes encrypted connections and passes them on, decrypted, to a port of 127.0.0.1."""

    def __init__(self, context: ssl.SSLContext, port_behind: int) -> None:
        self._context = context
        self._port_behind = port_behind
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._ready = threading.Event()
        self.port = 0

    def __enter__(self) -> TlsFront:
        """Starts listening in a daemon thread."""
        self._thread.start()
        if not self._ready.wait(10):
            message = "the encrypted server did not start"
            raise AssertionError(message)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes everything."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._relays: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for relay in self._relays:
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)

    async def _relay(
        self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is not None:  # pragma: no branch
            self._relays.add(task)
            task.add_done_callback(self._relays.discard)
        behind_in, behind_out = await asyncio.open_connection("127.0.0.1", self._port_behind)
        try:
            pumps = [_pump(client_in, behind_out), _pump(behind_in, client_out)]
            await asyncio.wait(
                [asyncio.ensure_future(pump) for pump in pumps], return_when="FIRST_COMPLETED"
            )
        except asyncio.CancelledError:
            pass  # which a stream's callback would report
        finally:
            for writer in (client_out, behind_out):
                writer.close()
                with contextlib.suppress(OSError, asyncio.CancelledError):
                    await writer.wait_closed()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
