"""A DNS server of our own, and kernels that ask no other."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import threading
from typing import TYPE_CHECKING

from support.environment import find_program, need

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_HEADER_BYTES = 12
_A = 1
_NO_SUCH_NAME = 3
#: The name that resolves only after a while, and that while.
SLOW, SLOW_S = "slow.test", 0.7
#: The name of a host that has two addresses.
TWOFOLD = "twofold.test"
ADDRESSES = {SLOW: ["127.0.0.1"], TWOFOLD: ["127.0.0.1", "127.0.0.2"]}
#: The name that nobody answers for.
SILENT = "silent.test"


class NameServer:
    """Knows the names in `ADDRESSES`, keeps silent about ``silent.test``, denies all others."""

    def __init__(self) -> None:
        if os.geteuid():
            need("root", "a DNS server listens on port 53")
        # An address for each process: tests may run side by side.
        self.address = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        #: What was asked for.
        self.asked: list[str] = []

    def __enter__(self) -> NameServer:
        """Starts answering in a daemon thread."""
        self._socket.bind((self.address, 53))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the socket."""
        self._stopping.set()
        self._socket.sendto(b"", (self.address, 53))
        self._thread.join(5)
        self._socket.close()

    def under(self, folder: Path) -> list[str]:
        """What to start a program with that shall ask this server alone."""
        unshare = find_program("unshare", "unshare", reason="it gives /etc/resolv.conf a double")
        file = folder / "resolv.conf"
        file.write_text(f"nameserver {self.address}\noptions timeout:1 attempts:1\n")
        if subprocess.run([unshare, "--mount", "true"], check=False).returncode:
            need("a system that allows mount namespaces", "they hold the double")
        mount = f'mount --bind {file} /etc/resolv.conf && exec "$0" "$@"'
        return [unshare, "--mount", "sh", "-c", mount]

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(512)
            if self._stopping.is_set():
                return
            threading.Thread(target=self._answer, args=(query, client), daemon=True).start()

    def _answer(self, query: bytes, client: tuple[str, int]) -> None:
        name, end = _name(query)
        self.asked.append(name)
        (kind,) = struct.unpack("!H", query[end : end + 2])
        question = query[_HEADER_BYTES : end + 4]
        if name == SILENT or (name == SLOW and self._stopping.wait(SLOW_S)):
            return
        known = ADDRESSES.get(name, []) if kind == _A else []
        flags = 0x8180 if name in ADDRESSES else 0x8180 | _NO_SUCH_NAME
        reply = query[:2] + struct.pack("!5H", flags, 1, len(known), 0, 0) + question
        for address in map(socket.inet_aton, known):
            reply += struct.pack("!HHHIH", 0xC00C, _A, 1, 0, len(address)) + address
        self._socket.sendto(reply, client)


def _name(query: bytes) -> tuple[str, int]:
    """The name that a query is about, and where it ends (RFC 1035 §4.1.2)."""
    labels, place = [], _HEADER_BYTES
    while size := query[place]:
        labels.append(query[place + 1 : place + 1 + size].decode("ascii"))
        place += 1 + size
    return ".".join(labels).lower(), place + 1
