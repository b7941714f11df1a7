"""Files that people name: read with a bound, and written as a whole or not at all."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from pathlib import Path

from ..errors import UsageError
from ..paths import path_of


def read_file(path: str | os.PathLike[str], largest_mib: float = math.inf) -> bytes:
    """Return the content of a file. Raises ``UsageError``."""
    try:
        target = path_of(path)
        size_mib = target.stat().st_size / 2**20
        data = target.read_bytes() if size_mib <= largest_mib else b""
    except (OSError, ValueError) as error:  # the latter for what is no name of a file
        message = f"{str(path)!r} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise UsageError(message) from error
    if size_mib > largest_mib:
        message = f"{str(path)!r} has {size_mib:.0f} MiB; at most {largest_mib} are read"
        raise UsageError(message)
    return data


def write_file(path: str | os.PathLike[str], data: bytes, *, may_replace: bool) -> Path:
    """Write a file and return where; what was there stays until the new one is whole.

    Raises ``UsageError``, also for what is there if it may not be replaced.
    """
    try:
        target = path_of(path)
        _write(target, data, may_replace=may_replace)
    except FileExistsError:
        message = f"{str(path)!r} is there already"
        raise UsageError(message, hint="choose another name, or replace it with --force") from None
    except (OSError, ValueError) as error:  # as above
        message = f"{str(path)!r} cannot be written: {getattr(error, 'strerror', None) or error}"
        raise UsageError(message) from error
    return target


def _write(target: Path, data: bytes, *, may_replace: bool) -> None:
    was_there = target.exists()
    with target.open("ab" if may_replace else "xb") as file:
        if not target.is_file():  # a pipe, a device
            file.write(data)
            return
    place = Path(os.path.realpath(target))
    handle, name = tempfile.mkstemp(prefix=f"{place.name}-", dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        shutil.copymode(place, name)
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        if not was_there:
            place.unlink(missing_ok=True)
        raise
