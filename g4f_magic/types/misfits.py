"""A JSON schema that the notebook gives as it is, and where a value does not fit it.

Knows the keywords that types have: ``type``, ``required``, ``properties``,
``additionalProperties``, ``items``, ``prefixItems``, their least and greatest number, ``enum``,
``const``, ``anyOf``, ``oneOf``, ``allOf`` and ``$ref`` inside the schema (draft 2020-12).
All others it takes for kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .unfit import UnfitError, inside, is_same, one_of, unfit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .forms import Schema

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


@dataclass(frozen=True, slots=True)
class GivenSchema:
    """The form that a JSON schema asks for; what fits stands for itself."""

    given: Schema

    def schema(self, _: object) -> Schema:
        """Return the schema."""
        return self.given

    def read(self, value: Any, where: str, **_: bool) -> Any:
        """Return the value."""
        if found := misfits(value, self.given, place=where):
            raise UnfitError(*found)
        return value


def misfits(value: Any, schema: Any, root: Any = None, place: str = "") -> list[str]:
    """Return a line for each place where a value does not fit; ``root`` is what refers to.

    A line has the ``place`` (``people[0].age``), what is there, and what should be.
    """
    root = schema if root is None else root
    if not isinstance(schema, dict):
        return [f"{place or 'it'} should not be there"] if schema is False else []
    return list(_misfits(value, schema, root, place))


def _misfits(value: Any, schema: dict[str, Any], root: Any, place: str) -> Iterator[str]:
    if "$ref" in schema:
        yield from misfits(value, referred(schema["$ref"], root), root, place)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield unfit(place, f"must be of type {' or '.join(kinds)}", value)
        return
    for allowed in _allowed(schema):
        if not any(is_same(value, one) for one in allowed):
            yield unfit(place, one_of(allowed), value)
    yield from _of_choices(value, schema, root, place)
    if isinstance(value, dict):
        yield from _of_object(value, schema, root, place)
    elif isinstance(value, list):
        yield from _of_array(value, schema, root, place)


def _allowed(schema: dict[str, Any]) -> Iterator[list[Any]]:
    if "enum" in schema:
        yield schema["enum"]
    if "const" in schema:
        yield [schema["const"]]


def _of_choices(value: Any, schema: dict[str, Any], root: Any, place: str) -> Iterator[str]:
    for one in schema.get("allOf", ()):
        yield from misfits(value, one, root, place)
    for choices in (schema.get("anyOf"), schema.get("oneOf")):
        found = [misfits(value, one, root, place) for one in choices or ()]
        if found and all(found):
            yield from min(found, key=len)  # what it was meant to be, as far as can be told


def _of_object(
    value: dict[str, Any], schema: dict[str, Any], root: Any, place: str
) -> Iterator[str]:
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{inside(place, name)} is missing"
    properties = schema.get("properties", {})
    for name, inner in value.items():
        rule = properties.get(name, schema.get("additionalProperties", True))
        yield from misfits(inner, rule, root, inside(place, name))


def _of_array(value: list[Any], schema: dict[str, Any], root: Any, place: str) -> Iterator[str]:
    at, length = place or "the value", len(value)
    if length < schema.get("minItems", 0):
        yield f"{at} has {length} items, not at least {schema['minItems']}"
    if length > schema.get("maxItems", length):
        yield f"{at} has {length} items, not at most {schema['maxItems']}"
    first = schema.get("prefixItems", [])
    for number, inner in enumerate(value):
        rule = first[number] if number < len(first) else schema.get("items", True)
        yield from misfits(inner, rule, root, f"{place}[{number}]")


def referred(reference: str, root: Any) -> Any:
    """Return what a ``$ref`` points to in the schema; anything goes where that is not there."""
    found = root
    for name in reference.removeprefix("#").split("/")[1:]:
        key = name.replace("~1", "/").replace("~0", "~")
        found = found.get(key, True) if isinstance(found, dict) else True
    return found


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(kind, (object,)))
