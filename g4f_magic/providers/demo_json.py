"""What the demo answers where JSON is asked for: the least that fits, from the prompt's words."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_DEEPEST = 8  # below it what may be missing is
_FORMATS = {"date": "2000-01-01", "date-time": "2000-01-01T00:00:00", "time": "00:00:00"}


def json_answer(response_format: Any, prompt: str) -> str:
    """Return JSON as ``response_format`` asks for it; empty if it does not."""
    wanted = response_format if isinstance(response_format, dict) else {}
    if wanted.get("type") == "json_object":
        return _dump({"demo": "not a language model", "prompt": prompt})
    schema = (wanted.get("json_schema") or {}).get("schema")
    if wanted.get("type") != "json_schema" or not isinstance(schema, dict):
        return ""
    return _dump(_Filler(schema, prompt).value(schema))


class _Filler:
    """Fills a schema with the words and numbers of a prompt, each taken once, in their order."""

    def __init__(self, root: dict[str, Any], prompt: str) -> None:
        self._root = root
        self._prompt = prompt.lower()
        self._words = iter(_WORD.findall(prompt))
        self._numbers = iter(_NUMBER.findall(prompt))

    def value(self, schema: Any, depth: int = 0) -> Any:
        """Return a value that fits a schema."""
        schema = self._chosen(schema, depth)
        if depth > 2 * _DEEPEST:  # of what can have no end, an end
            return None
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            said = (one for one in schema["enum"] if str(one).lower() in self._prompt)
            return next(said, next(iter(schema["enum"]), None))
        kinds = schema.get("type", "object" if "properties" in schema else "string")
        kind = kinds if isinstance(kinds, str) else next(iter(kinds), "string")
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        return self._plain(kind, schema)

    def _chosen(self, schema: Any, depth: int) -> Mapping[str, Any]:
        """Return the schema that is meant: where one refers, or the first of several."""
        for _ in range(_DEEPEST):
            if not isinstance(schema, dict):
                return {}
            choices = schema.get("anyOf") or schema.get("oneOf")
            if "$ref" in schema:
                schema = self._referred(schema["$ref"])
            elif choices:
                schema = choices[-1 if depth > _DEEPEST else 0]
            else:
                return schema
        return {}

    def _referred(self, reference: str) -> Any:
        found: Any = self._root
        for name in reference.split("/")[1:]:
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        names = schema.get("required", ())
        properties = schema.get("properties", {})
        return {name: self.value(properties.get(name), depth + 1) for name in names}

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        first = schema.get("prefixItems", [])
        least = schema.get("minItems", 0 if depth > _DEEPEST else 1)
        rules = [*first, *[schema.get("items")] * (least - len(first))]
        return [self.value(rule, depth + 1) for rule in rules]

    def _plain(self, kind: str, schema: Mapping[str, Any]) -> Any:
        if kind in {"integer", "number"}:
            number = float(next(self._numbers, "0"))
            number = max(number, schema.get("minimum", number))
            number = min(number, schema.get("maximum", number))
            return int(number) if kind == "integer" else number
        if kind == "string":
            return _FORMATS.get(schema.get("format", "")) or self._text(schema.get("minLength", 1))
        return {"boolean": False}.get(kind)

    def _text(self, least: int) -> str:
        """Return a word, or as many as have this many characters at least."""
        words = [next(self._words, "demo")]
        while len(" ".join(words)) < least:
            words.append(next(self._words, "demo"))
        return " ".join(words)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
