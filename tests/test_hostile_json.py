"""JSON of services and of the notebook: well formed, and not what anybody said it would be."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.fuzz_targets import TARGETS

# The names that the readers look for, with values of all kinds below them.
NAMES = st.sampled_from(
    (
        *(
            "choices",
            "delta",
            "message",
            "content",
            "reasoning",
            "reasoning_content",
            "text",
            "index",
        ),
        *("tool_calls", "function", "name", "arguments", "id", "finish_reason", "usage", "error"),
        *("prompt_tokens", "completion_tokens", "refusal", "detail", "code", "type", "object"),
        *("data", "models", "pricing", "prompt", "completion", "context_length", "architecture"),
        *("input_modalities", "output_modalities", "modalities", "capabilities", "supports_images"),
        *("providers", "endpoints", "owned_by", "status", "msg", "loc", "param", "title"),
    )
)
PLAIN = st.one_of(
    st.sampled_from(
        [None, True, False, 0, -1, 1e308, 10**30, "", "a", "image", "<think>", "\ud83d"]
    ),
    st.text(max_size=5),
    st.integers(),
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


def among(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that have some of these names, with anything below them."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, ANYTHING))


CALL = among("index", "id", "function", "type") | st.fixed_dictionaries(
    {"function": among("name", "arguments")}, optional={"index": PLAIN, "id": PLAIN}
)
DELTA = st.fixed_dictionaries(
    {},
    optional={
        "content": ANYTHING,
        "reasoning": PLAIN,
        "tool_calls": st.lists(CALL, max_size=3) | ANYTHING,
        "refusal": PLAIN,
    },
)
CHOICE = st.fixed_dictionaries(
    {}, optional={"delta": DELTA, "message": DELTA, "index": PLAIN, "finish_reason": PLAIN}
)
PAYLOAD = st.fixed_dictionaries(
    {"choices": st.lists(CHOICE | ANYTHING, max_size=3)}, optional={"usage": ANYTHING}
)


@given(st.lists(PAYLOAD | ANYTHING, min_size=1, max_size=4))
def test_any_payload_of_a_stream_is_read_or_left_out(payloads: list[Any]) -> None:
    """One odd field of a new server must not cost the answer around it."""
    events = (b"data: " + json.dumps(payload).encode() + b"\n\n" for payload in payloads)
    TARGETS["reply"](b"".join(events))


@given(among("data", "models", "error", "detail", "message") | ANYTHING)
def test_any_listing_and_any_refusal_is_read(value: Any) -> None:
    """The one thing that a person sees of a refusal is what is made of it."""
    TARGETS["json_reply"](json.dumps(value).encode())


MODEL = among(
    *("id", "name", "type", "pricing", "context_length", "architecture", "capabilities"),
    *("modalities", "providers", "endpoints", "supports_images", "status", "input_modalities"),
)


@given(st.lists(MODEL, min_size=1, max_size=2))
def test_any_model_is_listed_or_left_out(models: list[Any]) -> None:
    """One odd entry must not hide the hundreds beside it."""
    TARGETS["json_reply"](json.dumps({"data": models}).encode())


KEYWORDS = (
    *("type", "properties", "required", "items", "prefixItems", "enum", "const", "anyOf", "oneOf"),
    *("allOf", "$ref", "$defs", "minItems", "maxItems", "additionalProperties", "title"),
)
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    PLAIN | st.sampled_from(["string", "object", "#/$defs/a", "#", "#/properties/a", "other"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*KEYWORDS, "a"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(SCHEMAS, ANYTHING)
def test_any_schema_is_no_trouble_of_ours(schema: Any, value: Any) -> None:
    """A slip in a schema of the notebook is to be told as one, not as a stack of ours."""
    TARGETS["schema"](f"{json.dumps(schema)}\n{json.dumps(value)}".encode())
