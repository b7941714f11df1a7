"""The demo calls tools where the words of a prompt ask for it, and tells what they gave."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_demo_service import chat


def tool(name: str, description: str = "", *, required: bool = True, **properties: Any) -> Any:
    """A tool as requests have it."""
    needed = list(properties) if required else []
    parameters = {"type": "object", "properties": properties, "required": needed}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


STRING, INTEGER, NUMBER = ({"type": kind} for kind in ("string", "integer", "number"))
LISTED = {"type": "array", "items": NUMBER}
UNIT = {"enum": ["celsius", "kelvin"]}
WEATHER = tool("get_weather", "Tell how it is outside.", city=STRING)


def asked(prompt: str, *tools: Any, **fields: Any) -> list[tuple[str, Any]]:
    """The calls that the demo asks for."""
    messages = [{"role": "user", "content": prompt}]
    message = chat(messages, tools=list(tools), **fields).json["choices"][0]["message"]
    functions = [call["function"] for call in message.get("tool_calls", [])]
    return [(one["name"], json.loads(one["arguments"])) for one in functions]


@pytest.mark.parametrize(
    ("prompt", "tools", "calls"),
    [
        ("What is the weather in Oslo?", [WEATHER], [("get_weather", {"city": "Oslo"})]),
        ("weather in 'New York', please", [WEATHER], [("get_weather", {"city": "New York"})]),
        ("Is it nice outside? Tell me.", [WEATHER], [("get_weather", {"city": None})]),
        ("Hello", [WEATHER], []),
        (
            "Please add 2 and 3.5",
            [tool("addNumbers", x=INTEGER, y=NUMBER)],
            [("addNumbers", {"x": 2, "y": 3.5})],
        ),
        ("Please add 2", [tool("add", x=INTEGER, y=INTEGER)], []),
        ("the mean of 1, 2 and 6", [tool("mean", xs=LISTED)], [("mean", {"xs": [1, 2, 6]})]),
        ("the mean, please", [tool("mean", xs=LISTED)], []),
        (
            "convert 5 to kelvin",
            [tool("convert", x={"anyOf": [NUMBER, {"type": "null"}]}, unit=UNIT)],
            [("convert", {"x": 5, "unit": "kelvin"})],
        ),
        ("convert it", [tool("convert", unit=UNIT)], []),
        ("convert it", [tool("convert", how={"type": "object"})], []),
        (
            "convert it",
            [tool("convert", required=False, how={"type": "object"}, to=STRING)],
            [("convert", {})],
        ),
        ("Which tables are there?", [tool("list_tables")], [("list_tables", {})]),
        (
            "the weather and the mean of 1 and 2",
            [tool("mean", xs=LISTED), tool("weather", required=False, days=INTEGER)],
            [("mean", {"xs": [1, 2]}), ("weather", {"days": 1})],
        ),
        ("weather", [{}, "odd", {"function": {"name": "weather"}}], [("weather", {})]),
    ],
)
def test_words_of_the_prompt_decide(prompt: str, tools: Any, calls: Any) -> None:
    """Notebooks that show tools run without a key, so the demo must find what to call."""
    calls = [(n, {k: prompt if v is None else v for k, v in a.items()}) for n, a in calls]
    assert asked(prompt, *tools) == calls


def test_no_call_where_the_request_forbids_it() -> None:
    """A client that ends its rounds so would not come to an end."""
    assert asked("the weather in Oslo", WEATHER, tool_choice="none") == []
    assert asked("the weather in Oslo", WEATHER, model="demo-error") == []
    assert asked("the weather in Oslo", WEATHER, max_tokens=5) == []


def test_a_streamed_call_ends_as_one() -> None:
    """Clients look at the reason to finish, too."""
    prompt = [{"role": "user", "content": "the weather in Oslo"}]
    streamed = chat(prompt, tools=[WEATHER], stream=True)
    events = [event for event in streamed.events if isinstance(event, dict)]
    deltas = [event["choices"][0] for event in events if event["choices"]]
    (call,) = next(d["delta"]["tool_calls"] for d in deltas if "tool_calls" in d["delta"])
    assert call["function"]["name"] == "get_weather"
    assert deltas[-1]["finish_reason"] == "tool_calls"


def test_results_are_told_and_nothing_more_is_called() -> None:
    """The demo says only what is true: what the tools gave."""
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
    messages = [
        {"role": "user", "content": "the weather in Oslo"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "tool", "tool_call_id": "c1", "content": "x" * 2000},
    ]
    message = chat(messages, tools=[WEATHER]).json["choices"][0]["message"]
    assert "`get_weather` gave:\n\n> rain\n\n`get_weather` gave:\n\n> xxx" in message["content"]
    assert message["content"].endswith("x …")
    assert "tool_calls" not in message
    again = [*messages, {"role": "user", "content": "thanks"}]
    assert "gave" not in chat(again).json["choices"][0]["message"]["content"]
