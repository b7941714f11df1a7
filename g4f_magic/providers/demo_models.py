"""The models of the demo: what each is good for, who speaks, and how fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .demo_voice import answer, brief, detailed, faults_explained, hasty

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .demo_voice import Heard


@dataclass(frozen=True, slots=True)
class DemoModel:
    """A model that chats; tokens come at a steady rate after a delay."""

    note: str
    say: Callable[[Heard], str] = answer
    tokens_per_s: float = 250.0
    first_token_s: float = 0.0
    reasons: bool = False


CHAT_MODELS: Mapping[str, DemoModel] = {
    "demo": DemoModel("plain rules, Markdown of every kind"),
    "demo-brief": DemoModel("one short line, after a pause", brief, 60.0, 0.3),
    "demo-hasty": DemoModel("guesses at once; sums to one digit", hasty, 500.0),
    "demo-detailed": DemoModel("tells all, after a long pause", detailed, 400.0, 0.8),
    "demo-slow": DemoModel("20 tokens/s, the words of demo", tokens_per_s=20.0),
    "demo-reasoning": DemoModel("thinks first, then speaks as demo", reasons=True),
    "demo-error": DemoModel("fails as the prompt asks", lambda _: faults_explained()),
}
IMAGE_MODEL = "demo-image"
MODELS = (*CHAT_MODELS, IMAGE_MODEL)
NOTES = {name: model.note for name, model in CHAT_MODELS.items()} | {
    IMAGE_MODEL: "paints soft discs"
}
