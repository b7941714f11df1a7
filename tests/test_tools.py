"""Functions of the notebook become tools: what a model is told, and what a function gets."""

from __future__ import annotations

import functools
import json
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Optional, TypedDict, TypeVar

import jsonschema  # type: ignore[import-untyped]
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.api_schema import check_chat
from typing_extensions import NotRequired
from typing_extensions import TypedDict as ExtendedTypedDict

from g4f_magic.errors import UsageError
from g4f_magic.tools.tool import find_tools, result_text, tool_of
from g4f_magic.types.docstrings import described
from g4f_magic.types.forms import schema_of
from g4f_magic.types.hints import form_of
from g4f_magic.types.unfit import UnfitError


class Colour(Enum):
    """Has values that JSON has, too."""

    RED = "red"
    BLUE = "blue"


class Shape(Enum):
    """Has values that JSON has not."""

    LINE = (1, 2)
    DOT = (3,)


@dataclass
class Place:
    """A place on the map.

    Args:
        lat: degrees north
        lon: degrees east
    """

    lat: float
    lon: float
    tags: list[str] = field(default_factory=list)
    is_known: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Refuse what is no place."""
        if abs(self.lat) > 90:
            message = "lat is at most 90"
            raise ValueError(message)


class Movie(TypedDict, total=False):
    """A film."""

    title: str
    year: int


class Book(ExtendedTypedDict):
    """A book."""

    title: Annotated[str, "as on the cover"]
    year: NotRequired[int]


Metres = NewType("Metres", float)
T = TypeVar("T")

# A hint, JSON that fits, and what the function gets; where it is the same, nothing.
FITS: list[tuple[Any, Any, Any]] = [
    (str, "a", "a"),
    (str, 5, "5"),
    (int, 3, 3),
    (int, 3.0, 3),
    (int, "3", 3),
    (float, 3, 3.0),
    (float, "2.5", 2.5),
    (bool, True, True),
    (bool, "false", False),
    (None, None, None),
    (Any, {"a": [1]}, {"a": [1]}),
    (T, 1, 1),
    (Metres, 2, 2.0),
    (Optional[int], None, None),  # noqa: UP045  # as older code has it
    (int | None, "4", 4),
    (int | str, "4", "4"),
    (int | str, 4, 4),
    (list[int] | list[str], ["1"], ["1"]),
    (Literal["a", 2], 2, 2),
    (Literal["a", 2], 2.0, 2),
    (date | str, "2026-11-21", date(2026, 11, 21)),
    (Colour, "blue", Colour.BLUE),
    (Shape, "DOT", Shape.DOT),
    (Literal[Colour.RED, Colour.BLUE], "red", Colour.RED),
    (Literal[b"raw"], "b'raw'", b"raw"),
    (list, [1, "a"], [1, "a"]),
    (list[int], ["1", 2], [1, 2]),
    (Sequence[float], [1], [1.0]),
    (Iterable[str], ["a"], ["a"]),
    (set[int], [1, 2, 2], {1, 2}),
    (frozenset[str], ["a"], frozenset("a")),
    (tuple[int, ...], [1, 2], (1, 2)),
    (tuple[int, str], [1, "b"], (1, "b")),
    (tuple, [1], (1,)),
    (dict[str, int], {"a": "1"}, {"a": 1}),
    (Mapping[int, str], {"1": "a"}, {1: "a"}),
    (dict, {"a": None}, {"a": None}),
    (date, "2026-11-21", date(2026, 11, 21)),
    (datetime, "2026-11-21T10:00:00Z", datetime(2026, 11, 21, 10, tzinfo=timezone.utc)),
    (Decimal, 1.5, Decimal("1.5")),
    (Path, "a/b", Path("a/b")),
    (Place, {"lat": 1, "lon": 2}, Place(1.0, 2.0)),
    (list[Place], [{"lat": 1, "lon": "2", "tags": ["x"]}], [Place(1.0, 2.0, ["x"])]),
    (Movie, {"year": 1999}, {"year": 1999}),
    (Book, {"title": "a", "year": 1999}, {"title": "a", "year": 1999}),
    (Book, {"title": "a"}, {"title": "a"}),
    (Annotated[int, "how many"], 1, 1),
]

UNFIT: list[tuple[Any, Any, str]] = [
    (str, None, "x must be of type string, not null"),
    (str, True, "x must be of type string, not true"),
    (int, 3.5, "x must be of type integer, not 3.5"),
    (int, True, "x must be of type integer, not true"),
    (int, float("inf"), "x must be of type integer"),
    (float, "a", "x must be of type number"),
    (bool, 1, "x must be of type boolean, not 1"),
    (int | None, "a", 'type integer, not "a"; or x must be of type null'),
    (Literal["a", 1], True, 'x must be one of "a", 1, not true'),
    (Colour, "green", 'x must be one of "red", "blue", not "green"'),
    (list[int], [1, [2]], "x[1] must be of type integer, not [2]"),
    (list[int], "1", "x must be a list"),
    (set[Any], [[1]], "x: "),
    (tuple[int, str], [1], "x must be a list of 2 items"),
    (dict[str, int], [], "x must be an object"),
    (dict[str, int], {"a": "b"}, "x.a must be of type integer"),
    (date, "tomorrow", 'x must be a date, not "tomorrow"'),
    (Decimal, "many", "x must be a text that can be read"),
    (Place, {"lat": 1}, "x.lon is missing"),
    (Place, {"lat": 1, "lon": 2, "name": "a"}, "there is no x.name; there are lat, lon, tags"),
    (Place, {"lat": 99, "lon": 2}, "x: lat is at most 90"),
    (Place, 5, "x must be an object, not 5"),
    (Place, {"lat": "a"}, 'x.lon is missing; x.lat must be of type number, not "a"'),
    (Book, {"year": 1999}, "x.title is missing"),
]


@pytest.mark.parametrize(("hint", "value", "expected"), FITS, ids=str)
def test_arguments_become_what_the_hint_says(hint: Any, value: Any, expected: Any) -> None:
    """A function that asks for a date or an Enum should not get a string."""
    form = form_of(hint)
    jsonschema.Draft202012Validator.check_schema(schema_of(form))
    read = form.read(value, "x")
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize(("hint", "value", "reason"), UNFIT, ids=str)
def test_arguments_that_do_not_fit_are_told_by_name(hint: Any, value: Any, reason: str) -> None:
    """The model repairs what it is told; a TypeError deep in a function tells it nothing."""
    with pytest.raises(UnfitError) as caught:
        form_of(hint).read(value, "x")
    assert reason in str(caught.value)


def google(city: str, days: int = 1, *, unit: Literal["C", "F"] = "C") -> str:
    """Tell the weather.

    For some days.

    Args:
        city (str): name of the city,
            in English
        days: how many
        unit (optional): of temperature

    Returns:
        city: not a parameter
    """
    return f"{city} {days} {unit}"


def numpy(city: str, days: int = 1, *, unit: Literal["C", "F"] = "C") -> str:
    """
    Tell the weather.

    For some days.

    Parameters
    ----------
    city : str
        name of the city,
        in English
    days : int, optional
        how many
    unit : {"C", "F"}
        of temperature

    Returns
    -------
    city
        not a parameter
    """  # noqa: D212, D416  # numpy's own style
    return f"{city} {days} {unit}"


def sphinx(city: str, days: int = 1, *, unit: Literal["C", "F"] = "C") -> str:
    """Tell the weather.

    For some days.

    :param str city: name of the city,
        in English
    :param days: how many
    :type days: int
    :param unit: of temperature
    :return: city
    """
    return f"{city} {days} {unit}"


@pytest.mark.parametrize("function", [google, numpy, sphinx])
def test_a_docstring_of_any_style_describes_the_parameters(function: Any) -> None:
    """What the author wrote down is what a model needs to know."""
    schema = tool_of(function, "weather").schema()
    check_chat({"model": "m", "messages": [{"role": "user", "content": "a"}], "tools": [schema]})
    assert schema["function"] == {
        "name": "weather",
        "description": "Tell the weather. For some days.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "name of the city, in English"},
                "days": {"type": "integer", "description": "how many", "default": 1},
                "unit": {
                    "type": "string",
                    "enum": ["C", "F"],
                    "description": "of temperature",
                    "default": "C",
                },
            },
            "required": ["city"],
            "additionalProperties": False,
        },
    }


@given(st.text(alphabet="Args:Parm\n -d:param x (y)\t*"))
def test_any_docstring_can_be_read(docstring: str) -> None:
    """A docstring that is no document must not keep its function from being called."""
    described(docstring)


def test_a_function_without_docstring_has_no_description() -> None:
    """Nothing is made up."""
    assert described(None) == ("", {})
    assert described("Just this.\n") == ("Just this.", {})
    assert described("One.\n\nParameters\n----------\nx, y : int\n    sides") == (
        "One.",
        {"x": "sides", "y": "sides"},
    )


def test_an_annotation_describes_its_parameter() -> None:
    """Annotated is where new code has its descriptions."""

    def f(x: Annotated[int, "how many"], y: Annotated[str, 5] = "a") -> None:
        """Count."""

    properties = tool_of(f, "f").schema()["function"]["parameters"]["properties"]
    assert properties["x"] == {"type": "integer", "description": "how many"}
    assert properties["y"] == {"type": "string", "default": "a"}


class Clock:
    """Has a method, and can be called."""

    def add(self, x: int, y: int) -> int:
        """Add up."""
        return x + y

    def __call__(self, zone: str) -> str:
        """Tell the time."""
        return zone


def positional(x: int, y: int = 2, /, *more: int, z: int = 3, **others: int) -> Any:
    """Have parameters of all kinds."""
    return x, y, more, z, others


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("clock.add", {"x": "1", "y": 2}, 3),
        ("clock", {"zone": "UTC"}, "UTC"),
        ("half", {"y": 2}, 12),
        ("positional", {"x": 1, "z": 5}, (1, 2, (), 5, {})),
        ("Place", {"lat": 1, "lon": 2}, Place(1.0, 2.0)),
        ("untyped", {"a": [1]}, [1]),
        ("nothing", {}, None),
    ],
)
def test_whatever_can_be_called_is_called(name: str, arguments: Any, expected: Any) -> None:
    """Methods of a connection or a partial are as good as functions."""
    scope = {
        "clock": Clock(),
        "half": functools.partial(Clock().add, 10),
        "positional": positional,
        "Place": Place,
        "untyped": lambda a: a,
        "nothing": lambda: None,
    }
    (tool,) = find_tools([name], scope)
    assert tool.name == name.replace(".", "_")
    check_chat(
        {"model": "m", "messages": [{"role": "user", "content": "a"}], "tools": [tool.schema()]}
    )
    assert tool.bound(json.dumps(arguments))() == expected


def test_several_names_stand_in_one_word_or_in_several() -> None:
    """Both `--tools a,b` and two options are natural."""
    scope = {"a": google, "b": numpy, "c": sphinx}
    assert [tool.name for tool in find_tools(["a,b", "c", "a"], scope)] == ["a", "b", "c"]


def test_a_parameter_that_json_has_no_form_for() -> None:
    """A connection with a default is the function's own business; one without cannot be given."""

    class Connection:
        """Nothing that JSON knows."""

    def query(sql: str, over: Connection = Connection()) -> Any:  # noqa: B008
        return sql, over

    def needs(over: Connection) -> None:
        """Cannot be called."""

    def asks_for_code(key: Callable[[int], int]) -> None:
        """Cannot be called either."""

    scope = {"query": query, "needs": needs, "asks_for_code": asks_for_code}
    query.__annotations__["over"] = needs.__annotations__["over"] = Connection
    (tool,) = find_tools(["query"], scope)
    assert list(tool.schema()["function"]["parameters"]["properties"]) == ["sql"]
    with pytest.raises(UsageError, match="over: JSON has no form for Connection"):
        find_tools(["needs"], scope)
    with pytest.raises(UsageError, match="key: JSON has no form for"):
        find_tools(["asks_for_code"], scope)


def test_a_name_that_no_service_takes_is_refused() -> None:
    """The service would refuse the whole request, in words about a pattern."""
    with pytest.raises(UsageError, match="no function called 'größe'"):
        find_tools(["größe"], {"größe": google})


@dataclass
class Node:
    """Has others of its kind."""

    name: str
    children: list[Node]


def test_a_class_may_contain_itself() -> None:
    """Trees are told by reference, as their schema would have no end."""

    def count(tree: Node, other: Node) -> Any:
        return tree, other

    tool = tool_of(count, "count")
    parameters = tool.schema()["function"]["parameters"]
    jsonschema.Draft202012Validator.check_schema(parameters)
    assert parameters["properties"]["other"] == {"$ref": "#/$defs/Node"}
    assert list(parameters["$defs"]) == ["Node"]
    leaf = {"name": "leaf", "children": []}
    tree = {"name": "root", "children": [leaf]}
    expected = Node("root", [Node("leaf", [])])
    assert tool.bound(json.dumps({"tree": tree, "other": leaf}))()[0] == expected


def test_hints_that_cannot_be_resolved_are_told() -> None:
    """The cell that defines the class was not run."""

    def f(x: int) -> None:
        """Do nothing."""

    f.__annotations__["x"] = "list[int"
    with pytest.raises(UsageError, match="'f' cannot be called by a model: Forward"):
        tool_of(f, "f")
    f.__annotations__["x"] = "Missing"
    with pytest.raises(UsageError, match="'f' cannot be called by a model: name 'Missing'"):
        tool_of(f, "f")


def test_pydantic_models_bring_their_own_schema() -> None:
    """Where the notebook has pydantic, its models are what people describe data with."""
    inner: Any = pydantic.create_model("Inner", n=(int, ...))
    outer: Any = pydantic.create_model("Outer", inner=(inner, ...), at=(date, ...))

    def f(x: Any, more: Any) -> Any:
        return x, more

    f.__annotations__ |= {"x": outer, "more": list[inner]}
    tool = tool_of(f, "f")
    parameters = tool.schema()["function"]["parameters"]
    value = {"x": {"inner": {"n": 1}, "at": "2026-11-21"}, "more": [{"n": 2}]}
    jsonschema.Draft202012Validator(parameters).validate(value)
    x, more = tool.bound(json.dumps(value))()
    assert (x.inner.n, x.at, more[0].n) == (1, date(2026, 11, 21), 2)
    with pytest.raises(UnfitError, match=r"x\.inner: .*; x\.at: "):
        tool.bound('{"x": {"inner": 5}, "more": []}')
    assert json.loads(result_text(x)) == value["x"]


def test_definitions_of_two_models_are_kept_apart() -> None:
    """Two modules may both have an Inner, and a model was told that of the last one."""
    one: Any = pydantic.create_model("Inner", n=(int, ...))
    two: Any = pydantic.create_model("Inner", n=(str, ...))

    def f(x: Any, y: Any) -> Any:
        return x, y

    outer = [pydantic.create_model("Outer", inner=(inner, ...)) for inner in (one, two)]
    f.__annotations__ |= dict(zip("xy", outer, strict=True))
    parameters = tool_of(f, "f").schema()["function"]["parameters"]
    is_valid = jsonschema.Draft202012Validator(parameters).is_valid
    assert is_valid({"x": {"inner": {"n": 1}}, "y": {"inner": {"n": "a"}}})
    assert not is_valid({"x": {"inner": {"n": "a"}}, "y": {"inner": {"n": "a"}}})


class Odd:
    """Is nothing that JSON knows."""

    def __repr__(self) -> str:
        """Have a face."""
        return "<odd>"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (5, "5"),
        (None, "null"),
        ({"a": [1, "é"]}, '{"a": [1, "é"]}'),
        ({1, 2}, "[1, 2]"),
        (Place(1, 2), '{"lat": 1, "lon": 2, "tags": [], "is_known": false}'),
        (Odd(), "<odd>"),
        ([Odd()], '["<odd>"]'),
        (array("i", [1, 2]), "[1, 2]"),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        ("half \ud800", "half ?"),
    ],
    ids=repr,
)
def test_results_are_told_as_text(value: Any, text: str) -> None:
    """A model reads JSON, or whatever else a person would read."""
    assert result_text(value) == text
