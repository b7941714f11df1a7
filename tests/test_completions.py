"""Payloads of every dialect add up to the same answer, wherever they were cut."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.chat_bytes import dump, event
from support.events import Heard

from g4f_magic.messages import FinishReason, ToolCall, Usage
from g4f_magic.providers.completions import CompletionReader, PairJoiner, ThinkSplitter, plain_text
from g4f_magic.providers.payloads import PayloadReader

if TYPE_CHECKING:
    from collections.abc import Sequence

CUTS = st.lists(st.integers(0, 10_000), max_size=12)
PIECES = st.lists(
    st.sampled_from(["<think>", "</think>", "<thi", "nk>", "\n", " ", "<", "/", "a", "é", "🦊"]),
    max_size=12,
).map("".join)


def read(*payloads: dict[str, Any]) -> Heard:
    """Return what the payloads of one answer say."""
    reader = CompletionReader()
    events = [event for payload in payloads for event in reader.read(payload)]
    return Heard(events + reader.close())


def delta(**fields: Any) -> dict[str, Any]:
    """Return the payload that adds these fields."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def call(**fields: Any) -> dict[str, Any]:
    """Return the payload with one fragment of a tool call."""
    function = {name: fields.pop(name) for name in ("name", "arguments") if name in fields}
    return delta(tool_calls=[{**fields, "function": function}])


def cut(text: str, places: Sequence[int]) -> list[str]:
    """Cut a text at these places, taken modulo its length."""
    bounds = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


def arrived(*chunks: bytes) -> list[dict[str, Any]]:
    """Return the payloads of a reply that came in these chunks."""
    reader = PayloadReader()
    payloads = [payload for chunk in chunks for payload in reader.feed(chunk)]
    return payloads + reader.close()


@pytest.mark.parametrize("content", [None, "", [], {}, 0, [None], [{"type": "text"}]])
def test_a_delta_without_text_is_no_event(content: Any) -> None:
    """The card would otherwise count an empty first delta as the first token."""
    assert read(delta(role="assistant", content=content)).events == []


def test_a_message_beside_the_deltas_is_not_said_twice() -> None:
    """Perplexity repeats all that was said so far, and sends an empty delta with whole answers."""

    def both(new: str, so_far: str) -> dict[str, Any]:
        parts = {"delta": new, "message": so_far}
        said = {name: {"role": "assistant", "content": text} for name, text in parts.items()}
        return {"choices": [{"index": 0, **said, "finish_reason": "stop"}]}

    assert read(both("", ""), both("a", "a"), both("b", "ab"), both("", "ab")).text == "ab"
    assert read(both("", "ab")).text == "ab"


def test_the_role_may_stand_anywhere_or_be_null() -> None:
    """A text would be lost with servers that repeat the role in every delta."""
    heard = read(delta(role=None, content="a"), delta(content="b"), delta(role="x", content="c"))
    assert heard.text == "abc"


@pytest.mark.parametrize(
    "content",
    [
        "Hi",
        ["H", "i"],
        [{"type": "text", "text": "H"}, {"type": "image_url"}, {"type": "text", "text": "i"}],
        {"type": "text", "text": "Hi"},
    ],
)
def test_content_is_a_string_or_parts(content: Any) -> None:
    """Mistral and others send lists; their answers would be empty."""
    assert read(delta(content=content)).text == "Hi"
    assert plain_text(content) == "Hi"


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_has_either_name(name: str) -> None:
    """Half of the servers would otherwise seem to think of nothing."""
    heard = read(delta(**{name: "hm"}), delta(**{name: None}, content="yes"))
    assert (heard.reasoning, heard.text) == ("hm", "yes")


def test_reasoning_under_both_names_is_told_once() -> None:
    """Servers that send both for old clients would show each thought twice."""
    assert read(delta(reasoning="hm", reasoning_content="hm")).reasoning == "hm"


def test_reasoning_that_is_no_text_is_left_out() -> None:
    """An object in its place must not end the answer."""
    heard = read(delta(reasoning={"effort": "low"}, content="yes"))
    assert (heard.reasoning, heard.text) == ("", "yes")


@given(PIECES, PIECES, CUTS)
@example("hm", "yes", [])
@example("", "\n\nyes", [8, 9])
def test_thoughts_in_tags_are_told_apart_wherever_they_are_cut(
    thought: str, text: str, places: list[int]
) -> None:
    """Tags cut between two deltas would show up in the answer."""
    whole = f"<think>{thought}</think>{text}"
    assert split(cut(whole, places)) == split([whole])


@given(PIECES, CUTS)
@example("<thi", [1])
@example(" \n<think>", [2, 4])
def test_any_text_reads_the_same_wherever_it_is_cut(text: str, places: list[int]) -> None:
    """The same answer would look different from one run to the next."""
    assert split(cut(text, places)) == split([text])


@given(st.text(), CUTS)
def test_a_text_without_tags_is_left_alone(text: str, places: list[int]) -> None:
    """Blank lines and angle brackets at the start belong to the answer."""
    assert split(cut(text, places)) == ("", text)


def split(pieces: Sequence[str]) -> tuple[str, str]:
    """Return the reasoning and the text of a text that came in pieces."""
    splitter = ThinkSplitter()
    heard = Heard([event for piece in pieces for event in splitter.feed(piece)])
    heard.events += splitter.close()
    return heard.reasoning, heard.text


def test_the_tags_and_the_line_ends_after_them_are_not_shown() -> None:
    """An answer would begin with a tag, or with empty lines."""
    assert split(["\n<think>\nhm\n</think>\n\n  yes</think>"]) == ("\nhm\n", "  yes</think>")


def test_a_thought_that_never_ends_is_still_a_thought() -> None:
    """An answer cut off while thinking would otherwise lose its last characters."""
    assert split(["<think>hm</thi"]) == ("hm</thi", "")
    assert split(["<thi"]) == ("", "<thi")


def test_a_tag_in_the_middle_of_an_answer_is_text() -> None:
    """A model that explains the tag would otherwise lose its sentence."""
    assert split(["Models write <think>…</think>."]) == ("", "Models write <think>…</think>.")


def test_thoughts_come_while_they_are_thought() -> None:
    """A reader would wait for minutes without seeing anything."""
    reader = CompletionReader()
    reader.read(delta(content="<think>"))
    assert [str(e) for e in reader.read(delta(content="hm"))] == [""]
    assert reader.text == ""


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), CUTS)
@example("a🦊b", [2])
def test_characters_cut_in_two_are_whole_again(text: str, places: list[int]) -> None:
    """JavaScript servers cut emoji between two deltas; IPython cannot print the halves."""
    units = text.encode("utf-16-le", "surrogatepass")
    halves = "".join(
        chr(int.from_bytes(units[i : i + 2], "little")) for i in range(0, len(units), 2)
    )
    joiner = PairJoiner()
    assert "".join(joiner.feed(piece) for piece in cut(halves, places)) + joiner.close() == text


def test_half_a_character_becomes_a_replacement_character() -> None:
    """A lone half makes print, json and the database fail."""
    heard = read(delta(content="a\udd8ab\ud83e", reasoning="c\ud83e"), delta(content="d"))
    assert (heard.text, heard.reasoning) == ("a�b�d", "c�")
    assert read(delta(content="a\ud83e")).text == "a�"
    assert read(call(name="f", arguments='"\ud83e'), call(arguments='\udd8a"')).calls[0] == (
        ToolCall("", "f", '"🦊"')
    )


def test_legacy_text_and_refusals_are_text() -> None:
    """Old servers answer with ``text``; a refusal is what the model has to say."""
    assert read({"choices": [{"text": "a"}]}, {"choices": [{"text": ""}]}).events == ["a"]
    assert read(delta(content=None, refusal="I cannot"), delta(refusal="")).events == ["I cannot"]


def test_a_whole_message_reads_as_a_delta_does() -> None:
    """A server that does not stream would otherwise seem to answer nothing."""
    message = {"role": "assistant", "content": "<think>hm</think>yes"}
    heard = read({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    assert heard.told == ("yes", "hm", [], [], [FinishReason("stop")])


@pytest.mark.parametrize(
    "choices", [None, [], {}, "x", [None], ["x"], [{}], [{"delta": None}], [{"delta": []}]]
)
def test_choices_that_say_nothing_are_borne(choices: Any) -> None:
    """Azure and others send such chunks first; the answer after them would be lost."""
    assert read({"choices": choices}, delta(content="yes")).events == ["yes"]


def test_other_choices_are_not_mixed_into_the_first() -> None:
    """Two answers would otherwise be one salad of words."""
    other = {"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}
    first = {"index": 0, "delta": {"content": "yes"}}
    heard = read({"choices": [other, first]}, {"choices": [other]})
    assert heard.told == ("yes", "", [], [], [])


def test_a_choice_without_an_index_is_the_first() -> None:
    """Small servers leave the index out."""
    assert read({"choices": [{"delta": {"content": "yes"}}]}).text == "yes"


def test_the_reason_to_finish_may_be_null_first_and_of_any_type() -> None:
    """Without it the card would say that the answer was cut off."""
    last = {"choices": [{"delta": {}, "finish_reason": "length"}]}
    heard = read(delta(content="a"), last, {"choices": [{"delta": {}, "finish_reason": None}]})
    assert heard.all_of(FinishReason) == [FinishReason("length")]


USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


@pytest.mark.parametrize(
    "payloads",
    [
        [{"choices": [], "usage": USAGE}],
        [{"choices": None, "usage": USAGE}],
        [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE}],
        [{**delta(content="a"), "usage": USAGE}, {**delta(content="b"), "usage": None}],
        [{**delta(content="a"), "usage": {"prompt_tokens": 3}}, {"choices": [], "usage": USAGE}],
        [{"choices": [], "usage": USAGE}, {"choices": [], "usage": {}}],
        [{"usage": {"input_tokens": 3, "output_tokens": 5}}],
    ],
)
def test_usage_may_come_in_any_chunk(payloads: list[dict[str, Any]]) -> None:
    """The tokens used would otherwise be missing, or those of a chunk half-way."""
    assert read(*payloads).all_of(Usage) == [Usage(3, 5)]


@pytest.mark.parametrize("usage", [None, {}, [], 7, "many"])
def test_no_usage_is_invented(usage: Any) -> None:
    """A zero that nobody counted would look like a fact."""
    assert read({**delta(content="a"), "usage": usage}).all_of(Usage) == []


def test_counts_that_are_no_numbers_are_unknown() -> None:
    """Null for a count is not zero."""
    (usage,) = read({"choices": [], "usage": {"prompt_tokens": None, "x": 1}}).all_of(Usage)
    assert (usage.tokens_in, usage.tokens_out, usage.raw["x"]) == (None, None, 1)


ADD = ToolCall("1", "add", '{"a": 1}')
FIRST = {"id": "1", "name": "add", "arguments": '{"a"'}
REST = {"arguments": ": 1}"}
WHOLE = {"id": "1", "name": "add", "arguments": '{"a": 1}'}


@pytest.mark.parametrize(
    "fragments",
    [
        [{"index": 0, **WHOLE}],
        [{"index": 3, **WHOLE}],
        [{"index": 0, **WHOLE, "arguments": {"a": 1}}],
        [{"index": 0, "id": "1", "name": "add"}, {"index": 0, "arguments": '{"a": 1}'}],
        [{"index": 0, **WHOLE, "arguments": None}, {"index": 0, "arguments": '{"a": 1}'}],
        [{"index": 0, **FIRST}, {"index": 0, "id": "1", "name": "add", **REST}],
        [{"index": 0, **FIRST, "id": None}, {"index": 0, "id": "1", **REST}],
        [{"index": 0, **FIRST}, {"index": 0, "id": "x", **REST}],
        [{"index": 0, **WHOLE}, {"index": 0, "name": "add", "arguments": ""}],
        [{"index": 0, **FIRST}, REST],
        [FIRST, {"id": "1", **REST}],
        [FIRST, {"id": "", **REST}],
        [{**FIRST, "id": None}, {"id": "1", **REST}],
    ],
)
def test_fragments_of_a_call_in_every_form_are_one_call(fragments: list[dict[str, Any]]) -> None:
    """A function would be called with half its arguments, or not found by its name."""
    assert read(*(call(**fragment) for fragment in fragments)).calls == [ADD]


@pytest.mark.parametrize(
    "fragments",
    [
        [{"index": 0, "id": "1"}, {"index": 1, "id": "2"}],
        [{"index": 1, "id": "2"}, {"index": 0, "id": "1"}],
        [{"id": "1"}, {"id": "2"}],
        [{"index": 0, "id": "1"}, {"index": 0, "id": "2"}],
    ],
)
def test_several_calls_are_kept_apart_and_in_order(fragments: list[dict[str, Any]]) -> None:
    """Glued together, the arguments of two calls are no JSON."""
    filled = [{**one, "name": "f" + one["id"], "arguments": "{}"} for one in fragments]
    expected = [ToolCall("1", "f1", "{}"), ToolCall("2", "f2", "{}")]
    assert read(*(call(**one) for one in filled)).calls == expected
    in_one = [call(**one)["choices"][0]["delta"]["tool_calls"][0] for one in filled]
    assert read(delta(tool_calls=in_one)).calls == expected


def test_numbered_calls_that_come_interleaved_are_kept_apart() -> None:
    """Arguments of parallel calls may alternate."""
    heard = read(
        call(index=0, id="1", name="f", arguments='{"a"'),
        call(index=1, id="2", name="g", arguments='{"b"'),
        call(index=0, arguments=": 1}"),
        call(index=1, arguments=": 2}"),
    )
    assert heard.calls == [ToolCall("1", "f", '{"a": 1}'), ToolCall("2", "g", '{"b": 2}')]


def test_calls_that_share_a_number_go_on_under_their_ids() -> None:
    """Gemini numbers every call 0; the second one would be lost in the first."""
    heard = read(
        call(index=0, id="1", name="f", arguments="{}"),
        call(index=0, id="2", name="f", arguments='{"b"'),
        call(index=0, id="2", arguments=": 2}"),
    )
    assert heard.calls == [ToolCall("1", "f", "{}"), ToolCall("2", "f", '{"b": 2}')]


def test_calls_with_neither_number_nor_id_follow_one_another() -> None:
    """Ollama has sent such lists; two calls would become one with broken arguments."""
    fragments = [{"function": {"name": n, "arguments": {"x": i}}} for i, n in enumerate("ffg")]
    assert [(c.name, c.arguments) for c in read(delta(tool_calls=fragments)).calls] == [
        ("f", '{"x": 0}'),
        ("f", '{"x": 1}'),
        ("g", '{"x": 2}'),
    ]


@pytest.mark.parametrize(
    "fragments", [None, {}, "x", [None], ["x"], [{}], [{"function": None}], [{"function": "add"}]]
)
def test_fragments_that_say_nothing_are_no_calls(fragments: Any) -> None:
    """One odd fragment must not end the answer."""
    assert read(delta(content="a", tool_calls=fragments)).events == ["a"]


def test_what_a_service_adds_to_a_call_is_kept() -> None:
    """Gemini 3 refuses the result of a call that comes back without its signature."""
    signed = {"google": {"thought_signature": "abc"}}
    heard = read(call(index=0, id="1", name="add", arguments="{", extra_content=signed))
    assert json.loads(heard.calls[0].extra) == signed
    assert heard.calls[0] == replace(ToolCall("1", "add", "{"), extra=heard.calls[0].extra)
    assert read(call(name="add", extra_content=["?"])).calls[0].extra == ""


def test_a_legacy_function_call_beside_the_calls_is_not_a_second_one() -> None:
    """A function would otherwise run twice."""
    payload = call(index=0, id="1", name="add", arguments='{"a": 1}')
    payload["choices"][0]["delta"]["function_call"] = {"name": "add", "arguments": '{"a": 1}'}
    assert read(payload).calls == [ADD]


def test_long_arguments_are_joined_once() -> None:
    """Copying all of them with each fragment would take minutes for a file that a tool writes."""
    fragment = "x" * 1000
    heard = read(call(index=0, name="f"), *[call(index=0, arguments=fragment)] * 50_000)
    assert len(heard.calls[0].arguments) == 50_000_000


def test_deeply_nested_arguments_do_not_break_the_reader() -> None:
    """Hostile or confused output must not become a stack trace."""
    deep = "[" * 100_000
    heard = read(call(name="f", arguments=deep), call(name="f", arguments="x"))
    assert [c.arguments for c in heard.calls] == [deep + "x"]


ANSWER = {"choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]}


@pytest.mark.parametrize("before", [b"", b"\n\n  ", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
def test_what_arrives_decides_how_it_is_read(before: bytes) -> None:
    """Blank lines that keep a connection alive, or a byte order mark, hide nothing."""
    pretty = json.dumps(ANSWER, indent=2).encode()
    for body in (dump(ANSWER), pretty, b"[" + dump(ANSWER) + b"]", event(ANSWER)):
        whole = before + body
        assert arrived(whole) == [ANSWER]
        assert arrived(*(whole[i : i + 1] for i in range(len(whole)))) == [ANSWER]


def test_blank_lines_may_go_on_for_long() -> None:
    """DeepSeek sends them for up to half an hour while a request waits its turn."""
    assert arrived(*[b"\n" * 1000] * 200, dump(ANSWER)) == [ANSWER]


@pytest.mark.parametrize(
    "body", [b"", b"\n", b"42", b'"x"', b"[]", b"[1]", b"nonsense", b"[" * 100_000]
)
def test_what_is_no_object_is_no_payload(body: bytes) -> None:
    """Nonsense must end as one clear error, not as a stack trace."""
    assert arrived(body) == []
    assert arrived(b"data: " + body + b"\n\n") == []


@pytest.mark.parametrize(
    "body",
    [
        b'data: {"error": "full"}\n\n',
        b'event: error\ndata: "full"\n\n',
        b"event: error\ndata: full\n\n",
        b': hi\n\n{"error": "full"}\n',
        b'{"error": "full"}\n\ndata: [DONE]\n\n',
        b'{"error": "full"}',
        b'{\n  "error": "full"\n}\n',
        b'data: [DONE]\n\n{"error": "full"}',
    ],
)
def test_an_error_inside_a_stream_is_seen_in_every_form(body: bytes) -> None:
    """It would otherwise look like an empty or an unfinished answer."""
    (error,) = [payload["error"] for payload in arrived(body) if "error" in payload]
    assert error.strip('"') == "full"


def test_an_event_of_type_error_is_one_whatever_it_carries() -> None:
    """An error without a text is still not the end of a good answer."""
    assert arrived(b"event: error\ndata:\n\n") == [{"error": "no reason given"}]
    assert arrived(b'event: error\ndata: {"code": 5}\n\n') == [{"error": {"code": 5}}]
    assert arrived(b'event: error\ndata: {"error": 5}\n\n') == [{"error": 5}]


def test_stray_lines_that_are_no_errors_are_left_out() -> None:
    """Only errors are believed outside of events."""
    assert arrived(b': x\n{"choices": []}\n{broken\n\n') == []


def test_only_the_start_of_nonsense_is_kept() -> None:
    """A server that sends gigabytes of it must not fill the memory."""
    reader = PayloadReader()
    for _ in range(100):
        reader.feed(b"x" * 10_000)
    assert len(reader.seen) < 100_000
