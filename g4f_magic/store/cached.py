"""The very same request once more: its answer from the cache, or a place for it there."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..limits import CACHE, Limit
from ..replay import Replay

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..messages import Answer, Message
    from .keeper import Keeper

_WITHIN_S = 2.0
_NOT_ASKED = frozenset({"api_key", "api_base", "proxy", "timeout", "max_retries", "max_answer_mb"})


def request_key(
    provider: Any, model: str | None, messages: Sequence[Message], params: Mapping[str, Any]
) -> str:
    """Return a hash of all that decides an answer; of the key and the way there nothing."""
    base_url = getattr(provider, "base_url", None)
    asked = {
        "provider": provider.name,
        "base_url": base_url(params.get("api_base")) if base_url else params.get("api_base"),
        "model": model or provider.default_model,
        "messages": messages,
        "params": {name: value for name, value in params.items() if name not in _NOT_ASKED},
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=repr).encode()).hexdigest()


class Cached:
    """The cache's entry for one request; a disk that fails has none, and stops nothing.

    ``limit`` is how large the cache may become.
    """

    def __init__(self, keeper: Keeper, key: str, limit: Limit = CACHE) -> None:
        self._keeper = keeper
        self._key = key
        self._limit = limit

    def replay(self, *, is_live: bool) -> Replay | None:
        """Return what gives the answer again, if there is one."""
        answer: Answer | None = None
        with suppress(StoreError):
            answer = self._keeper.call(
                lambda store: store.cache.recall(self._key), within_s=_WITHIN_S
            )
        if answer is None:
            return None
        self._keeper.start(lambda store: store.cache.touch([self._key]))
        return Replay(answer, is_live=is_live)

    def remember(self, answer: Answer, failure: BaseException | None) -> None:
        """Keep a new answer for next time, if it is whole."""
        if failure is None and not answer.cached:
            kept, limit_bytes = [(self._key, answer)], self._limit.size_bytes
            with suppress(StoreError):
                self._keeper.call(
                    lambda store: store.cache.remember_all(kept, limit_bytes), within_s=_WITHIN_S
                )
