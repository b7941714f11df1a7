"""Settings and where each comes from; the first source that says anything wins."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..providers import Demo, Provider, RetryProvider, get_provider
from ..providers.registry import chosen_by_key, is_provider_name, running_local_server
from ..secret import Secret, SecretDict, veiled_address

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Target:
    """Who is asked, and how; ``timeout_s`` is in seconds without any byte."""

    provider: Provider
    model: str | None = None
    api_key: str | None = field(default=None, repr=False)
    api_base: str | None = None
    proxies: str | None = field(default=None, repr=False)  # there may be a password in it
    timeout_s: float | None = None

    @property
    def name(self) -> str:
        """Provider and model in one word."""
        model = self.model or self.provider.default_model
        same = model in {None, "", self.provider.name}
        return self.provider.name if same else f"{self.provider.name}:{model}"

    def params(self) -> dict[str, Any]:
        """Return the settings as the parameters that every provider takes."""
        named = {
            "api_key": self.api_key,
            "api_base": self.api_base,
            "proxy": self.proxies,
            "timeout": self.timeout_s,
        }
        return {name: value for name, value in named.items() if value is not None}


def target(  # noqa: PLR0913  # one keyword per setting
    options: tuple[str | None, str | None],
    *configured: tuple[str | None, str | None],
    kept: tuple[str | None, str | None] = (None, None),
    aliases: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
    proxy: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Target:
    """Return who to ask, from (provider, model) as options and as configured, by rank.

    What is ``kept`` in a file counts after the environment. ``aliases`` are models by the
    names that may stand for them, in every source.

    A model counts only with the provider of its own source or of a weaker one:
    ``-p ollama`` does not ask Ollama for a model set for OpenAI. ``G4F_API_KEY``
    and ``G4F_API_BASE`` are for whom the environment names beside them. Raises
    ``UsageError`` for names that cannot be used.
    """
    environ = SecretDict(os.environ if environ is None else environ)
    proxy, aliases = Secret(proxy or environ.get("G4F_PROXY", "")), aliases or {}
    in_environ = (environ.get("G4F_PROVIDER"), environ.get("G4F_MODEL"))
    api_base = veiled_address(environ.get("G4F_API_BASE", "")) or None
    ranks = (options, *configured, in_environ, *(() if api_base else (kept,)))
    provider: Provider | None = None
    model: str | None = None
    for given_provider, given_model in ranks:
        prefix, bare = _meant(given_model or "", aliases)
        named = _one_name(given_provider or "", prefix)
        model = model or bare or None
        if named:
            provider = get_provider(named)
            break
    is_named = provider is not None
    if provider is None:
        provider = get_provider(api_base) if api_base else _found(environ)
    owner = environ.get("G4F_PROVIDER") or _meant(environ.get("G4F_MODEL") or "", aliases)[0]
    is_owner = _is_called(provider, owner or api_base or "")
    # A key that says of nobody whose it is goes only to whom the person names, and
    # only where that one has no key of its own.
    is_free = not (owner or api_base) and is_named and not _has_key(provider, environ)
    is_free = is_free and not isinstance(provider, RetryProvider)  # nor to several
    api_key = environ.get("G4F_API_KEY", "") if is_owner or is_free else ""
    return Target(
        provider,
        model,
        api_key=Secret(api_key) if api_key else None,
        api_base=api_base if is_owner else None,
        proxies=proxy or None,
        timeout_s=timeout_s or _seconds(environ.get("G4F_TIMEOUT")),
    )


def split_model(model: str) -> tuple[str, str]:
    """Split ``provider:model`` at the first colon, if a provider's name stands before it."""
    before, colon, after = model.partition(":")
    return (before, after) if colon and is_provider_name(before) else ("", model)


def _meant(model: str, aliases: Mapping[str, str]) -> tuple[str, str]:
    """Return provider and model of a name, or of the model that it stands for."""
    return split_model(aliases.get(model, model))


def _one_name(provider: str, prefix: str) -> str:
    if provider and prefix and get_provider(provider) is not get_provider(prefix):
        message = f"two providers are named, {provider!r} and {prefix!r}"
        raise UsageError(message, hint=f"leave out one: -p {provider}, or -m {prefix}:MODEL")
    return provider or prefix


def provider_by_key(environ: Mapping[str, str]) -> Provider | None:
    """Return the first provider whose key is there, of those that a key chooses."""
    return next((one for one in chosen_by_key() if _has_key(one, environ)), None)


def _found(environ: Mapping[str, str]) -> Provider:
    """Return the first provider whose key is there, else a local server, else the demo."""
    return provider_by_key(environ) or running_local_server() or Demo


def _has_key(provider: Provider, environ: Mapping[str, str]) -> bool:
    return bool(environ.get(getattr(provider, "api_key_env", "") or " "))


def _is_called(provider: Provider, name: str) -> bool:
    with suppress(UsageError):
        return bool(name) and provider is get_provider(name)
    return False


def _seconds(value: str | None) -> float | None:
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0
    if not seconds > 0:
        message = f"G4F_TIMEOUT is {value!r}, which is no number of seconds"
        raise UsageError(message)
    return seconds
