"""Who still writes: each process keeps a file locked for as long as it lives.

The operating system lets go of a lock when the process ends, however it ends, so a
file that can be locked belongs to nobody any more. A process number would not do:
numbers are used again, and mean nothing to another container or host that shares
the folder. ``flock`` is used where there is one, and byte locks on Windows. Where
the file system knows no locks nobody is ever taken for dead: an answer that stays
"streaming" does less harm than one declared over while it is written.
"""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Owner:
    """This process as one that writes; ``token`` is its name."""

    def __init__(self, folder: Path) -> None:
        self.token: str = uuid.uuid4().hex
        folder.mkdir(mode=0o700, exist_ok=True)
        self._path = folder / self.token
        self._handle: int | None = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with contextlib.suppress(OSError):  # no locks here; then none can be taken for dead
            _lock(self._handle)
        _close_in_children(self)

    def leave(self) -> None:
        """Say that this process writes no more."""
        self.let_go()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def let_go(self) -> None:
        """Close the file: a forked child does, or its parent would seem to live on in it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def is_alive(folder: Path, token: str) -> bool:
    """Tell whether the process with this token still writes."""
    try:
        handle = os.open(folder / token, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        _lock(handle)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove the files that the dead have left; nobody may become an owner meanwhile."""
    for path in folder.glob("*"):
        if not is_alive(folder, path.name):
            with contextlib.suppress(OSError):
                path.unlink()


def _close_in_children(owner: Owner) -> None:
    known = weakref.ref(owner)

    def close() -> None:
        if (found := known()) is not None:
            found.let_go()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=close)
