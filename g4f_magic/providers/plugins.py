"""Providers that other packages bring, by the entry-point group ``g4f_magic.providers``.

Nothing is looked for before it is needed, and a plugin that is not asked for
is never imported.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from ..errors import ProviderNotFoundError
from .base import Provider
from .refusals import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint

GROUP = "g4f_magic.providers"

_LONGEST_REASON = 300


@functools.cache
def plugins() -> Mapping[str, EntryPoint]:
    """Return the plugins of this environment by name, in lower case; none is imported.

    Where two packages take one name, the first on ``sys.path`` has it.
    """
    from importlib.metadata import entry_points

    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name.lower(), entry)
    return found


def plugin(name: str) -> Provider | None:
    """Import and return the provider that a plugin brings; None if no plugin has the name.

    Raises ``ProviderNotFoundError``, naming the plugin, where it cannot be used.
    """
    if name not in plugins():
        plugins.cache_clear()  # it may have been installed a moment ago, with %pip
    found = plugins().get(name)
    return None if found is None else _loaded(found)


def why_broken(name: str) -> str:
    """Return in one line why a plugin cannot be used, or nothing if it can."""
    try:
        plugin(name)
    except ProviderNotFoundError as error:
        return str(error)
    return ""


def _loaded(entry: EntryPoint) -> Provider:
    try:
        provider = entry.load()
    except Exception as error:  # what a stranger's module may raise
        reason = redacted(" ".join(f"{type(error).__name__}: {error}".split()))
        raise _broken(entry, reason[:_LONGEST_REASON].rstrip(": ")) from error
    if not isinstance(provider, Provider):
        raise _broken(entry, f"{entry.value} is no provider")
    return provider


def _broken(entry: EntryPoint, reason: str) -> ProviderNotFoundError:
    package = entry.dist.name if entry.dist else entry.module
    message = f"the plugin {entry.name!r} of {package!r} cannot be used: {reason}"
    hint = f"update or uninstall {package!r} with %pip, then restart the kernel"
    return ProviderNotFoundError(message, hint=hint)
