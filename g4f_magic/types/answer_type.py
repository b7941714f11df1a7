"""A type of the notebook that answers are to have: what is asked for, and what is made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..fenced import json_in
from .forms import schema_of
from .hints import form_of, is_object
from .misfits import GivenSchema
from .slips import slip
from .unfit import UnfitError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .forms import Form, Schema

_SCHEMA_WORDS = ("type", "properties", "$ref", "anyOf", "oneOf", "allOf", "enum", "$defs")
_HINT = "it is a pydantic model, a dataclass, a TypedDict or a JSON schema"


@dataclass(frozen=True, slots=True)
class AnswerType:
    """The form of an answer under the name that its type has in the notebook."""

    name: str
    form: Form

    @property
    def schema(self) -> Schema:
        """The JSON schema that an answer has to fit."""
        return schema_of(self.form)

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
        """Return the object that an answer stands for; raises ``UnfitError``."""
        try:
            return self.form.read(json_in(text), "", is_strict=True)
        except UnfitError:
            raise
        except ValueError as error:
            message = f"it is no JSON ({error})"
            raise UnfitError(message) from error
        except RecursionError as error:
            message = "it is nested too deeply"
            raise UnfitError(message) from error


def named_type(name: str, scope: Mapping[str, Any]) -> AnswerType:
    """Return a type or schema of the notebook by its name; raises ``UsageError``."""
    if name not in scope:
        message = f"--schema {name}: there is no {name!r} in the notebook"
        raise UsageError(message, hint=_HINT)
    kind = scope[name]
    if isinstance(kind, dict) and any(word in kind for word in _SCHEMA_WORDS):
        if wrong := slip(kind):
            message = f"--schema {name} is no JSON schema: {wrong}"
            raise UsageError(message, hint="https://json-schema.org/understanding-json-schema")
        return AnswerType(name, GivenSchema(kind))
    if not is_object(kind):
        message = f"--schema {name}: {kind!r:.60} is no type that an answer can have"
        raise UsageError(message, hint=_HINT)
    return AnswerType(name, form_of(kind))


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
    if "$ref" in schema and "$defs" not in schema:  # beside which nothing may stand
        return {"$ref": schema["$ref"]}
    strict: dict[str, Any] = {}
    for word, rule in schema.items():
        if word in {"properties", "$defs"}:
            strict[word] = {name: _strict(inner) for name, inner in rule.items()}
        elif word in {"enum", "const", "required"}:
            strict[word] = rule
        elif word not in {"default", "title", "uniqueItems"}:
            strict[word] = _strict(rule)
    if "properties" in schema or schema.get("type") == "object":
        if schema.get("additionalProperties") or "properties" not in schema:
            raise _OpenError
        strict |= {"required": list(schema["properties"]), "additionalProperties": False}
    return strict
