"""Pictures and sounds sent along with a question."""

from __future__ import annotations

import base64
import copy
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.api_schema import check_chat
from support.byteserver import json_reply, stream_script
from support.events import HELLO, hear

from g4f_magic.client import Client
from g4f_magic.errors import UsageError
from g4f_magic.providers import OpenaiTemplate, RetryProvider, get_provider
from g4f_magic.providers.media import LARGEST_BYTES

if TYPE_CHECKING:
    from support.events import StartServer

    from g4f_magic.messages import Message

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 8
WAV = b"RIFF\x24\0\0\0WAVEfmt "
PNG_URI = "data:image/png;base64," + base64.b64encode(PNG).decode()


def picture(uri: str = PNG_URI) -> dict[str, Any]:
    """The part of a message that is a picture."""
    return {"type": "image_url", "image_url": {"url": uri}}


def sound(data: bytes, kind: str) -> dict[str, Any]:
    """The part of a message that is a sound."""
    text = base64.b64encode(data).decode()
    return {"type": "input_audio", "input_audio": {"data": text, "format": kind}}


def sent(byte_server: StartServer, media: Any, messages: list[Message] = HELLO) -> Any:
    """The messages as they arrive with this media."""
    server = byte_server(stream_script(["hi"]))
    before = copy.deepcopy(messages)
    heard = hear(get_provider(server.url), "m", messages, media=media)
    assert heard.error is None
    assert messages == before
    body = server.requests[0].json
    check_chat(body)
    return body["messages"]


def parts_of(byte_server: StartServer, media: Any) -> Any:
    """The parts that arrive after the text."""
    (message,) = sent(byte_server, media)
    assert message["content"][0] == {"type": "text", "text": "hello"}
    return message["content"][1:]


def refusal(byte_server: StartServer, media: Any) -> UsageError:
    """The error with which media is refused, before anything is sent."""
    server = byte_server(stream_script(["hi"]))
    heard = hear(get_provider(server.url), None, HELLO, media=media)
    assert isinstance(heard.error, UsageError), heard
    assert server.requests == []
    return heard.error


@pytest.mark.parametrize("way", ["str", "Path", "bytes", "bytearray", "file", "stream", "data"])
def test_a_picture_is_taken_however_it_is_held(
    byte_server: StartServer, tmp_path: Path, way: str
) -> None:
    """A notebook has pictures as paths, bytes and files; none should need a conversion."""
    path = tmp_path / "no suffix"
    path.write_bytes(PNG)
    with path.open("rb") as file:
        items = {
            "str": str(path),
            "Path": path,
            "bytes": PNG,
            "bytearray": bytearray(PNG),
            "file": file,
            "stream": io.BytesIO(PNG),
            "data": PNG_URI,
        }
        assert parts_of(byte_server, [items[way]]) == [picture()]
        assert parts_of(byte_server, items[way]) == [picture()]


@pytest.mark.parametrize(
    ("data", "kind"),
    [(PNG, "png"), (JPEG, "jpeg"), (b"GIF89a", "gif"), (b"RIFF\0\0\0\0WEBPVP8 ", "webp")],
)
def test_the_type_is_that_of_the_bytes(byte_server: StartServer, data: bytes, kind: str) -> None:
    """Services refuse a JPEG that is called a PNG, as downloads often are."""
    uri = f"data:image/{kind};base64," + base64.b64encode(data).decode()
    assert parts_of(byte_server, [(data, "photo.tiff")]) == [picture(uri)]
    wrong = uri.replace(kind, "x-odd")
    assert parts_of(byte_server, [wrong]) == [picture(uri)]


@pytest.mark.parametrize(
    ("data", "kind"),
    [(WAV, "wav"), (b"ID3\x04", "mp3"), (b"\xff\xfb\x90\x64", "mp3"), (b"\xff\xf3\x44", "mp3")],
)
def test_sounds_are_sent_as_sounds(byte_server: StartServer, data: bytes, kind: str) -> None:
    """A recording called a picture is answered with 400."""
    assert parts_of(byte_server, [data]) == [sound(data, kind)]


def test_several_items_keep_their_order(byte_server: StartServer, tmp_path: Path) -> None:
    """A prompt that speaks of the first picture means the first one given."""
    path = tmp_path / "a.wav"
    path.write_bytes(WAV)
    media = (str(path), (PNG, "fox.png"), "https://x.example/a.png?b=c.mp3", (JPEG, None))
    kinds = [part["type"] for part in parts_of(byte_server, media)]
    assert kinds == ["input_audio", "image_url", "image_url", "image_url"]


def test_a_picture_elsewhere_is_sent_by_its_address(byte_server: StartServer) -> None:
    """The service fetches it; downloading it first would be slow and may not be possible."""
    url = "https://x.example/a.png?b=c.mp3"
    assert parts_of(byte_server, [url]) == [picture(url)]


@pytest.mark.parametrize("media", [None, [], ()])
def test_no_media_changes_nothing(byte_server: StartServer, media: Any) -> None:
    """A list of parts is more than some servers understand."""
    assert sent(byte_server, media) == HELLO


def test_media_joins_the_last_message_of_the_user(byte_server: StartServer) -> None:
    """An earlier one, or that of a tool, is not what is being asked."""
    text = {"type": "text", "text": "two"}
    messages: list[Message] = [
        {"role": "user", "content": "one"},
        {"role": "user", "content": [text]},
        {"role": "assistant", "content": "well"},
    ]
    first, second, third = sent(byte_server, [PNG], messages)
    assert (first, third) == (messages[0], messages[2])
    assert second["content"] == [text, picture()]
    assert sent(byte_server, [PNG], [{"role": "user", "content": ""}]) == [
        {"role": "user", "content": [picture()]}
    ]
    system: Message = {"role": "system", "content": "look"}
    assert sent(byte_server, [PNG], [system])[1] == {"role": "user", "content": [picture()]}


def test_media_reaches_a_service_without_history(byte_server: StartServer) -> None:
    """It would be attached to what is then left out."""
    server = byte_server(stream_script(["hi"]))
    fields = {"api_base": server.url, "supports_message_history": False}
    own: Any = type("Own", (OpenaiTemplate,), fields | {"supports_system_message": False})
    hear(own, "m", [{"role": "system", "content": "look"}, *HELLO], media=[PNG])
    (message,) = server.requests[0].json["messages"]
    assert message["content"] == [{"type": "text", "text": "look\n\nhello"}, picture()]


def test_a_file_can_be_sent_to_the_next_provider_too(byte_server: StartServer) -> None:
    """The first attempt would leave an empty file to the second."""
    busy = byte_server(lambda exchange: exchange.send(json_reply(500, {"error": "busy"})))
    server = byte_server(stream_script(["hi"]))
    retry = RetryProvider([get_provider(busy.url), get_provider(server.url)], shuffle=False)
    file = io.BytesIO(b"skip" + PNG)
    file.seek(4)
    assert hear(retry, "m", media=[file]).text == "hi"
    assert server.requests[0].json["messages"][0]["content"][1] == picture()
    assert file.tell() == 4


def test_a_stream_that_cannot_go_back_is_read_once(byte_server: StartServer) -> None:
    """Pipes and downloads are open files, too."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    assert parts_of(byte_server, [Pipe(PNG)]) == [picture()]


def test_the_client_sends_media(byte_server: StartServer) -> None:
    """It is a parameter like any other there."""
    server = byte_server(stream_script(["hi"]))
    Client(server.url).chat.completions.create("m", HELLO, media=[PNG])
    body = server.requests[0].json
    assert body["messages"][0]["content"][1] == picture()
    assert "media" not in body


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("no/such.png", "'no/such.png' cannot be read: No such file"),
        (Path(), "'.' cannot be read"),
        ("a\0b", "cannot be read"),
        (b"", "media of 0 bytes holds no data"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "neither a picture nor a sound"),
        (b"%PDF-1.7", "media of 8 bytes is neither a picture nor a sound"),
        ((b"%PDF-1.7", "paper.pdf"), "'paper.pdf' is neither a picture nor a sound"),
        ((b"%PDF-1.7", None), "media of 8 bytes is neither"),
        (b"\xff\xf1AAC", "neither a picture nor a sound"),
        (bytes(LARGEST_BYTES + 1), f"media of {LARGEST_BYTES + 1} bytes is too large"),
        ("data:image/png;base64,A", "'data:image/png;base64,A' holds no data"),
        ("data:image/png", "holds no data"),
        ("data:text/plain," + "a" * 100, "'data:text/plain,aaaaaaaaaaaaaa…aaaaaaaa"),
        ("https://me:secret@x.example/a.mp3?b=c", "'https://x.example/a.mp3?b=c' is a sound"),
        (io.StringIO("text"), "is open as text"),
        (7, "'7' is nothing that can be sent"),
    ],
)
def test_what_cannot_be_sent_is_named_before_anything_is(
    byte_server: StartServer, item: Any, said: str
) -> None:
    """One of ten pictures is broken: the message says which, and costs no tokens."""
    error = refusal(byte_server, [PNG, item])
    assert said in str(error)
    assert "secret" not in str(error)


def test_something_that_is_no_list_is_named_too(byte_server: StartServer) -> None:
    """A generator would be used up by the first attempt of several."""
    assert "nothing that can be sent" in str(refusal(byte_server, (one for one in [PNG])))
    assert "nothing that can be sent" in str(refusal(byte_server, 7))


def test_a_closed_file_is_named(byte_server: StartServer, tmp_path: Path) -> None:
    """Its with block has ended: a usual slip."""
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    with path.open("rb") as file:
        pass
    error = refusal(byte_server, file)
    assert str(error) == f"{str(path)!r} cannot be read: read of closed file"


def test_a_large_file_is_not_read_to_its_end(byte_server: StartServer, tmp_path: Path) -> None:
    """A film given by mistake must not fill the memory."""
    folder = tmp_path / ("deep" * 20)
    folder.mkdir()
    path = folder / "film.png"
    with path.open("wb") as file:
        file.write(PNG)
        file.truncate(LARGEST_BYTES * 50)
    error = refusal(byte_server, path)
    assert "film.png' is too large" in str(error)
    assert "20 MB" in error.hint


def test_a_model_of_pictures_is_given_none(byte_server: StartServer) -> None:
    """Left out in silence, the picture made would have nothing to do with the one given."""
    server = byte_server(stream_script(["hi"]))
    own: Any = type("Own", (OpenaiTemplate,), {"api_base": server.url, "image_models": ("flux",)})
    error = hear(own, "flux", media=[PNG]).error
    assert isinstance(error, UsageError)
    assert "'flux' makes pictures from words alone" in str(error)
    assert server.requests == []
