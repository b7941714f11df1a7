"""Listings of models in, what they say of each model out."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

_PICTURE_TYPES = {"image", "text-to-image", "image-generation", "text2image"}
_TEXT_SIGNS = ("context_length", "context_window", "max_output_tokens", "supports_tools")
_WORDLESS_TYPES = {
    "audio",
    "embedding",
    "embeddings",
    "moderation",
    "rerank",
    "transcribe",
    "video",
}
_VISION_FLAGS = (
    "vision",
    "supports_vision",
    "supports_image_in",
    "supports_image_input",
    "supports_images",
)
_TOOLS = {"tools", "tool-calling", "tool-use", "tool_calling", "tool_use", "function_calling"}
_TOOL_FLAGS = ("supports_tools", "tool_call", "tools")
_REASONING = {"reasoning", "reasoning_effort", "include_reasoning", "thinking"}
_REASONING_FLAGS = ("supports_reasoning", "reasoning")
_CONTEXTS = ("context_length", "context_window", "max_context_length", "max_model_len")
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One model of a listing.

    ``context_length`` is in tokens, the prices are in dollars for a million of them;
    None where the listing does not say.
    """

    name: str
    makes_images: bool = False
    sees_images: bool = False
    writes: bool = True
    calls_tools: bool = False
    reasons: bool = False
    context_length: int | None = None
    price_in: float | None = None
    price_out: float | None = None


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
    price_in, price_out = (None, None) if makes_images else _prices(item)
    return ListedModel(
        name,
        makes_images,
        sees_images,
        writes=not (makes_images or _is_wordless(item, makes)),
        calls_tools=_is_said(item, _TOOLS, _TOOL_FLAGS),
        reasons=_is_said(item, _REASONING, _REASONING_FLAGS),
        context_length=_context_length(item),
        price_in=price_in,
        price_out=price_out,
    )


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
    return _is_said(item, {"vision"}, _VISION_FLAGS) or item.get("type") == "vlm"


def _is_wordless(item: dict[str, Any], makes: set[str]) -> bool:
    """Tell whether a listing says that a model does not write: one of sounds or numbers."""
    capabilities = item.get("capabilities")
    if isinstance(capabilities, dict) and capabilities.get("completion_chat") is False:
        return True  # Mistral's
    kind = str(item.get("type") or "").lower()
    return kind in _WORDLESS_TYPES or bool(makes and "text" not in makes)


def _is_said(item: dict[str, Any], words: set[str], flags: tuple[str, ...]) -> bool:
    """Tell whether one of the words, or one of the flags, stands in a listing for a model."""
    able = _able(item) | _words(item.get("supported_parameters"))
    places = (item, *_providers(item))
    return bool(able & words) or any(place.get(flag) is True for place in places for flag in flags)


def _able(item: dict[str, Any]) -> set[str]:
    """Return the capabilities of a model, listed or each with true or false."""
    tags = _words(item.get("tags")) | _words(_inside(item, "metadata").get("tags"))
    told = item.get("capabilities")
    if isinstance(told, dict):
        return tags | {str(name).lower() for name, is_able in told.items() if is_able is True}
    return tags | _words(told)


def _context_length(item: dict[str, Any]) -> int | None:
    """Return how many tokens a model reads; the least of them where several serve it."""
    places = [item, _inside(item, "metadata"), _inside(item, "meta"), *_providers(item)]
    told = [_amount(place.get(name)) for place in places for name in (*_CONTEXTS, "n_ctx_train")]
    lengths = [int(length) for length in told if length]
    return min(lengths, default=None)


def _prices(item: dict[str, Any]) -> tuple[float | None, float | None]:
    """Return dollars for a million tokens in and out, where several serve it only if they agree."""
    priced = [_inside(place, "pricing") for place in (item, _inside(item, "metadata"))]
    found = {_price(told) for told in priced if told}
    found |= {_price(_inside(one, "pricing")) for one in _providers(item)}
    return found.pop() if len(found) == 1 else (None, None)


def _price(told: dict[str, Any]) -> tuple[float | None, float | None]:
    """Return the prices under any of the names in use (2026-11).

    ``prompt`` and ``completion`` are for one token (OpenRouter, SambaNova, Nebius), and
    so are ``input`` and ``output`` as text (Vercel); as numbers they are for a million
    (Together, Hugging Face), as are ``input_tokens`` and ``output_tokens`` (DeepInfra).
    Nothing is free of which anything costs, or an hour might: Together's 0 is no price.
    """
    pair: tuple[float | None, float | None] = (None, None)
    for names in (("prompt", "completion"), ("input", "output"), ("input_tokens", "output_tokens")):
        if set(names) & told.keys():
            of_one = names[0] == "prompt" or isinstance(told.get(names[0]), str)
            amounts = [_amount(told.get(name)) for name in names]
            first, second = (
                amount and round(amount * _MILLION, 6) if of_one else amount for amount in amounts
            )
            pair = first, second
            break
    is_free = not any(pair)
    is_unsaid = "hourly" in told or any(_amount(amount) for amount in told.values())
    return (None, None) if is_free and is_unsaid else pair


def _amount(told: Any) -> float | None:
    """Return a number, which may come as text; None for what is none, or below 0: it varies."""
    if isinstance(told, bool) or not isinstance(told, (int, float, str)):
        return None
    try:
        amount = float(told)
    except (ValueError, OverflowError):
        return None
    return amount if 0 <= amount < math.inf else None


def _providers(item: dict[str, Any]) -> list[dict[str, Any]]:
    """Return those that serve a model, as Hugging Face's router lists them."""
    told = item.get("providers")
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _inside(item: dict[str, Any], name: str) -> dict[str, Any]:
    told = item.get(name)
    return told if isinstance(told, dict) else {}


def _words(told: Any) -> set[str]:
    """Return the words of a list, or of a text such as ``text+image``."""
    if isinstance(told, str):
        told = re.split(r"[+,\s]+", told)
    words = told if isinstance(told, list) else []
    return {word.lower() for word in words if isinstance(word, str) and word}
