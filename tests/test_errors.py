"""The error tree is as drawn, and each error keeps what it was told."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from typing import TYPE_CHECKING, Any

import pytest

from g4f_magic import errors
from g4f_magic.errors import (
    G4FError,
    NetworkError,
    NetworkTimeoutError,
    ProviderError,
    ResponseError,
    RetryProviderError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and value.__module__ == errors.__name__
]
each_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


def drawn_tree(drawing: str) -> dict[str, str]:
    """Read class → parent from the lines of a tree drawn with box characters."""
    parents: dict[str, str] = {}
    above = ["Exception"]
    for indent, name in re.findall(r"^([│├└─ ]*)([A-Z]\w*Error) ", drawing, re.MULTILINE):
        depth = len(indent) // 4
        del above[depth + 1 :]
        parents[name] = above[-1]
        above.append(name)
    return parents


def filled(cls: type[G4FError]) -> G4FError:
    """Build an error with every attribute it takes set to something unlike its default."""
    causes = (ResponseError("busy", status=429), NetworkError("gone"))
    odd: dict[str, Any] = {"causes": causes, "status": 429, "retry_after_s": 1.5}
    names = list(inspect.signature(cls).parameters)[1:]
    return cls("It broke", **{name: odd.get(name, f"a {name}") for name in names})


def test_the_drawing_is_the_tree() -> None:
    """Who writes ``except`` goes by the drawing."""
    real = {cls.__name__: [base.__name__ for base in cls.__bases__] for cls in CLASSES}
    drawn = drawn_tree(errors.__doc__ or "")
    assert {name: [parent] for name, parent in drawn.items()} == real


def test_the_drawing_is_read_by_its_indentation() -> None:
    """Guards the reader above: a drawing read as flat would agree with anything."""
    drawing = "AError   x\n├── BError   x\n│   └── CError   x\n└── DError   x\n"
    assert drawn_tree(drawing) == {
        "AError": "Exception",
        "BError": "AError",
        "CError": "BError",
        "DError": "AError",
    }


@each_class
def test_every_error_says_in_a_sentence_what_it_means(cls: type[G4FError]) -> None:
    """``help(error)`` is where a person looks first; an inherited text would mislead."""
    assert re.match(r"[A-Z].*\.", vars(cls).get("__doc__") or "", re.DOTALL)


@each_class
def test_a_message_alone_is_enough(cls: type[G4FError]) -> None:
    """Extensions raise these too; no other fact may be required of them."""
    error = cls("No provider 'foo'")
    assert (str(error), error.hint) == ("No provider 'foo'", "")


@each_class
def test_facts_are_given_by_name_only(cls: type[G4FError]) -> None:
    """By position, a hint could land where a provider is meant."""
    _, *facts = inspect.signature(cls).parameters.values()
    assert {fact.kind for fact in facts} == {inspect.Parameter.KEYWORD_ONLY}


@each_class
def test_every_fact_given_can_be_read_back(cls: type[G4FError]) -> None:
    """A hint that a subclass forgets to pass on is never shown."""
    error = filled(cls)
    told = {
        name: getattr(error, name)
        for name in inspect.signature(cls).parameters
        if name != "message"
    }
    assert told == vars(error)
    assert all(told.values())


def by_pickle(error: G4FError) -> G4FError:
    """Send an error as process pools do."""
    arrived: G4FError = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    return arrived


@each_class
@pytest.mark.parametrize("travel", [by_pickle, copy.copy, copy.deepcopy])
def test_an_error_survives_travelling(
    cls: type[G4FError], travel: Callable[[G4FError], G4FError]
) -> None:
    """Process pools and parallel notebooks send errors by pickle: hint and facts come along."""
    error = filled(cls)
    arrived = travel(error)
    assert type(arrived) is cls
    assert str(arrived) == "It broke"
    assert _facts(arrived) == _facts(error)


def test_the_text_that_had_arrived_is_kept() -> None:
    """A broken connection must not take the half answer with it."""
    error = NetworkTimeoutError("Nothing came for 60 s", provider="ollama", partial="Once upon")
    assert (error.provider, error.partial) == ("ollama", "Once upon")
    assert isinstance(error, ProviderError)


def test_causes_are_kept_in_the_order_of_the_attempts() -> None:
    """The list shown says what to fix, first provider first; it may not change afterwards."""
    attempts: list[G4FError] = [NetworkError("first"), ResponseError("second")]
    error = RetryProviderError("All failed", causes=attempts)
    attempts.clear()
    assert [str(cause) for cause in error.causes] == ["first", "second"]


def _facts(error: BaseException) -> str:
    """Return the attributes of an error, with those of its causes; errors compare by identity."""
    facts = {name: value for name, value in vars(error).items() if name != "causes"}
    return repr((facts, [(str(one), _facts(one)) for one in getattr(error, "causes", ())]))
