"""What `%g4f_chats` shows: values with a face for a page and one for a terminal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, overload

from ..models.prices import cost
from .document import printable
from .table import Cell, Table, bar

if TYPE_CHECKING:
    from ..models.prices import Prices
    from ..store.saved import SavedConversation, Spent

_MOST_ROWS = 100
_BAR_COLUMNS = 20
_UNKNOWN = "–"
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


class Displayed(ABC):
    """A value that IPython shows by its bundle, and ``print`` as text."""

    __slots__ = ()

    @abstractmethod
    def bundle(self) -> dict[str, str]:
        """Return how the value looks, by MIME type."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        del include, exclude
        return self.bundle()

    def __str__(self) -> str:
        """Return what a terminal shows."""
        return self.bundle()["text/plain"]


@dataclass(frozen=True, slots=True)
class Note(Displayed):
    """What was done, in a line or two."""

    text: str

    def bundle(self) -> dict[str, str]:
        """Return the lines."""
        return {"text/plain": printable(self.text)}


@dataclass(frozen=True, slots=True)
class Transcript(Displayed):
    """A conversation to read; ``markdown`` must be safe to be shown."""

    markdown: str
    plain: str

    def bundle(self) -> dict[str, str]:
        """Return the conversation as Markdown and as text."""
        return {"text/markdown": self.markdown, "text/plain": printable(self.plain)}


@dataclass(frozen=True, slots=True)
class ConversationList(Displayed, Sequence["SavedConversation"]):
    """Saved conversations, the last used first; ``current`` is a notebook and a name in it.

    The table shows at most a hundred of them, and their notebooks if it ``names_notebooks``.
    ``as_of`` is the time of the list, in seconds since 1970.
    """

    conversations: tuple[SavedConversation, ...]
    current: tuple[str, str]
    as_of: float
    names_notebooks: bool = False
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return how many there are, shown or not."""
        return len(self.conversations)

    @overload
    def __getitem__(self, index: int) -> SavedConversation: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[SavedConversation, ...]: ...
    def __getitem__(self, index: Any) -> Any:
        """Return one of them, or a part of the list."""
        return self.conversations[index]

    def bundle(self) -> dict[str, str]:
        """Return the table."""
        notebook = ("notebook",) if self.names_notebooks else ()
        known = ("turns", "last used", "model", "tokens in", "out", "first words")
        more = len(self) - _MOST_ROWS
        notes = (f"… and {more:,} more: words after list narrow it",) if more > 0 else ()
        rows = tuple(self._row(one) for one in self.conversations[:_MOST_ROWS])
        return Table(("", *notebook, "name", *known), rows, notes + self.notes).bundle()

    def _row(self, one: SavedConversation) -> tuple[Cell, ...]:
        is_current = (one.notebook, one.name) == self.current
        return (
            Cell("●", title="current") if is_current else Cell(""),
            *([Cell(one.notebook)] if self.names_notebooks else []),
            Cell(one.name),
            _number(one.turns),
            Cell(_ago(self.as_of - one.used_at, one.used_at), title=_exactly(one.used_at)),
            Cell(one.model or _UNKNOWN),
            _tokens(one.tokens_in),
            _tokens(one.tokens_out),
            Cell(one.first_words),
        )


@dataclass(frozen=True, slots=True)
class UsageTable(Displayed):
    """What a notebook asked of each model."""

    spent: tuple[Spent, ...]
    prices: Prices = field(default_factory=dict)

    def bundle(self) -> dict[str, str]:
        """Return the table, a bar of all tokens at the end of each row."""
        most = max((one.tokens_in + one.tokens_out for one in self.spent), default=0)
        costs = [self._cost(one) for one in self.spent]
        rows = [_spent_row(*pair, most) for pair in zip(self.spent, costs, strict=True)]
        if len(rows) > 1:
            sums = (sum(getattr(one, name) for one in self.spent) for name in _SUMMED)
            known = [cost for cost in costs if cost is not None]
            total = sum(known) if len(known) == len(costs) else None
            rows.append((Cell("all"), *_figures(*sums), _dollars(total), Cell("")))
        asked = sum(one.requests for one in self.spent)
        uncounted = sum(one.uncounted for one in self.spent)
        notes = (f"{uncounted:,} of {asked:,} requests came without a count of tokens",)
        headings = ("model", "requests", "tokens in", "out", "cost", "")
        return Table(headings, tuple(rows), notes if uncounted else ()).bundle()

    def _cost(self, one: Spent) -> float | None:
        """Return dollars, where all tokens were counted and the provider lists a price."""
        if one.uncounted:
            return None
        return cost(self.prices.get((one.provider, one.model)), one.tokens_in, one.tokens_out)


_SUMMED = ("requests", "tokens_in", "tokens_out")


def _spent_row(one: Spent, cost: float | None, most: int) -> tuple[Cell, ...]:
    name = f"{one.provider}:{one.model}" if one.model else one.provider
    drawn = bar((one.tokens_in + one.tokens_out) / most, _BAR_COLUMNS) if most else ""
    figures = _figures(one.requests, one.tokens_in, one.tokens_out)
    return Cell(name), *figures, _dollars(cost), Cell(drawn)


def _figures(requests: int, tokens_in: int, tokens_out: int) -> tuple[Cell, ...]:
    return _number(requests), _tokens(tokens_in), _tokens(tokens_out)


def _dollars(cost: float | None) -> Cell:
    return Cell(_UNKNOWN if cost is None else f"${cost:,.4f}", is_number=True)


def _number(count: int) -> Cell:
    return Cell(f"{count:,}", is_number=True)


def _tokens(count: int) -> Cell:
    """Return a count of tokens; none were counted where it is 0."""
    return _number(count) if count else Cell(_UNKNOWN, is_number=True)


def _ago(seconds: float, then: float) -> str:
    """Return how long ago it was, or the day if that is a week or more."""
    if seconds < _MINUTE_S:
        return "just now"
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S:.0f} min ago"
    if seconds < _DAY_S:
        return f"{seconds // _HOUR_S:.0f} h ago"
    days = int(seconds // _DAY_S)
    return f"{days} day{'s' * (days > 1)} ago" if days < 7 else _exactly(then)[:10]  # noqa: PLR2004


def _exactly(then: float) -> str:
    return datetime.fromtimestamp(then).astimezone().isoformat(" ", timespec="seconds")
