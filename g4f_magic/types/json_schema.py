"""The JSON schema of a Python type, from its hints alone."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime as dt
import enum
import types
import typing
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from ..errors import UsageError

_PLAIN = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
    None: "null",
}
_TIMES = {dt.datetime: "date-time", dt.date: "date", dt.time: "time"}
_LISTS = (list, set, frozenset, collections.abc.Sequence, collections.abc.Iterable)
MAPPINGS = (dict, collections.abc.Mapping)
UNIONS = (Union, getattr(types, "UnionType", Union))
_WRAPPERS = frozenset({"Required", "NotRequired", "ReadOnly"})  # of keys of a TypedDict


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a type; raises ``UsageError`` if it has none.

    Takes what JSON has, dates, ``Literal``, ``Enum``, unions, containers, ``Annotated`` (a
    text in it is the description), and dataclasses, TypedDicts and pydantic models of these.
    """
    schemas = _Schemas(kind)
    schema = schemas.object(kind) if has_fields(kind) else schemas.of(kind)
    return schema | ({"$defs": schemas.definitions} if schemas.definitions else {})


def has_fields(kind: Any) -> bool:
    """Tell whether a type is a dataclass or a TypedDict."""
    return isinstance(kind, type) and (dataclasses.is_dataclass(kind) or is_typed_dict(kind))


def is_typed_dict(kind: Any) -> bool:
    """Tell whether a type is a TypedDict, of typing_extensions as well."""
    return isinstance(kind, type) and issubclass(kind, dict) and hasattr(kind, "__required_keys__")


def is_pydantic(kind: Any) -> bool:
    """Tell whether a type is a model of pydantic 2, without loading that."""
    return isinstance(kind, type) and hasattr(kind, "model_json_schema")


def unwrapped(kind: Any) -> Any:
    """Return the type in ``Annotated``, ``Required`` and the like."""
    while get_origin(kind) is Annotated or getattr(get_origin(kind), "_name", "") in _WRAPPERS:
        kind = get_args(kind)[0]
    return kind


def hints_of(kind: Any) -> dict[str, Any]:
    """Return the types of the fields by name; raises ``UsageError`` for names that are not there.

    Fields that a dataclass computes itself are left out.
    """
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except NameError as error:
        message = f"the hints of {kind.__name__!r} cannot be read: {error}"
        raise UsageError(message) from None
    if dataclasses.is_dataclass(kind):
        return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}
    return hints


class _Schemas:
    """Builds schemas; types with fields are put into ``definitions``, but for the ``root``."""

    def __init__(self, root: Any) -> None:
        self.definitions: dict[str, Any] = {}
        self._references: list[tuple[Any, str]] = [(root, "#")]

    def of(self, kind: Any) -> dict[str, Any]:
        """Return the schema of a type."""
        description = next((a for a in get_args(kind)[1:] if isinstance(a, str)), None)
        if get_origin(kind) is Annotated and description is not None:
            return self.of(unwrapped(kind)) | {"description": description}
        kind = unwrapped(kind)
        if kind is Any or kind is object:
            return {}
        if has_fields(kind):
            return self._reference(kind)
        if is_pydantic(kind):
            schema: dict[str, Any] = kind.model_json_schema()
            self.definitions |= schema.pop("$defs", {})
            return schema
        return self._of_value(kind)

    def object(self, kind: Any) -> dict[str, Any]:
        """Return the schema of a dataclass or a TypedDict."""
        hints = hints_of(kind)
        if is_typed_dict(kind):
            required = [name for name in hints if name in kind.__required_keys__]
        else:
            missing = dataclasses.MISSING
            fields = [field for field in dataclasses.fields(kind) if field.name in hints]
            required = [f.name for f in fields if f.default is f.default_factory is missing]
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {name: self.of(hint) for name, hint in hints.items()},
            "required": required,
            "additionalProperties": False,
        }
        told = vars(kind).get("__doc__")
        is_own = told and not told.startswith(f"{kind.__name__}(")  # as dataclasses write it
        return schema | ({"description": told.strip()} if is_own else {})

    def _reference(self, kind: Any) -> dict[str, Any]:
        for known, reference in self._references:
            if known is kind:
                return {"$ref": reference}
        name, number = kind.__name__, 2
        while name in self.definitions:
            name, number = f"{kind.__name__}{number}", number + 1
        self._references.append((kind, f"#/$defs/{name}"))
        self.definitions[name] = {}  # taken, before what refers back to it
        self.definitions[name] = self.object(kind)
        return {"$ref": f"#/$defs/{name}"}

    def _of_value(self, kind: Any) -> dict[str, Any]:
        origin, arguments = get_origin(kind) or kind, get_args(kind)
        if origin is Literal:
            return _enumeration(arguments)
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return _enumeration([member.value for member in kind])
        if origin in UNIONS:
            return {"anyOf": [self.of(argument) for argument in arguments]}
        if origin in MAPPINGS:
            values = self.of(arguments[1]) if arguments else {}
            return {"type": "object", "additionalProperties": values or True}
        if origin in _LISTS or origin is tuple:
            return self._of_items(arguments, has_places=origin is tuple)
        return _of_scalar(kind)

    def _of_items(self, arguments: tuple[Any, ...], *, has_places: bool) -> dict[str, Any]:
        if not has_places or not arguments or arguments[1:] == (...,):
            return {"type": "array", "items": self.of(arguments[0]) if arguments else {}}
        items = [self.of(argument) for argument in arguments]
        length = len(items)
        return {"type": "array", "prefixItems": items, "minItems": length, "maxItems": length}


def _of_scalar(kind: Any) -> dict[str, Any]:
    if kind in _TIMES:
        return {"type": "string", "format": _TIMES[kind]}
    if kind not in _PLAIN:
        message = f"JSON has nothing for the type {getattr(kind, '__name__', kind)!r}"
        raise UsageError(message, hint="str, int, float, bool, lists and dicts have it")
    return {"type": _PLAIN[kind]}


def _enumeration(values: collections.abc.Iterable[Any]) -> dict[str, Any]:
    """Return the schema of a closed list of values, with their type if they have one."""
    listed = list(values)
    kinds = {_PLAIN.get(type(value)) for value in listed}
    if None in kinds:
        message = f"JSON cannot tell these values apart: {listed!r:.80}"
        raise UsageError(message, hint="values of str, int or bool can be told")
    return ({"type": kinds.pop()} if len(kinds) == 1 else {}) | {"enum": listed}
