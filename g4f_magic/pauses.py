"""How long to wait before a request is sent again."""

from __future__ import annotations

import random
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Return the pause in seconds that reply headers ask for, or None.

    ``retry-after-ms`` first, then ``Retry-After`` as seconds or as a date
    (RFC 9110 §10.2.3); ``now`` is in seconds since the epoch.
    """
    value = headers.get("retry-after-ms", "")
    if value.strip().replace(".", "", 1).isdecimal():
        return float(value) / 1000
    value = headers.get("retry-after", "")
    try:
        if value.strip().replace(".", "", 1).isdecimal():
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - now) if value else None
    except (ValueError, TypeError, OverflowError):
        return None


def back_off_s(retry: int) -> float:
    """Return the pause in seconds before a retry, the first being 0: doubling, with jitter."""
    return float(min(8.0, 0.5 * 2**retry) * random.uniform(0.75, 1.0))  # noqa: S311  # jitter
