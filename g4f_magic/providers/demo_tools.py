"""How the demo uses tools: by the words of a prompt, with what it finds there as arguments."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_NO_SIGN = {"call", "from", "give", "have", "make", "that", "this", "what", "with", "your"}
_QUOTED = r"(?<!\w)[\"“'‘`](.+?)[\"”'’`](?!\w)"
_NAME = r"(?<=\w |, )([A-Z][\w-]*(?: [A-Z][\w-]*)*)"
_OBJECT = r"\b(?:about|at|for|from|in|of|on|to|with)\s+([\w-]+)"
_NUMBER = r"(?<![\w.])-?\d+(?:\.\d+)?"
_RESULT_CHARACTERS = 1000


class Part(NamedTuple):
    """What the demo says because of tools, and the calls it asks for, as services send them."""

    text: str
    calls: list[dict[str, Any]]


def part_of(request: Mapping[str, Any], prompt: str) -> Part | None:
    """Return what tools make the demo say; None where they have no part in its answer."""
    if results := _results(request["messages"]):
        return Part("\n\n".join(results), [])
    tools, choice = request.get("tools"), request.get("tool_choice")
    functions = [_function(tool) for tool in tools] if isinstance(tools, list) else []
    fitting = [f for f in functions if f and choice != "none" and _fits(f, prompt)]
    asked = {f["name"]: _arguments(f.get("parameters") or {}, prompt) for f in fitting}
    possible = {name: arguments for name, arguments in asked.items() if arguments is not None}
    if not possible:
        return None
    calls = [_call(place, *named) for place, named in enumerate(possible.items())]
    names = " and ".join(f"`{name}`" for name in possible)
    return Part(f"By a rule of the demo, the words of your prompt call for {names}.", calls)


def _call(place: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}
    return {"index": place, "id": f"call_demo{place}", "type": "function", "function": function}


def _results(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what tools have told since the last prompt."""
    since = [place for place, message in enumerate(messages) if message.get("role") == "user"]
    new = messages[since[-1] + 1 :] if since else []
    calls = [call for message in new for call in message.get("tool_calls") or ()]
    names = {call.get("id"): _function(call).get("name") for call in calls}
    return [
        f"`{names.get(message.get('tool_call_id'))}` gave:\n\n{_quoted(str(message['content']))}"
        for message in new
        if message.get("role") == "tool"
    ]


def _function(tool: Any) -> dict[str, Any]:
    function = tool.get("function") if isinstance(tool, dict) else None
    return function if isinstance(function, dict) and function.get("name") else {}


def _fits(function: Mapping[str, Any], prompt: str) -> bool:
    """Tell whether a word of the name is in the prompt, or two of the description."""
    said = _words(prompt)
    is_named = any(map(said.__contains__, _words(str(function["name"]).replace("_", " "))))
    return is_named or len(_words(str(function.get("description") or "")) & said) > 1


def _words(text: str) -> set[str]:
    """Return the words that say what something is about, without a plural's end."""
    words = re.findall(r"[^\W\d_]{3,}", re.sub(r"([a-z])([A-Z])", r"\1 \2", text).lower())
    return {word.removesuffix("s") for word in words} - _NO_SIGN - {"the", "and", "get", "set"}


class _Finds:
    """What in a prompt can be an argument; each find is used once."""

    def __init__(self, prompt: str) -> None:
        self.prompt = prompt
        self.numbers = re.findall(_NUMBER, prompt)
        texts = (text for sign in (_QUOTED, _NAME, _OBJECT) for text in re.findall(sign, prompt))
        self.texts = list(dict.fromkeys(texts))


def _arguments(parameters: Mapping[str, Any], prompt: str) -> dict[str, Any] | None:
    """Return arguments found in the prompt; None if one is missing that must be there."""
    finds, found = _Finds(prompt), {}
    properties = parameters.get("properties") or {}
    for name, schema in properties.items():
        is_required = name in (parameters.get("required") or ())
        value = _argument(schema, finds, is_required=is_required)
        if value is not None:
            found[name] = value
        elif is_required:
            return None
    return found


def _argument(schema: Mapping[str, Any], finds: _Finds, *, is_required: bool) -> Any:
    """Return the next find that a schema asks for, None if there is none."""
    choices = [one for one in schema.get("anyOf") or () if one.get("type") != "null"]
    if choices:
        return _argument(choices[0], finds, is_required=is_required)
    if "enum" in schema:
        return _mentioned(schema["enum"], finds.prompt)
    kind = schema.get("type", "string")
    if kind == "array":
        items = iter(lambda: _argument(schema.get("items") or {}, finds, is_required=False), None)
        return list(items) or None
    if kind in ("integer", "number"):
        number = finds.numbers.pop(0) if finds.numbers else None
        return number and (float(number) if "." in number else int(number))
    if kind != "string":
        return None
    return finds.texts.pop(0) if finds.texts else (finds.prompt if is_required else None)


def _mentioned(values: Iterable[Any], prompt: str) -> Any:
    said = re.findall(r"\w+", prompt.lower())
    return next((value for value in values if str(value).lower() in said), None)


def _quoted(text: str) -> str:
    if len(text) > _RESULT_CHARACTERS:
        text = text[:_RESULT_CHARACTERS] + " …"
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))
