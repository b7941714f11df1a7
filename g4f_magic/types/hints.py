"""Type hints as forms of JSON."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import types
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import UUID

from .docstrings import described
from .forms import (
    Anything,
    Choice,
    Field,
    Form,
    Items,
    Model,
    OneOf,
    Record,
    Row,
    Scalar,
    Table,
    Text,
)

_SCALARS = (str, int, float, bool, type(None))
_TEXTS = {
    # Python before 3.11 reads no "Z".
    datetime: Text("date-time", lambda text: datetime.fromisoformat(text.replace("Z", "+00:00"))),
    date: Text("date", date.fromisoformat),
    time: Text("time", time.fromisoformat),
    UUID: Text("uuid", UUID),
    Decimal: Text("", Decimal),
    Path: Text("", Path),
}
_LISTS: dict[Any, Any] = {
    **dict.fromkeys((list, collections.abc.Sequence, collections.abc.MutableSequence), list),
    **dict.fromkeys((collections.abc.Iterable, collections.abc.Collection), list),
    **dict.fromkeys((set, collections.abc.Set, collections.abc.MutableSet), set),
    frozenset: frozenset,
}
_TABLES = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


class NoFormError(TypeError):
    """A hint asks for something that JSON cannot say."""


def form_of(hint: Any, within: tuple[Any, ...] = ()) -> Form:
    """Return the form of a type hint; raises ``NoFormError``.

    ``within`` are the classes that it is part of: schemas that refer to themselves
    are more than some services know.
    """
    if get_origin(hint) is Annotated or hasattr(hint, "__supertype__"):  # the latter: a NewType
        return form_of(getattr(hint, "__supertype__", None) or get_args(hint)[0], within)
    found = (
        _form_of_special(hint, within)
        or _form_of_container(hint, within)
        or _form_of_class(hint, within)
    )
    if found is None:
        message = f"JSON has no form for {getattr(hint, '__name__', hint)}"
        raise NoFormError(message)
    return found


def note_of(hint: Any) -> str:
    """Return what an ``Annotated`` hint says in words, also in pydantic's ``Field``."""
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    texts = (n if isinstance(n, str) else getattr(n, "description", None) for n in notes)
    return next((text for text in texts if isinstance(text, str)), "")


def _form_of_special(hint: Any, within: tuple[Any, ...]) -> Form | None:
    if hint in (Any, object) or isinstance(hint, TypeVar):
        return Anything()
    if hint in (*_SCALARS, None):
        return Scalar(hint or type(None))
    if get_origin(hint) in (Union, types.UnionType):
        return OneOf(tuple(form_of(one, within) for one in get_args(hint)))
    if get_origin(hint) is Literal:
        return _choice(get_args(hint))
    return None


def _form_of_container(hint: Any, within: tuple[Any, ...]) -> Form | None:
    origin, inner = get_origin(hint) or hint, get_args(hint)
    if origin is tuple and inner and inner[-1] is not Ellipsis:
        return Row(tuple(form_of(one, within) for one in inner if one != ()))
    if origin is tuple:
        return Items(form_of(inner[0], within) if inner else Anything(), tuple)
    if origin in _LISTS:
        made = _LISTS[origin]
        return Items(form_of(inner[0], within) if inner else Anything(), made, made is not list)
    if origin in _TABLES:
        key, value = (form_of(one, within) for one in inner or (str, Any))
        return Table(key, value)
    return None


def _form_of_class(hint: Any, within: tuple[Any, ...]) -> Form | None:
    if not isinstance(hint, type):
        return None
    if hint in within:
        message = f"{hint.__name__} contains itself"
        raise NoFormError(message)
    if hint in _TEXTS:
        return _TEXTS[hint]
    if issubclass(hint, enum.Enum):
        return _choice(tuple(hint))
    if hasattr(hint, "model_json_schema") and hasattr(hint, "model_validate"):
        return Model(hint)
    if dataclasses.is_dataclass(hint):
        return _dataclass_form(hint, (*within, hint))
    is_typed_dict = issubclass(hint, dict) and hasattr(hint, "__required_keys__")
    return _typed_dict_form(hint, (*within, hint)) if is_typed_dict else None


def _choice(values: tuple[Any, ...]) -> Choice:
    """Return the choice of values, members of an Enum among them, by what JSON has for them."""
    plain = [value.value if isinstance(value, enum.Enum) else value for value in values]
    if any(type(value) not in _SCALARS for value in plain):
        plain = [value.name if isinstance(value, enum.Enum) else str(value) for value in values]
    return Choice(tuple(zip(plain, values, strict=True)))


def _dataclass_form(kind: type, within: tuple[Any, ...]) -> Record:
    # A dataclass without a docstring gets its signature as one.
    is_said = not (kind.__doc__ or "").startswith(f"{kind.__name__}(")
    said = described(kind.__doc__ if is_said else "")
    hints = get_type_hints(kind, include_extras=True)
    fields = {}
    for field in dataclasses.fields(kind):
        if field.init:
            unset = dataclasses.MISSING
            is_required = field.default is unset and field.default_factory is unset
            note = note_of(hints[field.name]) or said.parameters.get(field.name, "")
            default = None if field.default is unset else field.default
            form = form_of(hints[field.name], within)
            fields[field.name] = Field(form, is_required, note, default)
    return Record(fields, kind, said.text)


def _typed_dict_form(kind: Any, within: tuple[Any, ...]) -> Record:
    fields = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        # Where annotations are strings, __required_keys__ does not know (PEP 655).
        said = getattr(get_origin(hint), "_name", "")
        is_required = said == "Required" or (
            name in kind.__required_keys__ and said != "NotRequired"
        )
        inner = get_args(hint)[0] if said in {"Required", "NotRequired"} else hint
        fields[name] = Field(form_of(inner, within), is_required, note_of(inner))
    return Record(fields, dict, described(kind.__doc__).text)
