"""A notebook that asks everything again when it runs, with the answers as they were."""

from __future__ import annotations

import ast
import base64
import json
import re
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ..cell.options import split_options
from ..display.columns import HEADING
from ..display.document import document
from ..errors import UsageError
from ..prompts.conversation import Conversation, Turn
from ..providers.registry import is_provider_name
from ..version import VERSION
from .archive import (
    answer_from,
    answer_record,
    image_from,
    image_record,
    turn_from,
    turn_record,
    usage_from,
)
from .reading import whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..messages import Answer, Image
    from .reading import Node

_PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif")
_WRITTEN_OPTIONS = {"-m": True, "-s": True, "--new": False, "--raw": False}
_ABOUT = frozenset({"--explain", "--fix", "--show"})  # which give an answer without a prompt
_FLAGS = _ABOUT | {"--alone", "--quiet"}
_LINE = re.compile(r"\s*(?:[\w.,\s]+=\s*)?%chat(?=\s)")
_CALL = "get_ipython().run_"
_CALLED = re.compile(r"\s*get_ipython\(\)\.run_(?:line|cell)_magic(?=\()")
# What IPython 7.34 to 9.18 takes for pasted prompts, and removes before a magic sees it;
# 9 also empties lines of spaces.
_ALTERED = re.compile(r"\s*(?:>>>|\.{3}|In \[|\[(?:nav|ins)\])|\s+$")


class _Asked(NamedTuple):
    """What a cell, or a line of it, asks; ``flags`` are its options that are in ``_FLAGS``."""

    prompt: str
    system: str | None
    starts_afresh: bool
    flags: frozenset[str] = frozenset()

    @property
    def is_turn(self) -> bool:
        """Whether a conversation has it: what `--fix` says is in no notebook."""
        says = bool(self.prompt.strip()) or self.system is not None or self.starts_afresh
        return says and "--alone" not in self.flags

    @property
    def has_answer(self) -> bool:
        """Whether its answer is among the outputs, if it got one."""
        return "--quiet" not in self.flags and bool(self.prompt.strip() or self.flags & _ABOUT)


def write(conversation: Conversation) -> str:
    """Return the conversation as a notebook, laid out as Jupyter saves it (nbformat 4.5)."""
    cells = [_code_cell("load", "%load_ext g4f_magic")]
    for number, turn in enumerate(conversation.turns, 1):
        cells.append(_chat_cell(f"turn-{number}", turn))
    python = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    metadata = {"g4f_magic": {"name": conversation.name}, "kernelspec": python}
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def read(notebook: Node, chat_options: Mapping[str, bool]) -> Conversation:
    """Return the conversation of a notebook, exported or saved by hand.

    Cells that chat are turns, except those with ``--alone``. A ``{{ name }}``
    stays as the cell has it: a notebook does not keep what was sent.
    """
    if notebook["nbformat"].value != 4:  # noqa: PLR2004  # the format's major version
        notebook.refuse("is not a notebook of format 4")
    turns = []
    for cell in notebook["cells"].each():
        if cell["cell_type"].text() == "code":
            turns += _turns(cell, chat_options)
    return Conversation(notebook["metadata"]["g4f_magic"]["name"].text(), turns)


def _chat_cell(name: str, turn: Turn) -> dict[str, Any]:
    source = _source(turn)
    cell = _code_cell(name, source)
    meant = _Asked(turn.prompt, turn.system, turn.starts_afresh)
    is_said = meant.has_answer or turn.answer is None
    if list(_asked(source, _WRITTEN_OPTIONS)) != [meant] or not is_said:  # to the letter
        cell["metadata"]["g4f_magic"] = turn_record(replace(turn, answer=None, parts=()))
    if turn.answer is not None:
        facts = {"version": VERSION, **answer_record(turn.answer)}
        cell["outputs"] = [_output(document(turn.answer), facts)]
        cell["outputs"] += [_picture_output(image) for image in turn.answer.images]
    return cell


def _source(turn: Turn) -> str:
    """Return what to write into a cell to ask this again."""
    line = " ".join(_options(turn))
    is_one_line = not line.splitlines()[1:]
    if not turn.prompt.strip():
        return f"%chat {line}".rstrip() if is_one_line else f"{_CALL}line_magic('chat', {line!r})"
    if is_one_line and not any(map(_ALTERED.match, turn.prompt.splitlines())):
        return f"{f'%%chat {line}'.rstrip()}\n{turn.prompt}"
    return f"{_CALL}cell_magic('chat', {line!r}, {turn.prompt!r})"


def _options(turn: Turn) -> Iterator[str]:
    if turn.answer is not None and turn.answer.model and turn.prompt.strip():
        provider, model = turn.answer.provider, turn.answer.model
        # Of a provider that was given by its address, an answer knows the host alone.
        yield f"-m {_value(f'{provider}:{model}' if is_provider_name(provider) else model)}"
    if turn.system is not None:
        yield f"-s {_value(turn.system)}"
    if turn.starts_afresh:
        yield "--new"
    if "{{" in turn.prompt:
        yield "--raw"


def _value(text: str) -> str:
    """Return the text as the value of an option; one that ends in a backslash gets a space."""
    if re.fullmatch(r"[\w./:@+-]+", text):
        return text
    space = " " if text.endswith("\\") else ""
    return '"' + text.replace('"', '\\"') + space + '"'


def _code_cell(name: str, source: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": {},
        "outputs": [],
        "source": source.splitlines(keepends=True),
    }


def _output(data: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, Any]:
    lines = {
        kind: value if kind in _PICTURES else value.splitlines(keepends=True)
        for kind, value in data.items()
    }
    return {"data": lines, "metadata": {"g4f_magic": facts}, "output_type": "display_data"}


def _picture_output(image: Image) -> dict[str, Any]:
    """Return a picture to be seen, or the note of one that is of no type pages show."""
    if image.media_type not in _PICTURES or not image.data:
        return _output({"text/plain": repr(image)}, {"image": image_record(image)})
    data = {image.media_type: base64.b64encode(image.data).decode(), "text/plain": repr(image)}
    return _output(data, {"image": image_record(replace(image, data=b""))})


def _turns(cell: Node, chat_options: Mapping[str, bool]) -> list[Turn]:
    answers = iter(_answers(cell))
    try:
        asked = list(_asked(cell["source"].lines(), chat_options))
    except UsageError as error:
        cell["source"].refuse(f"cannot be read: {error}")
    kept = cell["metadata"]["g4f_magic"]
    if kept.value is not None:
        turn = turn_from(kept)
        if list(_asked(_source(turn), _WRITTEN_OPTIONS)) == asked:  # nobody has edited the cell
            turn.answer = next(answers, None)
            return [turn]
    turns = []
    for one in asked:
        answer = next(answers, None) if one.has_answer else None
        if one.is_turn:
            said = answer if one.prompt.strip() else None
            turns.append(Turn(one.prompt, one.system, one.starts_afresh, answer=said))
    return turns


def _asked(source: str, chat_options: Mapping[str, bool]) -> Iterator[_Asked]:
    """Yield what a cell asks; raises ``UsageError`` for options that cannot be read."""
    if (call := _call(source)) is not None:
        yield from _one_asked(*call, chat_options)
        return
    first, *others = source.lstrip().splitlines(keepends=True) or [""]
    if re.match(r"%%chat\s", first):
        yield from _one_asked(first.rstrip().removeprefix("%%chat"), "".join(others), chat_options)
    elif not first.startswith("%%"):
        for line in (first, *others):
            if found := _LINE.match(line):
                yield from _one_asked(line[found.end() :].rstrip(), "", chat_options)


def _one_asked(line: str, body: str, chat_options: Mapping[str, bool]) -> Iterator[_Asked]:
    arguments, words = split_options(line, chat_options)
    prompt = "\n".join(filter(None, (words, body.strip("\n"))))
    given = [argument.partition("=")[::2] for argument in arguments]
    system = next((text for name, text in given[::-1] if name in {"-s", "--system"}), None)
    one = _Asked(prompt, system, "--new" in arguments, _FLAGS.intersection(arguments))
    if one.is_turn or one.has_answer:
        yield one


def _call(source: str) -> tuple[str, str] | None:
    """Return the line and the body of a magic spelt as a call, if the cell is that."""
    found = _CALLED.match(source)
    if found is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # escapes that Python will refuse one day
            called = ast.literal_eval(source[found.end() :])
    except (SyntaxError, TypeError, ValueError, RecursionError, MemoryError):
        return None
    match called:
        case ("chat", str(line)):
            return whole(line), ""
        case ("chat", str(line), str(body)):
            return whole(line), whole(body)
    return None


def _answers(cell: Node) -> list[Answer]:
    """Return the answers among a cell's outputs, each with the pictures that follow it."""
    answers: list[Answer] = []
    told: Any = None  # a cell repeats the facts of an answer at each of its pictures
    for output in cell["outputs"].each():
        facts = output["metadata"]["g4f_magic"]
        if facts.value is None:
            continue
        if facts["image"].value is None and facts.value != told:
            plain = output["data"]["text/plain"].lines()
            is_one = facts["comparison"].value is None
            answers.append(_answer(facts, plain) if is_one else _kept(facts, plain))
            told = facts.value
        picture = _picture(output, facts)
        if picture is not None and answers:
            answers[-1] = replace(answers[-1], images=(*answers[-1].images, picture))
    return answers


def _kept(facts: Node, plain: str) -> Answer:
    """Return the answer that a conversation goes on with, of those shown beside each other."""
    answer, kept = answer_from(facts), facts["kept"].count_or_none() or 0
    for column in facts["comparison"].each()[: kept + 1]:
        plain = plain.partition("\n")[2]  # without its heading
        answer = _answer(column, plain)
        plain = f"\n{plain}"[len(answer.text) :].partition(f"\n\n{HEADING}")[2]
    return answer


def _answer(facts: Node, plain: str) -> Answer:
    """Return the answer that a text begins with: as exported, or as a cell has shown it."""
    answer = answer_from(facts)
    if facts["text"].value is not None:
        return answer
    # What follows the text, at least the last paragraph, is the card's: notes and figures.
    size = facts["characters"].count_or_none()
    text = plain.rpartition("\n\n")[0] if size is None else plain[:size]
    usage = usage_from(facts)
    has_usage = (usage.tokens_in, usage.tokens_out) != (None, None)
    return replace(answer, text=text, usage=usage if has_usage else None)


def _picture(output: Node, facts: Node) -> Image | None:
    told = facts["image"]
    kind = next((kind for kind in _PICTURES if output["data"][kind].value is not None), None)
    if kind is None:
        return None if told.value is None else image_from(told)
    seen = {"media_type": kind, "data": output["data"][kind].lines()}
    return image_from(replace(told, value={**told.object(), **seen}))
