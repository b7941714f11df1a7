"""Payloads of chat-completions services in, typed events out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from ..messages import (
    Event,
    FinishReason,
    FirstChoice,
    OtherChoice,
    Reasoning,
    ToolCall,
    ToolCalls,
    Usage,
)


class CompletionReader:
    """Reads the payloads of one answer, streamed or whole; keeps its choices apart.

    Events of all choices but the first come as ``OtherChoice``. ``understood``
    tells whether any payload made sense.
    """

    def __init__(self) -> None:
        self.understood: bool = False
        self._choices = {0: ChoiceReader()}
        self._usage: Usage | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the server said of each choice why it stopped."""
        return all(choice.finish_reason is not None for choice in self._choices.values())

    @property
    def text(self) -> str:
        """The text of the first choice so far."""
        return self._choices[0].text

    def read(self, payload: dict[str, Any]) -> list[Event]:
        """Return the events of one payload that can be told at once."""
        events: list[Event] = []
        choices = payload.get("choices")
        if isinstance(choices, list):
            self.understood = True
            for place, choice in enumerate(choices):
                index = _index(choice, place)
                if index is not None:
                    reader = self._choices.get(index)
                    if reader is None:
                        reader = self._choices[index] = ChoiceReader()
                    events += _of_choice(index, reader.read(choice))
        if payload.get("usage") and isinstance(payload["usage"], dict):
            self._usage = _usage(payload["usage"])
        return events

    def close(self) -> list[Event]:
        """Return what is known only at the end: calls, usage, the reasons to finish."""
        events: list[Event] = []
        ends: list[Event] = []
        for index, choice in sorted(self._choices.items()):
            events += _of_choice(index, choice.close())
            if choice.finish_reason is not None:
                ends += _of_choice(index, [FinishReason(choice.finish_reason)])
        usage = [] if self._usage is None else [self._usage]
        return [*events, *usage, *ends]


class ChoiceReader:
    """Reads what belongs to one choice; ``finish_reason`` is None until the server says it."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self._has_begun = False
        self._text: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._think = ThinkSplitter()
        self._text_pairs = PairJoiner()
        self._thought_pairs = PairJoiner()

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    def close(self) -> list[FirstChoice]:
        """Return what was held back, and the calls."""
        events = self._thoughts(self._thought_pairs.close())
        events += self._told(self._think.feed(self._text_pairs.close()))
        events += self._told(self._think.close())
        if self._calls:
            calls = (self._calls[index] for index in sorted(self._calls))
            events.append(ToolCalls(tuple(_tool_call(call) for call in calls)))
        return events

    def read(self, choice: dict[str, Any]) -> list[FirstChoice]:
        """Return the events of one delta, or of a whole message."""
        events: list[FirstChoice] = []
        delta = self._new_in(choice)
        if isinstance(delta, dict):
            thought = delta.get("reasoning_content") or delta.get("reasoning")
            if isinstance(thought, str):
                events += self._thoughts(self._thought_pairs.feed(thought))
            text = self._text_pairs.feed(plain_text(delta.get("content")))
            events += self._told(self._think.feed(text))
            if delta.get("tool_calls"):
                self._read_calls(delta["tool_calls"])
            if isinstance(delta.get("refusal"), str):
                events += self._told([delta["refusal"]])
        elif isinstance(choice.get("text"), str):
            events += self._told([choice["text"]])
        if choice.get("finish_reason"):
            self.finish_reason = str(choice["finish_reason"])
        return events

    def _new_in(self, choice: dict[str, Any]) -> Any:
        """Return the delta of a choice, or its message.

        Perplexity sends both (seen in 2025): beside each delta the message so far, and beside
        a message that is whole an empty delta.
        """
        delta = choice.get("delta")
        if not isinstance(delta, dict) or not (self._has_begun or _says(delta)):
            delta = choice.get("message") or delta
        self._has_begun = self._has_begun or _says(delta)
        return delta

    def _told(self, events: list[FirstChoice]) -> list[FirstChoice]:
        told = [event for event in events if event != ""]
        for event in told:
            if isinstance(event, str):
                self._text.append(event)
        return told

    def _thoughts(self, thought: str) -> list[FirstChoice]:
        return [Reasoning(thought)] if thought else []

    def _read_calls(self, fragments: Any) -> None:
        """Join fragments by index: names are set, arguments are appended."""
        for fragment in fragments if isinstance(fragments, list) else ():
            function = fragment.get("function") if isinstance(fragment, dict) else None
            if not isinstance(function, dict):
                continue
            call_id, name = str(fragment.get("id") or ""), str(function.get("name") or "")
            index = self._index_of(fragment.get("index"), call_id, name)
            call = self._calls.setdefault(index, _Call())
            call.id = call.id or call_id
            call.name = name or call.name
            call.pieces.append(_arguments(function.get("arguments")))
            if isinstance(fragment.get("extra_content"), dict):
                call.extra = json.dumps(fragment["extra_content"])

    def _index_of(self, told: Any, call_id: str, name: str) -> int:
        """Return which call a fragment belongs to, also where that is left open.

        Gemini numbers all calls 0 and tells them apart by id; Ollama has sent
        calls with neither, one after the other (both seen in 2025).
        """
        is_told = isinstance(told, int)
        last = max(self._calls, default=-1)
        index: int = told if is_told else max(last, 0)
        known = self._calls.get(index)
        if known is None or (is_told and (not call_id or known.id in {"", call_id})):
            return index
        same = [i for i, call in self._calls.items() if call_id and call.id == call_id]
        if same:
            return same[0]
        begins = name and (known.name not in {"", name} or _is_json(known.arguments))
        is_other = begins or (not is_told and call_id and known.id)
        return last + 1 if is_other else index


@dataclass(slots=True)
class _Call:
    """A call as its fragments tell it."""

    id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    extra: str = ""

    @property
    def arguments(self) -> str:
        """The arguments so far."""
        return "".join(self.pieces)


class ThinkSplitter:
    """Tells ``<think>…</think>`` at the start of a text from the text, cut anywhere."""

    def __init__(self) -> None:
        self._held = ""  # what may turn out to be a tag
        self._place: Literal["start", "thought", "gap", "text"] = "start"

    def feed(self, piece: str) -> list[FirstChoice]:
        """Return the text and reasoning that this piece makes certain."""
        if self._place == "text":
            return [piece]
        if self._place == "gap":
            return self._after(piece)
        piece, self._held = self._held + piece, ""
        if self._place == "thought":
            return self._think(piece)
        start = piece.lstrip()
        if start.startswith("<think>"):
            self._place = "thought"
            return self._think(start.removeprefix("<think>"))
        if "<think>".startswith(start):
            self._held = piece
            return []
        self._place = "text"
        return [piece]

    def close(self) -> list[FirstChoice]:
        """Return what was held back."""
        held, self._held = self._held, ""
        if not held:
            return []
        return [Reasoning(held)] if self._place == "thought" else [held]

    def _after(self, piece: str) -> list[FirstChoice]:
        """Leave out the line ends between the tag and the text."""
        piece = piece.lstrip("\n")
        self._place = "text" if piece else "gap"
        return [piece] if piece else []

    def _think(self, piece: str) -> list[FirstChoice]:
        thought, tag, rest = piece.partition("</think>")
        if tag:
            events: list[FirstChoice] = [Reasoning(thought)] if thought else []
            return events + self._after(rest)
        keep = next((n for n in range(7, 0, -1) if piece.endswith("</think>"[:n])), 0)
        self._held = piece[len(piece) - keep :]
        thought = piece[: len(piece) - keep]
        return [Reasoning(thought)] if thought else []


class PairJoiner:
    """Joins characters that a server cut between two pieces, as surrogates in JSON.

    A half that stays alone becomes U+FFFD: no output can carry it.
    """

    def __init__(self) -> None:
        self._half = ""

    def feed(self, piece: str) -> str:
        """Return the text without the half of a character that it may end in."""
        if not self._half and piece.isascii():  # nearly every piece
            return piece
        piece = self._half + piece
        self._half = piece[-1:] if "\ud800" <= piece[-1:] <= "\udbff" else ""
        return joined_pairs(piece[: len(piece) - len(self._half)])

    def close(self) -> str:
        """Return what stands for a half that stayed alone."""
        return joined_pairs(self._half)


def joined_pairs(text: str) -> str:
    """Return the text with pairs of surrogates as one character, single ones as U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def plain_text(content: Any) -> str:
    """Return the text of a content that may be a string or a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    texts = (part.get("text") if isinstance(part, dict) else part for part in parts)
    return "".join(text for text in texts if isinstance(text, str))


def _index(choice: Any, place: int) -> int | None:
    """Return which choice this is; without a number of its own its place tells."""
    if not isinstance(choice, dict):
        return None
    told = choice.get("index")
    if told is None:
        return place
    return told if isinstance(told, int) and told >= 0 else None


def _of_choice(index: int, events: list[FirstChoice]) -> list[Event]:
    return [OtherChoice(index, event) for event in events] if index else [*events]


def _tool_call(call: _Call) -> ToolCall:
    return ToolCall(call.id, call.name, joined_pairs(call.arguments), extra=call.extra)


def _says(delta: Any) -> bool:
    """Tell whether a delta has more than the role."""
    return isinstance(delta, dict) and any(delta[name] for name in delta if name != "role")


def _arguments(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value) if value is not None else ""


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _usage(raw: dict[str, Any]) -> Usage:
    def count(*names: str) -> int | None:
        return next((raw[name] for name in names if isinstance(raw.get(name), int)), None)

    tokens_in = count("prompt_tokens", "input_tokens")
    tokens_out = count("completion_tokens", "output_tokens")
    return Usage(tokens_in, tokens_out, raw)
