"""What arrives as bytes comes out as events, by the WHATWG rules, wherever it is cut."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from typing import TYPE_CHECKING

import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import assume, example, given
from hypothesis import strategies as st

from g4f_magic.sse import ServerSentEvent, SseDecoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KIB = 1024
ENDINGS = (b"\n", b"\r", b"\r\n")
BOM = b"\xef\xbb\xbf"


def decode(*chunks: bytes) -> list[ServerSentEvent]:
    """Return the events of a whole stream that came in these pieces."""
    decoder = SseDecoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events + decoder.close()


def data(*chunks: bytes) -> list[str]:
    """Return only the data of each event."""
    return [event.data for event in decode(*chunks)]


def byte_by_byte(stream: bytes) -> Iterator[bytes]:
    """Cut a stream at every place there is."""
    return (stream[i : i + 1] for i in range(len(stream)))


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut a stream at these places, taken modulo its length; equal places give empty pieces."""
    bounds = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(bounds)]


@pytest.mark.parametrize("end", ENDINGS, ids=["LF", "CR", "CRLF"])
def test_each_line_ending_ends_a_line(end: bytes) -> None:
    """A server that ends lines its own way would otherwise show nothing."""
    assert data(b"data: a" + end + end + b"data: b" + end + end) == ["a", "b"]


def test_line_endings_may_be_mixed_within_one_event() -> None:
    """Proxies and templates mix endings; a field would otherwise swallow the next."""
    assert data(b"data: a\rdata: b\r\ndata: c\n\r\ndata: d\r\n\r") == ["a\nb\nc", "d"]


def test_crlf_cut_between_two_reads_is_one_line_end() -> None:
    """Counted as two, the LF would dispatch an event in the middle of its lines."""
    assert data(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == ["a\nb"]


def test_an_empty_read_does_not_forget_that_a_cr_came_last() -> None:
    """An empty chunk between CR and LF would otherwise split a multi-line event."""
    assert data(b"data: a\r", b"", b"\ndata: b\r\n\r\n") == ["a\nb"]


def test_a_cr_at_the_end_of_a_read_dispatches_at_once() -> None:
    """Waiting for a possible LF would show each event one event late."""
    assert SseDecoder().feed(b"data: a\r\r") == [ServerSentEvent("a")]


def test_an_lf_that_follows_another_line_is_not_taken_for_the_rest_of_a_crlf() -> None:
    """Swallowed because of a CR earlier in the read, it would glue two events together."""
    assert data(b"data: a\rdata: b", b"\n", b"\ndata: c\n\n") == ["a\nb", "c"]


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e", "\0"])
def test_what_only_python_takes_for_a_line_end_stays_in_the_data(odd: str) -> None:
    """JSON may hold these bare; cut there, it would not parse and text would be lost."""
    assert data(f'data: {{"content": "a{odd}b"}}\n\n'.encode()) == [f'{{"content": "a{odd}b"}}']


def test_a_long_line_in_small_pieces_costs_each_piece_only_itself() -> None:
    """A picture in base64 is one line of megabytes: quadratic work would freeze the cell.

    Counted in memory, which does not depend on the machine: while more and more of the line
    is pending, a read that does not end it may not copy what came before.
    """
    decoder, piece, pieces = SseDecoder(), b"x" * KIB, 5 * KIB
    decoder.feed(b"data: ")
    worst_bytes = 0
    tracemalloc.start()
    try:
        for _ in range(pieces):
            fresh = bytes(bytearray(piece))
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            assert decoder.feed(fresh) == []
            worst_bytes = max(worst_bytes, tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    (event,) = decoder.feed(b"\n\n")
    assert len(event.data) == pieces * KIB
    assert worst_bytes < 64 * KIB  # the list of pieces grows by some KiB now and then


def test_data_lines_of_one_event_are_joined_by_newlines() -> None:
    """Pretty-printed JSON comes as several data lines and must parse again."""
    assert data(b'data: {\ndata:   "a": 1\ndata: }\n\n') == ['{\n  "a": 1\n}']


def test_only_one_leading_space_is_removed() -> None:
    """Indented code in plain-text streams would lose its indentation."""
    assert data(b"data:a\n\n", b"data: b\n\n", b"data:  c \n\n", b"data:\td\n\n") == [
        "a",
        "b",
        " c ",
        "\td",
    ]


def test_only_the_first_colon_separates() -> None:
    """URLs and JSON are full of colons."""
    assert data(b"data: https://example.org:80/\n\n") == ["https://example.org:80/"]


@pytest.mark.parametrize("line", [b"data", b"data:", b"data: "])
def test_empty_data_is_an_event_with_empty_data(line: bytes) -> None:
    """By the standard the field counts, not its length; a lost one shifts all that follow."""
    assert decode(line + b"\n\n") == [ServerSentEvent("")]


def test_two_empty_data_lines_are_one_newline() -> None:
    """A paragraph break streamed as plain text would disappear."""
    assert data(b"data\ndata\n\n") == ["\n"]


def test_comments_dispatch_nothing_and_interrupt_nothing() -> None:
    """Keep-alives such as ``: OPENROUTER PROCESSING`` come for minutes, also inside events."""
    assert data(b": ping\n\n:\n\ndata: a\n: OPENROUTER PROCESSING\ndata: b\n\n: bye\n\n") == [
        "a\nb"
    ]


def test_id_and_retry_and_unknown_fields_are_ignored() -> None:
    """Nothing is ever resumed here; such a field may neither be text nor an event."""
    assert data(b"id: 7\nretry: 10\nfoo: bar\nfoo\n\nid: 8\ndata: a\nretry: x\n\n") == ["a"]


@pytest.mark.parametrize("name", [b"Data", b" data", b"data ", b"datas", b"dat", b"data\0"])
def test_field_names_are_compared_exactly(name: bytes) -> None:
    """Text of a line that is no data field must not slip into an answer."""
    assert decode(name + b": a\n\n") == []


def test_an_event_carries_its_type() -> None:
    """``event: error`` is how several services report a failure in a running stream."""
    assert decode(b"event: error\ndata: x\n\n") == [ServerSentEvent("x", "error")]
    assert decode(b"data: x\nevent:a\nevent: b\n\n") == [ServerSentEvent("x", "b")]


def test_the_type_is_forgotten_after_dispatch() -> None:
    """One ``event: error`` would otherwise turn all that follows into errors."""
    assert decode(b"event: error\ndata: x\n\ndata: y\n\n")[1] == ServerSentEvent("y", "message")


def test_a_type_without_data_dispatches_nothing_and_is_forgotten() -> None:
    """``event: ping`` alone is a keep-alive; its type does not belong to the next event."""
    assert decode(b"event: ping\n\ndata: x\n\n") == [ServerSentEvent("x", "message")]


@pytest.mark.parametrize("line", [b"event", b"event:", b"event: "])
def test_an_empty_type_means_message(line: bytes) -> None:
    """An empty name is not a kind of its own that nobody would handle."""
    assert decode(b"event: x\n" + line + b"\ndata: a\n\n") == [ServerSentEvent("a", "message")]


@pytest.mark.parametrize("pieces", [(BOM,), (BOM[:1], BOM[1:]), (BOM[:2], b"", BOM[2:])])
def test_a_byte_order_mark_is_dropped_wherever_it_is_cut(pieces: tuple[bytes, ...]) -> None:
    """It would hide the name of the first field, and so the first word of the answer."""
    assert data(*pieces, b"data: a\n\n") == ["a"]
    assert data(*pieces[:-1], pieces[-1] + b"data: a\n\n") == ["a"]


def test_only_one_byte_order_mark_is_dropped_and_only_at_the_start() -> None:
    """Elsewhere U+FEFF is a character of the text."""
    assert data(BOM + BOM + b"data: a\n\ndata: b\n\n") == ["b"]
    assert data(b"data: " + BOM + b"a\n\n") == ["\ufeffa"]
    assert data(b"\n" + BOM + b"data: a\n\n") == []


@pytest.mark.parametrize("start", [BOM[:1], BOM[:2], BOM[:2] + b"x"])
def test_a_byte_order_mark_that_was_none_is_an_ordinary_line(start: bytes) -> None:
    """Bytes held back to see whether they are one must not vanish or block."""
    assert data(*byte_by_byte(start), b"\ndata: a\n\n") == ["a"]
    assert decode(start) == []


def test_characters_may_be_cut_anywhere() -> None:
    """An emoji on the border of two packets would turn into replacement marks."""
    text = "é ß 漢字 👩\u200d🚀"
    assert data(*byte_by_byte(f"data: {text}\n\n".encode())) == [text]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"a\xffb", "a\ufffdb"),
        (b"a\xe2\x82", "a\ufffd"),
        (b"\xe2\x82a", "\ufffda"),
        (b"\xc0\xaf", "\ufffd\ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
    ],
    ids=["stray", "truncated", "interrupted", "overlong", "surrogate"],
)
def test_bad_utf8_becomes_replacement_characters(raw: bytes, text: str) -> None:
    """One broken byte must cost one mark, not the answer; numbers as in a browser."""
    stream = b"data: " + raw + b"\n\ndata: next\n\n"
    assert data(stream) == data(*byte_by_byte(stream)) == [text, "next"]


def test_two_events_in_one_read_both_come_out_at_once_in_order() -> None:
    """Fast servers send several in one packet; the second must not wait for a third."""
    assert SseDecoder().feed(b"data: a\n\ndata: b\n\ndata: c") == [
        ServerSentEvent("a"),
        ServerSentEvent("b"),
    ]


def test_an_event_comes_out_with_the_byte_that_completes_it() -> None:
    """A cell that shows each word one read late feels stuck."""
    decoder = SseDecoder()
    assert [len(decoder.feed(byte)) for byte in byte_by_byte(b"data: a\n\n")] == [0] * 8 + [1]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n", b"\n\n"])
def test_the_event_a_stream_ends_in_is_not_lost(end: bytes) -> None:
    """A missing last newline would take the end of the answer, or its error, away."""
    assert decode(b"data: a\n\nevent: error\ndata: b" + end) == [
        ServerSentEvent("a"),
        ServerSentEvent("b", "error"),
    ]


def test_done_is_data_like_any_other_and_not_needed() -> None:
    """What ends an answer is for the provider to say: some services never send it."""
    assert data(b"data: a\n\ndata: [DONE]\n\n") == ["a", "[DONE]"]
    assert data(b"data: a\n\n") == ["a"]


@pytest.mark.parametrize("stream", [b"", b"\n\n\r\n\r", BOM, b": ping", b"event: x", b"x" * 99])
def test_a_stream_without_data_gives_no_event(stream: bytes) -> None:
    """An empty answer is reported as such, not shown as an empty success."""
    assert decode(stream) == []


def test_closing_twice_gives_nothing_twice() -> None:
    """An answer must not end in its last word repeated."""
    decoder = SseDecoder()
    decoder.feed(b"data: a")
    assert decoder.close() == [ServerSentEvent("a")]
    assert decoder.close() == []


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n\r\n"])
def test_a_stray_json_line_is_kept_and_is_no_event(end: bytes) -> None:
    """Servers write errors bare into a stream; dropped, the answer would just be empty."""
    decoder, line = SseDecoder(), '{"error": {"message": "überlastet: später"}}'
    events = decoder.feed(b"data: a\n\n" + line.encode() + end) + decoder.close()
    assert (events, decoder.stray_lines) == ([ServerSentEvent("a")], [line])


def test_fields_comments_and_other_text_are_no_stray_lines() -> None:
    """A keep-alive or a proxy's greeting must not be reported as the server's error."""
    decoder = SseDecoder()
    decoder.feed(b'data: {"a": 1}\n: {"b": 2}\nid: {"c": 3}\nevent: {\nhello\n<html>\n\n')
    assert decoder.stray_lines == []


def test_the_first_few_stray_lines_are_kept_whole_and_the_rest_dropped() -> None:
    """A server that streams JSON lines for hours must not fill the kernel's memory."""
    decoder = SseDecoder()
    for number in range(1000):
        decoder.feed(b'{"n": %d}\n' % number)
    assert decoder.stray_lines == [f'{{"n": {number}}}' for number in range(8)]


odd_text = st.text(st.sampled_from("ab: {\ufeff\u2028\x85\x0b\x0c\x1c\0é漢👩"), max_size=6)
values = st.one_of(odd_text.map(str.encode), st.binary(max_size=5)).map(
    lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"")
)
fields = st.sampled_from([b"data", b"event", b"id", b"retry", b"", b"other", b'{"error"'])
lines = st.builds(
    bytes.__add__, fields, st.one_of(values.map(b": ".__add__), values.map(b":".__add__), values)
)
any_stream = st.builds(
    bytes.__add__,
    st.sampled_from([b"", b"", BOM, BOM[:2]]),
    st.lists(
        st.builds(bytes.__add__, st.one_of(lines, st.just(b"")), st.sampled_from([b"", *ENDINGS])),
        max_size=12,
    ).map(b"".join),
)
places = st.lists(st.integers(0, 400), max_size=6)


@given(any_stream, places)
@example(b"data: a\r\n\r\n", [8, 8])
@example(BOM + b"data: \xf0\x9f\x92\xa9\r\r", [1, 2, 10])
def test_where_a_stream_is_cut_changes_nothing(stream: bytes, where: list[int]) -> None:
    """Packets end anywhere: the same answer must come over any network."""
    whole = decode(stream)
    assert decode(*cut(stream, where)) == whole
    assert decode(*byte_by_byte(stream)) == whole


@given(any_stream, places)
def test_where_a_stream_is_cut_changes_no_stray_line(stream: bytes, where: list[int]) -> None:
    """An error written bare must be found over any network too."""
    whole, pieces = SseDecoder(), SseDecoder()
    whole.feed(stream)
    whole.close()
    for chunk in cut(stream, where):
        pieces.feed(chunk)
    pieces.close()
    assert pieces.stray_lines == whole.stray_lines


def oracle(chunks: Iterable[bytes]) -> list[ServerSentEvent]:
    """Read the same stream with httpx and httpx-sse."""
    headers = {"content-type": "text/event-stream"}
    source = EventSource(httpx.Response(200, headers=headers, content=iter(chunks)))
    return [ServerSentEvent(event.data, event.event) for event in source.iter_sse()]


@st.composite
def streams_the_oracle_reads_right(draw: st.DrawFn) -> bytes:
    """Draw a stream without the three things that httpx-sse 0.4.3 reads otherwise.

    A BOM hides its first field; a block without data is dispatched as an event (every further
    blank line, too, once there was an ``id``); an event that the stream ends in is dropped.
    So: no BOM at the start, a data line and one blank line in every block, the last included.
    """
    stream = b""
    for _ in range(draw(st.integers(0, 5))):
        end = draw(st.sampled_from(ENDINGS))
        block = [*draw(st.lists(lines, max_size=4)), b"data: " + draw(values)]
        stream += b"".join(line + end for line in draw(st.permutations(block)) if line) + end
    assume(not stream.startswith(BOM))
    return stream


@given(streams_the_oracle_reads_right(), places)
def test_events_are_those_of_httpx_sse(stream: bytes, where: list[int]) -> None:
    """An independent reader of the same standard: both wrong alike is unlikely."""
    chunks = cut(stream, where)
    assert decode(*chunks) == oracle(chunks)
