"""What tokens cost, by the prices that providers list."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..messages import Answer

Prices: TypeAlias = "Mapping[tuple[str, str], tuple[float, float]]"
"""By provider and model, in dollars for a million tokens in, and out, as last listed."""


def cost(price: tuple[float, float] | None, tokens_in: int, tokens_out: int) -> float | None:
    """Return dollars; None where no price is known."""
    return None if price is None else (tokens_in * price[0] + tokens_out * price[1]) / 1e6


def cost_of(answer: Answer, prices: Prices) -> float | None:
    """Return what the tokens of an answer cost in dollars, also of one from the cache.

    None where the service has not counted them, or lists no price.
    """
    usage = answer.usage
    if usage is None or usage.tokens_in is None or usage.tokens_out is None:
        return None
    return cost(prices.get((answer.provider, answer.model)), usage.tokens_in, usage.tokens_out)
