"""What a provider is: something with a name that turns messages into events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from ..messages import Event, Message


@runtime_checkable
class Provider(Protocol):
    """One service, or several behind one face; classes and objects serve alike."""

    name: str
    default_model: str

    def create_async_generator(
        self, model: str | None, messages: Sequence[Message], **params: Any
    ) -> AsyncGenerator[Event, None]:
        """Yield text and typed events of one answer.

        Raises ``UsageError`` before anything is sent, ``ProviderError`` afterwards.
        """
        ...

    def get_models(
        self,
        api_key: str | None = None,
        api_base: str | None = None,
        timeout: float | None = None,
    ) -> list[str]:
        """Return the names of the models that can be asked; ``timeout`` in seconds."""
        ...


async def models_of(
    provider: Provider,
    api_key: str | None = None,
    api_base: str | None = None,
    timeout: float | None = None,
    **options: Any,
) -> list[str]:
    """Return what ``get_models`` does, without blocking the event loop.

    ``options`` (``proxy``, ``headers``, ``max_retries``) are for providers that have
    ``list_models``.
    """
    if hasattr(provider, "list_models"):
        names = await provider.list_models(api_key, api_base, timeout, **options)
    else:
        names = await asyncio.to_thread(provider.get_models, api_key, api_base, timeout)
    return list(names)
