"""Listings of models in, what they say of each model out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_PICTURE_TYPES = {"image", "text-to-image", "image-generation", "text2image"}
_TEXT_SIGNS = ("context_length", "context_window", "max_output_tokens", "supports_tools")


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One model of a listing."""

    name: str
    makes_images: bool = False
    sees_images: bool = False


def listed_models(listing: dict[str, Any]) -> list[ListedModel]:
    """Return the models under ``data``, else ``models``, in their order."""
    items = listing.get("data") or listing.get("models")
    models = (_model(item) for item in (items if isinstance(items, list) else []))
    return [model for model in models if model is not None]


def _model(item: Any) -> ListedModel | None:
    if isinstance(item, str) and item:
        return ListedModel(item)
    name = (item.get("id") or item.get("name")) if isinstance(item, dict) else None
    if not name or not isinstance(name, str):
        return None
    takes, makes = _modalities(item)
    makes_images = _makes_images(item, makes)
    sees_images = not makes_images and ("image" in takes or _says_vision(item))
    return ListedModel(name, makes_images, sees_images)


def _modalities(item: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Return what a model takes and makes, under any of the names in use (2026-11).

    OpenRouter has ``architecture`` with both spellings of it, GitHub ``supported_…``,
    models.dev ``modalities`` with two lists. One list of modalities says nothing
    of the direction, unless there is only one.
    """
    takes: set[str] = set()
    makes: set[str] = set()
    for place in (item, item.get("architecture")):
        if not isinstance(place, dict):
            continue
        both = place.get("modalities")
        both = both if isinstance(both, dict) else {"input": both, "output": both}
        taken, arrow, made = str(place.get("modality") or "").partition("->")
        takes |= _words(place.get("input_modalities")) | _words(both.get("input"))
        takes |= _words(place.get("supported_input_modalities")) | _words(taken)
        makes |= _words(place.get("output_modalities")) | _words(both.get("output"))
        makes |= _words(place.get("supported_output_modalities"))
        makes |= _words(made if arrow else taken)
    return takes, makes


def _makes_images(item: dict[str, Any], makes: set[str]) -> bool:
    """Tell whether pictures are all that a model makes: one that also writes is a chat model."""
    if makes:
        return "image" in makes and "text" not in makes
    kind = str(item.get("type") or "").lower()
    if item.get("image") is True or kind in _PICTURE_TYPES or "image_generation" in _able(item):
        return True
    return item.get("supports_images") is True and not _writes(item, kind)


def _writes(item: dict[str, Any], kind: str) -> bool:
    """Tell whether a listing describes a model of text, as those that say how much it reads."""
    return bool(kind) or any(item.get(sign) for sign in _TEXT_SIGNS) or "vision" in _able(item)


def _says_vision(item: dict[str, Any]) -> bool:
    flags = ("vision", "supports_vision", "supports_image_input", "supports_images")
    is_flagged = any(item.get(flag) is True for flag in flags)
    return is_flagged or "vision" in _able(item) or item.get("type") == "vlm"


def _able(item: dict[str, Any]) -> set[str]:
    """Return the capabilities of a model, listed or each with true or false."""
    told = item.get("capabilities")
    if isinstance(told, dict):
        return {str(name).lower() for name, is_able in told.items() if is_able is True}
    return _words(told)


def _words(told: Any) -> set[str]:
    """Return the words of a list, or of a text such as ``text+image``."""
    if isinstance(told, str):
        told = re.split(r"[+,\s]+", told)
    words = told if isinstance(told, list) else []
    return {word.lower() for word in words if isinstance(word, str) and word}
