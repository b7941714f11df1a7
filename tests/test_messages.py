"""The values that travel, as a person meets them."""

from __future__ import annotations

import pytest

from g4f_magic.messages import (
    Answer,
    FinishReason,
    Image,
    ImageResponse,
    OtherChoice,
    Reasoning,
    Sent,
    ToolCall,
    ToolCalls,
    Usage,
    Waiting,
)


def test_only_what_is_to_be_read_prints() -> None:
    """print(event, end='') of a whole stream shows the answer and nothing else."""
    silent = [
        Reasoning("hm"),
        ToolCalls((ToolCall("1", "f", "{}"),)),
        Usage(1, 2),
        FinishReason("stop"),
        Sent("http://x", {}),
        Waiting("busy", 1.0),
        OtherChoice(1, "another answer"),
    ]
    assert "".join(map(str, silent)) == ""


def test_a_picture_prints_as_markdown_or_says_what_it_is() -> None:
    """Bytes in a terminal help nobody."""
    pictures = ImageResponse(
        (Image(url="https://x/a.png"), Image(b"123", "image/png")), "a [b]\n c"
    )
    assert str(pictures) == "![a (b) c](https://x/a.png)\n[Image(image/png, 3 bytes)]"


def test_the_first_fenced_block_is_the_code() -> None:
    """answer.code is what goes into the next cell."""
    text = "Look:\n\n```python\nprint(1)\n```\n\nor\n\n~~~\nother\n~~~\n"
    assert Answer(text=text).code == "print(1)\n"
    assert Answer(text="no code").code == ""
    assert Answer(text="````\n```\ninner\n```\n````").code == "```\ninner\n```\n"


def test_json_is_found_bare_and_fenced() -> None:
    """Models wrap JSON in a fence as often as not."""
    assert Answer(text='{"a": 1}').json() == {"a": 1}
    assert Answer(text='Sure!\n\n```json\n{"a": 1}\n```').json() == {"a": 1}
    with pytest.raises(ValueError, match="Expecting value"):
        Answer(text="no JSON").json()


def test_an_answer_is_short_to_look_at_and_whole_to_print() -> None:
    """repr() of a 40 KB answer would flood the cell; str() is the text."""
    answer = Answer(text="word " * 1000, provider="openai", model="gpt-4o-mini")
    assert repr(answer) == "<Answer from openai:gpt-4o-mini: 5000 characters, complete>"
    assert str(answer) == answer.text
    painted = Answer(images=(Image(b"1", "image/png"),), provider="demo")
    assert repr(painted) == "<Answer from demo: 1 pictures, complete>"
