"""Types of a notebook as JSON schemas, and answers as objects of these types."""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections.abc import Callable, Sequence  # noqa: TC003  # read while they run
from dataclasses import dataclass, field, make_dataclass
from typing import Annotated, Any, Literal, Optional, TypedDict, Union

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from g4f_magic.errors import UsageError
from g4f_magic.providers.demo_json import json_answer
from g4f_magic.types import forms
from g4f_magic.types.answer_type import AnswerType, named_type, strictly
from g4f_magic.types.hints import form_of
from g4f_magic.types.misfits import GivenSchema, misfits
from g4f_magic.types.unfit import UnfitError


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the schema of a type."""
    return forms.schema_of(form_of(kind))


def built(kind: Any, value: Any) -> Any:
    """Return what an answer becomes."""
    return form_of(kind).read(value, "", is_strict=True)


class Colour(enum.Enum):
    """Colours of foxes."""

    RED = "red"
    GREY = "grey"


@dataclass
class Place:
    """Where something was seen."""

    name: str
    position: tuple[float, float]


class Weather(TypedDict):
    """A TypedDict as a field."""

    sunny: bool


@dataclass
class Sighting:
    """A fox that was seen."""

    species: Literal["fox", "hare"]
    colour: Colour
    when: dt.date
    count: Annotated[int, "how many"]
    place: Place
    weather: Weather
    seen_from: Optional[Place] = None  # noqa: UP045  # as people write it
    tags: set[str] = field(default_factory=set)
    notes: Sequence[Union[int, str]] = ()  # noqa: UP007  # as above
    extra: dict[str, int] = field(default_factory=dict)
    cubs: list[Sighting] = field(default_factory=list)
    known_before: bool = True
    known: bool = field(default=True, init=False)


class Person(BaseModel):
    """A model of pydantic."""

    name: str = Field(min_length=2)
    age: int = 7


VALUE: dict[str, Any] = {
    "species": "fox",
    "colour": "red",
    "when": "2024-05-06",
    "count": 2,
    "place": {"name": "wood", "position": [1, 2.5]},
    "weather": {"sunny": True},
    "seen_from": None,
    "tags": ["a", "b"],
    "notes": [1, "x"],
    "extra": {"eggs": 3},
    "cubs": [],
}


def test_a_dataclass_has_a_schema_that_others_understand() -> None:
    """What is sent is a schema by the book, with the descriptions that help a model."""
    schema = schema_of(Sighting)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(VALUE, schema)
    assert schema["description"] == "A fox that was seen."
    assert schema["properties"]["count"] == {"type": "integer", "description": "how many"}
    assert schema["properties"]["colour"] == {"type": "string", "enum": ["red", "grey"]}
    assert schema["properties"]["cubs"] == {"type": "array", "items": {"$ref": "#"}}
    assert schema["required"] == ["species", "colour", "when", "count", "place", "weather"]
    assert schema["properties"]["place"] == schema["properties"]["seen_from"]["anyOf"][0]
    assert schema["properties"]["known_before"]["default"] is True
    assert "default" not in schema["properties"]["cubs"]
    assert "known" not in schema["properties"]


def test_an_answer_becomes_the_object() -> None:
    """.parsed has the types that the person has written, all the way down."""
    sighting = built(Sighting, {**VALUE, "cubs": [{**VALUE, "count": 1}]})
    assert sighting.colour is Colour.RED
    assert sighting.when == dt.date(2024, 5, 6)
    assert sighting.place == Place("wood", (1.0, 2.5))
    assert isinstance(sighting.place.position[0], float)
    assert sighting.tags == {"a", "b"}
    assert sighting.cubs[0].count == 1
    assert sighting.weather == {"sunny": True}


def test_a_typed_dict_may_lack_what_is_not_required() -> None:
    """Total or not is the first thing that people say of one."""

    class Loose(TypedDict, total=False):
        a: int

    assert schema_of(Loose)["required"] == []
    assert built(Loose, {}) == {}


@pytest.mark.parametrize("kind", [bytes, object(), list[bytes], [str], {"a": int}])
def test_a_type_without_json_is_named(kind: Any) -> None:
    """Nothing is sent, and the message says which type it is."""
    with pytest.raises(UsageError, match="JSON"):
        schema_of(kind)


def test_names_that_are_not_there_are_said() -> None:
    """A hint in quotes is checked by nobody before."""

    @dataclass
    class Odd:
        a: Nowhere  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(UsageError, match=r"hints of 'Odd' cannot be read: .*Nowhere") as caught:
        schema_of(Odd)
    assert "run the cell" in caught.value.hint


@pytest.mark.parametrize("hint", ["list[int", "json.Nowhere"])
def test_hints_with_a_slip_are_said(hint: str) -> None:
    """From Python 3.14 on, hints without quotes are read as late as these."""
    odd = make_dataclass("Odd", ["a"])
    odd.__annotations__["a"] = hint
    with pytest.raises(UsageError, match="hints of 'Odd' cannot be read: "):
        schema_of(odd)


def test_a_model_that_pydantic_cannot_tell_is_named() -> None:
    """The stack of pydantic is long, and the request would be the first to run into it."""

    class Odd(BaseModel):
        a: Callable[[], None]

    with pytest.raises(UsageError, match="'Odd' has no JSON schema: Cannot generate"):
        schema_of(Odd)


@pytest.mark.parametrize(
    ("change", "misfit"),
    [
        ({"species": "cat"}, 'species must be one of "fox", "hare", not "cat"'),
        ({"count": "2"}, 'count must be of type integer, not "2"'),
        ({"count": True}, "count must be of type integer, not true"),
        ({"when": "today"}, 'when must be a date, not "today"'),
        ({"place": {"name": "x"}}, "place.position is missing"),
        (
            {"place": {"name": "x", "position": [1]}},
            "place.position must be a list of 2 items, not [1]",
        ),
        ({"tags": ["a", 1]}, "tags[1] must be of type string, not 1"),
        (
            {"notes": [None]},
            "notes[0] must be of type integer, not null; or notes[0] must be of type string",
        ),
        ({"odd": 1}, "there is no odd; there are species, colour, when, count, place"),
        ({"cubs": [{}]}, "cubs[0].species is missing"),
    ],
)
def test_a_misfit_is_told_with_its_place(change: dict[str, Any], misfit: str) -> None:
    """The model is told what to repair, and so is the person."""
    with pytest.raises(UnfitError) as caught:
        built(Sighting, VALUE | change)
    assert any(line.startswith(misfit) for line in caught.value.lines)


def test_all_misfits_are_told_at_once() -> None:
    """There is one more try, and it should not be spent on the first of three slips."""
    with pytest.raises(UnfitError) as caught:
        built(Sighting, VALUE | {"count": "2", "odd": 1, "cubs": [{**VALUE, "tags": 1}]})
    first, *others = caught.value.lines
    assert first.startswith("there is no odd; ")
    assert others == [
        'count must be of type integer, not "2"',
        "cubs[0].tags must be a list, not 1",
    ]


@pytest.mark.parametrize(
    ("rule", "misfit"),
    [
        ({"type": ["string", "null"]}, "a must be of type string or null, not [true]"),
        ({"enum": [[1], "x"]}, 'a must be one of [1], "x", not [true]'),
        ({"const": {"b": [1]}}, 'a must be one of {"b": [1]}, not [true]'),
        ({"items": {"type": "string"}}, "a[0] must be of type string, not true"),
        ({"minItems": 2}, "a has 1 items, not at least 2"),
        (False, "a should not be there"),
    ],
)
def test_a_schema_of_the_notebook_is_told_in_the_same_words(rule: Any, misfit: str) -> None:
    """Whoever gives a schema gets as good a repair as with a type."""
    given = GivenSchema({"properties": {"a": rule}, "required": ["b"]})
    with pytest.raises(UnfitError) as caught:
        AnswerType("it", given).read('{"a": [true]}')
    assert caught.value.lines == ("b is missing", misfit)


_VALUES = st.recursive(
    st.sampled_from([None, True, 0, 1.0, 1.5, "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=6,
)
_TYPES = ["string", "boolean", "integer", "number", "null", "array", "object"]
_SCHEMAS = st.recursive(
    st.fixed_dictionaries({}, optional={"type": st.sampled_from(_TYPES)})
    | st.fixed_dictionaries({"type": st.lists(st.sampled_from(_TYPES), min_size=1, unique=True)})
    | st.fixed_dictionaries({"enum": st.lists(st.sampled_from(["a", 1, [1], None]), min_size=1)})
    | st.sampled_from([{"$ref": "#/$defs/text"}, {"const": "a"}, {"const": {"a": 1}}]),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "properties": st.dictionaries(st.sampled_from("ab"), inner),
            "required": st.lists(st.sampled_from("ab"), unique=True),
            "additionalProperties": inner | st.booleans(),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "minItems": st.integers(0, 2),
            "maxItems": st.integers(0, 2),
        },
    ),
    max_leaves=5,
)


@given(_VALUES, _SCHEMAS)
def test_misfits_are_found_as_the_reference_finds_them(value: Any, schema: dict[str, Any]) -> None:
    """A value that passes here and fails elsewhere, or the other way round, is a wrong result."""
    schema = {**schema, "$defs": {"text": {"type": "string"}}}
    is_valid = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert (misfits(value, schema) == []) is is_valid


@pytest.mark.parametrize(
    ("schema", "wrong"),
    [
        ({"properties": ["a"]}, "properties is ['a'], not an object"),
        ({"type": "object", "required": "a"}, "required is 'a', not a list of names"),
        ({"type": ["string", None]}, "type is ['string', None], not a name or a list of names"),
        ({"anyOf": [{}, {"enum": "ab"}]}, "anyOf[1].enum is 'ab', not a list"),
        ({"$defs": {"x": {"items": {"$ref": 1}}}}, "$defs.x.items.$ref is 1, not a text"),
        ({"type": "array", "minItems": "2"}, "minItems is '2', not a number"),
    ],
)
def test_a_slip_in_a_schema_is_named_with_its_place(schema: dict[str, Any], wrong: str) -> None:
    """It would otherwise end as a stack of ours, after the answer was paid for."""
    with pytest.raises(UsageError, match="--schema x is no JSON schema") as caught:
        named_type("x", {"x": schema})
    assert wrong in str(caught.value)
    with pytest.raises(jsonschema.SchemaError):
        jsonschema.Draft202012Validator.check_schema(schema)


def test_strict_mode_gets_the_schema_that_it_takes() -> None:
    """OpenAI refuses a schema with optional fields, defaults or unknown names."""
    strict = strictly(schema_of(Place))
    assert strict is not None
    assert strict["required"] == ["name", "position"]
    loose = {"type": "object", "properties": {"default": {"type": "string", "default": "x"}}}
    assert strictly(loose) == {
        "type": "object",
        "properties": {"default": {"type": "string"}},
        "required": ["default"],
        "additionalProperties": False,
    }
    referring = {"$ref": "#", "description": "again"}
    loose["properties"] = {"set": {"type": "array", "uniqueItems": True, "items": referring}}
    strict = strictly(loose)
    assert strict is not None
    assert strict["properties"]["set"] == {"type": "array", "items": {"$ref": "#"}}
    assert strictly(schema_of(Sighting)) is None  # extra has any names
    assert strictly({"type": "array"}) is None
    assert not AnswerType("a b", form_of(Sighting)).response_format["json_schema"]["strict"]
    assert AnswerType("a b", form_of(Place)).response_format["json_schema"]["name"] == "a_b"


def test_pydantic_checks_its_own_models() -> None:
    """Its validators and defaults hold, and its words say what is wrong."""
    wanted = named_type("Person", {"Person": Person})
    assert wanted.read('```json\n{"name": "Ada"}\n```') == Person(name="Ada")
    with pytest.raises(UnfitError, match="name: String should have at least 2 characters"):
        wanted.read('{"name": "A"}')

    @dataclass
    class Team:
        head: Person

    assert built(Team, {"head": {"name": "Ada"}}).head.age == 7
    assert schema_of(Team)["properties"]["head"]["required"] == ["name"]


@pytest.mark.parametrize("error", [ValueError("n is odd"), LookupError("n is odd")])
def test_checks_of_the_type_itself_count(error: Exception) -> None:
    """A dataclass that refuses a value in __post_init__ has a reason, whatever it raises."""

    @dataclass
    class Even:
        n: int

        def __post_init__(self) -> None:
            if self.n % 2:
                raise error

    wanted = named_type("Even", {"Even": Even})
    with pytest.raises(UnfitError, match="n is odd"):
        wanted.read('{"n": 1}')


def test_what_is_told_moves_no_cursor() -> None:
    """The names in a value are the model's, and the line is printed in a terminal."""
    wanted = named_type("Place", {"Place": Place})
    with pytest.raises(UnfitError) as caught:
        wanted.read('{"name": 1, "position": [], "\\u001b[31m": 1}')
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("name", ["Nobody", "number", "settings", "Colour"])
def test_what_is_no_type_for_answers_is_refused(name: str) -> None:
    """A slip in a name costs no request."""
    scope = {"number": 7, "settings": {"colour": "red"}, "Colour": Colour}
    with pytest.raises(UsageError, match=f"--schema {name}: ") as caught:
        named_type(name, scope)
    assert "dataclass" in caught.value.hint


@pytest.mark.parametrize("kind", [Place, Weather, Sighting, Person])
def test_the_demo_answers_with_the_least_that_fits(kind: Any) -> None:
    """A notebook about schemas works offline, from the words and numbers of its prompts."""
    wanted = named_type("kind", {"kind": kind})
    text = json_answer(wanted.response_format, "A grey hare at Loch Ness, 57.3 N")
    parsed = wanted.read(text)
    if kind is Place:
        assert parsed == Place("A", (57.3, 0.0))
    if kind is Sighting:
        assert (parsed.species, parsed.colour) == ("hare", Colour.GREY)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 7}, 7),
        ({"enum": []}, None),
        ({"type": ["null", "string"]}, None),
        ({"type": "boolean"}, False),
        ({"type": "integer", "minimum": 10}, 10),
        ({"type": "number", "maximum": 1.5}, 1.5),
        ({"type": "string", "minLength": 9}, "A fox s demo"),
        ({"oneOf": [{"$ref": "#/$defs/b"}], "$defs": {"b": {"const": 1}}}, 1),
        ({"$ref": "#/nowhere/at/all"}, "A"),
        ({"$ref": "#"}, "A"),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [2, 0]),
        ({"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"type": "null"}]}, "nested"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "nested"),
    ],
)
def test_the_demo_comes_to_an_end_with_any_schema(schema: dict[str, Any], value: Any) -> None:
    """A schema that is odd shows as an answer that is odd, not as a demo that is broken."""
    wanted = AnswerType("it", GivenSchema(schema)).response_format
    answer = json.loads(json_answer(wanted, "A fox s 2"))
    assert answer == value or (value == "nested" and isinstance(answer, list | dict))


def test_the_demo_says_what_it_is_where_any_json_goes() -> None:
    """Without a schema there is room for it."""
    answer = json.loads(json_answer({"type": "json_object"}, "Hi"))
    assert answer == {"demo": "not a language model", "prompt": "Hi"}
    assert json_answer({"type": "text"}, "Hi") == ""


def test_types_of_the_same_name_are_kept_apart() -> None:
    """Two modules may both have an Item."""

    def item(kind: type) -> Any:
        made: Any = type("Item", (), {})
        made.__annotations__ = {"value": kind, "inner": list[made]}
        return dataclass(made)

    pair = make_dataclass("Pair", [("a", item(int)), ("b", item(str)), ("c", Any)])
    schema = schema_of(pair)
    assert schema["properties"]["b"] == {"$ref": "#/$defs/Item2"}
    assert schema["$defs"]["Item2"]["properties"]["value"] == {"type": "string"}
    assert schema["$defs"]["Item2"]["properties"]["inner"]["items"] == {"$ref": "#/$defs/Item2"}
    inner = {"value": 1, "inner": []}
    assert built(pair, {"a": inner, "b": {**inner, "value": "x"}, "c": [1]}).b.value == "x"


def test_more_than_fits_into_a_line_is_counted() -> None:
    """A hundred wrong items have one reason."""
    given = {"type": "array", "items": {"type": "string"}, "maxItems": 5}
    wanted = AnswerType("it", GivenSchema(given))
    with pytest.raises(UnfitError, match=r"the value has 9 items, not at most 5; .*; and 5 more$"):
        wanted.read(str(list(range(9))))


def test_what_is_nested_too_deeply_does_not_fit() -> None:
    """A model that repeats a bracket for ever is no bug of ours."""
    rule = {"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"type": "null"}]}
    with pytest.raises(UnfitError, match="nested too deeply"):
        AnswerType("it", GivenSchema(rule)).read("[" * 400 + "]" * 400)
