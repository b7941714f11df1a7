"""What a model is shown beside the text: pictures, files and other values."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import altair as alt
import matplotlib as mpl
import numpy as np
import pandas as pd
import plotly.graph_objects as plotly
import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.display import Image as Shown
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image as Pillow
from support.api_schema import check_chat
from support.byteserver import ByteServer, reply

from g4f_magic.errors import G4FError, UsageError
from g4f_magic.image_bytes import media_type, pixels
from g4f_magic.limits import ATTACHMENT
from g4f_magic.messages import Answer, Image
from g4f_magic.prompts.attachments import attachments, pictures

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.byteserver import Exchange

    from g4f_magic.parts import Attachment

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

mpl.use("agg")

WAV = b"RIFF\x24\0\0\0WAVEfmt "
MP3 = b"ID3\x04\0"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3"


def coloured(width: int, height: int, kind: str = "PNG", mode: str = "RGB") -> bytes:
    """A picture of one colour."""
    file = io.BytesIO()
    Pillow.new(mode, (width, height)).save(file, kind)
    return file.getvalue()


PNG = coloured(3, 2)


def one(value: Any, **options: Any) -> Attachment:
    """The only attachment that a value is, in a form that services take."""
    (found,) = attachments(value, **options)
    check_chat({"model": "m", "messages": [{"role": "user", "content": [found.part()]}]})
    return found


def seen(value: Any) -> Any:
    """The pixels of the only picture that a value is, as another library reads them."""
    found = one(value)
    assert found.kind == "image"
    with Pillow.open(io.BytesIO(found.data)) as image:
        return np.asarray(image)


def refusal(value: Any, **options: Any) -> str:
    """What is said of a value that cannot be attached, with the hint."""
    with pytest.raises(UsageError) as caught:
        attachments(value, **options)
    return f"{caught.value} | {caught.value.hint}"


def uri(kind: str, data: bytes) -> str:
    """The address that holds its data itself."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize("way", ["bytes", "str", "Path", "file", "stream", "data", "Image"])
def test_a_picture_is_taken_however_it_is_held(tmp_path: Path, way: str) -> None:
    """None of the ways a notebook holds a picture should need a conversion."""
    path = tmp_path / "fox.dat"
    path.write_bytes(PNG)
    with path.open("rb") as file:
        ways = {"bytes": PNG, "str": str(path), "Path": path, "file": file}
        ways |= {"stream": io.BytesIO(PNG), "data": uri("x/odd", PNG), "Image": Image(PNG)}
        found = one(ways[way], name="fox")
    assert (found.kind, found.media_type, found.data) == ("image", "image/png", PNG)
    assert found.name == {"bytes": "fox", "stream": "fox", "data": "", "Image": "fox"}.get(
        way, "fox.dat"
    )
    assert found.part() == {"type": "image_url", "image_url": {"url": uri("image/png", PNG)}}


def test_what_the_model_cannot_hear_or_read_otherwise_goes_as_a_file_or_a_sound() -> None:
    """A paper and a recording have parts of their own in chat-completions."""
    paper, recording, song = one(PDF, name="paper.pdf"), one(WAV), one(MP3)
    assert paper.part() == {
        "type": "file",
        "file": {"filename": "paper.pdf", "file_data": uri("application/pdf", PDF)},
    }
    assert one(PDF).name == "document.pdf"
    sound = {"data": base64.b64encode(WAV).decode(), "format": "wav"}
    assert recording.part() == {"type": "input_audio", "input_audio": sound}
    assert song.part()["input_audio"]["format"] == "mp3"


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("fit.py", b"def f():\n    return {}\n", "fit.py:\n\n```py\ndef f():\n    return {}\n```"),
        ("a.csv", b"\xef\xbb\xbfa,b\r\n1,2", "a.csv:\n\n```csv\na,b\r\n1,2\n```"),
        ("notes", "Grüße 🦊".encode("utf-16"), "notes:\n\n```\nGrüße 🦊\n```"),
        ("README.md", b"# A\n```py\n1\n```\n", "README.md:\n\n# A\n```py\n1\n```\n"),
        ("fence.txt", b"a\n````\nb", "fence.txt:\n\n`````txt\na\n````\nb\n`````"),
        ("x.svg", b"<svg width='3'/>", "x.svg:\n\n```svg\n<svg width='3'/>\n```"),
    ],
)
def test_text_files_are_read_under_their_name(
    tmp_path: Path, name: str, content: bytes, text: str
) -> None:
    """Code without its name, or run into the question, is hard to speak of."""
    path = tmp_path / name
    path.write_bytes(content)
    found = one(path)
    assert (found.kind, found.name) == ("text", name)
    assert found.part() == {"type": "text", "text": text}


def test_a_pattern_takes_its_files_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``-a "plots/*.png"`` is quicker than five options."""
    (tmp_path / "plots" / "inner").mkdir(parents=True)
    for name in ("b.png", "a.png", "inner/c.png", "[1].png"):
        (tmp_path / "plots" / name).write_bytes(PNG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for start in ("", "~/", f"{tmp_path}/"):
        found = attachments(f"{start}plots/[a-z]*")
        assert [each.name for each in found] == ["a.png", "b.png"]
    assert len(attachments("plots/**/*.png")) == 4
    assert one("plots/[1].png").name == "[1].png"
    assert len(attachments(["plots/a.png", Path("plots/b.png"), PNG, Pillow.new("L", (1, 1))])) == 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "F"])
def test_pictures_of_pillow_are_taken_in_any_mode(mode: str) -> None:
    """Scans are bitmaps and prints are CMYK; no service takes these as they are."""
    assert seen(Pillow.new(mode, (5, 3))).shape[:2] == (3, 5)
    assert pictures(Pillow.new(mode, (5, 3)))[0].media_type == "image/png"


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGB"), ("JPEG", "CMYK"), ("GIF", "P")])
def test_large_pictures_are_scaled_down_and_that_is_said(kind: str, mode: str) -> None:
    """Services do so themselves after a slow upload, or refuse it."""
    found = one(coloured(4096, 1000, kind, mode), name="wide")
    assert pixels(found.data) == (2048, 500)
    assert found.note == "scaled down from 4096×1000 to 2048×500"
    assert found.media_type == ("image/jpeg" if kind == "JPEG" else "image/png")
    assert one(coloured(2048, 2048, "PNG")).note == ""
    assert one(Pillow.new("RGB", (1000, 4096))).note == "scaled down from 1000×4096 to 500×2048"


def test_a_photo_is_upright_after_scaling() -> None:
    """A camera only notes how it was held; scaling drops the note."""
    photo, file = Pillow.new("RGB", (4000, 2000)), io.BytesIO()
    exif = photo.getexif()
    exif[0x0112] = 6  # turned by a quarter
    photo.save(file, "JPEG", exif=exif)
    assert pixels(one(file.getvalue()).data) == (1024, 2048)


def test_more_pixels_than_pillow_trusts_are_taken_without_a_warning() -> None:
    """A scan of 100 megapixels is no attack."""
    assert pixels(one(coloured(19_000, 4_750, mode="1")).data) == (2048, 512)


def test_without_pillow_a_large_picture_goes_as_it_is() -> None:
    """Pillow is not needed to chat."""
    program = (
        "import sys; sys.modules['PIL'] = None\n"
        "from g4f_magic.prompts.attachments import attachments\n"
        "data = sys.stdin.buffer.read()\n"
        "(found,) = attachments(data)\nassert found.data == data and not found.note"
    )
    subprocess.run([sys.executable, "-c", program], input=coloured(3000, 10), check=True)


def test_a_broken_large_picture_is_refused() -> None:
    """A download that broke off costs tokens and a puzzling answer."""
    text = refusal(coloured(3000, 3000, "JPEG")[:5000], name="photo")
    assert text.startswith("photo cannot be shown: OSError: ")


def test_figures_axes_and_the_current_figure_are_pictures() -> None:
    """One attaches what the last line of the cell returned: a figure, or its axes."""
    figure, axes = plt.subplots(1, 2, figsize=(1, 1), squeeze=False)
    (line,) = axes[0, 0].plot([1, 3, 2])
    try:
        for value in (figure, axes, axes[0, 0], line, plt.gcf()):
            assert seen(value).std() > 0
    finally:
        plt.close(figure)
    apart = np.array([Figure().subplots(), Figure().subplots()], dtype=object)
    assert pictures(apart) == []


def test_a_chart_of_altair_is_a_picture() -> None:
    """Not everybody plots with matplotlib."""
    chart = alt.Chart({"values": [{"a": 1}]}).mark_bar().encode(x="a:Q")
    assert seen(chart).std() > 0


@pytest.mark.slow
@pytest.mark.browser
def test_a_chart_of_plotly_is_a_picture() -> None:
    """As above; plotly draws in a browser, which takes a while to start."""
    assert seen(plotly.Figure(plotly.Bar(y=[1, 3]))).std() > 0


def test_what_shows_itself_as_a_picture_is_one() -> None:
    """As in the notebook: ``IPython.display.Image``, seaborn's plots, pictures of other kinds."""
    assert one(Shown(PNG)).data == PNG

    class Own:
        def _repr_png_(self) -> Any:
            return base64.b64encode(PNG).decode(), {"width": 3}

    class Without:
        def _repr_png_(self) -> None:
            """Show no picture."""

    assert one(Own()).data == PNG
    assert pictures(Without()) == []


def test_a_chart_that_cannot_be_drawn_says_why() -> None:
    """The libraries know best what is missing."""

    class Failing(Figure):
        def savefig(self, *_: Any, **__: Any) -> None:
            message = "no engine to draw with"
            raise ValueError(message)

    assert refusal(Failing(), name="fig") == (
        "fig cannot be shown: ValueError: no engine to draw with | "
    )


def test_the_pictures_of_an_answer_can_be_shown_again() -> None:
    """``%chat -m flux A fox`` and then: what is wrong with it?"""
    answer = Answer(images=(Image(PNG, "image/png"), Image(url="https://x.example/a.png")))
    assert one(answer).data == PNG
    assert one(Answer("said")).part()["text"] == "said"
    both = attachments(Answer("said", images=(Image(PNG, "image/png"),)))
    assert [each.kind for each in both] == ["text", "image"]


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 1), (3, 5, 3), (3, 5, 4)])
def test_an_array_of_bytes_is_the_very_picture(shape: tuple[int, ...]) -> None:
    """What imread gave is what the model must see."""
    array = np.arange(np.prod(shape), dtype="uint8").reshape(shape) * 3
    assert np.array_equal(seen(array), array.squeeze())


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3, 4]), st.randoms())
def test_the_png_of_any_array_is_read_back(
    height: int, width: int, channels: int, random: Any
) -> None:
    """Our own writer has to be right for every size."""
    array = np.frombuffer(random.randbytes(height * width * channels), "uint8")
    array = array.reshape(height, width, channels)
    found = one(array)
    with Pillow.open(io.BytesIO(found.data)) as image:
        image.load()
        assert np.array_equal(np.asarray(image).reshape(array.shape), array)
    assert media_type(found.data) == "image/png"


@pytest.mark.parametrize(
    ("array", "expected", "note"),
    [
        (np.array([[True, False]]), [[255, 0]], ""),
        (np.array([[0.0, 0.5, 1.0]]), [[0, 128, 255]], ""),
        (np.array([[0, 255]]), [[0, 255]], ""),
        (np.array([[-1.0, 0.0, 3.0]]), [[0, 64, 255]], "black is -1, white is 3"),
        (np.array([[0, 1000]], "uint16"), [[0, 255]], "black is 0, white is 1000"),
        (np.array([[np.nan, 0.0, 2.0, np.inf]]), [[0, 0, 255, 255]], "black is 0, white is 2"),
        (np.array([[np.nan]]), [[0]], ""),
        (np.array([[7.0, 7.0]]), [[0, 0]], "black is 7, white is 7"),
    ],
)
def test_numbers_become_shades_and_the_note_says_which(
    array: Any, expected: list[list[int]], note: str
) -> None:
    """A heat map cut off at 1 would be all white."""
    assert seen(array).astype("uint8").tolist() == expected
    assert one(array).note == note


class Tensor:
    """Stands for what other libraries have as arrays."""

    shape = (3, 2, 5)
    dtype = "float32"

    def __array__(self) -> Any:
        """Return it as numpy has it."""
        return np.full(self.shape, 0.5, "float32")


def test_channels_may_come_first() -> None:
    """As PyTorch has them."""
    assert seen(Tensor()).shape == (2, 5, 3)


@pytest.mark.parametrize("shape", [(5000, 300), (100, 4096, 3), (1, 10_000), (3, 20, 3000)])
def test_a_large_array_is_scaled_down(shape: tuple[int, ...]) -> None:
    """Ten thousand measurements by a thousand are more than can be sent."""
    array = np.full(shape, 200, "uint8")
    found = one(array)
    size = pixels(found.data)
    assert size is not None
    assert max(size) <= 2048
    height, width = (20, 3000) if shape[0] == 3 else shape[:2]
    assert found.note == f"scaled down from {width}×{height} to {size[0]}×{size[1]}"
    assert (seen(array) == 200).all()


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(5),
        np.zeros((2, 7, 9)),
        np.zeros((5, 5, 2)),
        np.zeros((2, 0)),
        np.zeros((2, 2), complex),
        np.array([["a", "b"]]),
        np.array([[1, "b"], [None, {}]], object),
        np.zeros((2, 2), "datetime64[D]"),
        np.zeros((2, 2), [("x", int)]),
        7,
        {"a": 1},
    ],
)
def test_other_values_are_shown_as_text(value: Any) -> None:
    """What is no picture is still a value to speak of."""
    found = one(value, name="v")
    assert (found.kind, found.name) == ("text", "v")
    assert found.part()["text"].startswith("v:\n\n```\n")


def test_a_list_that_mixes_pictures_and_words_is_text() -> None:
    """Half of it as pictures, the words would be lost."""
    assert one([PNG, "a word"]).kind == "text"


def test_a_frame_is_a_table_and_its_card_says_how_much_of_it() -> None:
    """Who attaches a million rows must see that ten were shown."""
    frame = pd.DataFrame({"a": range(50)})
    found = one(frame, name="df", rows=3)
    assert found.note == "DataFrame of 50 rows × 1 columns, of which the first 3 rows are shown"
    assert found.part()["text"].startswith(f"df:\n\n{found.note}\n\n| a |\n| --- |\n| 0 |")


def test_text_of_several_lines_is_text() -> None:
    """``-a source`` with code in a variable."""
    assert one("def f():\n    pass", name="source").part()["text"] == (
        "source:\n\n```\ndef f():\n    pass\n```"
    )
    assert one(io.StringIO("a line"), name="log").data == b"a line"
    assert one(["word" * 5000, "other"]).kind == "text"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no/such.png", "'no/such.png' cannot be read: No such file or directory | give a var"),
        ("", "an empty text names no file | give a variable"),
        ("a\0b", "cannot be read"),
        ("x" * 5000, "x…' cannot be read: File name too long"),
        ("*.nothing", "no file matches '*.nothing'"),
        (".", "'.' is a folder | ./* takes the files in it"),
        ("/dev/null", "'/dev/null' is no file"),
        (b"", "the data is empty"),
        (b"\0\1\2", "the data is neither a picture, a sound, a PDF nor text | PNG, JPEG"),
        (b"\xff\xfe\0", "is neither a picture"),
        ("data:image/png;base64,A", "'data:image/png;base64,A' is empty"),
        (
            bytes(ATTACHMENT.size_bytes + 1),
            "it has 20.1 MB, and the limit is 20 MB | %g4f_config max_attachment_mb=21 allows that",
        ),
        (
            io.BytesIO(bytes(ATTACHMENT.size_bytes * 2)),
            "the open file cannot be sent: it has 20.1 MB",
        ),
        (
            [bytes(PNG) + bytes(ATTACHMENT.size_bytes // 2)] * 2,
            "the list cannot be sent: it has 20.1 MB",
        ),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_reason(value: Any, said: str) -> None:
    """Before anything is sent: a refusal of the service costs a minute, and says less."""
    assert said in refusal(value)


def test_large_files_are_refused_before_they_are_read(tmp_path: Path) -> None:
    """A film given by mistake must not fill the memory; its size says what went wrong."""
    for name in ("a.png", "b.png"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(15 << 20)
    assert "2 files together cannot be sent: it has 30.0 MB, and the limit is 20 MB" in refusal(
        f"{tmp_path}/*.png"
    )
    os.truncate(tmp_path / "a.png", 50 << 30)
    assert "a.png' cannot be sent: it has 51200.0 MB, and the limit is 20 MB" in refusal(
        tmp_path / "a.png"
    )


def test_an_open_file_is_left_where_it_was() -> None:
    """Another cell may read on."""
    file = io.BytesIO(b"skip" + PNG)
    file.seek(4)
    assert one(file).data == PNG
    assert file.tell() == 4

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    assert one(Pipe(PNG)).data == PNG


def served(start: StartServer, *replies: bytes) -> ByteServer:
    """A server that gives these replies in order."""
    left = list(replies)
    return start(lambda exchange: exchange.send(left.pop(0)))


def test_an_address_is_fetched_before_anything_is_sent(byte_server: StartServer) -> None:
    """Servers of this computer fetch nothing, and a table behind an address is text."""
    server = served(
        byte_server, reply(200, PNG, "text/html"), reply(200, b"a,b", "application/octet-stream")
    )
    fox = one(f"{server.url}/my%20fox.png?size=2")
    assert (fox.name, fox.data) == ("my fox.png", PNG)
    assert one(f"{server.url}/a.csv").part()["text"] == "a.csv:\n\n```csv\na,b\n```"
    assert "authorization" not in server.requests[0].headers


def test_an_address_may_lead_elsewhere(byte_server: StartServer) -> None:
    """Releases, raw files and data sets lie behind redirects."""
    target = served(byte_server, reply(200, PNG))
    onward = [("Location", f"{target.url.replace('127.0.0.1', 'localhost')}/x.png")]
    server = served(byte_server, reply(302, b"", headers=onward))
    assert one(f"{server.url}/latest").data == PNG


def test_an_address_that_does_not_answer_is_named(byte_server: StartServer) -> None:
    """Without the password that stands in it."""
    server = served(byte_server, reply(404, b"<h1>no</h1>"))
    address = server.url.replace("//", "//me:secret@") + "/a.png"
    said = refusal(address)
    assert said.startswith(f"'{server.url}/a.png' cannot be read: 404")
    assert "secret" not in said
    with pytest.raises(G4FError, match=r"127\.0\.0\.1"):
        attachments("http://127.0.0.1:1/a.png")


def test_a_large_download_is_refused_by_what_it_announces(byte_server: StartServer) -> None:
    """A gigabyte takes minutes to arrive, only to be refused."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n"
    server = served(byte_server, head)
    assert "cannot be sent: it has 1024.0 MB, and the limit is 20 MB" in refusal(
        f"{server.url}/film.mp4"
    )
