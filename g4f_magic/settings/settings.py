"""What ``%g4f_config`` sets, and where every setting comes from."""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from ..errors import StoreError, UsageError
from ..limits import ANSWER, ATTACHMENT, CACHE, PICTURE, Limit
from ..secret import SecretDict, veiled_address
from .env_file import EnvFile
from .settings_file import default_path, read_settings, write_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path


class Key(NamedTuple):
    """What a setting is for, and what it can be.

    ``values`` are all that it can be, ``span`` the least and the most of a number; any text
    if there is neither.
    """

    meaning: str
    default: str = ""
    variable: str = ""
    values: tuple[str, ...] = ()
    span: tuple[float, float] | None = None
    is_whole: bool = True


def _limit(limit: Limit, meaning: str) -> Key:
    variable = f"G4F_{limit.setting.upper()}"
    return Key(meaning, str(limit.mb), variable, span=(1, 100_000))


_SWITCH = ("on", "off")
KEYS = {
    "provider": Key("who is asked where no option says it", variable="G4F_PROVIDER"),
    "model": Key("which model is asked where no option says it", variable="G4F_MODEL"),
    "timeout": Key(
        "how many seconds to wait without any byte",
        default="60",
        variable="G4F_TIMEOUT",
        span=(0.001, 86_400),
        is_whole=False,
    ),
    "proxy": Key("through which proxy to ask", variable="G4F_PROXY"),
    "cache": Key("answer the very same request from the cache", "off", values=_SWITCH),
    "replay": Key("how a cached answer comes", "instant", values=("instant", "live")),
    "preview_rows": Key("how many rows of a table go into a prompt", "10", span=(1, 100_000)),
    "confirm_tools": Key("ask before each call of a tool", "off", values=_SWITCH),
    "env_file": Key("a .env file with keys, for variables that are not set"),
    "max_rounds": Key("how often an answer may call tools", "8", span=(1, 1000)),
    "max_answer_mb": _limit(ANSWER, "how many MB of an answer are received"),
    "max_picture_mb": _limit(PICTURE, "how many MB a picture of an answer may have"),
    "max_attachment_mb": _limit(ATTACHMENT, "how many MB may go along with a prompt"),
    "max_cache_mb": _limit(CACHE, "how many MB of answers the cache keeps"),
}
# Of these there may be many: alias.fast, alias.best …
FAMILIES = {
    "alias": Key("a model that -m takes by this name"),
    "system": Key("a system prompt that -s takes by this name"),
}
_BASE = "G4F_API_BASE"
_SECRET = "G4F_API_KEY"  # noqa: S105  # the name of a variable
_ADDRESSES = frozenset({"provider", "proxy"})  # in which a password may stand
_LONGEST = 60  # characters of a value that are shown
_NAME = re.compile(r"\w[\w.-]*")
_NAMES_SECRET = re.compile(r"(?:^|[._-])(?:api_?key|key|token|password|secret)$", re.IGNORECASE)
_LOGIN = re.compile(r"//[^/@\s]*@")  # name and password in an address
_LONG_WORD = re.compile(r"""([^\s=]+=)(?:"([^"]*)"|'([^']*)')(?!\S)|\S+""")


class Setting(NamedTuple):
    """One setting: its value, and which source said it."""

    key: str
    value: str
    source: str


class Settings:
    """The values of this session; one that was not set is looked up where it stands else.

    ``path`` is that of the file that outlives the session, by default where `default_path`
    says when it is needed.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._session: dict[str, str] = {}
        self._path = path
        self._env_file = EnvFile()
        self._news: list[str] = []
        self._said: set[str] = set()

    def configure(
        self, words: list[str], configured: Mapping[str, object], *, is_kept: bool
    ) -> list[str]:
        """Do what the words of `%g4f_config` say, and return the lines that it shows.

        Raises ``UsageError``, and ``StoreError`` when they are to be kept and cannot be.
        """
        names = [_known_key(word.partition("=")[0].strip()) for word in words]
        self.assign(*(word for word in words if "=" in word))
        self.use_env_file(configured)
        kept = [f"Kept in {self.save(names or None)}"] if is_kept else []
        told = self.told(names, configured)
        width = max(len(one.key) for one in told)
        lines = [f"{one.key:{width}}  {_short(one.value):20} {one.source}" for one in told]
        return [*lines, *self.news(), *kept]

    def assign(self, *assignments: str) -> None:
        """Take in ``key=value``, or none of them; an empty value forgets what was set.

        Raises ``UsageError``.
        """
        parts = [assignment.partition("=") for assignment in assignments]
        given = {key.strip(): value.strip() for key, _, value in parts}
        for key, value in given.items():
            _checked(key, value)
        for key in _ADDRESSES.intersection(given):
            given[key] = veiled_address(given[key])
        self._session.update(given)

    def save(self, keys: Iterable[str] | None = None) -> Path:
        """Keep what this session has set, of these keys or of all, and return in which file.

        What it has forgotten is kept no more. Raises ``UsageError`` for what looks like a
        secret, and ``StoreError`` when the file cannot be written, or was not understood.
        """
        values, troubles = self._read()
        if troubles:
            message = f"nothing was kept. {troubles[0]}"
            raise StoreError(message, hint="correct the file, or move it away")
        for key in self._session if keys is None else keys:
            value = self._session.get(key, values.get(key, ""))
            if _public(value) != value:
                message = f"{key} is not kept in a file: there is a key or a password in it"
                raise UsageError(message, hint=_where_keys_belong())
            values[key] = value
        path = self._path or default_path()
        write_settings(path, {key: value for key, value in values.items() if value})
        return path

    def get(
        self,
        key: str,
        configured: Mapping[str, object] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> str:
        """Return the value in force; ``environ`` is that of the process if not given."""
        return self._found(key, configured or {}, _secret(environ))[0]

    def number(
        self,
        key: str,
        configured: Mapping[str, object] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> float:
        """Return the number in force; raises ``UsageError`` for one that it cannot be."""
        value, source = self._found(key, configured or {}, _secret(environ))
        return float(_checked(key, value, source))

    def limit(self, limit: Limit, configured: Mapping[str, object] | None = None) -> Limit:
        """Return a limit as it is in force; raises ``UsageError`` for one that it cannot be."""
        return limit._replace(mb=int(self.number(limit.setting, configured)))

    def use_env_file(self, configured: Mapping[str, object]) -> None:
        """Have the variables of ``env_file`` in the environment; raises ``UsageError``."""
        self._env_file.use(self.get("env_file", configured))

    def choice(self) -> tuple[str, str]:
        """Return the provider and the model that this session names."""
        return self._session.get("provider", ""), self._session.get("model", "")

    def kept_choice(self) -> tuple[str, str]:
        """Return the provider and the model that the file names."""
        kept = self._kept()
        return kept.get("provider", ""), kept.get("model", "")

    def family(self, name: str) -> dict[str, str]:
        """Return the settings of a family (``alias``, ``system``) by the rest of their names."""
        given = {**self._kept(), **{key: value for key, value in self._session.items() if value}}
        start = f"{name}."
        return {key[len(start) :]: given[key] for key in given if key.startswith(start)}

    def news(self) -> list[str]:
        """Return what is wrong with the file, each line only once."""
        self._kept()
        lines, self._news = self._news, []
        return lines

    def told(
        self,
        words: list[str],
        configured: Mapping[str, object],
        environ: Mapping[str, str] | None = None,
    ) -> list[Setting]:
        """Return the settings named by words, or all, with where each comes from."""
        environ = _secret(environ)
        given = {**self._kept(), **self._session}
        families = [key for key, value in given.items() if value and key not in KEYS]
        keys = [_known_key(word) for word in words] or [*KEYS, *sorted(families)]
        settings = []
        for key in keys:
            value, source = self._found(key, configured, environ)
            settings.append(Setting(key, _public(value) or "not set", source))
        return settings if words else [*settings, *_beside_settings(environ)]

    def _found(
        self, key: str, configured: Mapping[str, object], environ: Mapping[str, str]
    ) -> tuple[str, str]:
        """Return the value of the first source that says anything, and what it is called."""
        known = _key(key)
        sources = (
            (self._session.get(key), "this session"),
            (_text(configured.get(key)), "IPython's configuration"),
            (environ.get(known.variable), known.variable),
            (self._kept().get(key), "settings file"),
        )
        return next(((v, source) for v, source in sources if v), (known.default, "default"))

    def _kept(self) -> dict[str, str]:
        """Return what is understood of the file; what is not, becomes news."""
        values, troubles = self._read()
        self._news += [line for line in troubles if line not in self._said]
        self._said.update(troubles)
        return values

    def _read(self) -> tuple[dict[str, str], list[str]]:
        """Return what is understood of the file, and a line for each thing that is not."""
        path = self._path or default_path()
        try:
            given = read_settings(path)
        except StoreError as error:
            return {}, [str(error)]
        objections = {key: _objection(key, value) for key, value in given.items()}
        values = {key: value for key, value in given.items() if not objections[key]}
        named = f"the settings file {str(path)!r}"
        return values, [f"{named}: {why}" for why in objections.values() if why]


def _secret(environ: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the environment as no traceback shows it."""
    return SecretDict(os.environ if environ is None else environ)


def _beside_settings(environ: Mapping[str, str]) -> Iterator[Setting]:
    """Yield what variables say that no setting stands for; of keys only whether they are set."""
    from ..providers.registry import key_variables

    if base := environ.get(_BASE):
        yield Setting(_BASE, _public(base), "environment")
    is_set = "set" if environ.get(_SECRET) else "not set"
    yield Setting(_SECRET, is_set, "environment")
    for variable in filter(environ.get, key_variables()):
        yield Setting(variable, "set", "environment")


def _objection(key: str, value: str) -> str:
    try:
        _checked(key, value)
    except UsageError as error:
        return str(error)
    return ""


def _checked(key: str, value: str, source: str = "") -> str:
    """Return a value that a setting can have; raises ``UsageError`` for another."""
    known = _key(key)
    named = f"{key} in {source}" if source else key
    if value and known.values and value not in known.values:
        message = f"{named} cannot be {value!r}"
        raise UsageError(message, hint=f"it is {' or '.join(known.values)}")
    if value and known.span and not _is_in(known, value):
        message = f"{named} cannot be {value!r}"
        least, most = known.span
        kind = "a whole number" if known.is_whole else "a number"
        raise UsageError(message, hint=f"it is {kind} from {least:g} to {most:,.0f}")
    return value


def _is_in(known: Key, value: str) -> bool:
    least, most = known.span or (0, 0)
    try:
        number = int(value) if known.is_whole else float(value)
    except ValueError:
        return False
    return least <= number <= most


def _known_key(key: str) -> str:
    _key(key)
    return key


def _key(key: str) -> Key:
    """Return what a setting is; raises ``UsageError``, with the name that was meant."""
    family, dot, name = key.partition(".")
    if key in KEYS:
        return KEYS[key]
    if dot and family in FAMILIES and _NAME.fullmatch(name):
        return FAMILIES[family]
    if _NAMES_SECRET.search(key):
        message = f"{key!r} is no setting: keys are neither shown nor kept in files"
        raise UsageError(message, hint=_where_keys_belong(key))
    alike = get_close_matches(family, [*FAMILIES] if dot else [*KEYS], n=1)
    meant = f"did you mean {alike[0] + dot + name!r}? " if alike and alike[0] != family else ""
    message = f"there is no setting {key!r}"
    there_are = ", ".join([*KEYS, *(f"{family}.NAME" for family in FAMILIES)])
    raise UsageError(message, hint=f"{meant}There are {there_are}")


def _where_keys_belong(key: str = "") -> str:
    variable = key.upper() if key.upper().endswith("_API_KEY") else "OPENAI_API_KEY or the like"
    return f"set {variable} before Jupyter starts, or in a .env file that env_file names"


def _short(value: str) -> str:
    """Return a value in one line."""
    words = " ".join(value.split())
    return words if len(words) <= _LONGEST else words[:_LONGEST] + " …"


def _text(value: object) -> str:
    """Return a value of IPython's configuration as it would be typed."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value is None else str(value)


def _public(value: str) -> str:
    """Return a value without what looks like a key or a password."""
    from ..providers.refusals import redacted

    # Short words that begin like a key are names of models.
    words = _LONG_WORD.sub(lambda word: redacted(word[0]), value)
    return _LOGIN.sub("//…@", words)
