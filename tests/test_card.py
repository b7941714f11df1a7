"""What cards send while an answer grows, seen from the front end's side."""

from __future__ import annotations

import html
import re
import threading
from typing import Any

import pytest
from markdown_it import MarkdownIt

from g4f_magic.display.card import CellCard, LineCard, watch
from g4f_magic.display.document import document
from g4f_magic.display.footer import small
from g4f_magic.messages import Answer, ToolCall, Usage, Waiting

HOSTILE = "<img src=x onerror=alert(1)>"


class Screen:
    """A front end: takes what IPython's display publisher would send to it."""

    def __init__(self) -> None:
        self.outputs: dict[str, str] = {}
        self.sent: list[str] = []
        self.most = 0

    def publish(self, data: dict[str, str], *_: Any, transient: Any = None, update: bool) -> None:
        """Show or change one output."""
        display_id = (transient or {}).get("display_id", f"final-{len(self.sent)}")
        assert update == (display_id in self.outputs)
        self.outputs[display_id] = data["text/markdown"]
        self.sent.append(data["text/markdown"])
        self.most = max(self.most, len(self.outputs))

    def clear_output(self, *, wait: bool) -> None:
        """Take everything away, once something new comes."""
        assert wait
        self.outputs.clear()

    @property
    def text(self) -> str:
        """All outputs, from top to bottom."""
        return "\n".join(self.outputs.values())


def grow(text: str, step: int) -> Screen:
    """Let a card draw a text that grows by ``step`` characters at a time."""
    screen = Screen()
    card = CellCard(screen)  # type: ignore[arg-type]  # the two methods that it uses
    for end in range(step, len(text) + step, step):
        answer = Answer(text=text[:end], model="m", provider="p", state="streaming")
        card.draw(answer)
    return screen


PARAGRAPHS = "\n\n".join(f"Paragraph {n}: " + "some words " * 40 for n in range(450))
CODE = "Look:\n\n```python\n" + "\n".join(f"x_{n} = {n}" for n in range(8000)) + "\n```\n\nDone."
TABLE = "| n | square |\n| --- | --- |\n" + "\n".join(f"| {n} | {n * n} |" for n in range(500))

LIST = "".join(f"{'  ' * (n % 5)}- item {n} with some words\n" for n in range(4000))
MARKUP = "<div>\n" + "".join(f"<p>{n} some words in markup</p>\n\n" for n in range(4000))
FORMULAS = "".join(
    f"$$\nx_{{{n}}} = \\frac{{1}}{{{n}}}\n$$\n\nand $a_{{{n}}}$, \n\n" for n in range(3000)
)
LINKS = "".join(f"See [{n}] and [the {n}th][{n}].\n\n" for n in range(4000)) + "\n".join(
    f"[{n}]: https://example.org/{n}" for n in range(4000)
)
LONG = {
    "prose": PARAGRAPHS,
    "code": CODE,
    "open code": CODE.rpartition("\n```")[0],
    "table": TABLE,
    "list": LIST,
    "markup": MARKUP,
    "formulas": FORMULAS,
    "links": LINKS,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_long_answers_stay_below_the_limit_of_outputs(text: str) -> None:
    """JupyterLab shows 50 outputs of a cell; the end of an answer must not fall off."""
    screen = grow(text, 997)
    assert screen.most < 48
    for words in text.split()[-3:]:
        assert words in html.unescape(screen.text)


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_what_is_sent_grows_with_the_text_and_not_with_its_square(text: str) -> None:
    """200 KB sent whole at each update would be gigabytes."""
    updates = len(text) // 997
    sent = sum(len(piece) for piece in grow(text, 997).sent)
    assert sent < 6 * len(text) + updates * 5000


def test_nothing_that_was_shown_gets_lost_between_pieces() -> None:
    """Each word of the answer stands somewhere on the screen, once."""
    shown = grow(PARAGRAPHS[:20_000], 137).text
    for number in range(20_000 // 470):
        assert shown.count(f"Paragraph {number}:") == 1


def test_calls_stay_in_the_middle_of_a_growing_text() -> None:
    """Each call stands once, between the words it came between, and is not drawn again."""
    screen = Screen()
    card = CellCard(screen)  # type: ignore[arg-type]  # the two methods that it uses
    calls = (ToolCall("1", "look", "{}", 11, "seen", "done"), ToolCall("2", "go", "{}", 11))
    card.draw(Answer(text="Let me look", model="m", state="streaming"))
    card.draw(Answer(text="Let me look", model="m", state="streaming", tool_calls=calls))
    sent = len(screen.sent)
    for end in range(50, 10_000, 200):
        text = f"Let me look\n\n{PARAGRAPHS}"[:end]
        card.draw(Answer(text=text, model="m", state="streaming", tool_calls=calls))
    assert sum("<code>look</code>" in piece for piece in screen.sent[sent:]) == 1
    places = [screen.text.index(part) for part in ("Let me", "look</code>", "go</code>", "h 0:")]
    assert places == sorted(places)
    assert [screen.text.count(part) for part in ("Let me", "seen", "Paragraph 0:")] == [1, 1, 1]


def test_markup_after_a_split_fence_stays_harmless() -> None:
    """The closing fence of a piece must not count as an opening one."""
    text = "```python\n" + "x = 1\n" * 2000 + "```\n" + HOSTILE + "\n\nend"
    for step in (500, 997, 4001):
        assert not [piece for piece in grow(text, step).sent if HOSTILE in piece]


def test_pieces_that_are_harmless_alone_are_so_together() -> None:
    """A piece may open a fence that the next one closes, and change what is code."""
    odd = f"- a\n  ```\n{HOSTILE}\n  ```\nx\n\n[y]: z\n```\na\n```\t\n{HOSTILE}\n```\n{HOSTILE}\n\n"
    for padding in range(1900, 2060, 20):  # so that an output is left at each place in it
        for piece in grow("w" * padding + "\n\n" + odd + "end\n\n" * 30, 7).sent:
            assert "<img" not in MarkdownIt("commonmark", {"html": True}).render(piece)


def test_markup_in_a_thought_stays_harmless() -> None:
    """What a model thinks is as foreign as what it says."""
    screen = Screen()
    thinking = Answer(reasoning=f"```\n{HOSTILE}\n```\n{HOSTILE}", state="streaming")
    CellCard(screen).draw(thinking)  # type: ignore[arg-type]  # the two methods that it uses
    rendered = MarkdownIt("commonmark", {"html": True}).render(screen.text)
    assert "img src" in rendered
    assert "<img" not in rendered
    assert HOSTILE not in document(Answer(reasoning=HOSTILE, text=HOSTILE))["text/markdown"]


def test_text_from_right_to_left_is_told_to_the_browser() -> None:
    """Arabic set from the left is hard to read; code set from the right even more so."""
    hello, one = "\u0645\u0631\u062d\u0628\u0627", "\u0648\u0627\u062d\u062f"  # Arabic
    text = f"{hello}\n- {one}\n\nplain\n\n```\nx = 1  # {hello}\n```\n\n> {one}"
    shown = document(Answer(text=text))["text/markdown"]
    rendered = MarkdownIt("commonmark", {"html": True}).render(shown)
    directed = re.findall(r'<div dir="auto">(.*?)</div>', rendered, re.DOTALL)
    assert [re.sub(r"<[^>]*>", "", block).strip() for block in directed] == [hello, one, one]
    assert document(Answer(text="plain"))["text/markdown"].startswith("plain")


def test_a_name_is_no_markup() -> None:
    """Models and addresses are named by strangers, too."""
    shown = small("a*b*`c` <b>|[x](y)")
    assert "<b>" not in shown
    assert "*b*" not in shown
    assert "[x]" not in shown


def test_a_note_stands_outside_of_an_open_fence() -> None:
    """An answer that breaks off inside code would swallow the line that says so."""
    answer = Answer(text="```python\nx = 1", state="cut off", model="m", provider="p")
    assert "x = 1\n```\n\n*cut off" in document(answer)["text/markdown"]


def test_a_line_among_other_outputs_is_one_output() -> None:
    """print() of the same cell may not be wiped."""
    screen = Screen()
    card = LineCard(screen)  # type: ignore[arg-type]  # the two methods that it uses
    answer = Answer(text="word " * 1000, model="m", provider="p", usage=Usage(1, 2))
    card.draw(answer)
    card.close(answer)
    assert len(screen.outputs) == 1
    assert "1 in, 2 out" in screen.text


class Scripted:
    """An answer under way that goes through given states, one a look."""

    def __init__(self, *states: Answer) -> None:
        self.changed = threading.Event()
        self.finished = threading.Event()
        self.states = list(states)
        self.changed.set()

    @property
    def answer(self) -> Answer:
        """The next state; the last one ends it."""
        self.changed.set()
        if len(self.states) == 1:
            self.finished.set()
            return self.states[0]
        return self.states.pop(0)

    def cancel(self) -> None:
        """End at once."""
        self.finished.set()


class Never:
    """Nobody presses ■."""

    arrived = False


def test_the_first_text_is_drawn_at_once_and_a_wait_is_said() -> None:
    """Nobody should look at an empty cell while something is known."""
    screen = Screen()
    waiting = Answer(waiting=Waiting("busy", 3.0), state="streaming")
    begun = Answer(text="first", first_token_s=0.1, state="streaming")
    card = CellCard(screen)  # type: ignore[arg-type]  # the two methods that it uses
    scripted = Scripted(waiting, begun, Answer(text="first and last"))
    watch(scripted, card, Never())
    card.close(scripted.answer)
    assert "busy; again in 3.0 s" in screen.sent[0]
    assert "first" in screen.sent[1]
    assert "first and last" in screen.text
