"""One answer in several rounds: between them the calls run that the model asks for."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from ..display.card import watch
from ..messages import Answer, usage_of_both

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from ..call import Call
    from ..display.card import Card, Stopping
    from ..messages import Message, ToolCall
    from .calling import Caller

    Ask: TypeAlias = Callable[
        [list[Message]], tuple[Call, Callable[[Answer, BaseException | None], None]]
    ]


class Rounds:
    """The rounds of one turn, as one growing answer.

    ``ask`` sends messages; it returns the call under way, and what the end of that is to be
    told to. At most ``most`` rounds are made; what the last one asks to be called is not.
    ``failure`` is the error that ended the last round, if any.
    """

    changed: threading.Event  # of the round under way, as are the next two
    finished: threading.Event
    cancel: Callable[[], None]

    def __init__(self, ask: Ask, messages: Iterable[Message], most: int) -> None:
        self.failure: BaseException | None = None
        self._ask = ask
        self._messages = list(messages)
        self._most = most
        self._started = time.perf_counter()
        self._said = Answer(state="streaming")
        # Besides, the round under way; set together, since other threads read the answer.
        self._now: tuple[Answer, Call | None] = (self._said, None)

    @property
    def answer(self) -> Answer:
        """All rounds as one answer, as it stands."""
        said, call = self._now
        if call is not None:
            said = joined(said, call.answer)
        return replace(said, elapsed_s=time.perf_counter() - self._started)

    def converse(self, caller: Caller, card: Card, stop: Stopping) -> Answer:
        """Go on until the model asks for no more calls; draw all but how it stays; return it."""
        calls = self._round(card, stop)
        for _ in range(self._most - 1):
            if not calls or self.failure is not None:
                break
            for place in calls:
                if not stop.arrived:
                    self._make(place, caller, card)
            if stop.arrived:  # perhaps before any of them
                self._say(state="interrupted")
                break
            self._messages += [_result(self._said.tool_calls[place]) for place in calls]
            calls = self._round(card, stop)
        else:
            for place in calls:
                self._put(place, replace(self._said.tool_calls[place], outcome="not run"))
        self._say(activity="")
        return self.answer

    def _round(self, card: Card, stop: Stopping) -> range:
        """Send what was said so far and draw the answer; return the places of its calls."""
        call, end = self._ask(self._messages)
        self.changed, self.finished, self.cancel = call.changed, call.finished, call.cancel
        self._now = self._said, call
        watch(self, card, stop)
        self.failure = call.failure
        end(call.answer, call.failure)
        first = len(self._said.tool_calls)
        self._said = joined(self._said, call.answer)
        self._now = self._said, None
        calls = range(first, len(self._said.tool_calls))
        for place in calls:  # by which their results are told; some services give none
            one = self._said.tool_calls[place]
            self._put(place, replace(one, id=one.id or f"call_{place}"))
        if calls:
            self._messages.append(_asking(call.answer.text, self._said.tool_calls[first:]))
        return calls

    def _make(self, place: int, caller: Caller, card: Card) -> None:
        """Make one call, and show it before and after."""
        call = self._said.tool_calls[place]
        self._say(state="streaming", activity=f"calling {call.name}")
        card.draw(self.answer)
        self._put(place, caller.run(call))
        card.draw(self.answer)

    def _put(self, place: int, call: ToolCall) -> None:
        calls = self._said.tool_calls
        self._say(tool_calls=(*calls[:place], call, *calls[place + 1 :]))

    def _say(self, **changes: Any) -> None:
        self._said = replace(self._said, **changes)
        self._now = self._said, None


def joined(before: Answer, after: Answer) -> Answer:
    """Return two rounds as one answer; its figures are sums where both are known."""
    if not before.tool_calls:  # it is no round, only its beginning
        return after
    gap = "\n\n" if before.text and after.text else ""
    start = len(before.text + gap)
    calls = (replace(call, after=start + call.after) for call in after.tool_calls)
    thoughts = (text for text in (before.reasoning, after.reasoning) if text)
    is_quiet = after.state == "streaming" and after.first_token_s is None
    return replace(
        after,
        text=f"{before.text}{gap}{after.text}",
        reasoning="\n\n".join(thoughts),
        images=before.images + after.images,
        tool_calls=(*before.tool_calls, *calls),
        usage=usage_of_both(before.usage, after.usage),
        first_token_s=before.first_token_s,
        request=after.request or before.request,
        cached=before.cached and after.cached,
        attempt=max(before.attempt, after.attempt),
        activity=after.activity or ("waiting for the next answer" if is_quiet else ""),
    )


def _asking(text: str, calls: Iterable[ToolCall]) -> Message:
    """Return what the model said, as the services want to hear it again."""
    asked = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": _readable(call.arguments)},
            **({"extra_content": json.loads(call.extra)} if call.extra else {}),
        }
        for call in calls
    ]
    return {"role": "assistant", "content": text or None, "tool_calls": asked}


def _result(call: ToolCall) -> Message:
    return {"role": "tool", "tool_call_id": call.id, "content": call.result}


def _readable(arguments: str) -> str:
    """Return arguments that are JSON, which some services parse: those of a model need not be."""
    try:
        json.loads(arguments)
    except (ValueError, RecursionError):
        return "{}"
    return arguments
