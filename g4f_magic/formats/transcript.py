"""A conversation as Markdown to read, marked so that it can be taken in again.

Prompts are quoted line by line. An answer stands as it is, between two marks, which are
comments; a line of its text that looks like a mark gets a backslash before it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args

from ..display.harmless import neutralise
from ..display.markdown import close_open_fence
from ..messages import Answer, Compared, State
from ..prompts.conversation import Conversation, Turn
from .archive import ended
from .reading import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .reading import Node

_MARK = "<!-- g4f_magic: "
_MARKED = re.compile(
    rf"{_MARK}(conversation|new|system|user|assistant|end)(?: (\{{.*\}}))? -->[ \t]*"
)
_LOOKS_MARKED = re.compile(rf"^(?=\\*{_MARK})", re.MULTILINE)
_ESCAPED = re.compile(rf"^\\(?=\\*{_MARK})", re.MULTILINE)


class _Section(NamedTuple):
    """What follows a mark; ``facts`` are those that the mark itself tells."""

    mark: str
    facts: Node
    start: Source
    lines: list[str]


def write(conversation: Conversation) -> str:
    """Return the conversation as Markdown that ``read`` reads."""
    parts = [_mark("conversation", name=conversation.name), f"# {_code(conversation.name)}"]
    for number, turn in enumerate(conversation.turns, 1):
        parts += _turn(number, turn)
    return "\n\n".join([*parts, _mark("end")]) + "\n"


def readable(conversation: Conversation) -> str:
    """Return the conversation as Markdown to read, as it was said."""
    lines = write(conversation).split("\n")
    return "\n".join(line for line in lines if not line.startswith(_MARK))


def shown(conversation: Conversation) -> str:
    """Return the conversation as Markdown that is safe to display."""
    return neutralise(readable(conversation))


def read(source: Source) -> Conversation:
    """Return the conversation that ``write`` wrote."""
    conversation = Conversation("")
    turns = conversation.turns
    system, starts_afresh, mark = None, False, ""
    for mark, facts, start, lines in _sections(source):
        if mark == "conversation":
            conversation.name = facts["name"].text()
        elif mark == "new":
            starts_afresh = True
        elif mark == "system":
            system = _unquoted(lines)
        elif mark == "user":
            turns.append(Turn(_unquoted(lines), system=system, starts_afresh=starts_afresh))
            system, starts_afresh = None, False
        elif mark == "assistant":
            if not turns or turns[-1].answer is not None:
                start.refuse("this answer does not follow a prompt")
            turns[-1].answer = _answer(facts, "\n".join(lines))
    if mark != "end":
        reason = f"it does not end with the mark {_mark('end')}, so some of it is missing"
        source.refuse(reason, len(source.text))
    return conversation


def _turn(number: int, turn: Turn) -> Iterator[str]:
    if turn.starts_afresh:
        yield f"{_mark('new')}\n\n---"
    if turn.system is not None:
        yield f"{_mark('system')}\n\nSystem prompt{'' if turn.system else ' removed'}:"
        yield _quoted(turn.system)
    yield f"{_mark('user')}\n\n## {number}"
    yield _quoted(turn.prompt)
    if turn.answer is None:
        yield "*no answer*"
        return
    answer, text = turn.answer, close_open_fence(turn.answer.text)
    yield _attribution(answer, turn.compared)
    facts = {"model": answer.model, "provider": answer.provider, "state": _trouble(answer)}
    yield _mark("assistant", **facts, added=len(text) - len(answer.text))
    yield _LOOKS_MARKED.sub(r"\\", text)


def _attribution(answer: Answer, compared: tuple[Compared, ...]) -> str:
    """Return the line above an answer: who gave it, and what of it is not here."""
    notes = [_code(answer.source or "answer")]
    if compared:
        notes.append(f"kept of {', '.join(_code(one.label) for one in compared)}")
    if answer.images:
        count = len(answer.images)
        notes.append(f"{count} picture{'s' if count > 1 else ''}, not in this file")
    if _trouble(answer):
        notes.append(_trouble(answer))
    return f"**{notes[0]}**" + "".join(f" · {note}" for note in notes[1:])


def _trouble(answer: Answer) -> str:
    return "" if answer.state == "complete" else ended(answer.state)


def _answer(facts: Node, text: str) -> Answer:
    # Exactly one empty line before and after belongs to the file and not to the text.
    text = _ESCAPED.sub("", text.removeprefix("\n").removesuffix("\n"))
    state = facts["state"].one_of(get_args(State), "complete")
    return Answer(
        text=text[: len(text) - (facts["added"].count_or_none() or 0)],
        model=facts["model"].text(),
        provider=facts["provider"].text(),
        state=ended(cast("State", state)),
    )


def _sections(source: Source) -> Iterator[_Section]:
    """Yield what stands between the marks; what stands before the first is left out."""
    if source.text.partition("\n")[0].endswith("\r"):  # an editor has changed all line ends
        source = Source(source.name, source.text.replace("\r\n", "\n"))
    section: _Section | None = None
    for line in source.lines():
        if not line.text.startswith(_MARK):
            if section is not None:
                section.lines.append(line.text)
            continue
        if section is not None:
            yield section
        found = _MARKED.fullmatch(line.text)
        if found is None:
            line.refuse("this mark is none of those that an export writes")
        facts = (found[2] or "{}").rjust(found.end(2))  # so that columns are the line's
        section = _Section(found[1], Source(line.name, facts, line.first_line).json(), line, [])
    if section is not None:
        yield section


def _mark(word: str, **facts: Any) -> str:
    told = {name: fact for name, fact in facts.items() if fact}
    json_text = json.dumps(told, ensure_ascii=False).replace(">", "\\u003e") if told else ""
    return f"{_MARK}{word}{' ' * bool(told)}{json_text} -->"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" if line else ">" for line in text.split("\n"))


def _unquoted(lines: list[str]) -> str:
    return "\n".join(line[1:].removeprefix(" ") for line in lines if line.startswith(">"))


def _code(text: str) -> str:
    """Return a name as inline code, whatever is in it."""
    return f"`{' '.join(text.replace('`', chr(39)).split()) or '-'}`"
