"""What listings of models say of each model, in the words of each service."""

from __future__ import annotations

from typing import Any

import pytest

from g4f_magic.providers.listings import ListedModel, listed_models


def kind_of(**item: Any) -> str:
    """What a listing says of a model, in a word."""
    (model,) = listed_models({"data": [{"id": "m", **item}]})
    assert not (model.makes_images and model.sees_images)
    return "makes" if model.makes_images else "sees" if model.sees_images else "neither"


@pytest.mark.parametrize(
    "item",
    [
        {"image": True},
        {"type": "image"},
        {"type": "text-to-image"},
        {"supports_images": True},
        {"architecture": {"modality": "text->image"}},
        {"architecture": {"input_modalities": ["text", "image"], "output_modalities": ["image"]}},
        {"output_modalities": ["image"]},
        {"supported_output_modalities": ["image"]},
        {"modalities": {"input": ["text"], "output": ["image"]}},
        {"modalities": ["image"]},
        {"modality": "image"},
        {"capabilities": ["image_generation"]},
        {"capabilities": {"image_generation": True, "vision": False}},
    ],
)
def test_a_model_that_makes_pictures_is_known(item: dict[str, Any]) -> None:
    """It must be asked at another address than one that chats."""
    assert kind_of(**item) == "makes"


@pytest.mark.parametrize(
    "item",
    [
        {"vision": True},
        {"supports_vision": True},
        {"supports_image_input": True},
        {"supports_image_in": True},
        {"metadata": {"tags": ["vision", "prompt_cache"]}},
        {"tags": ["vision"]},
        {"type": "vlm"},
        {"type": "chat", "supports_images": True},
        {"context_length": 8192, "supports_images": True},
        {"architecture": {"modality": "text+image->text"}},
        {"architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]}},
        {"input_modalities": ["text", "image"]},
        {"supported_input_modalities": ["text", "image"]},
        {"modalities": {"input": ["text", "image"], "output": ["text"]}},
        {"modalities": ["text", "image"]},
        {"capabilities": {"vision": True, "completion_chat": True}},
        {"capabilities": ["completion", "vision"]},
    ],
)
def test_a_model_that_sees_pictures_is_known(item: dict[str, Any]) -> None:
    """It chats; taken for one that paints it would answer 404 to every question."""
    assert kind_of(**item) == "sees"


def test_a_model_that_writes_and_paints_still_chats() -> None:
    """OpenRouter's picture models answer in the chat, with both."""
    both = {"input_modalities": ["text", "image"], "output_modalities": ["image", "text"]}
    assert kind_of(architecture=both) == "sees"


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"image": "https://x.example/logo.png"},
        {"image": False, "vision": None, "supports_images": False},
        {"type": "chat"},
        {"type": 7, "modality": 7, "modalities": 7, "architecture": 7, "capabilities": 7},
        {"architecture": {"modality": "text->text"}},
        {"architecture": {"modality": None, "input_modalities": None}},
        {"output_modalities": ["audio", None, 3, ""]},
        {"capabilities": {"vision": False}},
    ],
)
def test_nothing_is_read_into_a_listing(item: dict[str, Any]) -> None:
    """A guess would send a question to the wrong address."""
    assert kind_of(**item) == "neither"


def listed(**item: Any) -> ListedModel:
    """What a listing says of a model."""
    (model,) = listed_models({"data": [{"id": "m", **item}]})
    return model


@pytest.mark.parametrize(
    ("item", "prices"),
    [
        (
            {"pricing": {"prompt": "0.00000015", "completion": "0.0000006", "image": "0"}},
            (0.15, 0.6),
        ),
        ({"pricing": {"prompt": "0", "completion": "0", "request": "0"}}, (0, 0)),
        ({"pricing": {"hourly": 0, "input": 0.18, "output": 0.59, "base": 0}}, (0.18, 0.59)),
        ({"pricing": {"input": "0.000003", "output": "0.000015"}}, (3, 15)),
        ({"metadata": {"pricing": {"input_tokens": 0.04, "output_tokens": 0.1}}}, (0.04, 0.1)),
        (
            {
                "providers": [
                    {"provider": "a", "pricing": {"input": 0.1, "output": 0.5}},
                    {"provider": "b", "pricing": {"input": 0.1, "output": 0.5}},
                ]
            },
            (0.1, 0.5),
        ),
    ],
    ids=["openrouter", "openrouter-free", "together", "vercel", "deepinfra", "huggingface"],
)
def test_prices_are_for_a_million_tokens(item: dict[str, Any], prices: tuple[float, float]) -> None:
    """Services count by the token or by the million: a millionth of the price would be shown."""
    model = listed(**item)
    assert (model.price_in, model.price_out) == prices


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"pricing": None},
        {"pricing": {"prompt": "-1", "completion": "-1"}},
        {"pricing": {"prompt": "NaN", "completion": "1e999"}},
        {"pricing": {"prompt": True, "completion": [1]}},
        {"pricing": {"prompt": 10**400, "completion": "free"}},
        {"pricing": {"prompt": "0", "completion": "0", "request": "0.005"}},
        {"pricing": {"hourly": 0, "input": 0, "output": 0}},
        {"pricing": {"promptTextTokens": 1, "currency": "pollen"}},
        {"pricing": {"prompt": "0.1", "completion": "0.1"}, "type": "image"},
        {"providers": [{"pricing": {"input": 1, "output": 2}}, {"pricing": {"input": 3}}]},
        {"providers": [{"pricing": {"input": 1, "output": 2}}, {"provider": "b"}]},
        {"providers": {"pricing": 1}},
    ],
)
def test_no_price_is_invented(item: dict[str, Any]) -> None:
    """Who reads "free" where a picture or an hour is billed pays for it."""
    model = listed(**item)
    assert (model.price_in, model.price_out) == (None, None)


@pytest.mark.parametrize(
    ("item", "tokens"),
    [
        ({"context_length": 131072}, 131072),
        ({"context_window": 8192, "max_completion_tokens": 1024}, 8192),
        ({"max_context_length": 32768}, 32768),
        ({"max_model_len": 4096}, 4096),
        ({"metadata": {"context_length": 2048}}, 2048),
        ({"meta": {"n_ctx_train": 1024, "n_params": 7}}, 1024),
        ({"providers": [{"context_length": 10}, {"context_length": 8}, {}]}, 8),
        ({"context_length": 0}, None),
        ({"context_length": "long"}, None),
        ({"metadata": 7, "meta": [], "providers": ["a"]}, None),
    ],
)
def test_the_context_is_in_tokens(item: dict[str, Any], tokens: int | None) -> None:
    """It decides whether a long text can be asked about at all."""
    assert listed(**item).context_length == tokens


@pytest.mark.parametrize(
    ("item", "calls_tools", "reasons"),
    [
        ({}, False, False),
        ({"supported_parameters": ["tools", "include_reasoning"]}, True, True),
        ({"capabilities": {"function_calling": True, "reasoning": False}}, True, False),
        ({"capabilities": ["completion", "tools", "thinking"]}, True, True),
        ({"supports_tools": True, "supports_reasoning": True}, True, True),
        ({"tags": ["tool-use", "reasoning"]}, True, True),
        ({"providers": [{"supports_tools": False}, {"supports_tools": True}]}, True, False),
        ({"tools": "no", "reasoning": 1, "supported_parameters": 7}, False, False),
    ],
)
def test_tools_and_reasoning_are_known(
    item: dict[str, Any],
    calls_tools: bool,  # noqa: FBT001  # two columns of the table above
    reasons: bool,  # noqa: FBT001  # likewise
) -> None:
    """One looks for a model by what it must be able to do."""
    model = listed(**item)
    assert (model.calls_tools, model.reasons) == (calls_tools, reasons)


@pytest.mark.parametrize(
    ("item", "writes"),
    [
        ({}, True),
        ({"type": "chat"}, True),
        ({"type": "embedding"}, False),
        ({"type": "image"}, False),
        ({"capabilities": {"completion_chat": False}}, False),
        ({"architecture": {"output_modalities": ["audio"]}}, False),
        ({"architecture": {"output_modalities": ["text", "image"]}}, True),
    ],
)
def test_a_model_that_does_not_write_is_known(
    item: dict[str, Any],
    writes: bool,  # noqa: FBT001  # a column of the table above
) -> None:
    """One of numbers or sounds would be tried in a chat, and refuse."""
    assert listed(**item).writes == writes
