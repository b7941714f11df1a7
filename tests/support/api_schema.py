"""What OpenAI's own description of its API says about a request."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]

from support.environment import need


@cache
def _document() -> dict[str, Any]:
    path = Path(__file__).parents[3] / "shared" / "data" / "openai-chat.openapi.json"
    if not path.exists():
        need("openai-chat.openapi.json", "it stands in ../shared/data beside the repository")
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document


@cache
def _validator(path: str) -> Any:
    document = _document()
    content = document["paths"][path]["post"]["requestBody"]["content"]
    schema = content["application/json"]["schema"]
    return jsonschema.Draft202012Validator({"components": document["components"], **schema})


def check_request(path: str, body: dict[str, Any]) -> None:
    """Raise what OpenAI's own description has against a request body."""
    _validator(path).validate(body)


def path_of(url_path: str) -> str:
    """Return the described path that a request goes to; empty for others."""
    described = ("/chat/completions", "/images/generations")
    return next((f"/v1{path}" for path in described if url_path.endswith(path)), "")


def check_chat(body: dict[str, Any]) -> None:
    """Raise what it has against a chat request."""
    check_request("/v1/chat/completions", body)
