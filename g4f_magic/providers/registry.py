"""Names and addresses in, providers out."""

from __future__ import annotations

import copyreg
import functools
import socket
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import ProviderNotFoundError
from ..secret import bare, veiled_address
from .aichat import Aichat
from .demo import Demo
from .openai import OpenaiChat
from .plugins import plugin, plugins, why_broken
from .presets import HOSTED, LOCAL_SERVERS, PRESETS, Found, FoundAgain, Preset, from_preset, place
from .retry import RetryProvider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .base import Provider
    from .openai import OpenaiTemplate

_LOCAL_TIMEOUT_S = 0.2  # loopback refuses at once

_PRESETS = {preset.name: preset for preset in PRESETS}
_OTHERS: dict[str, Provider] = {"openai": OpenaiChat, "aichat": Aichat, "demo": Demo}
_OWN = ("openai", *_PRESETS, "aichat", "demo")


def provider_names() -> list[str]:
    """Return the names that ``get_provider`` knows; plugins, which come last, unread."""
    return [*_OWN, *(name for name in plugins() if name not in _OWN)]


def is_provider_name(name: str) -> bool:
    """Tell whether ``get_provider`` knows a name; looks for plugins only if it must."""
    return name.lower() in _OWN or name.lower() in plugins()


def get_provider(name: str) -> Provider:
    """Return the provider with this name, or one for this base URL.

    Several, with commas between them, are tried in this order. Raises
    ``ProviderNotFoundError``, naming those that look alike.
    """
    if "," in name:
        return _in_order(tuple(one.strip() for one in name.split(",") if one.strip()))
    if "://" in name:
        return _at_address(veiled_address(name.rstrip("/")))
    known = name.lower()
    if known in _PRESETS:
        return from_preset(_PRESETS[known])
    provider = _OTHERS.get(known) or plugin(known)
    if provider is not None:
        return provider
    alike = get_close_matches(known, provider_names(), n=1)
    message = f"no provider is called {name!r}"
    meant = f"did you mean {alike[0]!r}? " if alike else ""
    hint = f"{meant}There are {', '.join(provider_names())}, or any base URL"
    raise ProviderNotFoundError(message, hint=hint)


def broken_plugins() -> dict[str, str]:
    """Return why each plugin that cannot be used cannot, by name; imports all of them."""
    plugins.cache_clear()
    taken = {
        name: f"the plugin {name!r} is never asked: a provider of this package has the name"
        for name in plugins()
        if name in _OWN
    }
    reasons = {name: why_broken(name) for name in plugins() if name not in _OWN}
    return taken | {name: reason for name, reason in reasons.items() if reason}


def chosen_by_key() -> list[type[OpenaiTemplate]]:
    """Return whom a key in the environment chooses, in the order of looking.

    ``HF_TOKEN`` and ``GITHUB_TOKEN`` choose nobody: they are set for downloads
    and for git far more often than for chatting. Nor does a plugin's key.
    """
    keyed = (preset for preset in HOSTED if preset.api_key_env and preset.is_chosen_by_key)
    return [OpenaiChat, *map(from_preset, keyed)]


def key_variables() -> list[str]:
    """Return the variables in which keys are looked for, without those of plugins."""
    return [OpenaiChat.api_key_env, *(one.api_key_env for one in HOSTED if one.api_key_env)]


def running_local_server(presets: Sequence[Preset] = LOCAL_SERVERS[:2]) -> Provider | None:
    """Return the first of these servers, Ollama and LM Studio, that listens on its port."""
    return next((from_preset(preset) for preset in presets if _listens(preset)), None)


def _listens(preset: Preset) -> bool:
    try:
        with socket.create_connection(place(preset), _LOCAL_TIMEOUT_S):
            return True
    except (OSError, ValueError):  # nobody is there, or OLLAMA_HOST names no place
        return False


@functools.lru_cache(maxsize=64)
def _in_order(names: tuple[str, ...]) -> Provider:
    return RetryProvider([get_provider(one) for one in names], shuffle=False)


@functools.lru_cache(maxsize=256)
def _at_address(url: str) -> type[OpenaiTemplate]:
    host = _host(url)
    if not host:
        shown = url.rpartition("@")[2]  # what stands before may be a password
        message = f"{shown!r} is not the address of a service"
        raise ProviderNotFoundError(message, hint="one looks like http://localhost:8000/v1")
    attributes = {"name": host, "api_base": url, "found_as": bare(url)}
    return type("OpenaiCompatible", (Found,), attributes)


def _pickled(provider: FoundAgain) -> str | tuple[Any, ...]:
    """Return how a pickle leads to a provider: by its name, or its address without a password."""
    found_as = vars(provider).get("found_as")  # not that of a class it was made from
    return provider.__qualname__ if found_as is None else (get_provider, (found_as,))


copyreg.pickle(FoundAgain, _pickled)


def _host(url: str) -> str:
    """Return the host of a service, with its port; "" for what is no address of one."""
    try:
        parts = urlsplit(url)
    except ValueError:  # an IPv6 address without its end
        return ""
    return parts.netloc.rpartition("@")[2] if parts.scheme in {"http", "https"} else ""
