"""A host of its own at the other end of a cable: a network namespace that loses packets."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from support.environment import find_program, need

if TYPE_CHECKING:
    from types import TracebackType

_CLONE_NEWNET = 0x40000000


class FarHost:
    """Takes part in the network at ``address``; its ``listener`` sockets live over there."""

    def __init__(self) -> None:
        if os.geteuid():
            need("root", "a network namespace with a host that can be cut off")
        self._ip = find_program("iproute2", "ip", reason="it lays the cable")
        self._iptables = find_program("iptables", "iptables", reason="it loses packets")
        number = os.getpid() % 2**14  # tests may run side by side
        self._name = f"far{number}"
        # Of 198.18.0.0/15, which is for tests of networks (RFC 2544), four addresses.
        start = number * 4
        self._near = f"198.18.{start >> 8}.{start + 1 & 255}"
        self.address = f"198.18.{start >> 8}.{start + 2 & 255}"

    def __enter__(self) -> FarHost:
        """Lays the cable."""
        try:
            self._run(self._ip, "netns", "add", self._name)
        except AssertionError as error:
            need("a system that allows network namespaces", str(error))
        cable = ["link", "add", f"{self._name}n", "type", "veth", "peer", "name", f"{self._name}f"]
        self._run(self._ip, *cable, "netns", self._name)
        self._run(self._ip, "addr", "add", f"{self._near}/30", "dev", f"{self._name}n")
        self._run(self._ip, "link", "set", f"{self._name}n", "up")
        self._over_there(self._ip, "addr", "add", f"{self.address}/30", "dev", f"{self._name}f")
        self._over_there(self._ip, "link", "set", f"{self._name}f", "up")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Takes it away."""
        self._run(self._ip, "link", "delete", f"{self._name}n")
        self._run(self._ip, "netns", "delete", self._name)

    def listener(self) -> socket.socket:
        """A listening socket over there."""
        with ThreadPoolExecutor(1) as pool:  # its thread enters the namespace and ends there
            return pool.submit(self._listener).result()

    def lose(self, *packets: str) -> None:
        """Lose for good what iptables describes so: ``OUTPUT -p tcp --sport 80``, say."""
        self._over_there(self._iptables, "-A", *packets, "-j", "DROP")

    def lost(self) -> int:
        """How many packets were lost."""
        counted = self._over_there(self._iptables, "-L", "-v", "-x", "-n")
        rows = (line.split() for line in counted.splitlines())
        return sum(int(row[0]) for row in rows if "DROP" in row[2:3])

    def refuse(self, *packets: str) -> None:
        """Answer what iptables describes so as a router does that knows no way on."""
        how = ["-j", "REJECT", "--reject-with", "icmp-host-unreachable"]
        self._over_there(self._iptables, "-A", *packets, *how)

    def heal(self) -> None:
        """Lose and refuse nothing any more."""
        self._over_there(self._iptables, "-F")

    def unplug(self) -> None:
        """Pull the cable out over there: nobody is told."""
        self._over_there(self._ip, "link", "set", f"{self._name}f", "down")

    def plug(self) -> None:
        """Put the cable back."""
        self._over_there(self._ip, "link", "set", f"{self._name}f", "up")

    def _listener(self) -> socket.socket:
        with Path("/run/netns", self._name).open("rb") as namespace:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(namespace.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        return socket.create_server((self.address, 0))

    def _over_there(self, *command: str) -> str:
        return self._run(self._ip, "netns", "exec", self._name, *command)

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout
