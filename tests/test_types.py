"""What a type's schema admits is what is read as the type: held against a reference library."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from typing import Any, Literal, TypedDict, Union

import jsonschema  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import NotRequired

from g4f_magic.types.forms import schema_of
from g4f_magic.types.hints import form_of
from g4f_magic.types.unfit import UnfitError


class Colour(Enum):
    """One of two."""

    RED = "red"
    ONE = 1


@dataclass
class Tree:
    """Contains itself, also by way of another class."""

    a: int
    b: list[Tree] = field(default_factory=list)
    c: Leaf | None = None


class Leaf(TypedDict):
    """Contains what contains it."""

    a: str
    b: NotRequired[Tree]


# Hints with the JSON that fits them; what may not fit looks ALIKE, or is that of other hints.
Typed = tuple[Any, "st.SearchStrategy[Any]"]
SMALL = st.integers(-9, 9)
FITTING_TREES = st.recursive(
    st.fixed_dictionaries({"a": SMALL}),
    lambda tree: st.fixed_dictionaries(
        {"a": SMALL},
        optional={
            "b": st.lists(tree, max_size=2),
            "c": st.none() | st.fixed_dictionaries({"a": st.just("x")}, optional={"b": tree}),
        },
    ),
    max_leaves=4,
)
ALIKE = st.sampled_from([1, 1.0, "1", True, "true", None, [1], {"a": "1"}])
PLAIN: list[Typed] = [
    (str, st.sampled_from(["", "1", "1.0", "true", "red"])),
    (int, SMALL),
    (float, SMALL | st.sampled_from([0.5, 1.0])),
    (bool, st.booleans()),
    (None, st.none()),
    (Any, SMALL | st.booleans()),
    (Colour, st.sampled_from(["red", 1])),
    (Literal["red", True], st.sampled_from(["red", True])),
    (Tree, FITTING_TREES),
    (Leaf, st.fixed_dictionaries({}, optional={"a": st.just("x"), "b": FITTING_TREES})),
    (set[str], st.lists(st.sampled_from("ab"), max_size=3)),
]


# Made of hints that are only known while this runs.
LIST: Any = list
ROW: Any = tuple
TABLE: Any = dict
EITHER: Any = Union


def wider(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    """Put hints into others."""
    return st.one_of(
        inner.map(lambda one: (LIST[one[0]], st.lists(one[1], max_size=2))),
        inner.map(lambda one: (ROW[one[0], one[0]], st.lists(one[1], min_size=2, max_size=2))),
        inner.map(lambda one: (TABLE[str, one[0]], st.dictionaries(st.just("a"), one[1]))),
        st.tuples(inner, inner).map(
            lambda two: (EITHER[two[0][0], two[1][0]], two[0][1] | two[1][1])
        ),
    )


def either(two: tuple[Typed, Typed]) -> Typed:
    """Put two hints into a union."""
    return EITHER[two[0][0], two[1][0]], two[0][1] | two[1][1]


SIMPLE = st.sampled_from(PLAIN).map(lambda one: (one[0], one[1] | ALIKE))
HINTS = SIMPLE | wider(SIMPLE) | wider(wider(SIMPLE))


def plain(value: Any) -> Any:
    """Return what was read as JSON again."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return list(map(plain, value)) if isinstance(value, (list, tuple, set)) else value


@settings(max_examples=300)
@given(HINTS, HINTS, st.data())
def test_what_the_schema_admits_is_read_and_what_is_read_fits(
    one: Typed, other: Typed, data: st.DataObject
) -> None:
    """A model that keeps to what it was told is understood, and no other answer is a result."""
    form, value = form_of(one[0]), data.draw(one[1] | other[1])
    schema = schema_of(form)
    jsonschema.Draft202012Validator.check_schema(schema)
    is_valid = jsonschema.Draft202012Validator(schema).is_valid
    try:
        read = form.read(value, "x", is_strict=True)
    except UnfitError:
        assert not is_valid(value)
    else:
        assert is_valid(value)
        assert is_valid(plain(read))
    try:
        converted = form.read(value, "x")
    except UnfitError:
        assert not is_valid(value)
    else:
        assert is_valid(plain(converted))
