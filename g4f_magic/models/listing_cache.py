"""Listings of models on disk, so that they need not be asked for again within the hour."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..paths import kept_at
from ..providers.listings import ListedModel
from .model_info import Listing, ModelInfo
from .prices import cost_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..messages import Answer
    from .prices import Prices

FRESH_S = 3600.0
FAILURE_FRESH_S = 60.0  # so that a provider that hangs does so once, and not for an hour

_FILE = "models.json"
_VERSION = 1


def default_path() -> Path:
    """Return where listings are kept: in ``G4F_HOME``, else among the user's caches."""
    return kept_at(_FILE, "cache")


class ListingCache:
    """Listings by a text that tells whom was asked; a file that is no use is as good as none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def recall(self, now: float) -> dict[str, Listing]:
        """Return the listings that are fresh at ``now``, in seconds since 1970."""
        return {key: one for key, one in self._kept().items() if _is_fresh(one, now)}

    def models(self) -> list[ModelInfo]:
        """Return the models as they were last listed, however long ago."""
        return [model for listing in self._kept().values() for model in listing.models]

    def listed(self, provider: str) -> list[ListedModel]:
        """Return what was last listed of a provider, which goes by the name that answers have."""
        return [
            ListedModel(one.name, makes_images="images" in one.can, sees_images="vision" in one.can)
            for one in self.models()
            if _who(one.provider) == provider
        ]

    def prices(self) -> Prices:
        """Return the known prices, as they were last listed."""
        return {
            (_who(model.provider), model.name): (model.price_in, model.price_out)
            for model in self.models()
            if model.price_in is not None and model.price_out is not None
        }

    def priced(self, answer: Answer) -> Answer:
        """Return an answer with its cost, if it was paid for and that is known."""
        if answer.cached or answer.usage is None:
            return answer
        return replace(answer, cost=cost_of(answer, self.prices()))

    def _kept(self) -> dict[str, Listing]:
        """Return all listings in the file, however old."""
        try:
            return _listings(self._path.read_bytes())
        except OSError:  # not there, or not to be read
            return {}

    def remember(self, listings: Mapping[str, Listing], now: float) -> None:
        """Keep these beside those that are fresh; what cannot be written is not kept."""
        kept = {**self.recall(now), **listings}
        told = {
            "version": _VERSION,
            "listings": {key: asdict(listing) for key, listing in kept.items()},
        }
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._replace(json.dumps(told))

    def _replace(self, text: str) -> None:
        """Put a new file, for this user alone, in the place of the old one."""
        handle, name = tempfile.mkstemp(prefix=f"{_FILE}-", dir=self._path.parent)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(text)
            Path(name).replace(self._path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise


def _who(provider: str) -> str:
    """Return what an answer calls a provider, which for one without a name is its host."""
    return provider.partition("://")[2].partition("/")[0] or provider


def _is_fresh(listing: Listing, now: float) -> bool:
    limit_s = FRESH_S if listing.state == "listed" else FAILURE_FRESH_S
    return 0 <= now - listing.asked_at < limit_s


@lru_cache(maxsize=1)  # each answer asks for its price, and each Tab for all models
def _listings(content: bytes) -> dict[str, Listing]:
    try:
        kept = json.loads(content)
        if kept["version"] != _VERSION:
            return {}
        return {key: _listing(told) for key, told in kept["listings"].items()}
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return {}  # damaged


def _listing(told: dict[str, Any]) -> Listing:
    models = tuple(_model(one) for one in told.pop("models"))
    listing = Listing(models=models, **told)
    _check((listing.provider, listing.state, listing.trouble, listing.key_env), str)
    _check((listing.asked_at,), int, float)
    return listing


def _model(told: dict[str, Any]) -> ModelInfo:
    model = ModelInfo(**{**told, "can": tuple(told["can"])})
    _check((model.provider, model.name, model.note, *model.can), str)
    figures = (model.context_length, model.price_in, model.price_out)
    _check((figure for figure in figures if figure is not None), int, float)
    return model


def _check(values: Any, *kinds: type) -> None:
    """Raise ``TypeError`` for a value of another kind."""
    if not all(isinstance(value, kinds) for value in values):
        raise TypeError
