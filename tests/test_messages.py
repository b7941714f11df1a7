"""The values that travel, as a person meets them."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import pytest

from g4f_magic.errors import UsageError
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

if TYPE_CHECKING:
    from pathlib import Path


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


def test_an_answer_is_saved_as_what_its_name_says(tmp_path: Path) -> None:
    """The file holds what somebody opens it for, not the prose around it."""
    fenced = {"json": '{"ä": 1}', "html": "<p>x</p>", "python": "print(1)"}
    blocks = [f"```{name}\n{content}\n```" for name, content in fenced.items()]
    answer = Answer(text="Look:\n\n" + "\n\n".join(blocks))
    for name in ("a.md", "a.txt", "a"):
        assert answer.save(tmp_path / name).read_text(encoding="utf-8") == answer.text
    assert json.loads(answer.save(tmp_path / "a.json").read_text(encoding="utf-8")) == {"ä": 1}
    assert answer.save(tmp_path / "a.html").read_text(encoding="utf-8") == "<p>x</p>\n"
    assert answer.save(str(tmp_path / "a.py")).read_text(encoding="utf-8") == "print(1)\n"


@pytest.mark.parametrize("name", ["a.json", "a.html", "a.py"])
def test_what_an_answer_does_not_hold_is_not_saved(tmp_path: Path, name: str) -> None:
    """An empty or broken file would be found much later."""
    with pytest.raises(UsageError, match=r"there is no .* in the answer"):
        Answer(text="Only words.\n```rust\nx\n```").save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_answer_of_pictures_saves_them(tmp_path: Path) -> None:
    """One bears the name that was given, several are numbered."""
    fox, hare = Image(b"1", "image/png"), Image(b"2", "image/jpeg")
    assert Answer(images=(fox,)).save(tmp_path / "fox").name == "fox.png"
    assert Answer(images=(fox, hare)).save(tmp_path / "both").name == "both-1.png"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["both-1.png", "both-2.jpg", "fox.png"]


@pytest.mark.parametrize("place", ["", "/", "~nobody-of-this-name/a"])
def test_what_is_no_place_of_a_file_is_said(place: str) -> None:
    """A slip in a path is one line, too, and not one of Python's."""
    fox = Image(b"1", "image/png")
    for what in (fox, Answer(text="x"), Answer(images=(fox,)), Answer(images=(fox, fox))):
        with pytest.raises(UsageError, match="cannot be saved as"):
            what.save(place)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A typing error in a path is one line."""
    with pytest.raises(UsageError, match=r"the answer cannot be saved as .*No such file"):
        Answer(text="x").save(tmp_path / "none" / "a.md")
    with pytest.raises(UsageError, match=r"cannot be saved as .*: No such file"):
        Answer(text="x").save("~nobody-of-that-name/a.md")


def test_an_answer_can_be_pickled() -> None:
    """It goes to worker processes, and into a file for tomorrow."""
    answer = Answer(text="x", images=(Image(b"1", "image/png"),), usage=Usage(1, 2, {"a": 1}))
    assert pickle.loads(pickle.dumps(answer)) == answer  # noqa: S301  # our own
