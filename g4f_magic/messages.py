"""The values that travel: messages out, events in, and the answer they add up to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from .errors import UsageError
from .fenced import cell_code, fenced_blocks, html_in, json_in
from .image_bytes import SUFFIXES, pixels
from .paths import path_of

if TYPE_CHECKING:
    import os
    from pathlib import Path


class Message(TypedDict, total=False):
    """One message as chat-completions services take it; sent exactly as given."""

    role: str
    content: Any
    name: str
    tool_calls: list[dict[str, Any]]
    tool_call_id: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of what the model thinks before it answers."""

    text: str

    def __str__(self) -> str:
        """Print as nothing: reasoning is not the answer."""
        return ""


CallOutcome: TypeAlias = Literal[
    "", "done", "failed", "refused", "repeated", "interrupted", "not run"
]
"""What became of a call; empty as long as nobody here has tried it."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a function that the model asks for; ``arguments`` is JSON text.

    ``after`` is how many characters of the answer's text the model wrote before, ``result``
    what the model was told: what came out, or why nothing did. ``extra`` is JSON text that the
    service wants to hear again with the call: Gemini signs its thoughts.
    """

    id: str
    name: str
    arguments: str
    after: int = 0
    result: str = ""
    outcome: CallOutcome = ""
    extra: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """The complete calls of one answer, in the order the model made them."""

    calls: tuple[ToolCall, ...]

    def __str__(self) -> str:
        """Print as nothing: calls are for programs."""
        return ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counted them; None where it did not say."""

    tokens_in: int | None = None
    tokens_out: int | None = None
    raw: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __str__(self) -> str:
        """Print as nothing: figures are for the card."""
        return ""


@dataclass(frozen=True, slots=True)
class FinishReason:
    """Why the server says that it stopped: ``stop``, ``length`` and the like."""

    reason: str

    def __str__(self) -> str:
        """Print as nothing."""
        return ""


@dataclass(frozen=True, slots=True)
class Sent:
    """The request that went out: where to, its fields, and who is asked; never a key."""

    url: str
    body: dict[str, Any]
    provider: str = ""

    def __str__(self) -> str:
        """Print as nothing."""
        return ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The request will be sent again in ``seconds`` because of ``reason``."""

    reason: str
    seconds: float

    def __str__(self) -> str:
        """Print as nothing: waiting is for the card."""
        return ""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: its bytes and media type, or the URL where it lies.

    ``revised_prompt`` is what the service made of the prompt, if it said;
    ``trouble`` is why a cell could not fetch the bytes from the URL, if it tried.
    """

    data: bytes = b""
    media_type: str = ""
    url: str = ""
    revised_prompt: str = ""
    trouble: str = ""

    @property
    def width(self) -> int | None:
        """The width in pixels; None where the bytes do not tell, or are not here."""
        size = pixels(self.data)
        return size and size[0]

    @property
    def height(self) -> int | None:
        """The height in pixels; None where the bytes do not tell, or are not here."""
        size = pixels(self.data)
        return size and size[1]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture and return where; a path without suffix gets the right one.

        Raises ``UsageError`` where there is only a URL, or where the path cannot
        be written.
        """
        if not self.data:
            message = f"the bytes of the picture are not here, only its address {self.url!r}"
            raise UsageError(message, hint=self.trouble or "a browser opens the address")
        target = path_of(path)
        suffix = "" if target.suffix else SUFFIXES.get(self.media_type, "")
        return _written(target, self.data, "picture", suffix)

    def __repr__(self) -> str:
        """Name the type and size; never the bytes."""
        if not self.data:
            return f"Image({self.url!r})"
        size = pixels(self.data)
        told = [f"{size[0]}×{size[1]}"] if size else []
        return f"Image({', '.join([self.media_type, *told, f'{len(self.data)} bytes'])})"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to know of how the answer came about, such as a second request."""

    text: str

    def __str__(self) -> str:
        """Print as nothing: remarks are for the card."""
        return ""


@dataclass(frozen=True, slots=True)
class ImageResponse:
    """The pictures of one answer and the prompt they were made from."""

    images: tuple[Image, ...]
    alt: str = ""

    def __str__(self) -> str:
        """Print as Markdown where the picture has an address, else say what it is."""
        label = " ".join(self.alt.split()).replace("[", "(").replace("]", ")")
        return "\n".join(f"![{label}]({i.url})" if i.url else f"[{i!r}]" for i in self.images)


FirstChoice: TypeAlias = (
    str | Reasoning | ToolCalls | Usage | FinishReason | Sent | Waiting | Remark | ImageResponse
)
"""An event of the answer itself; a plain ``str`` is its text."""


@dataclass(frozen=True, slots=True)
class OtherChoice:
    """An event of another answer to the same prompt; ``index`` counts from 1 (``n`` > 1)."""

    index: int
    event: FirstChoice

    def __str__(self) -> str:
        """Print as nothing: two answers printed as one are none."""
        return ""


Event: TypeAlias = FirstChoice | OtherChoice
"""What a provider yields."""

State: TypeAlias = Literal["streaming", "complete", "cut off", "interrupted", "failed"]
"""``cut off``: it ended without the server saying that it had finished."""


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """An answer so far, or whole: the text and all that is known about it.

    Times are in seconds since the request was made; ``first_token_s`` is None
    until something arrived. ``request`` is what was sent, without keys, and
    ``attempt`` counts the requests, of which the last gave the answer;
    ``activity`` is what goes on where no text is to be expected, such as
    ``making a picture``. ``notes`` is what its card says of how it came to be. ``cost`` is in
    dollars, None where it is not known, and in comparisons, which have it beside the answer.
    """

    text: str = ""
    reasoning: str = ""
    images: tuple[Image, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    finish_reason: str | None = None
    model: str = ""
    provider: str = ""
    elapsed_s: float = 0.0
    first_token_s: float | None = None
    request: dict[str, Any] = field(default_factory=dict)
    state: State = "complete"
    waiting: Waiting | None = None
    parsed: Any = None
    cached: bool = False
    attempt: int = 1
    activity: str = ""
    notes: tuple[str, ...] = ()
    cost: float | None = None

    @property
    def code(self) -> str:
        """The first fenced block of the text, without its fence; empty if none."""
        return next((block.code for block in fenced_blocks(self.text)), "")

    @property
    def source(self) -> str:
        """Who answered, as ``provider:model``."""
        return f"{self.provider}:{self.model}" if self.model else self.provider

    def json(self) -> Any:
        """Return the text, or else its first fenced block that is JSON, parsed.

        Raises ``ValueError`` when there is none.
        """
        return json_in(self.text)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the answer and return where: its text, or what the suffix asks for.

        ``.json``, ``.html`` and ``.py`` take the JSON, the page or the code out of the
        text. Pictures are written where there is no text, several with numbers; the
        first is returned. Raises ``UsageError`` for what is not there, or where the path
        cannot be written.
        """
        target = path_of(path)
        if self.images and not self.text:
            pairs = zip(self.images, _numbered(target, len(self.images)), strict=True)
            saved = [image.save(place) for image, place in pairs]
            return saved[0]
        return _written(target, _content(self.text, target.suffix.lower()).encode(), "answer")

    def __str__(self) -> str:
        """Return the text, so that an answer can be printed and put into prompts."""
        return self.text

    def __repr__(self) -> str:
        """Stay short: who answered, how much, and how it ended."""
        size = (
            f"{len(self.text)} characters"
            if self.text or not self.images
            else f"{len(self.images)} pictures"
        )
        return f"<Answer from {self.source}: {size}, {self.state}>"


@dataclass(frozen=True, slots=True)
class Compared:
    """One of several answers to the same prompt, under what its model was called.

    ``error`` is the line of what ended it, if anything did; ``cost`` is in dollars, None
    where it is not known.
    """

    label: str
    answer: Answer
    error: str = ""
    cost: float | None = None


def _content(text: str, suffix: str) -> str:
    """Return what of a text goes into a file of this kind; raises ``UsageError`` without it."""
    found, kind = text, ""
    if suffix == ".json":
        kind = "JSON"
        try:
            found = json.dumps(json_in(text), indent=2, ensure_ascii=False) + "\n"
        except ValueError:
            found = ""
    elif suffix in {".html", ".htm"}:
        found, kind = html_in(text), "HTML"
    elif suffix == ".py":
        code = cell_code(text)
        found, kind = f"{code.code}\n" if code.language == "python" else "", "Python code"
    if kind and not found:
        message = f"there is no {kind} in the answer"
        raise UsageError(message, hint="a name that ends in .md takes the text as it is")
    return found


def _numbered(target: Path, count: int) -> list[Path]:
    """Return where to write several files; one keeps its name, and what has none stays as it is."""
    if count == 1 or not target.name:
        return [target] * count
    return [target.with_name(f"{target.stem}-{n}{target.suffix}") for n in range(1, count + 1)]


def _written(target: Path, content: bytes, what: str, suffix: str = "") -> Path:
    """Write a file and return where; raises ``UsageError`` where that cannot be."""
    try:
        target = target.with_name(target.name + suffix)
        target.write_bytes(content)
    except (OSError, ValueError) as error:  # the latter for what is no name of a file
        reason = getattr(error, "strerror", None) or error
        message = f"the {what} cannot be saved as {str(target)!r}: {reason}"
        raise UsageError(message) from error
    return target


def usage_of_both(first: Usage | None, second: Usage | None) -> Usage | None:
    """Return what two requests used; None, as a whole or a side, where one is not known."""
    if first is None or second is None:
        return None

    def total(one: int | None, other: int | None) -> int | None:
        return None if one is None or other is None else one + other

    tokens_in = total(first.tokens_in, second.tokens_in)
    return Usage(tokens_in, total(first.tokens_out, second.tokens_out), second.raw)
