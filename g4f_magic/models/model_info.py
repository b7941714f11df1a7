"""Models that can be asked, and what the providers' listings say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Ability: TypeAlias = Literal["text", "vision", "images", "tools", "reasoning"]
State: TypeAlias = Literal["listed", "failed", "slow", "no key", "not asked", "not running"]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model as its provider lists it.

    ``provider`` is what ``-p`` takes: a name or a base URL. ``can`` has what the listing
    says: to write and see, to make images, to call tools, to reason. ``context_length`` is
    in tokens, the prices are in dollars for a million of them; None is not known. ``note``
    is a provider's own word on it.
    """

    provider: str
    name: str
    can: tuple[Ability, ...] = ("text",)
    context_length: int | None = None
    price_in: float | None = None
    price_out: float | None = None
    has_key: bool = False
    note: str = ""

    @property
    def is_free(self) -> bool:
        """Whether a listing says that it costs nothing."""
        return self.price_in == 0 and self.price_out == 0

    @property
    def assignments(self) -> tuple[str, ...]:
        """The settings, each ``key=value``, with which it is asked by default."""
        if "://" in self.provider:
            return f"provider={self.provider}", f"model={self.name}"
        return (f"model={self.provider}:{self.name}",)

    @property
    def settings(self) -> str:
        """What to type after ``%g4f_config`` to have it asked by default."""
        return " ".join(map(_as_word, self.assignments))

    def matches(self, words: str) -> bool:
        """Tell whether all the words stand in its names or abilities, in any order and case."""
        about = f"{self.provider}:{self.name} {' '.join(self.can)}".lower()
        return all(word in about for word in words.lower().split())


@dataclass(frozen=True, slots=True)
class Listing:
    """What a provider lists, or why it does not.

    One that is "not asked" would answer without a key, too, and was not named. ``trouble``
    says what failed, ``key_env`` names the variable that a key belongs in.
    ``asked_at`` is in seconds since 1970, or 0 if nobody was asked.
    """

    provider: str
    models: tuple[ModelInfo, ...] = ()
    state: State = "listed"
    trouble: str = ""
    key_env: str = ""
    asked_at: float = 0.0


def _as_word(text: str) -> str:
    """Return a text as a line magic takes it for one word: in quotes if there is a blank in it."""
    quote = "'" if '"' in text else '"'
    return f"{quote}{text}{quote}" if len(text.split()) > 1 else text
