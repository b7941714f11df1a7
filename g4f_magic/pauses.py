"""How long to wait before a request is sent again."""

from __future__ import annotations

import math
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
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "")
    seconds = _number(value)
    if seconds is not None or not value:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def back_off_s(retry: int) -> float:
    """Return the pause in seconds before a retry, the first being 0: doubling, with jitter."""
    return float(min(8.0, 0.5 * 2**retry) * random.uniform(0.75, 1.0))  # noqa: S311  # jitter


def _number(text: str) -> float | None:
    """Return the number that a header has; None for what is none, or beyond all numbers."""
    number = float(text) if text.strip().replace(".", "", 1).isdecimal() else math.inf
    return number if math.isfinite(number) else None
