"""A type of the notebook that answers are to have: what is asked for, and what is made of it."""

from __future__ import annotations

import datetime as dt
import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args, get_origin

from ..errors import UsageError
from ..fenced import json_in
from .json_schema import (
    MAPPINGS,
    UNIONS,
    has_fields,
    hints_of,
    is_pydantic,
    is_typed_dict,
    schema_of,
    unwrapped,
)
from .misfits import misfits

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_MISFITS = 5
_LONGEST_MISFIT = 200  # in characters
_TIMES = (dt.datetime, dt.date, dt.time)
_SCHEMA_WORDS = ("type", "properties", "$ref", "anyOf", "oneOf", "allOf", "enum", "$defs")
_HINT = "it is a pydantic model, a dataclass, a TypedDict or a JSON schema"


class MisfitError(ValueError):
    """A text is not JSON of the type; the message says where."""


@dataclass(frozen=True, slots=True)
class AnswerType:
    """A type under its name; ``kind`` is the type itself, or a JSON schema."""

    name: str
    kind: Any
    schema: dict[str, Any]

    @property
    def response_format(self) -> dict[str, Any]:
        """The request field that asks for it, strictly where the schema allows that.

        See https://platform.openai.com/docs/guides/structured-outputs.
        """
        strict = strictly(self.schema)
        schema = self.schema if strict is None else strict
        name = re.sub(r"[^\w-]", "_", self.name, flags=re.ASCII)[:64]
        asked = {"name": name, "strict": strict is not None, "schema": schema}
        return {"type": "json_schema", "json_schema": asked}

    def read(self, text: str) -> Any:
        """Return the object that an answer stands for; raises ``MisfitError``."""
        try:
            value = json_in(text)
        except ValueError as error:
            message = f"it is no JSON ({error})"
            raise MisfitError(message) from error
        try:
            found = [] if is_pydantic(self.kind) else misfits(value, self.schema)
            parsed = value if found or isinstance(self.kind, dict) else built(self.kind, value)
        except RecursionError:
            found = ["it is nested too deeply"]
        except (TypeError, ValueError) as error:  # by the checks of the type itself
            found = _lines(error)
        if found:
            raise MisfitError(_joined(found))
        return parsed


def named_type(name: str, scope: Mapping[str, Any]) -> AnswerType:
    """Return a type or schema of the notebook by its name; raises ``UsageError``."""
    if name not in scope:
        message = f"--schema {name}: there is no {name!r} in the notebook"
        raise UsageError(message, hint=_HINT)
    kind = scope[name]
    if isinstance(kind, dict) and any(word in kind for word in _SCHEMA_WORDS):
        return AnswerType(name, kind, kind)
    if not (has_fields(kind) or is_pydantic(kind)):
        message = f"--schema {name}: {kind!r:.60} is no type that an answer can have"
        raise UsageError(message, hint=_HINT)
    return AnswerType(name, kind, schema_of(kind))


def built(kind: Any, value: Any) -> Any:
    """Return a JSON value that fits a type as an object of that type."""
    kind = unwrapped(kind)
    if is_pydantic(kind):
        return kind.model_validate(value)
    if has_fields(kind):
        hints = hints_of(kind)
        fields = {name: built(hints[name], inner) for name, inner in value.items()}
        return fields if is_typed_dict(kind) else kind(**fields)
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if origin in UNIONS:
        fitting = (one for one in arguments if not misfits(value, schema_of(one)))
        return built(next(fitting), value)
    if isinstance(value, list):
        return _built_list(origin, arguments, value)
    if origin in MAPPINGS and arguments:
        return {name: built(arguments[1], inner) for name, inner in value.items()}
    return _built_plain(kind, value)


def _built_list(origin: Any, arguments: tuple[Any, ...], value: list[Any]) -> Any:
    if origin is tuple and arguments and arguments[1:] != (...,):
        return tuple(built(one, inner) for one, inner in zip(arguments, value, strict=True))
    items = [built(arguments[0], inner) for inner in value] if arguments else value
    concrete = origin in {tuple, set, frozenset}
    return origin(items) if concrete else items


def _built_plain(kind: Any, value: Any) -> Any:
    if kind in _TIMES:
        return kind.fromisoformat(value)
    if kind in {int, float} or (isinstance(kind, type) and issubclass(kind, enum.Enum)):
        return kind(value)
    return value


def strictly(schema: dict[str, Any]) -> dict[str, Any] | None:
    """Return a schema as strict mode wants it: all named is required, and nothing else allowed.

    None where that would be another type, as with names that are not known before.
    """
    try:
        strict: dict[str, Any] = _strict(schema)
    except _OpenError:
        return None
    return strict if strict.get("type") == "object" else None


class _OpenError(Exception):
    """An object may have names that the schema does not know."""


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    strict: dict[str, Any] = {}
    for word, rule in schema.items():
        if word in {"properties", "$defs"}:
            strict[word] = {name: _strict(inner) for name, inner in rule.items()}
        elif word in {"enum", "const", "required"}:
            strict[word] = rule
        elif word not in {"default", "title"}:
            strict[word] = _strict(rule)
    if "properties" in schema or schema.get("type") == "object":
        if schema.get("additionalProperties") or "properties" not in schema:
            raise _OpenError
        strict |= {"required": list(schema["properties"]), "additionalProperties": False}
    return strict


def _lines(error: Exception) -> list[str]:
    """Return what a check has against a value; pydantic lists it."""
    listed = getattr(error, "errors", None)
    if not callable(listed):
        return [str(error)]
    return [f"{'.'.join(map(str, one['loc'])) or 'the value'}: {one['msg']}" for one in listed()]


def _joined(found: list[str]) -> str:
    """Return some of what was found in one line, in which nothing of a model moves a cursor."""
    more = len(found) - _MOST_MISFITS
    told = [line[:_LONGEST_MISFIT] for line in found[:_MOST_MISFITS]]
    line = "; ".join([*told, *([f"and {more} more"] if more > 0 else [])])
    return "".join(character if character.isprintable() else "\ufffd" for character in line)
