"""The settings that outlive the kernel: one small TOML file."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..paths import kept_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FILE = "config.toml"
_HEADER = "# Written by %g4f_config --save, which keeps no comments. Keys do not belong here.\n"


def default_path() -> Path:
    """Return where settings are kept: in ``G4F_HOME``, else in the user's configuration."""
    return kept_at(_FILE, "config")


def read_settings(path: Path) -> dict[str, str]:
    """Return the settings of a file, those of a table as ``table.key``; none if there is no file.

    Raises ``StoreError`` for one that cannot be read, or is not as `write_settings` leaves it.
    """
    try:
        return dict(_flat(_loads(path.read_bytes().decode())))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:  # not to be read, UTF-8 or TOML
        reason = getattr(error, "strerror", None) or str(error)
        message = f"the settings in {str(path)!r} are not used: {reason}"
        raise StoreError(message, hint="correct the file, or move it away") from None


def write_settings(path: Path, values: Mapping[str, str]) -> None:
    """Put a new file, for this user alone, in the place of the old one; raises ``StoreError``."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(path, _HEADER + "".join(_lines(values)))
    except OSError as error:
        message = f"the settings cannot be kept in {str(path)!r}: {error.strerror}"
        raise StoreError(message) from None


def _loads(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    values: dict[str, Any] = tomllib.loads(text)
    return values


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and not prefix:
            yield from _flat(value, f"{name}.")
        elif isinstance(value, bool):
            yield name, "on" if value else "off"
        elif isinstance(value, str | int | float):
            yield name, str(value)
        else:
            message = f"{name} is neither a text, nor a number, nor true or false"
            raise ValueError(message)


def _lines(values: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of the file; what stands in no table must come first."""
    table = ""
    for key, value in sorted(values.items(), key=lambda item: ("." in item[0], item)):
        before, dot, name = key.partition(".")
        if dot and before != table:
            table = before
            yield f"\n[{table}]\n"
        yield f"{_quoted(name if dot else key)} = {_quoted(value)}\n"


def _quoted(text: str) -> str:
    """Return a string of TOML: one of JSON, but for a character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(prefix=f"{_FILE}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
