"""Which models there are, asked of all providers at the same time."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .. import portal
from ..errors import G4FError, MissingAuthError, ProviderNotFoundError, ResponseError, UsageError
from ..providers import broken_plugins, get_provider, provider_names
from ..providers.base import models_of
from ..providers.listings import ListedModel
from ..providers.presets import LOCAL_SERVERS, from_preset
from ..providers.refusals import redacted
from ..providers.registry import is_provider_name, running_local_server
from ..secret import bare
from .model_info import Ability, Listing, ModelInfo, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..providers import Provider
    from ..providers.presets import Preset
    from ..transport import Proxies
    from .listing_cache import ListingCache

WITHIN_S = 6.0

_LOCAL = {preset.name: preset for preset in LOCAL_SERVERS}


@dataclass(frozen=True, slots=True)
class Source:
    """A provider to ask for its models; ``params`` as its ``get_models`` takes them.

    One that is named is asked although it needs no key, or does not seem to run.
    """

    provider: Provider
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)  # a key among them
    is_named: bool = True

    @property
    def name(self) -> str:
        """What ``-p`` takes."""
        name = self.provider.name
        return name if is_provider_name(name) else self.base or name

    @property
    def base(self) -> str:
        """The address that is asked, without a login."""
        base = ""
        if base_url := getattr(self.provider, "base_url", None):
            with suppress(UsageError):  # it has none
                base = base_url(self.params.get("api_base"))
        return bare(base)

    @property
    def key(self) -> str:
        """The key that goes along, if any."""
        own = getattr(self.provider, "api_key", None)
        return self.params.get("api_key") or own or os.environ.get(self.key_env or " ", "")

    @property
    def key_env(self) -> str:
        """The variable that its key belongs in, if there is one."""
        return getattr(self.provider, "api_key_env", "")

    @property
    def local_server(self) -> Preset | None:
        """The row of a server on this machine."""
        preset = _LOCAL.get(self.provider.name)
        return preset if preset and self.provider is from_preset(preset) else None

    @property
    def costs_nothing(self) -> bool:
        """Whether it is on this machine, or plays."""
        return self.local_server is not None or self.provider.name == "demo"

    @property
    def cache_key(self) -> str:
        """What tells this question from others; little of the key, so that none can be guessed."""
        key = hashlib.sha256(self.key.encode(errors="replace")).hexdigest()[:4] if self.key else ""
        return f"{self.name}|{self.base}|{key}"


def listings(
    first: Source,
    cache: ListingCache,
    *,
    alone: bool = False,
    refresh: bool = False,
    within_s: float = WITHIN_S,
) -> list[Listing]:
    """Return what all providers list: the first, then unless ``alone`` those with a name.

    What is not in the cache is asked at the same time, none longer than ``within_s``; all
    go through the proxy of the first. Plugins that cannot be used come last. Blocks; an
    interrupt ends it.
    """
    firsts = [Source(one, first.params) for one in getattr(first.provider, "providers", ())]
    sources = {source.name: source for source in firsts or [first]}
    broken: dict[str, str] = {}
    if not alone:
        broken = broken_plugins()  # imports all of them
        for source in _everyone(first.params.get("proxy")):
            sources.setdefault(source.name, source)
    found = _known_or_asked(sources, cache, refresh=refresh, within_s=within_s)
    useless = (Listing(name, state="failed", trouble=why) for name, why in broken.items())
    return [*found, *useless]


def _everyone(proxies: Proxies) -> Iterator[Source]:
    params = {"proxy": proxies} if proxies else {}
    for name in provider_names():
        with suppress(ProviderNotFoundError):  # a broken plugin
            yield Source(get_provider(name), params, is_named=False)


def _known_or_asked(
    sources: Mapping[str, Source], cache: ListingCache, *, refresh: bool, within_s: float
) -> list[Listing]:
    """Return the listings of sources by name; keeps those that were asked for."""
    known = {} if refresh else cache.recall(time.time())
    # What is on this machine answers at once, and changes with every "ollama pull".
    lasting = {one.cache_key: one.name for one in sources.values() if not one.costs_nothing}
    found = {name: known[key] for key, name in lasting.items() if key in known}
    missing = {name: source for name, source in sources.items() if name not in found}
    asked = portal.run_outside(_ask_all, list(missing.values()), within_s)
    found.update(zip(missing, asked, strict=True))
    # Of failures only those are kept that take their time.
    new = {key: found[name] for key, name in lasting.items() if name in missing}
    new = {key: one for key, one in new.items() if one.state in {"listed", "slow"}}
    if new:
        cache.remember(new, time.time())
    return [found[name] for name in sources]


async def _ask_all(sources: Sequence[Source], within_s: float) -> list[Listing]:
    answers = await asyncio.gather(*(_ask(source, within_s) for source in sources))
    now = time.time()
    return [replace(answer, asked_at=now) for answer in answers]


async def _ask(source: Source, within_s: float) -> Listing:
    """Return what a source lists, or why it does not, in time."""
    blank = Listing(source.name, key_env=source.key_env)
    if not source.is_named and (reason := await _reason_not_to_ask(source)):
        return replace(blank, state=reason)
    state: State = "failed"
    try:
        listed = await asyncio.wait_for(_listed(source), within_s)
    except MissingAuthError:
        return replace(blank, state="no key")
    except asyncio.TimeoutError:
        state, trouble = "slow", f"did not answer within {within_s:g} s"
    except G4FError as error:
        if isinstance(error, ResponseError) and source.local_server and not source.is_named:
            return replace(blank, state="not running")  # it is something else that listens there
        trouble = str(error)
    except Exception as error:  # noqa: BLE001  # what a stranger's plugin may raise
        trouble = redacted(" ".join(f"{type(error).__name__}: {error}".split()))
    else:
        return replace(blank, models=_described(source, listed))
    known = [ListedModel(name) for name in getattr(source.provider, "fallback_models", ())]
    return replace(blank, models=_described(source, known), state=state, trouble=trouble)


async def _reason_not_to_ask(source: Source) -> State | None:
    """Return why nobody would expect this provider to be asked."""
    preset = source.local_server
    if preset is not None:
        is_running = await asyncio.to_thread(running_local_server, (preset,))
        return None if is_running else "not running"
    is_open = not getattr(source.provider, "needs_auth", False)
    return "not asked" if is_open and source.key_env and not source.key else None


async def _listed(source: Source) -> list[ListedModel]:
    describe = getattr(source.provider, "describe_models", None)
    if describe is None:
        names = await models_of(source.provider, **source.params)
        return [ListedModel(name) for name in names]
    # One that fails is shown as such, and asked again next time.
    listed: list[ListedModel] = await describe(**source.params, max_retries=0)
    return listed


def _described(source: Source, listed: Sequence[ListedModel]) -> tuple[ModelInfo, ...]:
    if getattr(source.provider, "sort_models", False):
        listed = sorted(listed, key=lambda model: model.name)
    return tuple(_info(source, model) for model in listed)


def _info(source: Source, model: ListedModel) -> ModelInfo:
    makes_images = model.makes_images or model.name in getattr(source.provider, "image_models", ())
    sees_images = model.sees_images or model.name in getattr(source.provider, "vision_models", ())
    abilities: dict[Ability, bool] = {
        "text": model.writes and not makes_images,
        "vision": sees_images and not makes_images,
        "images": makes_images,
        "tools": model.calls_tools,
        "reasoning": model.reasons,
    }
    # Ollama hands those to its makers' machines, which are paid for.
    is_free = source.costs_nothing and not model.name.endswith("cloud")
    return ModelInfo(
        source.name,
        model.name,
        tuple(ability for ability, is_able in abilities.items() if is_able),
        model.context_length,
        0.0 if is_free else model.price_in,
        0.0 if is_free else model.price_out,
        has_key=bool(source.key),
        note=getattr(source.provider, "model_notes", {}).get(model.name, ""),
    )
