"""Several providers, or one several times, behind one face."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from ..errors import (
    G4FError,
    ProviderError,
    ResponseError,
    RetryNoProviderError,
    RetryProviderError,
    UsageError,
)
from ..messages import Event, ImageResponse, OtherChoice, Reasoning, Sent, ToolCalls, Waiting
from ..portal import run_outside
from ..transport import LONGEST_PAUSE_S, back_off_s
from .base import models_of
from .refusals import BUDGET_SPENT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from ..messages import Message
    from .base import Provider
    from .openai import OpenaiTemplate


class RetryProvider:
    """Tries candidates until one answers; moves on only while nothing was shown.

    List mode tries each provider once, in shuffled order unless ``shuffle`` is
    off. With ``single_provider_retry`` the first one is tried up to
    ``max_retries`` times. Candidates do not try again by themselves.
    ``last_provider`` is who answered last.
    """

    name = "retry"
    default_model = ""

    def __init__(
        self,
        providers: Sequence[Provider | type[OpenaiTemplate]],
        shuffle: bool = True,  # noqa: FBT001, FBT002  # the positions are part of the interface
        single_provider_retry: bool = False,  # noqa: FBT001, FBT002  # likewise
        max_retries: int = 3,
    ) -> None:
        self.providers: tuple[Provider, ...] = tuple(providers)
        self.shuffle = shuffle
        self.single_provider_retry = single_provider_retry
        self.max_retries = max_retries
        self.last_provider: Provider | None = None

    async def create_async_generator(
        self, model: str | None, messages: Sequence[Message], **params: Any
    ) -> AsyncGenerator[Event, None]:
        """Yield the events of the first candidate that answers.

        Raises the error of the only candidate, ``RetryProviderError`` with the
        errors of several, ``RetryNoProviderError`` where there was none.
        """
        causes: list[G4FError] = []
        for provider in self._candidates():
            if causes and self.single_provider_retry:
                pause = Waiting(str(causes[-1]), _pause_s(causes))
                yield pause
                await asyncio.sleep(pause.seconds)
            attempt = _Attempt(provider)
            try:
                events = attempt.events(model, messages, {**params, "max_retries": 0})
                async with aclosing(events):
                    async for event in events:
                        if not isinstance(event, (Sent, Waiting)):
                            self.last_provider = provider
                        yield event
            except G4FError as error:
                if attempt.has_shown:
                    if isinstance(error, ProviderError):
                        error.partial = error.partial or "".join(attempt.text)
                    raise
                causes.append(error)
                if self.single_provider_retry and not _may_pass(error):
                    break
            else:
                return
        raise _failure(causes)

    def get_models(
        self,
        api_key: str | None = None,
        api_base: str | None = None,
        timeout: float | None = None,
    ) -> list[str]:
        """Return what ``list_models`` does. Blocks; inside async code use that."""
        return run_outside(self.list_models, api_key, api_base, timeout)

    async def list_models(
        self,
        api_key: str | None = None,
        api_base: str | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> list[str]:
        """Return the models of all candidates that list any, each name once.

        Raises as ``create_async_generator`` does when none can.
        """
        names: dict[str, None] = {}
        causes: list[G4FError] = []
        for provider in self.providers:
            try:
                listed = await models_of(provider, api_key, api_base, timeout, **options)
                names |= dict.fromkeys(listed)
            except G4FError as error:  # noqa: PERF203  # one that fails leaves the others
                causes.append(error)
        if len(causes) == len(self.providers):
            raise _failure(causes)
        return list(names)

    def _candidates(self) -> Iterator[Provider]:
        if self.single_provider_retry:
            return iter(self.providers[:1] * self.max_retries)
        order = list(self.providers)
        if self.shuffle:
            random.shuffle(order)
        return iter(order)


class _Attempt:
    """One candidate's try; an answer with nothing to show is a failure."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.has_shown = False
        self.text: list[str] = []

    async def events(
        self, model: str | None, messages: Sequence[Message], params: dict[str, Any]
    ) -> AsyncGenerator[Event, None]:
        """Yield what the candidate says; what it says of its end, only if it answered."""
        events = self.provider.create_async_generator(model, messages, **params)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, str) and event:
                    self.text.append(event)
                said = event.event if isinstance(event, OtherChoice) else event
                is_product = isinstance(said, (str, ImageResponse, ToolCalls)) and said != ""
                self.has_shown = self.has_shown or is_product
                if self.has_shown or isinstance(said, (Sent, Waiting, Reasoning)):
                    yield event
        if not self.has_shown:
            message = f"{self.provider.name} sent an empty answer"
            raise ResponseError(message, provider=self.provider.name, status=200)


def _may_pass(error: G4FError) -> bool:
    """Tell whether the same request may succeed soon: not after 400 or a spent budget."""
    if isinstance(error, UsageError) or error.hint == BUDGET_SPENT:
        return False
    if (getattr(error, "retry_after_s", None) or 0) > LONGEST_PAUSE_S:
        return False
    status = getattr(error, "status", None)
    return status in {None, 200, 408, 409, 429} or status >= 500  # noqa: PLR2004


def _pause_s(causes: list[G4FError]) -> float:
    asked: float | None = getattr(causes[-1], "retry_after_s", None)
    return back_off_s(len(causes) - 1) if asked is None else asked


def _failure(causes: list[G4FError]) -> G4FError:
    if len(causes) == 1:
        return causes[0]
    if not causes:
        return RetryNoProviderError("there is no provider to try")
    reasons = "; ".join(dict.fromkeys(str(cause) for cause in causes))
    message = f"no provider answered ({len(causes)} tries): {reasons}"
    return RetryProviderError(message, causes=causes)
