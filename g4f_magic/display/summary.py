"""What many answers of several models come to: the figures of each model, as one table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, overload

from .listing import Displayed
from .table import Cell, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..compare.tasks import Outcome

_UNKNOWN = "–"


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """The answers of one model; times are in seconds, of whole answers as they were made.

    ``cost`` is in dollars and ``score`` the mean of a judge's; None is not known.
    """

    model: str
    asked: int
    succeeded: int
    success_rate: float
    first_token_median_s: float | None
    first_token_p95_s: float | None
    total_median_s: float | None
    total_p95_s: float | None
    tokens_in: int | None
    tokens_out: int | None
    cost: float | None
    score: float | None


@dataclass(frozen=True, slots=True)
class Summary(Displayed, Sequence[ModelFigures]):
    """The figures of all models, in the order in which they were named."""

    figures: tuple[ModelFigures, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return the figures, each model's as a dict."""
        return [asdict(one) for one in self.figures]

    def table(self) -> Table:
        """Return the figures as a table; what nobody has is left out."""
        columns = [column for column in _COLUMNS if self._has(column[1])]
        headings = ("model", "asked", "succeeded", *(heading for heading, _, _ in columns))
        rows = (
            (
                Cell(one.model),
                _number(f"{one.asked:,}"),
                _number(f"{one.succeeded:,} ({one.success_rate:.0%})"),
                *(_cell(getattr(one, name), form) for _, name, form in columns),
            )
            for one in self.figures
        )
        return Table(headings, tuple(rows))

    def bundle(self) -> dict[str, str]:
        """Return the table."""
        return self.table().bundle()

    def __len__(self) -> int:
        """Return how many models there are."""
        return len(self.figures)

    @overload
    def __getitem__(self, index: int) -> ModelFigures: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ModelFigures, ...]: ...
    def __getitem__(self, index: Any) -> Any:
        """Return the figures of a model by its place."""
        return self.figures[index]

    def _has(self, name: str) -> bool:
        return any(getattr(one, name) is not None for one in self.figures)


_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("first token", "first_token_median_s", "{:.2f} s"),
    ("p95", "first_token_p95_s", "{:.2f} s"),
    ("total", "total_median_s", "{:.2f} s"),
    ("p95", "total_p95_s", "{:.2f} s"),
    ("tokens in", "tokens_in", "{:,}"),
    ("out", "tokens_out", "{:,}"),
    ("cost", "cost", "${:,.4f}"),
    ("score", "score", "{:.2f}"),
)


def summarized(outcomes: Iterable[Outcome]) -> Summary:
    """Return the figures of each model."""
    by_model: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_model.setdefault(outcome.label, []).append(outcome)
    return Summary(tuple(_figures(model, those) for model, those in by_model.items()))


def _figures(model: str, outcomes: Sequence[Outcome]) -> ModelFigures:
    whole = [outcome for outcome in outcomes if outcome.answer.state == "complete"]
    first = _known(whole, lambda one: one.answer.first_token_s)
    total = [one.answer.elapsed_s for one in whole]
    usages = [one.answer.usage for one in outcomes if one.answer.usage]
    costs = _known(whole, lambda one: one.cost)
    scores = _known(outcomes, lambda one: one.score)
    return ModelFigures(
        model,
        asked=len(outcomes),
        succeeded=len(whole),
        success_rate=len(whole) / len(outcomes),
        first_token_median_s=statistics.median(first) if first else None,
        first_token_p95_s=_p95(first),
        total_median_s=statistics.median(total) if total else None,
        total_p95_s=_p95(total),
        tokens_in=_sum([usage.tokens_in for usage in usages]),
        tokens_out=_sum([usage.tokens_out for usage in usages]),
        cost=sum(costs) if costs and len(costs) == len(whole) else None,
        score=statistics.fmean(scores) if scores else None,
    )


def _known(outcomes: Iterable[Outcome], value_of: Callable[[Outcome], float | None]) -> list[float]:
    return [value for value in map(value_of, outcomes) if value is not None]


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _p95(values: Sequence[float]) -> float | None:
    """Return what 95 of 100 are not above, between two values where it falls between them."""
    if len(values) < 2:  # noqa: PLR2004  # which is as many as have something between them
        return values[0] if values else None
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def _cell(value: float | None, form: str) -> Cell:
    return _number(_UNKNOWN if value is None else form.format(value))


def _number(text: str) -> Cell:
    return Cell(text, is_number=True)
