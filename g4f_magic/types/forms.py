"""What an argument may look like: its JSON schema, and JSON read as the value it stands for.

Each form has both, so that what a model is told and what a function gets cannot differ.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Schema: TypeAlias = dict[str, Any]


class UnfitError(ValueError):
    """JSON is not what a form asks for; the message tells a model what is."""


class Form(Protocol):
    """What an argument may look like."""

    def schema(self) -> Schema:
        """Return the form as JSON schema."""
        ...

    def read(self, value: Any, where: str) -> Any:
        """Return what a JSON value stands for; raises ``UnfitError``, naming ``where`` it is."""
        ...


class Anything:
    """Any JSON value, as it is."""

    def schema(self) -> Schema:
        """Return a schema that asks for nothing."""
        return {}

    def read(self, value: Any, _where: str) -> Any:
        """Return the value."""
        return value


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, number, truth value or null; what models often mistake is converted."""

    kind: type

    _NAMES: ClassVar[Mapping[type, str]] = {
        str: "string",
        int: "integer",
        float: "number",
        bool: "boolean",
        type(None): "null",
    }

    def schema(self) -> Schema:
        """Return the type."""
        return {"type": self._NAMES[self.kind]}

    def read(self, value: Any, where: str) -> Any:
        """Return the value, with ``3.0`` or ``"3"`` for 3, and 3 for ``"3"``."""
        if type(value) is self.kind:
            return value
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        try:
            if self.kind is str and is_number:
                return json.dumps(value)
            if self.kind is float and (is_number or isinstance(value, str)):
                return float(value)
            if self.kind is int and (isinstance(value, str) or (is_number and value % 1 == 0)):
                return int(value)
        except (ValueError, OverflowError):
            pass
        if self.kind is bool and value in ("true", "false"):
            return value == "true"
        raise _unfit(where, f"must be of type {self._NAMES[self.kind]}", value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values; ``meanings`` has what each stands for."""

    meanings: tuple[tuple[Any, Any], ...]

    def schema(self) -> Schema:
        """Return the values, and their type if they have one: Gemini asks for it."""
        kinds = {type(value) for value, _ in self.meanings}
        known = Scalar(kinds.pop()).schema() if len(kinds) == 1 else {}
        return {**known, "enum": [value for value, _ in self.meanings]}

    def read(self, value: Any, where: str) -> Any:
        """Return what the value stands for."""
        for known, meaning in self.meanings:
            if type(known) is type(value) and known == value:
                return meaning
        known = ", ".join(json.dumps(value) for value, _ in self.meanings)
        raise _unfit(where, f"must be one of {known}", value)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any of several forms."""

    forms: tuple[Form, ...]

    def schema(self) -> Schema:
        """Return all of them."""
        return {"anyOf": [form.schema() for form in self.forms]}

    def read(self, value: Any, where: str) -> Any:
        """Return it as the form that need not convert it, else as the first that can."""
        tried = [_tried(form, value, where) for form in self.forms]
        read = [found for found in tried if not isinstance(found, UnfitError)]
        if not read:
            raise UnfitError("; or ".join(dict.fromkeys(map(str, tried))))
        same = (found for found in read if type(found) is type(value) and found == value)
        return next(same, read[0])


@dataclass(frozen=True, slots=True)
class Text:
    """A string that stands for something else, such as a date."""

    format: str
    parse: Callable[[str], Any]

    def schema(self) -> Schema:
        """Return the format that the string has."""
        return {"type": "string", **({"format": self.format} if self.format else {})}

    def read(self, value: Any, where: str) -> Any:
        """Return what the string stands for."""
        try:
            return self.parse(Scalar(str).read(value, where))
        except (ValueError, ArithmeticError) as error:  # the latter of Decimal
            raise _unfit(
                where, f"must be a {self.format or 'text that can be read'}", value
            ) from error


@dataclass(frozen=True, slots=True)
class Items:
    """A list of one form; ``make`` turns it into a set or the like."""

    form: Form
    make: Callable[[list[Any]], Any]
    is_unique: bool = False

    def schema(self) -> Schema:
        """Return the form of an item."""
        unique = {"uniqueItems": True} if self.is_unique else {}
        return {"type": "array", "items": self.form.schema(), **unique}

    def read(self, value: Any, where: str) -> Any:
        """Return the items."""
        if not isinstance(value, list):
            raise _unfit(where, "must be a list", value)
        read = [self.form.read(item, f"{where}[{place}]") for place, item in enumerate(value)]
        return _made(self.make, read, where)


@dataclass(frozen=True, slots=True)
class Row:
    """A list of a fixed length, each place with a form of its own."""

    forms: tuple[Form, ...]

    def schema(self) -> Schema:
        """Return the length, and the forms that occur; services know no ``prefixItems``."""
        forms = [form.schema() for form in self.forms]
        different = [form for place, form in enumerate(forms) if form not in forms[:place]]
        items = different[0] if len(different) == 1 else {"anyOf": different}
        length = {"minItems": len(forms), "maxItems": len(forms)}
        return {"type": "array", "items": items if different else {}, **length}

    def read(self, value: Any, where: str) -> Any:
        """Return a tuple."""
        if not isinstance(value, list) or len(value) != len(self.forms):
            raise _unfit(where, f"must be a list of {len(self.forms)} items", value)
        pairs = enumerate(zip(self.forms, value, strict=True))
        return tuple(form.read(item, f"{where}[{place}]") for place, (form, item) in pairs)


@dataclass(frozen=True, slots=True)
class Table:
    """An object with keys of any name."""

    key: Form
    form: Form

    def schema(self) -> Schema:
        """Return the form of a value."""
        return {"type": "object", "additionalProperties": self.form.schema()}

    def read(self, value: Any, where: str) -> Any:
        """Return a dict."""
        if not isinstance(value, dict):
            raise _unfit(where, "must be an object", value)
        return {
            self.key.read(name, f"{where}.{name}"): self.form.read(item, f"{where}.{name}")
            for name, item in value.items()
        }


@dataclass(frozen=True, slots=True)
class Field:
    """One key of an object; ``default`` is shown, and used by who takes the object."""

    form: Form
    is_required: bool
    description: str = ""
    default: Any = None

    def schema(self) -> Schema:
        """Return the form, with what is said about it."""
        said: Schema = {"description": self.description} if self.description else {}
        if not self.is_required and _is_plain(self.default):
            said["default"] = self.default
        return {**self.form.schema(), **said}


@dataclass(frozen=True, slots=True)
class Record:
    """An object with these keys and no others; ``make`` gets them as keyword arguments."""

    fields: Mapping[str, Field]
    make: Callable[..., Any]
    description: str = ""

    def schema(self) -> Schema:
        """Return the keys and which of them must be there."""
        said = {"description": self.description} if self.description else {}
        return {
            "type": "object",
            **said,
            "properties": {name: field.schema() for name, field in self.fields.items()},
            "required": [name for name, field in self.fields.items() if field.is_required],
            "additionalProperties": False,
        }

    def read(self, value: Any, where: str) -> Any:
        """Return what is made of the keys that are there."""
        if not isinstance(value, dict):
            raise _unfit(where, "must be an object", value)
        prefix = f"{where}." if where else ""
        if unknown := [name for name in value if name not in self.fields]:
            known = f"there are {', '.join(self.fields)}" if self.fields else "there are none"
            message = f"there is no {prefix}{unknown[0]}; {known}"
            raise UnfitError(message)
        missing = [n for n, field in self.fields.items() if field.is_required and n not in value]
        if missing:
            message = f"{prefix}{missing[0]} is missing"
            raise UnfitError(message)
        read = {
            name: self.fields[name].form.read(item, f"{prefix}{name}")
            for name, item in value.items()
        }
        return _made(lambda found: self.make(**found), read, where)


@dataclass(frozen=True, slots=True)
class Model:
    """What a pydantic model says, which knows both itself."""

    model: Any

    def schema(self) -> Schema:
        """Return the schema that it gives."""
        schema: Schema = self.model.model_json_schema()
        return schema

    def read(self, value: Any, where: str) -> Any:
        """Return an instance."""
        return _made(self.model.model_validate, value, where)


def _made(make: Callable[[Any], Any], value: Any, where: str) -> Any:
    try:
        return make(value)
    except (TypeError, ValueError) as error:  # of classes of the notebook
        message = f"{where or 'the arguments'}: {error}"
        raise UnfitError(message) from error


def _tried(form: Form, value: Any, where: str) -> Any:
    """Return what a form reads, or its error."""
    try:
        return form.read(value, where)
    except UnfitError as error:
        return error


def _unfit(where: str, demand: str, value: Any) -> UnfitError:
    shown = json.dumps(value, ensure_ascii=False, default=repr)
    return UnfitError(f"{where or 'the arguments'} {demand}, not {shown[:100]}")


def _is_plain(value: Any) -> bool:
    """Tell whether JSON has the very value."""
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError, RecursionError):
        return False
