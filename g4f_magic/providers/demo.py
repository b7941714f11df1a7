"""The provider that needs neither key nor network: the demo service on the usual dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .demo_models import IMAGE_MODEL, MODELS, NOTES
from .demo_service import serve
from .openai import OpenaiTemplate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..service import Service


class Demo(OpenaiTemplate):
    """A service inside this process; deterministic, and it says that it is a demo."""

    name = "demo"
    api_base = "http://demo.invalid/v1"  # never looked up: the service takes its requests
    default_model = "demo"
    models: ClassVar[Sequence[str]] = MODELS
    image_models: ClassVar[Sequence[str]] = (IMAGE_MODEL,)
    model_aliases: ClassVar[Mapping[str, str]] = {"flux": IMAGE_MODEL}  # of every first page
    model_notes = NOTES
    sort_models = False
    service: ClassVar[Service | None] = staticmethod(serve)
