"""What listings of models say of pictures, in the words of each service."""

from __future__ import annotations

from typing import Any

import pytest

from g4f_magic.providers.listings import listed_models


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
