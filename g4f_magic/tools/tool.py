"""Functions of the notebook as tools that a model may call."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_type_hints

from ..errors import UsageError
from ..types.docstrings import described
from ..types.forms import Field, Record, schema_of
from ..types.hints import NoFormError, form_of, note_of
from ..types.unfit import UnfitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..types.forms import Schema

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # all that chat-completions services take
_LONGEST_RESULT = 32_000  # in characters: some ten thousand tokens
_JSON = (str, int, float, type(None), list, tuple, dict)
_UNNAMED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Tool:
    """A function, and how it is called."""

    name: str
    function: Callable[..., Any]
    description: str
    parameters: Record

    def schema(self) -> Schema:
        """Return the tool as chat-completions services take it."""
        parameters = schema_of(self.parameters)
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        return {"type": "function", "function": function}

    def bound(self, arguments: str) -> Callable[[], Any]:
        """Return the function with its arguments read from JSON; raises ``UnfitError``."""
        try:
            given = json.loads(arguments or "{}")
        except (ValueError, RecursionError) as error:
            message = f"the arguments are no JSON: {error}"
            raise UnfitError(message) from error
        values = self.parameters.read(given, "")
        parameters = inspect.signature(self.function).parameters.values()
        unnamed = [p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_ONLY]
        first = [values.pop(name) for name in unnamed if name in values]
        return functools.partial(self.function, *first, **values)


def find_tools(given: Iterable[str], scope: Mapping[str, Any]) -> tuple[Tool, ...]:
    """Return the functions that words like ``f,g.h`` name; raises ``UsageError``."""
    tools: dict[str, Tool] = {}
    for word in given:
        if not all(word.split(",")):
            message = f"--tools {word!r} lacks a name"
            raise UsageError(message, hint="between the names stand commas and no blanks")
        for name in word.split(","):
            tool = tool_of(_found(name, scope), name.replace(".", "_"))
            tools[tool.name] = tool
    return tuple(tools.values())


def tool_of(function: Any, name: str) -> Tool:
    """Return a function as a tool; raises ``UsageError``."""
    if not callable(function):
        message = f"--tools: {name!r} is no function but a {type(function).__name__}"
        raise UsageError(message)
    if not _NAME.fullmatch(name):
        message = f"--tools: services take no function called {name!r}"
        raise UsageError(message, hint="give it a name of at most 64 letters a-z, digits and _")
    said = described(inspect.getdoc(_inner(function)))
    try:
        fields = _fields(function, said.parameters)
    except Exception as error:  # hints are code of the notebook, and some are read only now
        message = f"--tools: {name!r} cannot be called by a model: {error}"
        hint = "a model can give text, numbers, lists, dicts and what is made of them"
        raise UsageError(message, hint=hint) from error
    return Tool(name, function, said.text, Record(fields, dict))


def result_text(value: Any) -> str:
    """Return what a function returned as a model reads it, cut where it gets long."""
    plain = value if isinstance(value, _JSON) else _plain(value)
    try:
        text = json.dumps(plain, ensure_ascii=False, default=_plain)
    except (TypeError, ValueError, RecursionError):
        text = str(value)
    if isinstance(plain, str):
        text = plain
    text = text.encode("utf-8", "replace").decode()
    if len(text) <= _LONGEST_RESULT:
        return text
    return f"{text[:_LONGEST_RESULT]}\n… (cut here: {len(text)} characters in all)"


def _found(name: str, scope: Mapping[str, Any]) -> Any:
    """Return the value of a name, which may have dots."""
    first, *others = name.split(".")
    try:
        return functools.reduce(getattr, others, scope[first])
    except (KeyError, AttributeError):
        functions = [n for n, value in scope.items() if callable(value) and n[:1] != "_"]
        alike = get_close_matches(first, functions, n=1)
        message = f"--tools: there is no function {name!r} in this notebook"
        hint = f"did you mean {alike[0]!r}?" if alike else "run the cell that defines it first"
        raise UsageError(message, hint=hint) from None


def _fields(function: Any, said: Mapping[str, str]) -> dict[str, Field]:
    """Return the parameters that a model can give."""
    source = _inner(function)
    hints = get_type_hints(source, include_extras=True)
    fields = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in _UNNAMED:
            continue
        is_required = parameter.default is parameter.empty
        hint = hints.get(name, Any)
        try:
            form = form_of(hint)
        except NoFormError as error:
            if not is_required:  # the function can do without it
                continue
            message = f"{name}: {error}"
            raise NoFormError(message) from error
        default = dataclasses.MISSING if is_required else parameter.default
        fields[name] = Field(form, is_required, note_of(hint) or said.get(name, ""), default)
    return fields


def _inner(function: Any) -> Any:
    """Return what has the hints and the docstring of something that can be called."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isclass(function):
        return function.__init__
    return function if inspect.isroutine(function) else type(function).__call__


def _plain(value: Any) -> Any:
    """Return what JSON has for a value that it does not know."""
    if callable(dump := getattr(value, "model_dump", None)) and not isinstance(value, type):
        return dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if callable(to_list := getattr(value, "tolist", None)):  # of arrays, their numbers, series
        return to_list()
    return str(value)
