"""Conversations leave as files and come back; what is no such file is refused with a reason."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, get_args

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient
from support.chat_bytes import stream_script

from g4f_magic.display.columns import bundle, metadata
from g4f_magic.errors import UsageError
from g4f_magic.formats import Kind, archive, exported, imported, kind_of, load, save, shown
from g4f_magic.magics import ChatMagics
from g4f_magic.messages import Answer, CallOutcome, Compared, Image, State, ToolCall, Usage
from g4f_magic.parts import Attachment
from g4f_magic.prompts.conversation import Conversation, Turn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.byteserver import ByteServer, Exchange

    from g4f_magic.parts import Part

KINDS: tuple[Kind, ...] = get_args(Kind)
OPTIONS = {
    name: action.nargs != 0
    for action in ChatMagics.chat.parser._actions  # noqa: SLF001  # argparse lists them nowhere else
    for name in action.option_strings
}
PNG = b"\x89PNG\r\n\x1a\nmore"

# Pieces that mean something to one format or another, or to IPython.
PIECES = (
    *("<!-- g4f_magic: user -->", "\\<!-- g4f_magic: end -->", "<!-- g4f_magic:", "-->"),
    *("```", "~~~~", "> ", ">>> x", "    >>> x", "... y", "In [1]: z", "%%chat", "%chat a", "# h"),
    *("{{ x }}", "{", "-m", "--new ", "-", '"', "'", "\\", "a?", " ", "\t", "\n", "\n\n", "\r\n"),
    *("\r", "\u2028", "\x85", "\x0c", "\x00", "\ufeff", "é", "😀", "word"),
)
TEXTS = st.text() | st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
NAMES = st.sampled_from(["", "demo", "openai", "llama3.2:3b", "http://a/v1", 'a "b" c\\']) | TEXTS
COUNTS = st.none() | st.integers(0, 10**20)
SECONDS = st.floats(0, 1e6)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
IMAGES = st.builds(
    Image,
    data=st.binary(min_size=1, max_size=9),
    media_type=st.sampled_from(["image/png", "image/webp", "image/svg+xml", ""]),
    revised_prompt=TEXTS,
) | st.builds(Image, url=TEXTS, trouble=TEXTS)
ANSWERS = st.builds(
    Answer,
    text=TEXTS,
    reasoning=TEXTS,
    tool_calls=st.lists(
        st.builds(
            *(ToolCall, TEXTS, TEXTS, TEXTS, st.integers(0, 9), TEXTS),
            st.sampled_from(get_args(CallOutcome)),
        ),
        max_size=1,
    ).map(tuple),
    usage=st.none() | st.builds(Usage, COUNTS, COUNTS, st.dictionaries(TEXTS, JSON, max_size=2)),
    finish_reason=st.none() | TEXTS,
    model=NAMES,
    provider=NAMES,
    elapsed_s=SECONDS,
    first_token_s=st.none() | SECONDS,
    state=st.sampled_from([state for state in get_args(State) if state != "streaming"]),
    cached=st.booleans(),
    attempt=st.integers(1, 9),
)
ANSWERS_WITH_PICTURES = st.builds(
    lambda answer, images: replace(answer, images=tuple(images)),
    ANSWERS,
    st.lists(IMAGES, max_size=2),
)


NAMED = st.sampled_from(["", "fig", "a.csv"])
PARTS = st.lists(
    TEXTS.filter(bool)
    | st.builds(Attachment, st.just("image"), st.just(PNG), st.just("image/png"), NAMED, TEXTS)
    | st.builds(Attachment, st.just("audio"), st.just(b"ID3"), st.just("audio/mpeg"), NAMED)
    | st.builds(Attachment, st.just("file"), st.just(b"%PDF-"), st.just("application/pdf"), NAMED)
    | st.builds(
        Attachment,
        st.just("text"),
        TEXTS.map(str.encode),
        st.sampled_from(["text/plain", "text/markdown"]),
        NAMED,
    ),
    max_size=3,
).map(tuple)


def conversations(answers: st.SearchStrategy[Answer]) -> st.SearchStrategy[Conversation]:
    """Conversations of one turn or more, of which the last has an answer with text."""
    turns = st.builds(
        Turn,
        prompt=TEXTS,
        system=st.none() | TEXTS,
        starts_afresh=st.booleans(),
        answer=st.none() | answers,
    )
    last = st.builds(Turn, prompt=TEXTS, answer=st.just(Answer(text="end")))
    several = st.builds(lambda some, one: [*some, one], st.lists(turns, max_size=3), last)
    return st.builds(Conversation, name=TEXTS.map(lambda name: name or "main"), turns=several)


def told(conversation: Conversation) -> list[dict[str, Any]]:
    """What an archive has of the turns, to compare them by value."""
    return [archive.turn_record(turn) for turn in conversation.turns]


def said(conversation: Conversation) -> list[tuple[Any, ...]]:
    """Who said what: the prompts, system prompts, marks and texts of answers."""
    return [
        (turn.prompt, turn.system, turn.starts_afresh, turn.answer and turn.answer.text)
        for turn in conversation.turns
    ]


def back(data: bytes | str, kind: str) -> Conversation:
    """Import a file's content."""
    return imported(data.encode() if isinstance(data, str) else data, f"talk.{kind}", OPTIONS)


def test_all_that_was_compared_comes_back() -> None:
    """The other answers are what one looks up when the kept one turns out wrong."""
    pair = (Compared("a", Answer(text="A", model="a"), "cut"), Compared("b", Answer(text="B")))
    conversation = talk(Turn("who?", answer=pair[1].answer, compared=pair))
    again = back(exported(conversation, "json"), "json")
    assert again.turns[0].compared == pair


def talk(*turns: Turn) -> Conversation:
    """A conversation of these turns."""
    return Conversation("main", list(turns))


def refusal(data: bytes | str, kind: str) -> str:
    """What the person reads whose file is refused."""
    with pytest.raises(UsageError) as caught:
        back(data, kind)
    assert caught.value.hint
    return str(caught.value)


@given(conversations(ANSWERS_WITH_PICTURES), PARTS)
def test_an_archive_loses_nothing(conversation: Conversation, parts: tuple[Part, ...]) -> None:
    """Who moves to another machine would lose what the archive forgets."""
    conversation.turns[-1].parts = parts
    again = back(exported(conversation, "json"), "json")
    assert (again.name, told(again)) == (conversation.name, told(conversation))
    assert again.turns[-1].parts == parts


def test_no_field_of_an_answer_is_forgotten() -> None:
    """A field that comes with a later version must be kept, or left out on purpose."""
    left_out = {"request", "waiting", "parsed", "activity", "notes", "cost"}
    kept = {"text", "state", "images", "tool_calls", "usage", *archive._PLAIN}  # noqa: SLF001
    assert {field.name for field in fields(Answer)} - left_out == kept
    turn = {"prompt", "system", "starts_afresh", "cell", "answer", "compared", "parts"}
    assert {field.name for field in fields(Turn)} == turn
    image = {"data", "media_type", "url", "revised_prompt", "trouble"}
    assert {field.name for field in fields(Image)} == image
    part = {"kind", "data", "media_type", "name", "note"}
    assert {field.name for field in fields(Attachment)} == part
    call = {"id", "name", "arguments", "after", "result", "outcome"}
    assert {field.name for field in fields(ToolCall)} - {"extra"} == call
    assert {field.name for field in fields(Usage)} == {"tokens_in", "tokens_out", "raw"}


@given(conversations(ANSWERS_WITH_PICTURES))
def test_a_notebook_loses_nothing(conversation: Conversation) -> None:
    """A conversation handed on as a notebook goes on where it was."""
    again = back(exported(conversation, "ipynb"), "ipynb")
    assert (again.name, told(again)) == (conversation.name, told(conversation))


@given(conversations(ANSWERS_WITH_PICTURES))
def test_markdown_keeps_every_word(conversation: Conversation) -> None:
    """No text, marks and fences included, may end its turn early or lose a character."""
    again = back(exported(conversation, "md"), "md")
    assert (again.name, said(again)) == (conversation.name, said(conversation))


@given(conversations(ANSWERS), PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_imported_is_exported_the_same(
    kind: Kind, conversation: Conversation, parts: tuple[Part, ...]
) -> None:
    """A file that changes with every round trip loses a little each time."""
    conversation.turns[-1].parts = parts
    once = exported(conversation, kind)
    assert exported(imported(once, f"talk.{kind}", OPTIONS), kind) == once


@given(conversations(ANSWERS_WITH_PICTURES))
def test_jsonl_has_what_would_be_sent(conversation: Conversation) -> None:
    """A model tuned on it must see what the model saw."""
    lines = exported(conversation, "jsonl").decode().split("\n")
    last = json.loads(lines[-2])["messages"]
    turn = Turn("next")
    conversation.add(turn)
    sent = conversation.messages(turn)
    talked = [message for message in last if message["role"] != "system"]
    assert [*talked, {"role": "user", "content": "next"}] == [
        message for message in sent if message["role"] != "system"
    ]


def test_a_file_to_read_has_a_placeholder_where_a_picture_stood() -> None:
    """A page of base64 cannot be read, and what is in a notebook is seen by whoever gets it."""
    parts = ("See ", Attachment("image", PNG, "image/png", "fig"))
    turn = Turn("See ‹picture: fig›", answer=Answer(text="A"), parts=parts)
    for kind in ("md", "ipynb"):
        data = exported(talk(turn), kind)
        assert "‹picture: fig›" in data.decode()
        assert b"iVBOR" not in data
        assert back(data, kind).turns[0].parts == ()


def test_jsonl_is_as_openai_describes_it() -> None:
    """The file is meant to be uploaded."""
    conversation = talk(
        Turn("a", system="be brief", answer=Answer(text="A")),
        Turn("unanswered"),
        Turn("failed", answer=Answer(state="failed")),
        Turn("b", starts_afresh=True, answer=Answer(text="B")),
    )
    assert [json.loads(line) for line in exported(conversation, "jsonl").splitlines()] == [
        {
            "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "A"},
            ]
        },
        {"messages": [{"role": "user", "content": "b"}, {"role": "assistant", "content": "B"}]},
    ]


def test_an_empty_text_beside_a_picture_stops_no_archive() -> None:
    """What a service's messages may have, a file of ours must bring back."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    content = [{"type": "text", "text": ""}, picture]
    conversation = back(json.dumps([{"role": "user", "content": content}]), "json")
    again = back(exported(conversation, "json"), "json")
    assert again.turns[0].parts == conversation.turns[0].parts


def test_a_plain_list_of_messages_is_taken_in() -> None:
    """It is how everybody else keeps conversations."""
    messages = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "user", "content": "again"},
        {"role": "assistant", "content": None},
        {"role": "system", "content": "be long"},
    ]
    expected = [
        ("ab", "be brief", False, None),
        ("again", None, False, ""),
        ("", "be long", False, None),
    ]
    assert said(back(json.dumps(messages), "json")) == expected
    assert said(back(json.dumps({"messages": messages}), "json")) == expected
    assert back(json.dumps(messages), "json").name == "talk"


def test_markdown_reads_well() -> None:
    """It is what `show` displays and what people put on a wiki."""
    answer = Answer(text="# B\n\n```py\n1", model="m", provider="openai", state="interrupted")
    picture = Answer(images=(Image(PNG, "image/png"),), provider="demo")
    conversation = talk(
        Turn("A\n\n```", system="be brief", answer=answer),
        Turn("draw", starts_afresh=True, answer=picture),
        Turn("and?"),
    )
    assert exported(conversation, "md").decode() == (
        '<!-- g4f_magic: conversation {"name": "main"} -->\n\n# `main`\n\n'
        "<!-- g4f_magic: system -->\n\nSystem prompt:\n\n> be brief\n\n"
        "<!-- g4f_magic: user -->\n\n## 1\n\n> A\n>\n> ```\n\n"
        "**`openai:m`** · interrupted\n\n"
        '<!-- g4f_magic: assistant {"model": "m", "provider": "openai", "state": "interrupted", '
        '"added": 4} -->\n\n# B\n\n```py\n1\n```\n\n'
        "<!-- g4f_magic: new -->\n\n---\n\n"
        "<!-- g4f_magic: user -->\n\n## 2\n\n> draw\n\n"
        "**`demo`** · 1 picture, not in this file\n\n"
        '<!-- g4f_magic: assistant {"provider": "demo"} -->\n\n\n\n'
        "<!-- g4f_magic: user -->\n\n## 3\n\n> and?\n\n*no answer*\n\n"
        "<!-- g4f_magic: end -->\n"
    )


def test_markdown_to_show_runs_nothing() -> None:
    """Showing a conversation puts all its answers into a trusted page at once."""
    hostile = "<img src=x onerror=alert(1)>\n\n[a](javascript:alert(1))"
    text = shown(talk(Turn(hostile, answer=Answer(text=hostile, model=hostile))))
    outside_code = re.sub(r"`[^`]*`", "", text)
    assert "<img" not in outside_code
    assert "](javascript:" not in outside_code
    assert "g4f_magic" not in text


@pytest.mark.parametrize("kind", KINDS)
def test_windows_line_ends_and_marks_change_nothing(kind: Kind) -> None:
    """Editors and git convert files without being asked."""
    conversation = talk(Turn("a\nb", answer=Answer(text="c\n\nd")), Turn("e"))
    plain = exported(conversation, kind)
    changed = b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n")
    assert said(back(changed, kind)) == said(back(plain, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_character_does_not_stop_an_export(kind: Kind) -> None:
    """A server can send one in JSON; no file and no database can hold it."""
    conversation = talk(Turn("\ud83d\ude00 \ud83d", answer=Answer(text="\ude00")))
    assert said(back(exported(conversation, kind), kind)) == [("😀 \ufffd", None, False, "\ufffd")]
    messages = b'[{"role": "user", "content": "\\ud83d"}]'
    assert said(back(messages, "json")) == [("\ufffd", None, False, None)]
    call = cell("get_ipython().run_cell_magic('chat', '', '\\ud83d')")
    assert said(back(notebook_of(call), "ipynb")) == [("\ufffd", None, False, None)]


def test_no_request_and_no_key_leaves() -> None:
    """A request can hold what a person passed in --param; a shared file must not."""
    answer = Answer(text="b", request={"api_key": "sk-secret", "messages": []})
    conversation = talk(Turn("a", answer=answer))
    assert not [kind for kind in KINDS if b"secret" in exported(conversation, kind)]


def test_a_turn_under_way_is_exported_as_interrupted() -> None:
    """In a file nothing is under way; nobody would ever end it."""
    conversation = talk(Turn("a", answer=Answer(text="b", state="streaming")))
    for kind in ("json", "md", "ipynb"):
        answer = back(exported(conversation, kind), kind).turns[0].answer
        assert answer is not None
        assert answer.state == "interrupted"


def test_figures_that_json_cannot_say_do_not_stop_an_export() -> None:
    """Some servers send NaN among the usage, and JupyterLab cannot open a notebook with it."""
    usage = Usage(1, None, {"cost": float("nan"), "most": float("inf")})
    conversation = talk(Turn("a", answer=Answer(text="b", usage=usage)))
    for kind in ("json", "ipynb"):
        answer = back(exported(conversation, kind), kind).turns[0].answer
        assert answer is not None
        assert answer.usage is not None
        assert answer.usage.raw == {"cost": None, "most": None}


@given(conversations(ANSWERS_WITH_PICTURES))
def test_a_notebook_is_as_jupyter_would_save_it(conversation: Conversation) -> None:
    """An invalid notebook does not open; another layout makes a diff of everything."""
    text = exported(conversation, "ipynb").decode()
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert nbformat.writes(notebook) + "\n" == text


def test_a_notebook_shows_answers_without_what_could_run() -> None:
    """JupyterLab runs what stands in the Markdown of a notebook that is trusted."""
    conversation = talk(Turn("a", answer=Answer(text="<img src=x onerror=alert(1)>")))
    cell = json.loads(exported(conversation, "ipynb"))["cells"][1]
    assert "<img" not in "".join(cell["outputs"][0]["data"]["text/markdown"])
    assert not cell["metadata"]


PROMPTS = (
    "plain",
    "-m openai:gpt --new are words",
    "--",
    "%%chat\n%chat x",
    '{{ missing }} {"a": 1} $HOME !ls',
    ">>> 1 + 1\n2\n    indented",
    "text\n   \n    >>> 2\n... 3",
    "a page\x0c>>> 3",
    "In [1]: x",
    "back\\slash 'quotes' \"both\" '''\n\n\nlines?",
    "e\u0301 😀 \u2028 \x0c end",
)
SYSTEMS = ("", "one line", "a\nb", 'with "quotes" \\ and \\" and ?', "-x", "\u2028", "what?")


def test_an_exported_notebook_asks_the_same_again(
    byte_server: Callable[[Callable[[Exchange], None]], ByteServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A notebook that asks something else than what was asked is worse than none."""
    server = byte_server(stream_script(["ok"]))
    monkeypatch.setenv("G4F_API_BASE", f"{server.url}/v1")
    here = Answer(text="ok", provider="127.0.0.1:80", model='a "model"')
    turns = [Turn(prompt, answer=here) for prompt in PROMPTS]
    turns += [Turn("", system="a\nb"), Turn("", starts_afresh=True, system="for?"), Turn(" ")]
    turns += [Turn(" ", answer=replace(here, text=""))]
    turns += [Turn(f"{system} as system", system, answer=here) for system in SYSTEMS]
    turns += [Turn("afresh", starts_afresh=True, answer=here)]
    demo = Turn("drawn", answer=Answer(provider="demo", model="demo-image"))
    notebook = nbformat.reads(exported(talk(*turns, demo), "ipynb").decode(), as_version=4)
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()

    conversation = talk(*turns)
    asked = [request.json for request in server.requests]
    assert [one["messages"] for one in asked] == [
        conversation.messages(turn) for turn in turns if turn.answer and turn.answer.text
    ]
    assert {one["model"] for one in asked} == {here.model}
    assert notebook.cells[-1].outputs[0].metadata["g4f_magic"]["provider"] == "demo"


def cell(source: str | list[str], *outputs: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """A code cell as Jupyter saves it."""
    return {"cell_type": "code", "source": source, "outputs": outputs, "metadata": metadata}


def notebook_of(*cells: dict[str, Any]) -> str:
    """A notebook as Jupyter saves it."""
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_a_notebook_of_one_s_own_is_taken_in() -> None:
    """People saved notebooks long before they thought of exporting anything."""
    sources = [
        "%load_ext g4f_magic",
        "%%chat -m demo:demo --max-tokens 30 -s 'be brief' words first\nThen lines\n\nand more\n",
        "x = 1\n%chat --new --max-tokens 30 one line\n%chat --max-tokens 30 another",
        "%%chat --alone --max-tokens 1\nnot of it",
        "%%html\n%chat no",
        "%chat",
        "%%chat -m demo-image\na fox",
    ]
    notebook = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, sources)])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    notebook.cells.append(nbformat.v4.new_markdown_cell("%%chat\nno"))
    notebook.cells.append(nbformat.v4.new_code_cell("%%chat\nnever run"))
    conversation = back(nbformat.writes(notebook), "ipynb")
    assert [(turn.prompt, turn.system, turn.starts_afresh) for turn in conversation.turns] == [
        ("words first\nThen lines\n\nand more", "be brief", False),
        ("one line", None, True),
        ("another", None, False),
        ("a fox", None, False),
        ("never run", None, False),
    ]
    *answers, none = [turn.answer for turn in conversation.turns]
    assert none is None
    demos = [answer for answer in answers if answer and answer.model == "demo"]
    assert [answer.usage and answer.usage.tokens_out for answer in demos] == [30, 30, 30]
    assert [answer.finish_reason for answer in demos] == ["length"] * 3
    assert {"not a language model" in answer.text for answer in demos} == {True}
    assert {"--max-tokens" in answer.text for answer in demos} == {False}
    assert answers[3] is not None
    assert (answers[3].model, answers[3].text) == ("demo-image", "")
    assert answers[3].images[0].data.startswith(PNG[:8])


def test_the_text_of_an_answer_ends_where_its_output_says() -> None:
    """What the card adds below an answer would be sent to the model as the answer's."""
    data = {"text/plain": ["a\n", "\n", "b\n\nnote\n\nfigures"]}
    for facts, text in (({"characters": 4}, "a\n\nb"), ({}, "a\n\nb\n\nnote")):
        output = {"output_type": "display_data", "data": data, "metadata": {"g4f_magic": facts}}
        figure = {"output_type": "display_data", "data": {"image/png": ""}, "metadata": {}}
        conversation = back(notebook_of(cell("%%chat\nx", figure, output, figure)), "ipynb")
        assert conversation.turns[0].answer
        assert not conversation.turns[0].answer.images
        assert said(conversation) == [("x", None, False, text)]


def shown_as(text: str, **facts: Any) -> dict[str, Any]:
    """An answer as a cell has shown it."""
    data, about = {"text/plain": f"{text}\n\nfigures"}, {"characters": len(text), **facts}
    return {"output_type": "display_data", "data": data, "metadata": {"g4f_magic": about}}


def test_each_answer_of_a_cell_goes_to_its_own_line() -> None:
    """One that asks nothing, or shows nothing, would push the answers to the wrong prompts."""
    source = "%chat --new -s short\n%chat --fix\nkept = %chat one\n%chat --quiet two\n%chat three"
    outputs = [shown_as(text) for text in ("fix", "first", "third one")]
    assert said(back(notebook_of(cell(source, *outputs)), "ipynb")) == [
        ("", "short", True, None),
        ("one", None, False, "first"),
        ("two", None, False, None),
        ("three", None, False, "third one"),
    ]


@pytest.mark.parametrize("kept", ["b", "c"])
def test_of_a_comparison_the_answer_that_was_kept_is_taken_in(kept: str) -> None:
    """All columns and the table below them would be what the one model has said."""
    texts = {"a": "", "b": "\n\none\n\ntwo", "c": "── b ── three\n"}
    columns = [Compared(name, Answer(text=text, model=name)) for name, text in texts.items()]
    data, about = bundle(columns, kept=kept), metadata(columns, kept)
    output = {"output_type": "display_data", "data": data, "metadata": about}
    conversation = back(notebook_of(cell("%%chat -m a -m b -m c\nx", output)), "ipynb")
    assert said(conversation) == [("x", None, False, texts[kept].strip("\n"))]
    assert conversation.turns[0].answer
    assert conversation.turns[0].answer.model == kept


def test_a_cell_that_was_edited_after_the_export_counts_as_it_is() -> None:
    """What the export noted beside a prompt that no cell can say must not win over an edit."""
    notebook = json.loads(exported(talk(Turn("\nodd\n")), "ipynb"))
    assert said(back(json.dumps(notebook), "ipynb")) == [("\nodd\n", None, False, None)]
    notebook["cells"][1]["source"] = "%%chat\nedited"
    assert said(back(json.dumps(notebook), "ipynb")) == [("edited", None, False, None)]


RICH = Answer(
    text="😀",
    images=(Image(PNG, "image/png"), Image(url="https://a.b/c")),
    tool_calls=(ToolCall("1", "f", "{}"),),
)
GOOD = {
    kind: exported(
        talk(
            Turn("ä", system="s", answer=Answer(text="b\n```", usage=Usage(1, 2), elapsed_s=1.5)),
            Turn("c", starts_afresh=True, answer=RICH),
        ),
        kind,
    )
    for kind in KINDS
}


@given(st.binary() | st.text().map(str.encode), st.sampled_from(KINDS))
def test_any_bytes_are_turns_or_refused(data: bytes, kind: Kind) -> None:
    """A stack of our own code helps nobody whose file is broken."""
    taken_or_refused(data, kind)


@given(st.data(), st.sampled_from(KINDS))
def test_any_damage_is_refused_or_harmless(data: st.DataObject, kind: Kind) -> None:
    """Files lose bytes, and people edit them."""
    good = GOOD[kind]
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(start + 40, len(good))))
    middle = data.draw(
        st.binary(max_size=9)
        | st.sampled_from([b"null", b"[]", b"{}", b"1e999", b"-1", b'""', b"true"])
    )
    taken_or_refused(good[:start] + middle + good[end:], kind)


@given(JSON | st.lists(st.fixed_dictionaries({"role": TEXTS, "content": JSON})))
def test_any_json_is_turns_or_refused(value: object) -> None:
    """JSON of other programs is well formed and means something else."""
    for kind in ("json", "jsonl", "ipynb"):
        taken_or_refused(json.dumps(value).encode(), kind)


def taken_or_refused(data: bytes, kind: str) -> None:
    """Import; anything but turns or our error is a bug."""
    try:
        conversation = back(data, kind)
    except UsageError as error:
        assert "line " in str(error)  # noqa: PT017  # either outcome is right
    else:
        assert conversation.turns
        exported(conversation, "ipynb")


@pytest.mark.parametrize("kind", ["json", "md", "ipynb"])
def test_a_file_cut_off_anywhere_is_refused(kind: Kind) -> None:
    """Half a conversation that looks whole is a loss nobody notices."""
    whole = GOOD[kind].rstrip()
    for length in range(len(whole)):
        refusal(whole[:length], kind)


def test_a_jsonl_cut_off_within_a_line_is_refused() -> None:
    """Nothing in this format tells that whole lines are missing; the rest shows."""
    data = GOOD["jsonl"].rstrip()
    ends = {data.index(b"\n"), data.index(b"\n") + 1}
    for length in set(range(len(data))) - ends:
        refusal(data[:length], "jsonl")


TURN = '{\n "g4f_magic": 1,\n "turns": [\n  {"prompt": "a"},\n  '
DEEP = '{"a": ' * 99 + "1" + "}" * 99
MESSAGE = '{"messages": [{"role": "user", "content": "a"}]}\n'
ELSEWHERE = '{"type": "image_url", "image_url": {"url": "https://a.example/b"}}'
REFUSED = {
    "no JSON": ("json", '[\n1,\n"a', "line 3, column 1: it is not JSON: Unterminated"),
    "a constant": ("json", "[NaN]", "NaN is no number"),
    "a long number": ("json", f"[{'9' * 5000}]", "it is not JSON"),
    "nested": ("json", "[" * 100_000, "line 1, column 1: it is nested too deep"),
    "not UTF-8": ("json", b"[\n\xff]", "line 2: it is not UTF-8 text"),
    "UTF-16": ("md", "a".encode("utf-16"), "line 1: it is not UTF-8 text"),
    "empty": ("jsonl", "\n", "there is no turn in it"),
    "no messages": ("json", "{}", "line 1, column 1: it has no list of messages"),
    "newer": ("json", '{"g4f_magic": 2}', "g4f_magic is 2, and only format 1 is known"),
    "true": ("json", '{"g4f_magic": true}', "g4f_magic is True"),
    "no turns": ("json", '{"g4f_magic": 1}', "it has no 'turns'"),
    "no prompt": ("json", TURN + '{"x": [{}]}]}', "line 5, column 3: turns[1] has no 'prompt'"),
    "wrong type": (
        *("json", TURN + '{"prompt": "b",\n "answer": {"text": [], "text": 5}}]}'),
        "line 6, column 33: turns[1].answer.text is a number, not a text",
    ),
    "wrong list": (
        *("json", TURN + '{"prompt": "b", "answer": {"images": 5}}]}'),
        "line 5, column 40: turns[1].answer.images is a number, not a list",
    ),
    "wrong state": (
        *("json", TURN + '{"prompt": "b", "answer": {"state": "odd"}}]}'),
        "turns[1].answer.state is 'odd', not one of 'streaming', ",
    ),
    "wrong count": (
        *("json", TURN + '{"prompt": "b", "answer": {"attempt": true}}]}'),
        "turns[1].answer.attempt is true or false, not a whole number",
    ),
    "too large a count": (
        *("json", TURN + f'{{"prompt": "b", "answer": {{"attempt": {2**70}}}}}]}}'),
        "turns[1].answer.attempt is no number of requests",
    ),
    "deep usage": (
        *("json", f'{TURN}{{"prompt": "b", "answer": {{"usage": {{"raw": {DEEP}}}}}}}]}}'),
        "turns[1].answer.usage.raw is nested too deep",
    ),
    "wrong time": (
        *("json", TURN + '{"prompt": "b", "answer": {"elapsed_s": 1e999}}]}'),
        "turns[1].answer.elapsed_s is no number of seconds",
    ),
    "wrong base64": (
        *("json", TURN + '{"prompt": "b", "answer": {"images": [{"data": "é"}]}}]}'),
        "turns[1].answer.images[0].data is not base64",
    ),
    "unknown role": (
        *("jsonl", MESSAGE + '{"messages": [{"role": "tool", "content": "a"}]}'),
        "line 2, column 24: messages[0].role is 'tool'; system, developer, user and assistant",
    ),
    "no content": ("json", '[{"role": "user"}]', "column 2: [0] has no 'content'"),
    "a picture": (
        *("json", '[{"role": "user", "content": [{"type": "image_url"}]}]'),
        "[0].content[0] is neither text nor data that can be sent",
    ),
    "a picture elsewhere": (
        *("json", f'[{{"role": "user", "content": [{ELSEWHERE}]}}]'),
        "[0].content[0] is neither text nor data that can be sent",
    ),
    "a picture as a system prompt": (
        *("json", '[{"role": "system", "content": [{"type": "image_url"}]}]'),
        "[0].content[0] is no text; only prompts can have other parts",
    ),
    "an odd part": (
        *("json", TURN + '{"prompt": "b", "parts": [{"kind": "text", "data": "/w=="}]}]}'),
        "turns[1].parts[0] is nothing that can be sent",
    ),
    "an answer first": (
        *("jsonl", MESSAGE + MESSAGE.replace("user", "assistant")),
        "line 2, column 15: messages[0] is an answer that does not follow a user's message",
    ),
    "any Markdown": ("md", "# Title\n\nText", "line 3, column 5: it does not end with the mark"),
    "an odd mark": ("md", "\n<!-- g4f_magic: robot -->", "line 2, column 1: this mark is none of"),
    "an answer alone": (
        *("md", "\n\n<!-- g4f_magic: assistant -->\n"),
        "line 3, column 1: this answer does not follow a prompt",
    ),
    "an odd fact": ("md", "\n<!-- g4f_magic: user {'a'} -->", "line 2, column 23: it is not JSON"),
    "no notebook": ("ipynb", '{"nbformat": 3}', "it is not a notebook of format 4"),
    "no chat": ("ipynb", notebook_of(cell("1 + 1")), "there is no turn in it"),
    "an odd option": (
        *("ipynb", notebook_of(cell("1"), cell("%%chat --modle x\na"))),
        "cells[1].source cannot be read: there is no option '--modle'",
    ),
}


@pytest.mark.parametrize(("kind", "data", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_says_where_and_why(kind: str, data: bytes | str, reason: str) -> None:
    """Who has a file of a thousand lines cannot guess which one is wrong."""
    message = refusal(data, kind)
    assert message.startswith(f"'talk.{kind}' cannot be imported: line ")
    assert reason in message


def test_a_call_that_only_looks_like_chat_is_no_turn() -> None:
    """Notebooks hold any code, and none of it is run to find out what it asks."""
    calls = ["('chat', x)", "('time', 'a', 'b')", "('chat', 'a', 5)", "('chat', '\\d'", "({[]: 1})"]
    cells = [cell(f"get_ipython().run_cell_magic{call}") for call in calls]
    cells.append(cell("%%chat -m x\n\n"))
    other = cell(["%%chat\n", "a\\d"], {"output_type": "stream", "text": "x"})
    conversation = back(notebook_of(*cells, other), "ipynb")
    assert said(conversation) == [("a\\d", None, False, None)]


def test_files_are_written_and_read(tmp_path: Path) -> None:
    """The end of the name says what is written."""
    conversation = talk(Turn("a", answer=Answer(text="b")))
    for kind in KINDS:
        path = save(conversation, tmp_path / f"talk.{kind.upper()}")
        assert path.read_bytes() == exported(conversation, kind)
        assert said(load(str(path), OPTIONS)) == said(conversation)


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    """`export analysis.ipynb` beside the notebook of that name would destroy it."""
    path = tmp_path / "analysis.ipynb"
    path.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        save(talk(Turn("a")), path)
    assert path.read_text() == "mine"
    save(talk(Turn("a")), path, may_replace=True)
    assert "mine" not in path.read_text()


def test_a_path_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    """A stack about open() says less than the name of the file."""
    for name in ("talk.txt", "talk", ".md"):
        with pytest.raises(UsageError, match=r"does not end in \.md, \.json, \.jsonl or \.ipynb"):
            kind_of(name)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load(tmp_path / "none.md", OPTIONS)
    with pytest.raises(UsageError, match="cannot be written: No such file"):
        save(talk(Turn("a")), tmp_path / "none" / "a.md")
    for name in ("~nobody-of-that-name/a.md", "a\0b.md"):
        with pytest.raises(UsageError, match="cannot be read"):
            load(name, OPTIONS)
        with pytest.raises(UsageError, match="cannot be written"):
            save(talk(Turn("a")), name)
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(UsageError, match="has 1024 MiB; at most 256 are read"):
        load(tmp_path / "huge.json", OPTIONS)
