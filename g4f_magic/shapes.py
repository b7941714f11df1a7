"""Results in the shape of OpenAI's SDK, so that code written for it goes on working.

The names are those of https://platform.openai.com/docs/api-reference.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Dumps:
    """Adds ``model_dump`` to a dataclass."""

    __slots__ = ()

    def model_dump(self, *, exclude_none: bool = False) -> dict[str, Any]:
        """Return the object as plain dicts and lists, on wish without what is None."""
        factory = _without_none if exclude_none else dict
        return asdict(self, dict_factory=factory)  # type: ignore[call-overload,no-any-return]


def _without_none(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if value is not None}


@dataclass(slots=True)
class FunctionCall(_Dumps):
    """The name of a function and its arguments as JSON text."""

    name: str
    arguments: str


@dataclass(slots=True)
class ChatCompletionToolCall(_Dumps):
    """A call the model asks for; Gemini wants ``extra_content`` back with its result."""

    id: str
    function: FunctionCall
    index: int = 0
    type: str = "function"
    extra_content: dict[str, Any] | None = None


@dataclass(slots=True)
class CompletionUsage(_Dumps):
    """Tokens as the server counted them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


@dataclass(slots=True)
class ChatCompletionMessage(_Dumps):
    """What the model said, whole."""

    content: str | None = None
    role: str = "assistant"
    reasoning_content: str | None = None
    tool_calls: list[ChatCompletionToolCall] | None = None


@dataclass(slots=True)
class Choice(_Dumps):
    """One of the answers of a completion."""

    message: ChatCompletionMessage
    finish_reason: str | None = None
    index: int = 0


@dataclass(slots=True)
class ChatCompletion(_Dumps):
    """A whole answer; ``provider`` is who gave it."""

    choices: list[Choice]
    model: str = ""
    provider: str = ""
    usage: CompletionUsage | None = None
    id: str = ""
    created: int = 0
    object: str = "chat.completion"


@dataclass(slots=True)
class ChoiceDelta(_Dumps):
    """What a chunk adds."""

    content: str | None = None
    role: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ChatCompletionToolCall] | None = None


@dataclass(slots=True)
class ChunkChoice(_Dumps):
    """One of the answers that a chunk adds to."""

    delta: ChoiceDelta
    finish_reason: str | None = None
    index: int = 0


@dataclass(slots=True)
class ChatCompletionChunk(_Dumps):
    """A piece of a streamed answer; ``provider`` is who gives it."""

    choices: list[ChunkChoice] = field(default_factory=list)
    model: str = ""
    provider: str = ""
    usage: CompletionUsage | None = None
    id: str = ""
    created: int = 0
    object: str = "chat.completion.chunk"


@dataclass(slots=True)
class ImageDatum(_Dumps):
    """One picture: its bytes in base64, or the address where it lies."""

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


@dataclass(slots=True)
class ImagesResponse(_Dumps):
    """The pictures made from one prompt; ``provider`` is who made them."""

    created: int
    data: list[ImageDatum] = field(default_factory=list)
    model: str = ""
    provider: str = ""


@dataclass(slots=True)
class Model(_Dumps):
    """A model that can be asked; ``owned_by`` is the provider that lists it."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = ""


@dataclass(slots=True)
class ModelPage(_Dumps):
    """The models of a provider; a loop over the page yields them."""

    data: list[Model] = field(default_factory=list)
    object: str = "list"

    def __iter__(self) -> Iterator[Model]:
        """Yield the models."""
        return iter(self.data)

    def __len__(self) -> int:
        """Return how many models there are."""
        return len(self.data)
