"""An answer that is given again: the same as it was, and marked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from g4f_magic.call import start_call
from g4f_magic.messages import Answer, Image, Message, ToolCall, Usage
from g4f_magic.providers import Demo, OpenaiTemplate
from g4f_magic.replay import Replay
from g4f_magic.store.cached import request_key

WHOLE = Answer(
    text="Some words,\n\nand  more.\n",
    reasoning="a thought",
    images=(Image(b"\x89PNG", "image/png"),),
    tool_calls=(ToolCall("1", "look", "{}", after=24),),
    usage=Usage(3, 4),
    finish_reason="stop",
    model="m",
    provider="p",
    request={"model": "m", "temperature": 0.5},
)


@pytest.mark.parametrize("is_live", [False, True])
def test_a_replayed_answer_is_the_same(*, is_live: bool) -> None:
    """What is shown to others must be what its author saw."""
    call = start_call(Replay(WHOLE, is_live=is_live), "m", [{"role": "user", "content": "hi"}])
    assert call.finished.wait(10)
    again = call.answer
    assert again.cached
    settled = replace(again, elapsed_s=0.0, first_token_s=None, request={}, cached=False)
    assert settled == replace(WHOLE, request={})
    assert again.request == {**WHOLE.request, "messages": [{"role": "user", "content": "hi"}]}


def test_the_key_is_of_all_that_decides_an_answer_and_of_nothing_else() -> None:
    """A near miss must be asked anew, and a new password must not."""

    class Service(OpenaiTemplate):
        api_base = "http://a.test/v1"

    hi: list[Message] = [{"role": "user", "content": "hi"}]
    key = request_key(Service, "m", hi, {"temperature": 0.5})
    same = {"temperature": 0.5, "api_key": "other", "proxy": "http://b.test", "timeout": 3}
    assert request_key(Service, "m", hi, same) == key
    others = [
        request_key(Service, "n", hi, {"temperature": 0.5}),
        request_key(Service, "m", [*hi, *hi], {"temperature": 0.5}),
        request_key(Service, "m", hi, {"temperature": 0.6}),
        request_key(Service, "m", hi, {"temperature": 0.5, "api_base": "http://b.test/v1"}),
        request_key(Demo, "m", hi, {"temperature": 0.5}),
    ]
    assert len({key, *others}) == 6
