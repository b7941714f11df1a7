"""What `%g4f_models` lists, and the choice of one of them."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ..call import start_call
from ..display.listing import Note
from ..display.models import ModelList
from ..display.picker import TRY_PROMPT, Picker, by_hand
from ..models.catalogue import WITHIN_S, Source, listings
from ..models.listing_cache import ListingCache, default_path
from ..settings.config import target

if TYPE_CHECKING:
    import argparse

    from ..call import Call
    from ..display.listing import Displayed
    from ..models.model_info import ModelInfo
    from ..settings.config import Target
    from ..settings.settings import Settings


def model_list(chosen: Target, options: argparse.Namespace) -> ModelList:
    """Return the models that the options ask for; ``chosen`` is who would be asked now."""
    found = listings(
        Source(chosen.provider, {**chosen.params(), "timeout": None}),
        ListingCache(default_path()),
        alone=bool(options.provider),
        refresh=options.refresh,
        within_s=options.timeout or WITHIN_S,
    )
    abilities = [name for name in ("images", "vision") if getattr(options, name)]
    return ModelList.of(found, words=" ".join(options.words), can=abilities, is_free=options.free)


def model_picker(models: ModelList, settings: Settings, *, may_click: bool) -> Displayed | Picker:
    """Return a picker of models, or where there are no widgets what to type instead."""
    with suppress(ImportError):  # of ipywidgets
        if may_click:
            return Picker(models, _try_model, partial(_use_model, settings))
    return Note(by_hand(models))


def _try_model(model: ModelInfo) -> Call:
    prefix = "" if "://" in model.provider else f"{model.provider}:"
    found = target((model.provider, prefix + model.name))
    messages = [{"role": "user", "content": TRY_PROMPT}]
    return start_call(found.provider, model.name, messages, **found.params())


def _use_model(settings: Settings, model: ModelInfo) -> None:
    settings.assign("provider=")
    for assignment in model.assignments:
        settings.assign(assignment)
