"""Messages for services that take neither a history nor a system prompt."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from support.api_schema import check_chat
from support.byteserver import stream_script
from support.events import hear

from g4f_magic.providers import OpenaiTemplate
from g4f_magic.providers.history import last_prompt

if TYPE_CHECKING:
    from support.events import StartServer

    from g4f_magic.messages import Message

SYSTEM: Message = {"role": "system", "content": "be brief"}
FIRST: Message = {"role": "user", "content": "one"}
SAID: Message = {"role": "assistant", "content": "1"}
LAST: Message = {"role": "user", "content": "two"}
PARTS: list[dict[str, Any]] = [{"type": "text", "text": "two"}]


def taken(byte_server: StartServer, messages: list[Message], **supports: bool) -> Any:
    """The messages as they arrive at a service that supports no more than this."""
    server = byte_server(stream_script(["hi"]))
    own: Any = type("Own", (OpenaiTemplate,), {"api_base": server.url, **supports})
    before = copy.deepcopy(messages)
    assert hear(own, "m", messages).error is None
    assert messages == before
    body = server.requests[0].json
    check_chat(body)
    return body["messages"]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([SYSTEM, FIRST, SAID, LAST], [{"role": "user", "content": "be brief\n\none"}, SAID, LAST]),
        ([FIRST, SAID, LAST], [FIRST, SAID, LAST]),
        ([SYSTEM, SAID], [{"role": "user", "content": "be brief"}, SAID]),
        ([{"role": "system", "content": ""}, FIRST], [FIRST]),
        (
            [SYSTEM, {"role": "developer", "content": "in German"}, FIRST],
            [{"role": "user", "content": "be brief\n\nin German\n\none"}],
        ),
        (
            [SYSTEM, {"role": "user", "content": PARTS}],
            [{"role": "user", "content": [{"type": "text", "text": "be brief"}, *PARTS]}],
        ),
        ([SYSTEM, {"role": "user", "content": ""}], [{"role": "user", "content": "be brief"}]),
    ],
)
def test_a_system_prompt_goes_in_front_of_the_first_message(
    byte_server: StartServer, messages: list[Message], expected: list[Message]
) -> None:
    """Gemma's servers answer 400 to the role; left out, what was asked for is ignored."""
    assert taken(byte_server, messages, supports_system_message=False) == expected


def test_without_a_history_the_last_question_is_sent(byte_server: StartServer) -> None:
    """A service that reads one message would answer the first of them."""
    messages = [SYSTEM, FIRST, SAID, LAST]
    assert taken(byte_server, messages, supports_message_history=False) == [SYSTEM, LAST]


def test_without_history_and_system_prompt_one_message_is_left(byte_server: StartServer) -> None:
    """The prompt must not end up in a message that is not sent."""
    both = {"supports_message_history": False, "supports_system_message": False}
    messages = [SYSTEM, FIRST, SAID, LAST]
    assert taken(byte_server, messages, **both) == [{"role": "user", "content": "be brief\n\ntwo"}]


def test_the_last_prompt_is_that_of_the_user() -> None:
    """Pictures are made from it."""
    assert last_prompt([FIRST, {"role": "user", "content": PARTS}, SAID]) == "two"
    assert last_prompt([SYSTEM]) == ""
