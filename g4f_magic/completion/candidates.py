"""The names that can stand after an option: models, providers, things of the notebook, files."""

from __future__ import annotations

import dataclasses
import inspect
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, is_typeddict

from ..models.listing_cache import ListingCache, default_path
from ..paths import path_of
from ..providers import Demo, provider_names
from ..secret import SecretDict
from ..settings.config import provider_by_key
from ..settings.settings import FAMILIES, KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..cell.session import Session

_MOST = 300  # IPython passes on 500 completions, and front ends look no further
_PICTURES_AND_TABLES = frozenset({"altair", "matplotlib", "numpy", "pandas", "PIL", "plotly"})
_SCHEMA_WORDS = frozenset({"$ref", "allOf", "anyOf", "enum", "oneOf", "properties", "type"})


class Candidates:
    """What can be meant in one shell; nobody is asked for anything over a network."""

    def __init__(self, shell: Any, session: Session) -> None:
        self._shell = shell
        self._session = session

    def models(self, begun: str, provider: str = "") -> list[str]:
        """Return what ``-m`` takes beside ``-p``, or by itself.

        Where there are very many, they come only once a provider's name is typed.
        """
        settings, listed = self._session.settings, ListingCache(default_path()).models()
        usual = provider or settings.get("provider") or _usual()
        bare = [model.name for model in listed if model.provider == usual]
        if usual == Demo.name:
            bare += Demo.models
        if provider:
            return bare
        whole = [f"{model.provider}:{model.name}" for model in listed if ":" not in model.provider]
        demo = [f"{Demo.name}:{model}" for model in Demo.models]
        shown = whole if ":" in begun or len(whole) <= _MOST else []
        named = [f"{name}:" for name in provider_names()]
        return [*settings.family("alias"), *bare, *shown, *demo, *named]

    def providers(self) -> list[str]:
        """Return what ``-p`` takes by name."""
        return provider_names()

    def conversations(self) -> list[str]:
        """Return what the notebook's conversations are called."""
        return self._session.notebooks.names()

    def system_prompts(self) -> list[str]:
        """Return what ``-s`` takes by name."""
        return [*self._session.settings.family("system")]

    def settings(self) -> list[str]:
        """Return what ``%g4f_config`` sets, those with a name of their own as far as given."""
        known = self._session.settings
        mine = [f"{family}.{name}=" for family in FAMILIES for name in known.family(family)]
        return [*(f"{key}=" for key in KEYS), *mine, *(f"{family}." for family in FAMILIES)]

    def attachments(self) -> list[str]:
        """Return the variables that can be attached: pictures, tables, bytes and paths."""
        return [name for name, value in self._mine() if _can_be_attached(value)]

    def schemas(self) -> list[str]:
        """Return the variables that say what an answer must look like."""
        return [name for name, value in self._mine() if _is_schema(value)]

    def tools(self) -> list[str]:
        """Return the functions that a model can be given."""
        return [name for name, value in self._mine() if inspect.isroutine(value)]

    def paths(self, begun: str) -> list[str]:
        """Return the files that begin like this, and the folders, which end in ``/``."""
        folder, slash, name = begun.rpartition("/")
        with suppress(OSError, ValueError):  # no folder, or no name of one
            found = sorted(os.scandir(path_of(folder + slash)), key=lambda one: one.name)
            return [
                f"{folder}{slash}{one.name}{'/' if one.is_dir() else ''}"
                for one in found
                if name.startswith(".") or not one.name.startswith(".")
            ]
        return []

    def _mine(self) -> Iterator[tuple[str, Any]]:
        """Yield the variables of the notebook, without those that IPython has put there."""
        hidden = self._shell.user_ns_hidden
        for name, value in list(self._shell.user_ns.items()):
            if not name.startswith("_") and name not in hidden:
                yield name, value


def fitting(names: Iterable[str], begun: str) -> list[str]:
    """Return the names that begin like this, in either case, and go on; each once."""
    start = begun.lower()
    return [one for one in dict.fromkeys(names) if one.lower().startswith(start) and one != begun]


def _usual() -> str:
    """Return who is asked if nobody is named; whether a local server runs is not found out."""
    chosen = provider_by_key(SecretDict(os.environ))
    return chosen.name if chosen else Demo.name


def _can_be_attached(value: Any) -> bool:
    if isinstance(value, type) or inspect.isroutine(value):
        return False
    homes = {kind.__module__.partition(".")[0] for kind in type(value).__mro__}
    return isinstance(value, bytes | Path) or bool(homes & _PICTURES_AND_TABLES)


def _is_schema(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(_SCHEMA_WORDS & value.keys())
    if not isinstance(value, type):
        return False
    has_own = hasattr(value, "model_json_schema")  # one of pydantic's
    return has_own or dataclasses.is_dataclass(value) or is_typeddict(value)
