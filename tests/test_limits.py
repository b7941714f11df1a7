"""Whatever a service, a file or the years bring, neither memory nor disk fills without end."""

from __future__ import annotations

import contextlib
import gzip
import re
import sqlite3
import tracemalloc
import zlib
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.byteserver import (
    END,
    chunked,
    delta,
    finish,
    json_reply,
    reply,
    sse_head,
    stream_script,
)
from support.events import hear
from support.kernel import Kernel

from g4f_magic.errors import NetworkError, ResponseError, UsageError
from g4f_magic.inflate import Inflater
from g4f_magic.messages import Answer, Image
from g4f_magic.providers import Aichat, OpenaiTemplate
from g4f_magic.settings.settings import Settings
from g4f_magic.store.schema import MIGRATIONS
from g4f_magic.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.byteserver import Exchange
    from support.events import StartServer

MB = 1 << 20
ALLOWS = "%g4f_config max_answer_mb=2 allows that"
CLOSE = ("Connection", "close")


def endless(*, first: bytes, then: bytes) -> Callable[[Exchange], None]:
    """A script that never stops sending; it ends when nobody reads."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(first))
        while True:
            exchange.send(chunked(then))

    return script


def bomb(*, start: bytes, coding: str = "gzip") -> Callable[[Exchange], None]:
    """A script that sends 64 MB of zeros after ``start``, packed into 64 KB."""
    packed = gzip.compress(start + bytes(64 * MB))
    return lambda exchange: exchange.send(
        reply(200, packed, "text/event-stream", [("Content-Encoding", coding), CLOSE])
    )


# --- what a service sends --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("then", "text"),
    [(delta("x" * 1000), "x" * 1000), (b"data: " + bytes(9999), ""), (b": " + bytes(9999), "")],
    ids=["events", "one line", "comments"],
)
def test_an_answer_without_end_is_ended(byte_server: StartServer, then: bytes, text: str) -> None:
    """A model in a loop would fill the kernel's memory, and the notebook's."""
    server = byte_server(endless(first=delta("Hello."), then=then))
    got = hear(OpenaiTemplate, api_base=server.url, max_answer_mb=1)
    assert isinstance(got.error, ResponseError)
    assert str(got.error) == "OpenaiTemplate sent more than 1 MB, which is the limit"
    assert got.error.hint == ALLOWS
    assert got.text == got.error.partial
    assert re.fullmatch(f"Hello.({text})*", got.text)
    assert len(server.requests) == 1


def test_nothing_that_follows_the_end_of_an_answer_spoils_it(byte_server: StartServer) -> None:
    """The model had finished: what a broken server adds is not its answer."""
    server = byte_server(endless(first=delta("Hello.") + finish(), then=b": " + bytes(9999)))
    got = hear(OpenaiTemplate, api_base=server.url, max_answer_mb=1)
    assert (got.text, got.error) == ("Hello.", None)


@pytest.mark.parametrize("provider", [OpenaiTemplate, Aichat])
def test_an_object_without_end_is_ended(byte_server: StartServer, provider: Any) -> None:
    """It cannot be read before its end, so all of it would have to be held."""
    server = byte_server(endless(first=b'{"message": "', then=b"x" * 9999))
    got = hear(provider, api_base=server.url, max_answer_mb=1)
    assert "sent more than 1 MB" in str(got.error)
    assert got.error is not None
    assert got.error.hint == ALLOWS


@pytest.mark.parametrize("start", [b"data: ", b"{", delta("Hello.")], ids=["line", "JSON", "event"])
def test_a_bomb_is_never_unfolded_as_a_whole(byte_server: StartServer, start: bytes) -> None:
    """64 KB on the wire would be 64 MB at once, and a thousand times that if packed twice."""
    server = byte_server(bomb(start=start))
    hear(OpenaiTemplate, api_base=server.url)  # whatever is imported by then
    tracemalloc.start()
    try:
        got = hear(OpenaiTemplate, api_base=server.url, max_answer_mb=1)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "sent more than 1 MB" in str(got.error)
    assert peak_bytes < 8 * MB


@pytest.mark.parametrize("coding", ["gzip, gzip", "br", "zstd", "deflate, gzip"])
def test_what_nobody_asked_for_is_not_unfolded(byte_server: StartServer, coding: str) -> None:
    """Packed twice, or in a way that shrinks without a bound, no piece is small."""
    server = byte_server(bomb(start=b"", coding=coding))
    got = hear(OpenaiTemplate, api_base=server.url, max_retries=0)
    assert isinstance(got.error, NetworkError)
    assert "cannot be decompressed" in str(got.error)
    assert server.requests[0].headers["accept-encoding"] == "gzip, deflate"


def test_headers_without_end_are_ended(byte_server: StartServer) -> None:
    """And not asked for once more: each request is billed."""

    def script(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            exchange.send(b"X-More: " + b"x" * 9999 + b"\r\n")

    server = byte_server(script)
    got = hear(OpenaiTemplate, api_base=server.url)
    assert "sent headers of more than 100 KB, which is the limit" in str(got.error)
    assert len(server.requests) == 1


def packed(data: bytes, wbits: int) -> bytes:
    """The bytes in one of zlib's three forms."""
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(data) + packer.flush()


@given(
    st.binary() | st.builds(bytes.__mul__, st.binary(max_size=9), st.integers(0, 99_999)),
    st.sampled_from([("gzip", 31), ("X-GZip", 31), ("deflate", 15), ("deflate", -15)]),
    st.lists(st.integers(0, 2000), max_size=6),
    st.binary(max_size=9),
)
def test_what_was_packed_comes_back(
    data: bytes, form: tuple[str, int], cuts: list[int], trailing: bytes
) -> None:
    """Packets end anywhere, and behind the end some servers send more."""
    coding, wbits = form
    wire = packed(data, wbits) + trailing
    inflater = Inflater(coding)
    places = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    pieces = [piece for start, end in pairwise(places) for piece in inflater.feed(wire[start:end])]
    assert b"".join(pieces) == data
    assert max(map(len, pieces), default=0) <= 64 * 1024


@given(st.binary(), st.sampled_from(["gzip", "deflate", "br", "identity", ""]))
def test_any_bytes_unfold_or_are_refused(data: bytes, coding: str) -> None:
    """A broken proxy must not show a stack of zlib's."""
    try:
        assert coding in {"gzip", "deflate"} or b"".join(Inflater(coding).feed(data)) == data
        list(Inflater(coding).feed(data))
    except zlib.error:
        assert coding not in {"identity", ""}


# --- what the cache keeps --------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store in a file."""
    fresh = Store(tmp_path / "chats.db")
    yield fresh
    fresh.database.close()


def answer(letter: str) -> Answer:
    """An answer of 100 KB."""
    return Answer(text=letter * 100_000)


def kept(store: Store, keys: str) -> str:
    """The keys whose answers are there."""
    return "".join(key for key in keys if store.cache.recall(key))


def test_what_was_not_used_for_longest_goes_first(store: Store) -> None:
    """What a notebook asks every day stays; what was tried once makes room."""
    for key in "abc":
        store.cache.remember_all([(key, answer(key))], 350_000)
    store.cache.touch("a")
    store.cache.remember_all([("d", answer("d"))], 350_000)
    assert kept(store, "abcd") == "acd"
    store.cache.touch("a")
    store.cache.remember_all([("e", answer("e")), ("f", answer("f"))], 350_000)
    assert kept(store, "abcdef") == "aef"


def test_pictures_count_and_are_deleted_with_their_answer(store: Store) -> None:
    """They are nearly all of what a cache holds."""
    for key in "ab":
        picture = Image(key.encode() * 100_000, "image/png")
        store.cache.remember_all([(key, Answer(images=(picture,)))], 150_000)
    assert kept(store, "ab") == "b"
    with store.database.read() as db:
        assert db.execute("SELECT count(*) FROM blobs").fetchone()[0] == 1


def test_an_answer_above_the_limit_drives_out_no_other(store: Store) -> None:
    """One large picture must not cost a night of answers."""
    store.cache.remember_all([("a", answer("a"))], 150_000)
    store.cache.remember_all([("b", Answer(text="b" * 200_000))], 150_000)
    assert kept(store, "ab") == "a"


def test_a_cache_of_before_is_counted(tmp_path: Path) -> None:
    """A cache that was filled by an older version has to shrink, too."""
    path = tmp_path / "chats.db"
    old = next(n for n, step in enumerate(MIGRATIONS) if any("cache ADD" in one for one in step))
    with contextlib.closing(sqlite3.connect(path)) as db:
        for statement in chain(*MIGRATIONS[:old]):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {old}")
        for number in (1, 2):
            db.execute(
                "INSERT INTO answers (id, state, updated_at, elapsed_s, attempt, cached, model,"
                " provider, reasoning, text) VALUES (?, 'complete', 0, 0, 1, 0, 'm', 'p', '', ?)",
                (number, "é" * 50_000),
            )
            db.execute("INSERT INTO cache VALUES (?, ?)", (f"old{number}", number))
        db.commit()
    store = Store(path)
    store.cache.remember_all([("new", answer("a"))], 250_000)
    assert [store.cache.recall(key) is not None for key in ("old1", "old2", "new")] == [0, 1, 1]
    store.database.close()


# --- in a notebook ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chat() -> Iterator[Kernel]:
    """A kernel with small limits, from the environment and from IPython's configuration."""
    with Kernel({"G4F_MAX_PICTURE_MB": "1", "G4F_MAX_ANSWER_MB": "1"}) as running:
        loading = "%config ChatMagics.max_attachment_mb = 1\n%config ChatMagics.max_cache_mb = 1"
        assert running.run(f"%load_ext g4f_magic\n{loading}").error is None
        yield running


def test_an_answer_that_grows_too_large_stays_as_far_as_it_came(
    chat: Kernel, byte_server: StartServer
) -> None:
    """What was paid for is there, the cell says how to get more, and the next one works."""
    text = "Once upon a time.\n\n"
    server = byte_server(endless(first=delta(text), then=b"data: " + bytes(9999)))
    run = chat.run(f"%%chat -p {server.url} -m m --new -o told\nTell me a story")
    assert run.error is not None
    assert "sent more than 1 MB, which is the limit" in run.error.evalue
    assert "%g4f_config max_answer_mb=2 allows that" in run.error.traceback
    assert "Once upon a time." in run.markdown
    assert chat.value("(told.text, told.state)") == (text, "failed")
    padding = chunked(b": " + bytes(2 * MB) + b"\n")
    server.script = lambda exchange: exchange.send(
        sse_head() + padding + chunked(delta("They lived.") + finish()) + END
    )
    retold = f"%g4f_config max_answer_mb=3\n%chat -p {server.url} -m m -o told Once more"
    assert chat.run(retold).error is None
    assert chat.value("told.text") == "They lived."
    said = [message["content"] for message in server.requests[-1].json["messages"]]
    assert said == ["Tell me a story", text, "Once more"]
    assert "max_answer_mb" not in server.requests[-1].json
    chat.run("%g4f_config max_answer_mb=")


def test_a_picture_that_is_too_large_stays_an_address(
    chat: Kernel, byte_server: StartServer
) -> None:
    """A notebook with it could not be opened."""

    def script(exchange: Exchange) -> None:
        if exchange.request.path.endswith("/models"):
            exchange.send(json_reply(200, {"data": [{"id": "flux", "type": "image"}]}))
        elif exchange.request.method == "POST":
            exchange.send(json_reply(200, {"data": [{"url": "/a.png"}]}))
        else:
            exchange.send(reply(200, b"\x89PNG\r\n\x1a\n" + bytes(2 * MB), "image/png"))

    server = byte_server(script)
    run = chat.run(f"%chat -p {server.url} --alone -o fox A red fox")
    assert run.error is None
    trouble = "the picture has more than 1 MB; %g4f_config max_picture_mb=3 allows that"
    assert chat.value("fox.images[0].trouble") == trouble
    assert f"{server.url}/a.png" in run.markdown


def test_an_attachment_that_is_too_large_is_refused_until_the_limit_is_raised(
    chat: Kernel, byte_server: StartServer
) -> None:
    """The message says what to type, and typing it helps."""
    server = byte_server(stream_script(["Read."]))
    chat.run("book = 'word ' * 310_000 + '\\n'")
    ask = f"%chat -p {server.url} -m m --alone -a book Read it"
    run = chat.run(ask)
    assert run.error is not None
    assert "it has 1.5 MB, and the limit is 1 MB" in run.error.evalue
    assert "%g4f_config max_attachment_mb=2 allows that" in run.error.traceback
    assert server.requests == []
    assert chat.run(f"%g4f_config max_attachment_mb=2\n{ask}").error is None
    assert len(server.requests[0].body) > 1_500_000


def test_the_cache_makes_room(chat: Kernel, byte_server: StartServer) -> None:
    """It would otherwise grow for years; what is asked again stays."""
    server = byte_server(stream_script(["x" * 400_000]))
    chat.run("%g4f_config max_answer_mb=5")
    for word in ("one", "two", "one", "three", "one", "two"):
        run = chat.run(f"%chat -p {server.url} -m m --cache --alone --quiet {word}")
        assert run.error is None
    asked = [request.json["messages"][-1]["content"] for request in server.requests]
    assert asked == ["one", "two", "three", "two"]


@pytest.mark.parametrize("key", ["answer", "picture", "attachment", "cache"])
def test_each_limit_can_be_set_in_each_place(key: str) -> None:
    """Where one sets the others, one looks for this one, too."""
    name = f"max_{key}_mb"
    settings = Settings()
    environ = {f"G4F_{name.upper()}": "7"}
    assert settings.number(name, {}, environ) == 7
    assert settings.number(name, {name: 8}, environ) == 8
    settings.assign(f"{name}=9")
    assert settings.number(name, {name: 8}, environ) == 9
    with pytest.raises(UsageError, match=f"{name} cannot be '0'"):
        settings.assign(f"{name}=0")
