"""Type hints as forms of JSON."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import types
import typing
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from uuid import UUID

from ..errors import UsageError
from .docstrings import described
from .forms import Choice, Field, Items, Model, OneOf, Record, Row, Scalar, Table, Text
from .misfits import GivenSchema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .forms import Form

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
_OF_KEYS = frozenset({"Required", "NotRequired", "ReadOnly"})  # in a TypedDict


class NoFormError(UsageError):
    """A hint asks for something that JSON cannot say."""


def form_of(hint: Any) -> Form:
    """Return the form of a type hint; raises ``NoFormError``."""
    return _Forms().of(hint)


def note_of(hint: Any) -> str:
    """Return what an ``Annotated`` hint says in words, also in pydantic's ``Field``."""
    hint = _without_rule(hint)
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    texts = (n if isinstance(n, str) else getattr(n, "description", None) for n in notes)
    return next((text for text in texts if isinstance(text, str)), "")


def is_object(hint: Any) -> bool:
    """Tell whether a hint is a dataclass, a TypedDict or a model of pydantic 2."""
    is_record = dataclasses.is_dataclass(hint) or hasattr(hint, "__required_keys__")
    return isinstance(hint, type) and (is_record or _is_pydantic(hint))


class _Forms:
    """The forms of hints that belong together: of a class there is one, however often it occurs."""

    def __init__(self) -> None:
        self._records: dict[Any, Record] = {}
        self._open: set[Any] = set()

    def of(self, hint: Any) -> Form:
        """Return the form of a hint."""
        hint = _without_rule(hint)
        if get_origin(hint) is Annotated or hasattr(hint, "__supertype__"):  # the latter: NewType
            return self.of(getattr(hint, "__supertype__", None) or get_args(hint)[0])
        found = None
        if isinstance(hint, collections.abc.Hashable):  # unlike [str], written for list[str]
            found = self._of_special(hint) or self._of_container(hint) or self._of_class(hint)
        if found is None:
            message = f"JSON has no form for {getattr(hint, '__name__', hint)}"
            raise NoFormError(message, hint="text, numbers, lists, dicts and what is made of them")
        return found

    def _of_special(self, hint: Any) -> Form | None:
        if hint in (Any, object) or isinstance(hint, TypeVar):
            return GivenSchema({})
        if hint in (*_SCALARS, None):
            return Scalar(hint or type(None))
        if get_origin(hint) in (Union, types.UnionType):
            return OneOf(tuple(map(self.of, get_args(hint))))
        if get_origin(hint) is Literal:
            return _choice(get_args(hint))
        return None

    def _of_container(self, hint: Any) -> Form | None:
        origin, inner = get_origin(hint) or hint, get_args(hint)
        if origin is tuple and inner and inner[-1] is not Ellipsis:
            return Row(tuple(self.of(one) for one in inner if one != ()))
        if origin is tuple or origin in _LISTS:
            return Items(self.of(inner[0] if inner else Any), _LISTS.get(origin, tuple))
        if origin in _TABLES:
            return Table(*map(self.of, inner or (str, Any)))
        return None

    def _of_class(self, hint: Any) -> Form | None:
        if not isinstance(hint, type):
            return None
        if hint in _TEXTS:
            return _TEXTS[hint]
        if issubclass(hint, enum.Enum):
            return _choice(tuple(hint))
        if _is_pydantic(hint):
            return _model(hint)
        return self._record(hint) if is_object(hint) else None

    def _record(self, kind: Any) -> Record:
        if kind in self._records:
            self._records[kind].is_cyclic |= kind in self._open
            return self._records[kind]
        # A dataclass without a docstring gets its signature as one.
        is_said = not (kind.__doc__ or "").startswith(f"{kind.__name__}(")
        said = described(kind.__doc__ if is_said else "")
        record = self._records[kind] = Record({}, kind, said.text)
        self._open.add(kind)
        for name, hint, is_required, default in _keys(kind):
            note = note_of(hint) or said.parameters.get(name, "")
            record.fields[name] = Field(self.of(hint), is_required, note, default)
        self._open.remove(kind)
        return record


def _keys(kind: Any) -> Iterator[tuple[str, Any, bool, Any]]:
    """Yield the name, hint, whether it is required, and the default of the keys of a class.

    Those that a dataclass computes itself are left out.
    """
    unset = dataclasses.MISSING
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except Exception as error:  # code of the notebook, where hints are texts or read late
        message = f"the hints of {kind.__name__!r} cannot be read: {error}"
        hint = "run the cell that defines it first" if isinstance(error, NameError) else ""
        raise NoFormError(message, hint=hint) from error
    if dataclasses.is_dataclass(kind):
        for field in dataclasses.fields(kind):
            if field.init:
                is_required = field.default is field.default_factory is unset
                yield field.name, hints[field.name], is_required, field.default
        return
    for name, hint in hints.items():
        # Where annotations are strings, __required_keys__ does not know (PEP 655).
        rule = getattr(get_origin(hint), "_name", "")
        is_required = rule == "Required" or (
            name in kind.__required_keys__ and rule != "NotRequired"
        )
        yield name, hint, is_required, unset


def _without_rule(hint: Any) -> Any:
    """Return what is in ``Required`` and the like."""
    while getattr(get_origin(hint), "_name", "") in _OF_KEYS:
        hint = get_args(hint)[0]
    return hint


def _is_pydantic(hint: Any) -> bool:
    """Tell whether a hint is a model of pydantic 2, without loading that."""
    return hasattr(hint, "model_json_schema")


def _model(kind: Any) -> Model:
    """Return the form of a pydantic model, if that has a schema."""
    try:
        kind.model_json_schema()
    except Exception as error:  # pydantic's own, of many kinds
        reason = str(error).partition("\n")[0]
        message = f"{kind.__name__!r} has no JSON schema: {reason}"
        raise NoFormError(message) from error
    return Model(kind)


def _choice(values: tuple[Any, ...]) -> Choice:
    """Return the choice of values, members of an Enum among them, by what JSON has for them."""
    plain = [value.value if isinstance(value, enum.Enum) else value for value in values]
    if any(type(value) not in _SCALARS for value in plain):
        plain = [value.name if isinstance(value, enum.Enum) else str(value) for value in values]
    return Choice(tuple(zip(plain, values, strict=True)))
