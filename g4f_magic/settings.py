"""What ``%g4f_config`` sets for the session, and where every setting comes from."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from .errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Key(NamedTuple):
    meaning: str
    default: str = ""
    variable: str = ""
    values: tuple[str, ...] = ()  # all that it can be; empty for any text


KEYS = {
    "provider": _Key("who is asked where no option says it", variable="G4F_PROVIDER"),
    "model": _Key("which model is asked where no option says it", variable="G4F_MODEL"),
    "cache": _Key("answer the very same request from the cache", "off", values=("on", "off")),
    "confirm_tools": _Key("ask before each call of a tool", "off", values=("on", "off")),
    "replay": _Key("how a cached answer comes", "instant", values=("instant", "live")),
}
_SECRET = "G4F_API_KEY"  # noqa: S105  # the name of a variable


class Setting(NamedTuple):
    """One setting: its value, which source said it, and what it is for."""

    key: str
    value: str
    source: str
    meaning: str


class Settings:
    """The values of this session; one that was not set is looked up where it stands else."""

    def __init__(self) -> None:
        self._session: dict[str, str] = {}

    def assign(self, assignment: str) -> None:
        """Take in ``key=value``; an empty value forgets what was set. Raises ``UsageError``."""
        key, _, value = (part.strip() for part in assignment.partition("="))
        known = KEYS[self._known(key)]
        if value and known.values and value not in known.values:
            message = f"{key} cannot be {value!r}"
            raise UsageError(message, hint=f"it is {' or '.join(known.values)}")
        self._session[key] = value
        if not value:
            del self._session[key]

    def get(self, key: str) -> str:
        """Return what this session has set, else the default."""
        return self._session.get(key, KEYS[key].default)

    def told(
        self, words: list[str], configured: Mapping[str, str], environ: Mapping[str, str]
    ) -> list[Setting]:
        """Return the settings named by words, or all, with where each comes from."""
        keys = [self._known(word) for word in words] or list(KEYS)
        settings = [self._setting(key, configured, environ) for key in keys]
        if not words:
            is_set = "set" if environ.get(_SECRET) else "not set"
            settings.append(Setting(_SECRET, is_set, "environment", "key for whom it names"))
        return settings

    def _setting(
        self, key: str, configured: Mapping[str, str], environ: Mapping[str, str]
    ) -> Setting:
        known = KEYS[key]
        sources = (
            (self._session.get(key), "this session"),
            (configured.get(key), "IPython's configuration"),
            (known.variable and environ.get(known.variable), known.variable),
            (known.default or "not set", "default"),
        )
        value, source = next((str(value), source) for value, source in sources if value)
        return Setting(key, value, source, known.meaning)

    def _known(self, key: str) -> str:
        if key in KEYS:
            return key
        alike = get_close_matches(key, KEYS, n=1)
        meant = f"did you mean {alike[0]!r}? " if alike else ""
        message = f"there is no setting {key!r}"
        raise UsageError(message, hint=f"{meant}There are {', '.join(KEYS)}")
