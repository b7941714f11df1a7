"""A service inside this process, as the transport sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


@dataclass(frozen=True, slots=True)
class ServiceReply:
    """An HTTP answer whose body is produced while it is read."""

    status: int
    headers: dict[str, str]
    chunks: AsyncIterator[bytes]


class Service(Protocol):
    """Answers requests without a socket."""

    async def __call__(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, /
    ) -> ServiceReply:
        """Return the reply to a request."""
        ...
