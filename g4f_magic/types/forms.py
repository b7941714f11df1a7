"""What a value may look like as JSON: the schema that says so, and JSON read as the value.

Each form has both, so that what a model is told and what is made of its JSON cannot differ.
"""

from __future__ import annotations

import itertools
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from .unfit import UnfitError, inside, is_same, lines_of, one_of, unfit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Schema: TypeAlias = dict[str, Any]

_NAMES: Mapping[type, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


class Form(Protocol):
    """What a value may look like."""

    def schema(self, definitions: Definitions) -> Schema:
        """Return the form as JSON schema; what that refers to goes into ``definitions``."""
        ...

    def read(self, value: Any, where: str, *, is_strict: bool = False) -> Any:
        """Return what a JSON value stands for; raises ``UnfitError``, naming ``where`` it is.

        What models often mistake is converted, unless ``is_strict``.
        """
        ...


def schema_of(form: Form) -> Schema:
    """Return the JSON schema (draft 2020-12) of a form, with all that it refers to."""
    definitions = Definitions(form)
    whole = form.body if isinstance(form, Record) else form.schema
    schema = whole(definitions)
    return schema | ({"$defs": definitions.schemas} if definitions.schemas else {})


class Definitions:
    """The schemas that those of one ``root`` refer to, by names that no other has."""

    def __init__(self, root: Form) -> None:
        self.schemas: dict[str, Schema] = {}
        self._root = root
        self._names: dict[Any, str] = {}

    def name_of(self, kind: Any) -> str:
        """Return the name of a class here."""
        wish = re.sub(r"\W", "_", kind.__name__)
        free = itertools.chain([wish], (f"{wish}{number}" for number in itertools.count(2)))
        taken = self._names.values()
        return self._names.setdefault(kind, next(name for name in free if name not in taken))

    def reference(self, record: Record) -> Schema:
        """Return the schema that refers to that of a record."""
        if record is self._root:
            return {"$ref": "#"}
        name = self.name_of(record.make)
        if name not in self.schemas:
            self.schemas[name] = {}  # taken, before what refers back to it
            self.schemas[name] = record.body(self)
        return {"$ref": f"#/$defs/{name}"}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, number, truth value or null."""

    kind: type

    def schema(self, _: Definitions) -> Schema:
        """Return the type."""
        return {"type": _NAMES[self.kind]}

    def read(self, value: Any, where: str, *, is_strict: bool = False) -> Any:
        """Return the value, with 3 for ``3.0``; with 3 for ``"3"``, or back, if not strict."""
        if type(value) is self.kind:
            return value
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        is_text = isinstance(value, str) and not is_strict
        with suppress(ValueError, OverflowError):
            if self.kind is float and (is_number or is_text):
                return float(value)
            if self.kind is int and (is_text or (is_number and value % 1 == 0)):
                return int(value)
        if self.kind is str and is_number and not is_strict:
            return json.dumps(value)
        if self.kind is bool and is_text and value in {"true", "false"}:
            return value == "true"
        raise UnfitError(unfit(where, f"must be of type {_NAMES[self.kind]}", value))


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values; ``meanings`` has what each stands for."""

    meanings: tuple[tuple[Any, Any], ...]

    def schema(self, _: Definitions) -> Schema:
        """Return the values, and their type if they have one: Gemini asks for it."""
        kinds = {type(value) for value, _ in self.meanings}
        known = {"type": _NAMES[kinds.pop()]} if len(kinds) == 1 else {}
        return {**known, "enum": [value for value, _ in self.meanings]}

    def read(self, value: Any, where: str, **_: bool) -> Any:
        """Return what the value stands for."""
        for known, meaning in self.meanings:
            if is_same(known, value):
                return meaning
        raise UnfitError(unfit(where, one_of(value for value, _ in self.meanings), value))


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any of several forms."""

    forms: tuple[Form, ...]

    def schema(self, definitions: Definitions) -> Schema:
        """Return all of them."""
        return {"anyOf": [form.schema(definitions) for form in self.forms]}

    def read(self, value: Any, where: str, *, is_strict: bool = False) -> Any:
        """Return it as the first form that need not convert it, else as the first that can."""
        wrong: dict[str, None] = {}
        for is_exact in dict.fromkeys((True, is_strict)):
            for form in self.forms:
                found = _tried(form, value, where, is_strict=is_exact)
                if not isinstance(found, UnfitError):
                    return found
                wrong[str(found)] = None
        raise UnfitError("; or ".join(wrong))


@dataclass(frozen=True, slots=True)
class Text:
    """A string that stands for something else, such as a date."""

    format: str
    parse: Callable[[str], Any]

    def schema(self, _: Definitions) -> Schema:
        """Return the format that the string has."""
        return {"type": "string", **({"format": self.format} if self.format else {})}

    def read(self, value: Any, where: str, *, is_strict: bool = False) -> Any:
        """Return what the string stands for."""
        try:
            return self.parse(Scalar(str).read(value, where, is_strict=is_strict))
        except (ValueError, ArithmeticError) as error:  # the latter of Decimal
            demand = f"must be a {self.format or 'text that can be read'}"
            raise UnfitError(unfit(where, demand, value)) from error


@dataclass(frozen=True, slots=True)
class Items:
    """A list of one form; ``make`` turns it into a set or the like."""

    form: Form
    make: Callable[[list[Any]], Any]

    def schema(self, definitions: Definitions) -> Schema:
        """Return the form of an item."""
        return {"type": "array", "items": self.form.schema(definitions)}

    def read(self, value: Any, where: str, *, is_strict: bool = False) -> Any:
        """Return the items."""
        if not isinstance(value, list):
            raise UnfitError(unfit(where, "must be a list", value))
        parts = ((self.form, item, f"{where}[{place}]") for place, item in enumerate(value))
        return _made(self.make, _read_all(parts, is_strict=is_strict), where)


@dataclass(frozen=True, slots=True)
class Row:
    """A list of a fixed length, each place with a form of its own."""

    forms: tuple[Form, ...]

    def schema(self, definitions: Definitions) -> Schema:
        """Return the length, and the forms that occur; services know no ``prefixItems``."""
        forms = [form.schema(definitions) for form in self.forms]
        different = [form for place, form in enumerate(forms) if form not in forms[:place]]
        items = different[0] if len(different) == 1 else {"anyOf": different}
        length = {"minItems": len(forms), "maxItems": len(forms)}
        return {"type": "array", "items": items if different else {}, **length}

    def read(self, value: Any, where: str, *, is_strict: bool = False) -> Any:
        """Return a tuple."""
        if not isinstance(value, list) or len(value) != len(self.forms):
            raise UnfitError(unfit(where, f"must be a list of {len(self.forms)} items", value))
        pairs = enumerate(zip(self.forms, value, strict=True))
        parts = ((form, item, f"{where}[{place}]") for place, (form, item) in pairs)
        return tuple(_read_all(parts, is_strict=is_strict))


@dataclass(frozen=True, slots=True)
class Table:
    """An object with keys of any name."""

    key: Form
    form: Form

    def schema(self, definitions: Definitions) -> Schema:
        """Return the form of a value."""
        return {"type": "object", "additionalProperties": self.form.schema(definitions)}

    def read(self, value: Any, where: str, *, is_strict: bool = False) -> Any:
        """Return a dict; in JSON all keys are strings, so they are converted in any case."""
        if not isinstance(value, dict):
            raise UnfitError(unfit(where, "must be an object", value))
        keys = _read_all((self.key, name, inside(where, name)) for name in value)
        parts = ((self.form, item, inside(where, name)) for name, item in value.items())
        return dict(zip(keys, _read_all(parts, is_strict=is_strict), strict=True))


@dataclass(frozen=True, slots=True)
class Field:
    """One key of an object; a ``default`` that JSON has is shown, for who takes it to use."""

    form: Form
    is_required: bool
    description: str
    default: Any

    def schema(self, definitions: Definitions) -> Schema:
        """Return the form, with what is said about it."""
        said: Schema = {"description": self.description} if self.description else {}
        if _is_plain(self.default):
            said["default"] = self.default
        return {**self.form.schema(definitions), **said}


@dataclass(slots=True, eq=False)
class Record:
    """An object with these keys and no others; ``make`` gets them as keyword arguments.

    ``is_cyclic`` if it contains itself, perhaps within others.
    """

    fields: dict[str, Field]
    make: Callable[..., Any]
    description: str = ""
    is_cyclic: bool = False

    def schema(self, definitions: Definitions) -> Schema:
        """Return the body, or a reference where it has no end: not all services know these."""
        return definitions.reference(self) if self.is_cyclic else self.body(definitions)

    def body(self, definitions: Definitions) -> Schema:
        """Return the keys and which of them must be there."""
        said = {"description": self.description} if self.description else {}
        return {
            "type": "object",
            **said,
            "properties": {name: field.schema(definitions) for name, field in self.fields.items()},
            "required": [name for name, field in self.fields.items() if field.is_required],
            "additionalProperties": False,
        }

    def read(self, value: Any, where: str, *, is_strict: bool = False) -> Any:
        """Return what is made of the keys that are there."""
        if not isinstance(value, dict):
            raise UnfitError(unfit(where, "must be an object", value))
        given = {name: item for name, item in value.items() if name in self.fields}
        parts = ((self.fields[name].form, given[name], inside(where, name)) for name in given)
        read = _read_all(parts, is_strict=is_strict, wrong=self._wrong_names(value, where))
        return _made(lambda found: self.make(**found), dict(zip(given, read, strict=True)), where)

    def _wrong_names(self, value: dict[str, Any], where: str) -> Iterator[str]:
        if unknown := [inside(where, name) for name in value if name not in self.fields]:
            known = f"there are {', '.join(self.fields)}" if self.fields else "there are none"
            yield f"there is no {', '.join(unknown)}; {known}"
        for name, field in self.fields.items():
            if field.is_required and name not in value:
                yield f"{inside(where, name)} is missing"


@dataclass(frozen=True, slots=True)
class Model:
    """What a pydantic model says, which knows both itself."""

    model: Any

    def schema(self, definitions: Definitions) -> Schema:
        """Return the schema that it gives; two models may have definitions of the same name."""
        name = definitions.name_of(self.model)
        schema: Schema = self.model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
        own = schema.pop("$defs", {})
        definitions.schemas |= {f"{name}.{inner}": own[inner] for inner in own}
        return schema

    def read(self, value: Any, where: str, **_: bool) -> Any:
        """Return an instance."""
        return _made(self.model.model_validate, value, where)


def _read_all(
    parts: Iterable[tuple[Form, Any, str]], *, is_strict: bool = False, wrong: Iterable[str] = ()
) -> list[Any]:
    """Return what forms read; raises one error for all that is ``wrong`` or does not fit."""
    tried = [_tried(form, value, where, is_strict=is_strict) for form, value, where in parts]
    lines = [*wrong]
    for found in tried:
        lines += found.lines if isinstance(found, UnfitError) else ()
    if lines:
        raise UnfitError(*lines)
    return tried


def _tried(form: Form, value: Any, where: str, *, is_strict: bool) -> Any:
    """Return what a form reads, or its error."""
    try:
        return form.read(value, where, is_strict=is_strict)
    except UnfitError as error:
        return error


def _made(make: Callable[[Any], Any], value: Any, where: str) -> Any:
    try:
        return make(value)
    except Exception as error:  # classes of the notebook raise what they like
        raise UnfitError(*lines_of(error, where)) from error


def _is_plain(value: Any) -> bool:
    """Tell whether JSON has the very value."""
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError, RecursionError):
        return False
