"""Pictures, tables and files of a notebook reach the model, and stay with their turn."""

from __future__ import annotations

import base64
import itertools
import json
import re
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import sse_head, stream_script
from support.kernel import Kernel

from g4f_magic.image_bytes import pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.byteserver import ByteServer, Exchange
    from support.faults import Fault
    from support.lab import Lab
    from support.lab_page import LabPage

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

VALUES = """
%load_ext g4f_magic
import matplotlib, pandas
matplotlib.use("agg")
from matplotlib import pyplot
pyplot.rcParams["figure.dpi"] = 50
fig, axes = pyplot.subplots(figsize=(4, 2))
axes.plot([1, 3, 2])
df = pandas.DataFrame({"city": ["Rome", "Oslo"], "people": [2.7, 0.7]})
"""
NUMBERS = itertools.count()
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3"


SCREENSHOTS = Path(__file__).parent.parent / "build" / "screenshots"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the database."""
    return tmp_path_factory.mktemp("attach")


@pytest.fixture(scope="module")
def notebook(home: Path) -> Iterator[Kernel]:
    """A kernel of a notebook that has a figure and a table."""
    env = {"G4F_HOME": str(home), "JPY_SESSION_NAME": str(home / "n.ipynb")}
    with Kernel(env=env) as kernel:
        assert kernel.run(VALUES).error is None
        yield kernel


@pytest.fixture
def server(byte_server: StartServer) -> ByteServer:
    """A service that says ``ok``."""
    return byte_server(stream_script(["ok"]))


def ask(notebook: Kernel, server: ByteServer, prompt: str, options: str = "--new") -> Any:
    """Ask from a cell; the content of the prompt as it arrived."""
    code = f"%%chat -p {server.url}/v1 -m m {options}\n{prompt}"
    assert notebook.run(code, cell_id=f"cell-{next(NUMBERS)}").error is None
    return contents(server)[-1]


def contents(server: ByteServer) -> list[Any]:
    """What the messages of the last request say."""
    return [message["content"] for message in server.requests[-1].json["messages"]]


def is_plot(part: dict[str, Any]) -> bool:
    """Whether a part of a message is the figure, twice as wide as it is high."""
    head, _, data = part["image_url"]["url"].partition(",")
    width, height = pixels(base64.b64decode(data)) or (0, 0)
    return head == "data:image/png;base64" and 1.6 < width / height < 2.4


def kinds(content: list[dict[str, Any]]) -> list[str]:
    """What the parts of a message are."""
    return [part["type"] for part in content]


def test_a_figure_stands_where_it_stood(notebook: Kernel, server: ByteServer) -> None:
    """Of several pictures the model could not tell which one a sentence is about."""
    before, figure, after = ask(notebook, server, "What rises in {{ fig }} after x = 1? {a}")
    assert before == {"type": "text", "text": "What rises in "}
    assert is_plot(figure)
    assert after == {"type": "text", "text": " after x = 1? {a}"}


def test_two_figures_on_lines_of_their_own(notebook: Kernel, server: ByteServer) -> None:
    """Services refuse a text of nothing but a line's end."""
    assert kinds(ask(notebook, server, "{{ fig }}\n{{ fig }}")) == ["image_url", "image_url"]


def test_a_table_goes_along_as_text(notebook: Kernel, server: ByteServer) -> None:
    """Models that take no parts take text; what of the table was sent is to be seen."""
    code = f"%%chat -p {server.url}/v1 -m m --new -a df\nWhich is larger?"
    run = notebook.run(code)
    (content,) = contents(server)
    assert content.startswith("Which is larger?\n\ndf:\n\n")
    assert "| Rome | 2.7 |" in content
    assert "df: DataFrame of 2 rows" in run.outputs[0]["data"]["text/plain"].splitlines()[-1]


def test_an_expression_goes_along(notebook: Kernel, server: ByteServer) -> None:
    """``-a plt.gcf()`` is how one names a figure that has no name."""
    _, figure = ask(notebook, server, "Why?", "--new -a fig.axes[0].get_figure()")
    assert is_plot(figure)
    assert "Oslo" not in ask(notebook, server, "Who?", "--new -a df.head(1)")
    error = notebook.run(f"%%chat -p {server.url}/v1 -m m -a df.nothing\nWho?").error
    assert error is not None
    assert "df.nothing failed: AttributeError" in error.evalue


def test_the_card_says_what_was_scaled_down(notebook: Kernel, server: ByteServer) -> None:
    """The model may miss what only the original shows, also where several are compared."""
    notebook.run("from PIL import Image\nwide = Image.new('RGB', (4096, 64))")
    for models in ("-m m", "-m a -m b"):
        run = notebook.run(f"%%chat -p {server.url}/v1 {models} --alone\nSee {{{{ wide }}}}")
        note = "wide: scaled down from 4096×64 to 2048×32"
        assert run.outputs[0]["data"]["text/plain"].count(note) == models.count("-m")


def test_the_number_of_rows_can_be_set(notebook: Kernel, server: ByteServer) -> None:
    """Ten rows of a table may be too few to answer, or too many to pay."""
    notebook.run("%g4f_config preview_rows=1")
    try:
        for content in (ask(notebook, server, "{{ df }}"), ask(notebook, server, "a", "-a df")):
            assert "Rome" in content
            assert "Oslo" not in content
        assert notebook.run("%g4f_config preview_rows=many").error is not None
    finally:
        notebook.run("%g4f_config preview_rows=")


def test_files_go_along_in_the_order_they_are_named(
    notebook: Kernel, server: ByteServer, tmp_path: Path
) -> None:
    """A document and what belongs to it should not need code to open them."""
    (tmp_path / "a.csv").write_text("x,y\n")
    (tmp_path / "b.csv").write_text("1,2\n")
    (tmp_path / "report.pdf").write_bytes(PDF)
    options = f"--new -a '{tmp_path}/*.csv' -a {tmp_path}/report.pdf -a fig"
    text, document, figure = ask(notebook, server, "Compare", options)
    assert text["text"] == "Compare\n\na.csv:\n\n```csv\nx,y\n```\n\nb.csv:\n\n```csv\n1,2\n```"
    assert document["file"]["filename"] == "report.pdf"
    assert base64.b64decode(document["file"]["file_data"].partition(",")[2]) == PDF
    assert is_plot(figure)
    shown = notebook.run("%g4f_chats show").markdown
    assert "> Compare\n>\n> ‹a.csv› ‹b.csv› ‹report.pdf› ‹picture: fig›" in shown


def test_a_picture_needs_no_words(notebook: Kernel, server: ByteServer) -> None:
    """A picture of an exercise says all there is to ask."""
    run = notebook.run(f"%chat -p {server.url}/v1 -m m --new -a fig")
    assert run.error is None
    (content,) = contents(server)
    assert kinds(content) == ["image_url"]


def test_all_models_see_what_goes_along(notebook: Kernel, server: ByteServer) -> None:
    """A comparison in which one has not seen the picture compares nothing."""
    notebook.run(f"%%chat -p {server.url}/v1 -m a -m b --new -a df\nWhat is in {{{{ fig }}}}?")
    first, second = (asked.json for asked in server.requests[-2:])
    assert {first["model"], second["model"]} == {"a", "b"}
    assert kinds(first["messages"][0]["content"]) == ["text", "image_url", "text"]
    assert first["messages"] == second["messages"]


@pytest.mark.parametrize(
    ("options", "prompt", "told"),
    [
        ("-a large.bin", "a", ["'large.bin'", "20.1 MB", "the limit is 20 MB"]),
        ("-a half.wav -a half.wav", "a", ["what goes along", "24.1 MB", "the limit is 20 MB"]),
        ("-a fgi", "a", ["'fgi' cannot be read"]),
        ("-a *.tsv", "a", ["no file matches '*.tsv'"]),
        ("-s '{{ fig }}'", "a", ["{{ fig }} is a picture"]),
        ("-s '{{ fgi }}'", "a", ["name 'fgi' is not defined"]),
        ("--prompt-file half.wav", "a", ["'half.wav' is no text"]),
        ("--prompt-file no.txt", "a", ["'no.txt' cannot be read"]),
    ],
)
def test_what_cannot_be_sent_is_said_before_anything_is(
    notebook: Kernel, server: ByteServer, options: str, prompt: str, told: list[str]
) -> None:
    """An answer to half of what was meant costs as much, and misleads."""
    with (notebook.cwd / "large.bin").open("wb") as file:
        file.truncate(int(20.1 * (1 << 20)))
    with (notebook.cwd / "half.wav").open("wb") as file:
        file.write(b"RIFF\x24\0\0\0WAVEfmt ")
        file.truncate(12 << 20)
    before = notebook.run("%chat").text
    error = notebook.run(f"%%chat -p {server.url}/v1 -m m {options}\n{prompt}").error
    assert error is not None
    assert [part for part in told if part not in error.evalue] == []
    assert len(error.traceback) <= 2
    assert server.requests == []
    assert notebook.run("%chat").text == before


@pytest.mark.fault(
    "Interrupts",
    "While something to attach is downloaded",
    sees="Stopped; nothing was sent.",
    keeps="nothing; nothing was sent",
)
def test_stop_ends_a_download(notebook: Kernel, byte_server: StartServer, fault: Fault) -> None:
    """A slow server would hold the notebook, and a stack would say nothing."""
    asked = threading.Event()

    def stall(exchange: Exchange) -> None:
        exchange.send(sse_head())
        asked.set()
        exchange.wait(threading.Event())

    server = byte_server(stall)
    cell = notebook.start(f"%chat -p {server.url}/v1 -m m -a {server.url}/a.png What?")
    assert asked.wait(20)
    notebook.interrupt()
    run = cell.finish()
    assert run.error is not None
    assert len(run.error.traceback) == 1
    assert fault.is_seen_in(run)
    assert [request.method for request in server.requests] == ["GET"]


def test_a_model_of_pictures_says_that_it_takes_none(notebook: Kernel) -> None:
    """A picture drawn from the words alone would look like a bad one."""
    error = notebook.run("%chat -m demo-image -a fig Like this").error
    assert error is not None
    assert "makes pictures from words alone" in error.evalue


def test_a_prompt_may_stand_in_a_file(notebook: Kernel, server: ByteServer) -> None:
    """A good prompt is used in many notebooks, with other values in each."""
    (notebook.cwd / "ask.md").write_text("Describe {{ df.shape }} as\n{{ fig }}\n")
    notebook.run("tone = 'kind'")
    options = "--new -s 'Be {{ tone }} and {brief}.' --prompt-file ask.md"
    first, figure, last = ask(notebook, server, "Thanks", options)
    assert (first["text"], last["text"]) == ("Describe (2, 2) as\n", "\nThanks")
    assert is_plot(figure)
    assert contents(server)[0] == "Be kind and {brief}."
    raw = ask(notebook, server, "Thanks", f"--raw {options}")
    assert raw == "Describe {{ df.shape }} as\n{{ fig }}\nThanks"
    assert contents(server)[0] == "Be {{ tone }} and {brief}."


def test_the_cache_tells_pictures_apart(notebook: Kernel, server: ByteServer) -> None:
    """The answer about another picture would be given for this one."""
    for picture, requests in (("fig", 1), ("fig", 1), ("pyplot.figure()", 2)):
        prompt = f"What is {{{{ {picture} }}}}?"
        notebook.run(f"%%chat -p {server.url}/v1 -m m --alone --cache\n{prompt}")
        assert len(server.requests) == requests


def test_a_notebook_keeps_no_copy_of_what_was_sent(notebook: Kernel, server: ByteServer) -> None:
    """Whoever gets the notebook would get the data, and each run would make it larger."""
    run = notebook.run(f"%%chat -p {server.url}/v1 -m m --new -a df\nWhat is {{{{ fig }}}}?")
    saved = json.dumps([run.outputs, [message.metadata for message in run.messages]])
    assert "iVBOR" not in saved
    assert "Rome" not in saved


def blobs(home: Path) -> int:
    """How many contents are on disk."""
    with closing(sqlite3.connect(home / "chats.db")) as database:
        number: int = database.execute("SELECT count(*) FROM blobs").fetchone()[0]
        return number


def test_later_turns_send_the_picture_again(
    notebook: Kernel, server: ByteServer, home: Path
) -> None:
    """After a restart, in a copy and on another machine "the figure" must still mean one."""
    notebook.run("%g4f_chats delete main --yes")
    asked = ask(notebook, server, "What is {{ fig }}?", "-c plot -a df")
    notebook.restart()
    assert notebook.run(VALUES).error is None

    def goes_on(name: str) -> None:
        ask(notebook, server, "And now?", f"-c {name}")
        assert contents(server) == [asked, "ok", "And now?"]

    goes_on("plot")
    for line in ("use plot", "undo", "fork copy"):
        assert notebook.run(f"%g4f_chats {line}").error is None
    for kind in ("json", "jsonl"):
        assert notebook.run(f"%g4f_chats export talk.{kind} --force").error is None
    notebook.run("%g4f_chats delete plot --yes")
    assert blobs(home) == 2
    goes_on("copy")
    notebook.run("%g4f_chats delete copy --yes")
    assert blobs(home) == 0
    for kind in ("json", "jsonl"):
        assert notebook.run(f"%g4f_chats import talk.{kind}").error is None
        notebook.run("%g4f_chats rename again")
        goes_on("again")
        notebook.run("%g4f_chats delete again --yes")
    assert blobs(home) == 0


def test_the_help_page_names_it(notebook: Kernel) -> None:
    """Who wonders how to show a picture looks there first."""
    content = {"code": "%%chat", "cursor_pos": 6, "detail_level": 0}
    page = notebook.request("inspect_request", content)["data"]["text/plain"]
    assert "--attach" in page
    assert "--prompt-file" in page


@pytest.mark.browser
def test_a_page_shows_that_the_figure_was_seen(lab: Lab, lab_page: LabPage) -> None:
    """Whoever tries it without a key should see that the picture has arrived, and what was cut."""
    ask = "%%chat -m demo -a cities\nWhat rises in {{ fig }} here?"
    values = VALUES.strip().replace("df = ", "cities = ") + "\nfig;"
    lab.write_notebook("attach.ipynb", [values, ask, "%g4f_chats show"])
    lab_page.open("attach.ipynb")
    lab_page.run(0)
    lab_page.wait_warm()
    lab_page.run(1)
    seen = lab_page.wait_text(1, "tokens/s")
    assert re.search(r"with 1 picture \(image/png, \d+×\d+, [\d.]+ KB\)", seen)
    assert "cities: DataFrame of 2 rows" in seen
    lab_page.cell(1).scroll_into_view_if_needed()
    lab_page.screenshot(SCREENSHOTS / "attach.png")
    lab_page.run(2)
    assert "What rises in ‹picture: fig› here?" in lab_page.wait_text(2, "‹cities›")
    lab_page.screenshot(SCREENSHOTS / "attach_kept.png")
    lab_page.save()
    cell = json.loads((lab.root / "attach.ipynb").read_text())["cells"][1]
    assert "iVBOR" not in json.dumps(cell)
