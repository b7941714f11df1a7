"""A disk of its own for a folder, which can be full or read-only."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from support.environment import need

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

SIZE = "1m"


class SmallDisk:
    """A disk of one megabyte at a folder, for as long as it is entered."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._filler = folder / "filler"

    def __enter__(self) -> SmallDisk:
        """Mount it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(self._folder)]
        if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
            need("a small disk", "only root may mount one")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take it away, also from those who still use it."""
        subprocess.run(["umount", "--lazy", str(self._folder)], check=True)

    def fill(self) -> None:
        """Leave no byte free."""
        with self._filler.open("ab", buffering=0) as file:
            try:
                while file.write(b"x" * 512):
                    pass
            except OSError:
                return

    def make_room(self) -> None:
        """Take back what `fill` has written."""
        self._filler.unlink()

    def make_read_only(self) -> None:
        """Allow no more writing; nobody may have a file open for it."""
        options = ["mount", "-o", "remount,ro", str(self._folder)]
        subprocess.run(options, check=True)
