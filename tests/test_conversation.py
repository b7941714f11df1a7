"""Turns stay in order, each with its cell, and what is sent is what was said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from g4f_magic.messages import Answer
from g4f_magic.prompts.conversation import Cell, Conversation, Turn

if TYPE_CHECKING:
    from collections.abc import Sequence


class Notebook:
    """Runs chats as a kernel does: each execution has an id of its own."""

    def __init__(self) -> None:
        self.conversation = Conversation()
        self._executions = 0

    def run(self, cell: str | None, *prompts: str, **turn: object) -> None:
        """Run a cell that chats with these prompts; the answers are in capitals."""
        self._executions += 1
        owner = Cell(cell, str(self._executions)) if cell is not None else None
        for prompt in prompts:
            self.add(Turn(prompt, cell=owner, **turn))  # type: ignore[arg-type]

    def add(self, turn: Turn) -> Turn:
        """Take a turn in and answer it."""
        self.conversation.add(turn)
        turn.answer = Answer(text=turn.prompt.upper())
        return turn

    @property
    def prompts(self) -> list[str]:
        """What was asked, in order."""
        return [turn.prompt for turn in self.conversation.turns]

    def sent(self, place: int = -1) -> list[tuple[str, str]]:
        """The roles and contents that are sent for a turn."""
        turn = self.conversation.turns[place]
        return [(m["role"], m["content"]) for m in self.conversation.messages(turn)]


def test_a_question_goes_out_with_all_that_was_said_before() -> None:
    """A model that forgets is the first thing people notice."""
    notebook = Notebook()
    notebook.run("1", "a")
    notebook.run("2", "b")
    assert notebook.sent() == [("user", "a"), ("assistant", "A"), ("user", "b")]
    assert notebook.sent(0) == [("user", "a")]


def test_a_cell_that_runs_again_replaces_its_turn_where_it_stands() -> None:
    """The request carries only what stands before it, and later turns stay."""
    notebook = Notebook()
    for cell in "123":
        notebook.run(cell, cell)
    notebook.run("2", "other")
    assert notebook.prompts == ["1", "other", "3"]
    assert notebook.sent(1) == [("user", "1"), ("assistant", "1"), ("user", "other")]


def test_running_all_again_gives_the_same_conversation_once() -> None:
    """Everything would stand in it twice, and be paid for twice."""
    notebook = Notebook()
    for _ in range(3):
        for cell in "123":
            notebook.run(cell, cell + "a", cell + "b")
    assert notebook.prompts == ["1a", "1b", "2a", "2b", "3a", "3b"]


def test_two_chats_of_one_cell_follow_each_other() -> None:
    """The second must not replace the first, which ran in the same execution."""
    notebook = Notebook()
    notebook.run("1", "a", "b")
    assert notebook.prompts == ["a", "b"]
    assert notebook.sent() == [("user", "a"), ("assistant", "A"), ("user", "b")]


@given(st.lists(st.tuples(st.sampled_from("123"), st.integers(1, 3)), max_size=12))
def test_a_cell_has_the_turns_of_its_last_run_and_its_place(runs: list[tuple[str, int]]) -> None:
    """Whatever the order, and whether a cell now chats more often or less."""
    notebook = Notebook()
    order: dict[str, list[str]] = {}
    for number, (cell, chats) in enumerate(runs):
        prompts = [f"{number}.{chat}" for chat in range(chats)]
        notebook.run(cell, *prompts)
        order[cell] = prompts
    assert notebook.prompts == [prompt for prompts in order.values() for prompt in prompts]


def test_where_no_cell_is_known_every_run_appends() -> None:
    """In a terminal nothing says that it is the same question again."""
    notebook = Notebook()
    for _ in range(2):
        notebook.run(None, "a")
    notebook.run("1", "b")
    notebook.run(None, "c")
    notebook.run("1", "B")
    assert notebook.prompts == ["a", "a", "B", "c"]


def test_new_starts_afresh_and_keeps_the_old() -> None:
    """Old turns confuse a new subject, but they are not lost."""
    notebook = Notebook()
    notebook.run("1", "a", system="be brief")
    notebook.run("2", "b", starts_afresh=True)
    notebook.run("3", "c")
    assert notebook.sent() == [("user", "b"), ("assistant", "B"), ("user", "c")]
    assert notebook.sent(1) == [("user", "b")]
    assert notebook.prompts == ["a", "b", "c"]
    assert [turn.prompt for turn in notebook.conversation.in_force()] == ["b", "c"]


def test_a_cell_before_the_new_start_goes_on_with_its_own_past() -> None:
    """Run again, it belongs to the subject it stands in."""
    notebook = Notebook()
    notebook.run("1", "a")
    notebook.run("2", "b")
    notebook.run("3", "c", starts_afresh=True)
    notebook.run("2", "again")
    assert notebook.sent(1) == [("user", "a"), ("assistant", "A"), ("user", "again")]


def test_without_a_new_start_all_is_in_force() -> None:
    """What ``%chat`` counts is what the next question carries."""
    notebook = Notebook()
    assert notebook.conversation.in_force() == []
    notebook.run("1", "a")
    assert notebook.conversation.in_force() == notebook.conversation.turns


def systems(notebook: Notebook) -> Sequence[str | None]:
    """Return the system prompt that each turn is sent with."""
    sent = [notebook.sent(place) for place in range(len(notebook.prompts))]
    return [one[0][1] if one[0][0] == "system" else None for one in sent]


def test_a_system_prompt_holds_from_its_turn_on() -> None:
    """It is neither needed in every cell nor applied to what came before."""
    notebook = Notebook()
    notebook.run("1", "a")
    notebook.run("2", "b", system="be brief")
    notebook.run("3", "c")
    notebook.run("4", "d", system="be long")
    notebook.run("5", "e", system="")
    notebook.run("6", "f")
    assert systems(notebook) == [None, "be brief", "be brief", "be long", None, None]


def test_the_system_prompt_stands_first_and_once() -> None:
    """Some services refuse it anywhere else."""
    notebook = Notebook()
    notebook.run("1", "a", system="x")
    notebook.run("2", "b", system="y")
    assert notebook.sent() == [
        ("system", "y"),
        ("user", "a"),
        ("assistant", "A"),
        ("user", "b"),
    ]


def test_a_new_start_has_only_its_own_system_prompt() -> None:
    """The old one belongs to the old subject."""
    notebook = Notebook()
    notebook.run("1", "a", system="old")
    notebook.run("2", "b", starts_afresh=True)
    notebook.run("3", "c", starts_afresh=True, system="new")
    assert systems(notebook) == ["old", None, "new"]


def test_a_turn_without_an_answer_is_kept_but_not_sent() -> None:
    """Two questions in a row are refused by strict services; the failed one stays visible."""
    notebook = Notebook()
    notebook.run("1", "a", "b", "c")
    notebook.conversation.turns[0].answer = Answer(text="", state="failed")
    notebook.conversation.turns[1].answer = None
    assert notebook.sent() == [("user", "c")]
    assert notebook.prompts == ["a", "b", "c"]


def test_half_an_answer_is_sent_as_far_as_it_came() -> None:
    """After an interrupt people say "go on"."""
    notebook = Notebook()
    notebook.run("1", "a", "go on")
    notebook.conversation.turns[0].answer = Answer(text="hal", state="interrupted")
    assert notebook.sent() == [("user", "a"), ("assistant", "hal"), ("user", "go on")]


def test_equal_turns_are_two_turns() -> None:
    """The same question twice must not be taken for the first one."""
    notebook = Notebook()
    notebook.run(None, "a", "a", "a")
    assert len(notebook.sent(1)) == 3
    assert len(notebook.sent(2)) == 5
