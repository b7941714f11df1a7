"""Where a JSON schema that somebody wrote by hand is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_LONGEST_VALUE = 60  # in characters
_NAMED = ("properties", "$defs")
_LISTED = ("prefixItems", "anyOf", "oneOf", "allOf")


def _is_count(rule: Any) -> bool:
    return isinstance(rule, (int, float)) and not isinstance(rule, bool)


def _is_text(rule: Any) -> bool:
    return isinstance(rule, str)


def _is_list(rule: Any) -> bool:
    return isinstance(rule, list)


def _are_names(rule: Any) -> bool:
    return isinstance(rule, list) and all(isinstance(name, str) for name in rule)


_SHAPES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "type": (lambda rule: _is_text(rule) or _are_names(rule), "a name or a list of names"),
    "required": (_are_names, "a list of names"),
    "enum": (_is_list, "a list"),
    "$ref": (_is_text, "a text"),
    "minItems": (_is_count, "a number"),
    "maxItems": (_is_count, "a number"),
    **dict.fromkeys(_NAMED, (lambda rule: isinstance(rule, dict), "an object")),
    **dict.fromkeys(_LISTED, (_is_list, "a list")),
}


def slip(schema: Mapping[str, Any], place: str = "") -> str:
    """Return which keyword has a value that it cannot have; empty where none has.

    Checks those that `misfits` knows, in the schema and all that are inside it.
    """
    for word, rule in schema.items():
        at = f"{place}.{word}" if place else str(word)
        fits, meaning = _SHAPES.get(word, (None, ""))
        if fits is not None and not fits(rule):
            return f"{at} is {rule!r:.{_LONGEST_VALUE}}, not {meaning}"
        for there, inner in _inside(word, rule, at):
            if isinstance(inner, dict) and (found := slip(inner, there)):
                return found
    return ""


def _inside(word: str, rule: Any, at: str) -> Iterator[tuple[str, Any]]:
    """Yield the schemas in a keyword's value, each with its place."""
    if word in _NAMED:
        yield from ((f"{at}.{name}", inner) for name, inner in rule.items())
    elif word in _LISTED:
        yield from ((f"{at}[{number}]", inner) for number, inner in enumerate(rule))
    elif word in {"items", "additionalProperties"}:
        yield at, rule
