"""What real services were seen to do wrong: each as bytes on a socket, whole and cut anywhere."""

from __future__ import annotations

import asyncio
import base64
import gzip
import zlib
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.byteserver import (
    DONE,
    END,
    ByteServer,
    chunked,
    delta,
    finish,
    json_reply,
    reply,
    sse_head,
    stream_script,
)
from support.events import HELLO, Heard, hear
from support.wire_scripts import CONTENT, REFUSALS, STREAMS

from g4f_magic.errors import (
    G4FError,
    NetworkError,
    NetworkTimeoutError,
    ProviderError,
    ResponseError,
)
from g4f_magic.messages import FinishReason, Image, ImageResponse, OtherChoice, Usage
from g4f_magic.providers import OpenaiTemplate
from g4f_magic.service import ServiceReply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from support.byteserver import Exchange, Script
    from support.events import StartServer
    from support.wire_scripts import Refusal, Stream

KEY = "sk-secret-0123456789"
HI = delta("hi") + finish() + DONE
every_stream = pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)


def at(url: str, **attributes: Any) -> type[OpenaiTemplate]:
    """A service at this address."""
    return type("Own", (OpenaiTemplate,), {"api_base": f"{url}/v1", **attributes})


def outcome(heard: Heard) -> tuple[object, ...]:
    """All that a person or a program can notice, however the bytes were cut."""
    others = [one.event for one in heard.all_of(OtherChoice)]
    error = heard.error
    facts = {name: value for name, value in vars(error).items() if name != "hint"} if error else {}
    text = "".join(one for one in others if isinstance(one, str))
    return (*heard.told, text, type(error), str(error or ""), facts)


def check(stream: Stream, heard: Heard) -> None:
    """Compare what was heard with what the table says."""
    if stream.said:
        error = heard.error
        assert isinstance(error, ResponseError), heard
        assert stream.said in str(error)
        half = stream.text if stream.text == "half" else ""
        assert (error.status, error.partial, heard.text) == (200, half, half)
        return
    assert heard.error is None
    usage = [stream.usage] if stream.usage else []
    ends: list[object] = [usage, [FinishReason(stream.reason)] if stream.reason else []]
    told = [stream.text, stream.reasoning, list(stream.calls), *ends, stream.others]
    assert list(outcome(heard)[:6]) == told


def pieces_of(pieces: Sequence[bytes]) -> Script:
    """A service that answers with a stream in these pieces, each in its own segment."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head())
        for piece in pieces:
            exchange.send(chunked(piece))
        exchange.send(END)

    return script


def heard_in(cuts: Sequence[Sequence[bytes]]) -> list[Heard]:
    """What is heard of each of these replies, through all layers but the socket."""
    pieces: Sequence[bytes] = ()

    async def arriving() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def serve(*_request: Any) -> ServiceReply:
        return ServiceReply(200, {"content-type": "text/event-stream"}, arriving())

    provider = at("http://wire.invalid", service=staticmethod(serve))

    async def listen() -> list[Heard]:
        nonlocal pieces
        found = []
        for cut in cuts:
            pieces = cut
            found.append(await listened(provider))
        return found

    return asyncio.run(listen())


async def listened(provider: type[OpenaiTemplate], **params: Any) -> Heard:
    """What is heard, inside a running loop: requests in a row share its connections."""
    heard = Heard()
    try:
        async with aclosing(provider.create_async_generator("m", HELLO, **params)) as events:
            async for one in events:
                heard.events.append(one)
    except G4FError as error:
        heard.error = error
    return heard


# --- replies with status 200 -----------------------------------------------------------------


@every_stream
def test_what_services_send_is_understood(byte_server: StartServer, stream: Stream) -> None:
    """A dialect that is not understood loses text, calls, figures, or the reason of a failure."""
    server = byte_server(pieces_of([stream.body]))
    check(stream, hear(at(server.url)))
    assert len(server.requests) == 1


@every_stream
def test_no_cut_into_two_changes_it(stream: Stream) -> None:
    """Networks cut where they like; every single place is tried."""
    body = stream.body
    whole, *cut = heard_in([[body], *([body[:i], body[i:]] for i in range(1, len(body)))])
    check(stream, whole)
    assert [place for place, one in enumerate(cut, 1) if outcome(one) != outcome(whole)] == []


@every_stream
def test_one_byte_a_segment_changes_nothing(byte_server: StartServer, stream: Stream) -> None:
    """Some servers flush after every character."""
    body = stream.body
    server = byte_server(pieces_of([body[place : place + 1] for place in range(len(body))]))
    check(stream, hear(at(server.url)))


@settings(max_examples=150)
@given(stream=st.sampled_from(list(STREAMS.values())), data=st.data())
def test_no_cut_into_many_changes_it(stream: Stream, data: st.DataObject) -> None:
    """Three pieces go wrong where two do not: a tag or a character may span them all."""
    size = len(stream.body)
    places = sorted(data.draw(st.lists(st.integers(0, size), max_size=12)))
    bounds = zip([0, *places], [*places, size], strict=True)
    check(stream, heard_in([[stream.body[start:end] for start, end in bounds]])[0])


@settings(max_examples=40)
@given(stream=st.sampled_from(list(STREAMS.values())), data=st.data())
def test_no_cut_on_a_socket_changes_it(stream: Stream, data: st.DataObject) -> None:
    """The layers below cut as well, also the marks of HTTP's own chunks."""
    wire = chunked(stream.body) + END
    place = data.draw(st.integers(0, len(wire)))

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + wire[:place])
        exchange.send(wire[place:])

    with ByteServer(script) as server:
        check(stream, hear(at(server.url)))


@every_stream
def test_compression_changes_nothing(byte_server: StartServer, stream: Stream) -> None:
    """Proxies compress streams; a piece may then hold half an event, or many."""
    packed = gzip.compress(stream.body)
    head = sse_head(headers=[("Content-Encoding", "gzip")])
    middle = len(packed) // 2

    def script(exchange: Exchange) -> None:
        exchange.send(head + chunked(packed[:middle]))
        exchange.send(chunked(packed[middle:]) + END)

    check(stream, hear(at(byte_server(script).url)))


@pytest.mark.parametrize("kind", ["text/event-stream; charset=latin-1", "text/plain", "", "x"])
@pytest.mark.parametrize("stream", CONTENT, ids=lambda stream: stream.name)
def test_what_was_announced_changes_nothing(
    byte_server: StartServer, stream: Stream, kind: str
) -> None:
    """No charset, or a wrong one, would garble every umlaut."""
    server = byte_server(lambda exchange: exchange.send(reply(200, stream.body, kind)))
    check(stream, hear(at(server.url)))


def test_a_compressed_stream_is_told_as_it_comes(byte_server: StartServer) -> None:
    """A proxy that compresses and flushes must not make the reader wait for the end."""
    packer = zlib.compressobj(wbits=31)

    def packed(data: bytes) -> bytes:
        return chunked(packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head(headers=[("Content-Encoding", "gzip")]) + packed(delta("hi")))
        exchange.sleep(60)

    heard = hear(at(byte_server(script).url), timeout=0.3)
    assert isinstance(heard.error, NetworkTimeoutError)
    assert (heard.text, heard.error.partial) == ("hi", "hi")


def test_control_characters_that_are_not_escaped_lose_no_text(byte_server: StartServer) -> None:
    """Servers that build JSON by hand send them as they are; a piece of the answer would go."""
    body = delta("a") + delta("b-c").replace(b"-", b"\x1b") + HI
    assert hear(at(byte_server(pieces_of([body])).url)).text == "ab\x1bchi"


# --- connections -----------------------------------------------------------------------------


def ends(exchange: Exchange) -> None:
    """Closes instead of answering, as llama.cpp's server does after some streams."""
    exchange.close()


def breaks(exchange: Exchange) -> None:
    """Resets instead of answering, as uvicorn does after an unhandled error."""
    exchange.reset()


def answers(exchange: Exchange) -> None:
    """A good answer."""
    exchange.send(reply(200, HI, "text/event-stream"))


def fails(exchange: Exchange) -> None:
    """An unhandled error, to be tried again at once."""
    exchange.send(json_reply(500, {}, [("Retry-After-Ms", "1")]))


@pytest.mark.parametrize(
    ("scripts", "texts"),
    [
        ([answers, ends, answers], ["hi", "hi"]),
        ([answers, breaks, answers], ["hi", "hi"]),
        ([fails, ends, answers], ["hi"]),
        ([fails, breaks, answers], ["hi"]),
        ([answers, fails, breaks, fails, answers], ["hi", "hi"]),
    ],
    ids=["closed", "reset", "closed after 500", "reset after 500", "all of it"],
)
def test_a_pooled_connection_that_dies_is_nobodys_failure(
    byte_server: StartServer, scripts: list[Script], texts: list[str]
) -> None:
    """Every few answers a cell would fail with "disconnected" although nothing is wrong."""
    left = iter(scripts)
    server = byte_server(lambda exchange: next(left)(exchange))  # noqa: PLW0108  # one each time

    async def ask() -> list[Heard]:
        return [await listened(at(server.url)) for _ in texts]

    found = asyncio.run(ask())
    assert [(one.text, one.error) for one in found] == [(text, None) for text in texts]
    assert len(server.requests) == len(scripts)


def breaking(data: bytes, how: Callable[[Exchange], None]) -> Script:
    """A stream that breaks after these bytes."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + data)
        how(exchange)

    return script


@pytest.mark.parametrize("how", [ends, breaks])
@pytest.mark.parametrize("data", [b"", chunked(delta("half")), chunked(delta("half"))[:-9]])
def test_a_break_half_way_is_an_error_with_the_half(
    byte_server: StartServer, data: bytes, how: Callable[[Exchange], None]
) -> None:
    """Asked again, it would be paid twice; taken as whole, nobody would know."""
    server = byte_server(breaking(data, how))
    error = hear(at(server.url)).error
    assert isinstance(error, NetworkError)
    assert error.partial == ("half" if data.endswith(b"\n\r\n") else "")
    assert ("broke the connection" in str(error), len(server.requests)) == (True, 1)


def test_comments_for_longer_than_the_time_limit_are_life(byte_server: StartServer) -> None:
    """A queued request at OpenRouter gets nothing else for minutes."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head())
        for _ in range(6):
            exchange.send(chunked(b": OPENROUTER PROCESSING\n\n"))
            exchange.sleep(0.1)
        exchange.send(chunked(HI) + END)

    assert hear(at(byte_server(script).url), timeout=0.4).text == "hi"


@pytest.mark.parametrize(("limit_s", "text"), [(5.0, "hi"), (0.1, "")])
def test_no_headers_while_queued_is_waited_for_as_long_as_was_said(
    byte_server: StartServer, limit_s: float, text: str
) -> None:
    """Local servers load a model first; asking again would only queue once more."""

    def script(exchange: Exchange) -> None:
        exchange.sleep(0.3)
        answers(exchange)

    server = byte_server(script)
    heard = hear(at(server.url), timeout=limit_s)
    assert (heard.text, len(server.requests)) == (text, 1)
    if not text:
        assert isinstance(heard.error, NetworkTimeoutError)
        assert "sent nothing for 0.1 s" in str(heard.error)


# --- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)
def test_refusals_say_why_and_are_asked_again_only_where_it_helps(
    byte_server: StartServer, refusal: Refusal
) -> None:
    """A spent budget asked three times is rude, a busy second given up is a lost answer."""
    server = byte_server(
        lambda exchange: exchange.send(
            reply(refusal.status, refusal.body, refusal.kind, refusal.headers)
        )
    )
    heard = hear(at(server.url), api_key=KEY)
    error = heard.error
    assert isinstance(error, ResponseError)
    assert (error.status, len(server.requests)) == (refusal.status, refusal.requests)
    assert len(heard.waits) == refusal.requests - 1
    assert refusal.said in str(error)
    assert refusal.hint in error.hint
    shown = f"{error} {error.hint}"
    assert [word for word in ("<", "secrets", KEY) if word in shown] == []


# --- redirects and proxies -------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_does_not_take_the_key_along(
    byte_server: StartServer, status: int
) -> None:
    """Whoever answers there would own the key."""
    other = byte_server(answers)
    place = [("Location", f"{other.url}/v1/chat/completions")]
    server = byte_server(lambda exchange: exchange.send(reply(status, b"", headers=place)))
    error = hear(at(server.url), api_key=KEY).error
    assert isinstance(error, ResponseError)
    assert "redirects to another place" in str(error)
    assert (len(server.requests), other.requests) == (1, [])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_host_keeps_the_question(
    byte_server: StartServer, status: int
) -> None:
    """A POST that becomes a GET asks for nothing, and comes back as a riddle."""

    def script(exchange: Exchange) -> None:
        if exchange.request.path == "/v1/chat/completions":
            exchange.send(reply(status, b"", headers=[("Location", "/v2/chat")]))
        else:
            answers(exchange)

    server = byte_server(script)
    assert hear(at(server.url), api_key=KEY).text == "hi"
    first, second = server.requests
    assert (second.method, second.path, second.body) == ("POST", "/v2/chat", first.body)
    assert second.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("status", [401, 407])
def test_a_proxy_that_refuses_is_not_taken_for_the_service(
    byte_server: StartServer, status: int
) -> None:
    """Tinyproxy answers a wrong password with 401: one would change the good key for ever."""
    headers = [("Server", "tinyproxy/1.11"), ("Proxy-Authenticate", "Basic")]
    proxy = byte_server(lambda exchange: exchange.send(reply(status, b"no", headers=headers)))
    address = proxy.url.replace("//", "//me:hidden@")
    error = hear(at("http://service.invalid"), proxy=address, api_key=KEY, max_retries=0).error
    assert isinstance(error, NetworkError)
    assert "proxy" in str(error)
    assert "key was not looked at" in error.hint
    assert "hidden" not in f"{error} {error.hint}"


def test_https_to_a_plain_port_does_not_hang(byte_server: StartServer) -> None:
    """The server waits for a line that never comes, and so does the cell."""
    server = byte_server(answers)
    address = server.url.replace("http:", "https:")
    error = hear(at(address), timeout=0.3, max_retries=0).error
    assert isinstance(error, NetworkTimeoutError)


# --- models and pictures ---------------------------------------------------------------------


MANY = [f"model-{number:03}" for number in range(400)]


@pytest.mark.parametrize(
    ("listing", "names"),
    [
        ({"data": []}, []),
        ({"data": None}, []),
        ({"data": [{"id": name} for name in reversed(MANY)]}, MANY),
        ({"models": [{"name": "a"}], "data": [{"id": "b"}]}, ["b"]),
        ({"models": [{"name": "b"}, {"name": "a"}]}, ["a", "b"]),
        ({"data": [{"object": "model"}, {"id": "a"}, {"id": None}, {"id": 7}]}, ["a"]),
        ([{"id": "a"}, "b"], ["a", "b"]),
    ],
    ids=["none", "null", "hundreds", "models and data", "models", "no id", "a bare list"],
)
def test_listings_of_any_shape_are_read(
    byte_server: StartServer, listing: Any, names: list[str]
) -> None:
    """One odd row would hide all models of a service."""
    server = byte_server(lambda exchange: exchange.send(json_reply(200, listing)))
    assert asyncio.run(at(server.url).list_models()) == names


PICTURES = {
    "image/png": b"\x89PNG\r\n\x1a\n" + bytes(8),
    "image/jpeg": b"\xff\xd8\xff\xe0" + bytes(8),
    "image/gif": b"GIF89a" + bytes(8),
    "image/webp": b"RIFF\0\0\0\0WEBP" + bytes(8),
}
TEXTS = {kind: base64.b64encode(data).decode() for kind, data in PICTURES.items()}


@pytest.mark.parametrize(
    ("item", "image"),
    [
        *(({"b64_json": TEXTS[kind]}, Image(PICTURES[kind], kind)) for kind in PICTURES),
        *(
            ({"url": f"data:image/png;base64,{TEXTS[kind]}"}, Image(PICTURES[kind], kind))
            for kind in PICTURES
        ),
        ({"b64_json": TEXTS["image/png"].rstrip("=")}, Image(PICTURES["image/png"], "image/png")),
        ({"url": "https://pictures.invalid/a.png"}, Image(url="https://pictures.invalid/a.png")),
        ({"url": "/files/a.png"}, Image(url="{url}/files/a.png")),
    ],
    ids=lambda value: "" if isinstance(value, dict) else repr(value),
)
def test_pictures_of_any_kind_are_found(
    byte_server: StartServer, item: dict[str, Any], image: Image
) -> None:
    """Services say "png" and send JPEG, or give an address that only they can complete."""
    server = byte_server(lambda exchange: exchange.send(json_reply(200, {"data": [item]})))
    heard = hear(at(server.url, image_models=("flux",)), "flux")
    expected = Image(image.data, image.media_type, image.url.format(url=server.url))
    assert heard.all_of(ImageResponse) == [ImageResponse((expected,), "hello")]
    assert [request.path for request in server.requests] == ["/v1/images/generations"]


def test_a_failed_picture_says_so(byte_server: StartServer) -> None:
    """An empty list looks like a picture that did not load."""
    server = byte_server(lambda exchange: exchange.send(json_reply(200, {"data": []})))
    error = hear(at(server.url, image_models=("flux",)), "flux").error
    assert isinstance(error, ProviderError)
    assert "no answer" in str(error)


def test_a_good_service_is_heard_in_full(byte_server: StartServer) -> None:
    """The script that all other tests use has to pass the same eyes."""
    server = byte_server(stream_script(["h", "i"]))
    heard = hear(at(server.url))
    assert heard.told == ("hi", "", [], [Usage(3, 2)], [FinishReason("stop")])
