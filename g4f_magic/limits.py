"""How large things may become, and what to type where that is too small."""

from __future__ import annotations

import math
from typing import NamedTuple

from .errors import ResponseError

_MB = 1 << 20


class Limit(NamedTuple):
    """The most that something may have; ``setting`` is what `%g4f_config` calls it, if it does."""

    setting: str
    mb: int

    @property
    def size_bytes(self) -> int:
        """The limit in bytes."""
        return self.mb * _MB

    @property
    def above(self) -> Limit:
        """A limit that nothing reaches which is told to be above this one."""
        return Limit("", self.mb + 1)

    def hint(self, size_bytes: int = 0) -> str:
        """Return what to type to allow more: as much as is known to be needed, or twice."""
        enough_mb = max(self.mb + 1, math.ceil(size_bytes / _MB)) if size_bytes else 2 * self.mb
        return f"%g4f_config {self.setting}={enough_mb} allows that" if self.setting else ""

    def exceeded(self, provider: str, status: int) -> ResponseError:
        """Return the error for a service that sent more."""
        message = f"{provider} sent more than {self.mb} MB, which is the limit"
        return ResponseError(message, hint=self.hint(), provider=provider, status=status)


ANSWER = Limit("max_answer_mb", 50)
PICTURE = Limit("max_picture_mb", 20)
ATTACHMENT = Limit("max_attachment_mb", 20)
CACHE = Limit("max_cache_mb", 500)


def in_mb(size_bytes: int) -> str:
    """Return a size to be read, rounded up: what is above a limit does not look equal to it."""
    return f"{math.ceil(size_bytes * 10 / _MB) / 10} MB"
