"""The variables of a ``.env`` file, for those who keep their keys in one."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..paths import path_of

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from pathlib import Path

_LINE = re.compile(
    r"""\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*
    (?:"((?:[^"\\]|\\.)*)" | '([^']*)' | ([^\s"'#](?:[^#\n]|(?<=\S)\#)*)? )\s*(?:\#.*)?""",
    re.VERBOSE,
)
_NO_LINE = re.compile(r"\s*(?:#.*)?")


class EnvFile:
    """Has the variables of one file in an environment, where they are not set already."""

    def __init__(self, environ: MutableMapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._ours: dict[str, str] = {}

    def use(self, path: str) -> None:
        """Put the variables of this file, as it is now, in the place of those of the last one.

        "" is no file. Raises ``UsageError`` for one that cannot be read.
        """
        given = read_variables(path_of(path)) if path else {}
        for name, value in self._ours.items():
            if self._environ.get(name) == value:
                del self._environ[name]
        self._ours = {name: given[name] for name in given if name not in self._environ}
        self._environ.update(self._ours)


def read_variables(path: Path) -> dict[str, str]:
    """Return the variables of a file by name; raises ``UsageError``, which shows no value."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:  # the latter also for what is no name of a file
        told = "it is no text in UTF-8" if isinstance(error, UnicodeError) else str(error)
        reason = getattr(error, "strerror", None) or told
        message = f"env_file {str(path)!r} cannot be read: {reason}"
        raise UsageError(message, hint="%g4f_config env_file= forgets it") from None
    variables = {}
    for number, line in enumerate(lines, 1):
        found = None if "\0" in line else _LINE.fullmatch(line)  # which no variable can have
        if found:
            name, escaped, literal, bare = found.groups()
            escaped = escaped and re.sub(r"\\(.)", _unescaped, escaped)
            variables[name] = next((v for v in (escaped, literal, bare and bare.rstrip()) if v), "")
        elif not _NO_LINE.fullmatch(line):
            message = f"line {number} of env_file {str(path)!r} is not NAME=VALUE"
            raise UsageError(message)
    return variables


def _unescaped(found: re.Match[str]) -> str:
    return {"n": "\n", "t": "\t"}.get(found[1], found[1])
