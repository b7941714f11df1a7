"""Pump a provider's events into one growing answer, in the background."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import portal
from .errors import ProviderError
from .fetching import fetched
from .limits import PICTURE, Limit
from .messages import (
    Answer,
    Event,
    FinishReason,
    Image,
    ImageResponse,
    OtherChoice,
    Reasoning,
    Remark,
    Sent,
    State,
    ToolCall,
    ToolCalls,
    Usage,
    Waiting,
)
from .replay import Replay

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
    from concurrent.futures import Future

    Keep = Callable[[Callable[[], Answer]], None]
    Fetch = Callable[[tuple[Image, ...], str], Awaitable[tuple[Image, ...]]]


_PAINTS = "/images/generations"  # the end of OpenAI's address for it


class Draft:
    """Folds events; ``answer()`` is what they add up to so far.

    One thread may fold while others take snapshots.
    """

    def __init__(self, *, provider: str, model: str, cached: bool = False) -> None:
        self.notes: tuple[str, ...] = ()
        self._cached = cached
        self._provider = provider
        self._model = model
        self._started = time.perf_counter()
        self._ended: float | None = None
        self._first_token_s: float | None = None
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._images: tuple[Image, ...] = ()
        self._calls: tuple[ToolCall, ...] = ()
        self._usage: Usage | None = None
        self._finish_reason: str | None = None
        self._sent: Sent | None = None
        self._attempt = 0
        self._waiting: Waiting | None = None
        self._activity = ""
        self._state: State = "streaming"

    def add(self, event: Event) -> None:
        """Fold one event in."""
        if isinstance(event, str):
            self._arrived()
            self._text.append(event)
        elif isinstance(event, Reasoning):
            self._arrived()
            self._reasoning.append(event.text)
        elif isinstance(event, Waiting):
            self._waiting = event
        elif isinstance(event, ImageResponse):
            self._arrived()
            self._activity = ""
            self._images += event.images
        elif isinstance(event, ToolCalls):
            self._arrived()
            after = sum(map(len, self._text))
            self._calls += tuple(replace(call, after=after) for call in event.calls)
        elif not isinstance(event, OtherChoice):  # a cell has room for one answer
            self._note(event)

    async def embed(self, images: tuple[Image, ...], fetch: Fetch) -> None:
        """Put the bytes of the last pictures in place of the addresses that they came as."""
        if all(image.data for image in images):
            return
        before = self._images[: -len(images)]
        self._activity = "fetching the picture" if len(images) == 1 else "fetching the pictures"
        self._images = before + await fetch(images, self._sent.url if self._sent else "")
        self._activity = ""

    def end(self, state: State | None = None) -> None:
        """Close the answer; by itself it is complete if the server said so."""
        has_product = self._finish_reason is not None or self._images or self._calls
        self._ended = time.perf_counter()
        self._activity = ""
        self._state = state or ("complete" if has_product else "cut off")

    def answer(self) -> Answer:
        """Return the answer as it stands."""
        state = self._state  # before the text: what is called complete must be
        now = self._ended or time.perf_counter()
        return Answer(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            images=self._images,
            tool_calls=self._calls,
            usage=self._usage,
            finish_reason=self._finish_reason,
            model=self._model,
            provider=self._provider,
            elapsed_s=now - self._started,
            first_token_s=self._first_token_s,
            request=self._sent.body if self._sent else {},
            state=state,
            waiting=self._waiting,
            attempt=max(1, self._attempt),
            activity=self._activity,
            cached=self._cached,
            notes=self.notes,
        )

    def _arrived(self) -> None:
        if self._first_token_s is None:
            self._first_token_s = time.perf_counter() - self._started
            self._waiting = None

    def _note(self, event: Usage | FinishReason | Sent | Remark) -> None:
        if isinstance(event, Usage):
            self._usage = event
        elif isinstance(event, Remark):
            self.notes += (event.text,)
        elif isinstance(event, FinishReason):
            self._finish_reason = event.reason
        else:
            self._begin(event)

    def _begin(self, sent: Sent) -> None:
        """Forget what an attempt before thought: who is asked now thinks anew."""
        self._sent = sent
        self._waiting = None
        self._attempt += 1
        self._activity = "making a picture" if sent.url.endswith(_PAINTS) else ""
        self._provider = sent.provider or self._provider
        self._model = str(sent.body.get("model") or self._model)
        self._reasoning.clear()


class Call:
    """An answer under way on the background loop.

    ``fetch`` gets pictures that came as addresses, and the URL that was asked. ``keep``
    is called in a thread of its own before the first request leaves, with what gives the
    answer as it stands.
    ``changed`` is set whenever something arrived and at the end; the one who
    draws clears it. ``failure`` is the error that ended the answer, if any.
    """

    def __init__(
        self,
        events: Callable[[], AsyncGenerator[Event, None]],
        draft: Draft,
        fetch: Fetch | None = None,
        keep: Keep | None = None,
    ) -> None:
        self.changed: threading.Event = threading.Event()
        self.finished: threading.Event = threading.Event()
        self.failure: BaseException | None = None
        self._draft = draft
        self._fetch = fetch
        self._keep = keep
        self._future: Future[None] = portal.start(self._pump, events)

    @property
    def answer(self) -> Answer:
        """The answer as it stands."""
        return self._draft.answer()

    def cancel(self) -> None:
        """Close the connection; what arrived stays. Returns at once."""
        self._future.cancel()

    def note(self, *lines: str) -> None:
        """Let the answer's card say something of how it came to be."""
        self._draft.notes += lines

    async def _pump(self, open_events: Callable[[], AsyncGenerator[Event, None]]) -> None:
        draft, changed = self._draft, self.changed
        state: State | None = None
        try:
            async with aclosing(open_events()) as events:
                async for event in events:
                    draft.add(event)
                    if self._keep is not None:  # providers begin with what they will send
                        keep, self._keep = self._keep, None
                        await asyncio.to_thread(keep, draft.answer)
                    if not changed.is_set():
                        changed.set()
                    if isinstance(event, ImageResponse) and self._fetch is not None:
                        await draft.embed(event.images, self._fetch)
        except asyncio.CancelledError:
            state = "interrupted"
            raise
        except Exception as error:  # noqa: BLE001  # handed over to the thread that waits
            state = "failed"
            self.failure = failure = portal.explained(error)
            if isinstance(failure, ProviderError):
                failure.partial = failure.partial or draft.answer().text
        finally:
            draft.end(state)
            self.finished.set()
            changed.set()


def start_call(
    provider: Any,
    model: str | None,
    messages: Any,
    *,
    keep: Keep | None = None,
    picture_limit: Limit = PICTURE,
    **params: Any,
) -> Call:
    """Send messages to a provider and return at once with the call under way.

    For ``keep`` see `Call`; ``picture_limit`` is for pictures that come as addresses; all
    other ``params`` go to the provider.
    """
    model_name = model or provider.default_model
    draft = Draft(provider=provider.name, model=model_name, cached=isinstance(provider, Replay))
    fetch = picture_fetcher(provider, params, picture_limit)
    return Call(
        lambda: provider.create_async_generator(model, messages, **params), draft, fetch, keep
    )


def picture_fetcher(provider: Any, params: Mapping[str, Any], limit: Limit = PICTURE) -> Fetch:
    """Return what gets the pictures of an answer, the way that its request went."""

    async def fetch(images: tuple[Image, ...], home: str) -> tuple[Image, ...]:
        answering = getattr(provider, "last_provider", None) or provider
        return await fetched(
            images,
            home=home,
            proxies=params.get("proxy"),
            verify=getattr(answering, "ssl", True),
            timeout_s=params.get("timeout"),
            limit=limit,
        )

    return fetch
