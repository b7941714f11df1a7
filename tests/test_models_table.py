"""What `%g4f_models` shows of models whose names may be anything, and what can be done with it."""

from __future__ import annotations

import json
import re
import sys
import threading
import types
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.byteserver import json_reply
from support.chat_bytes import stream_script

from g4f_magic.display.models import ModelList
from g4f_magic.display.picker import by_hand
from g4f_magic.errors import UsageError
from g4f_magic.models.model_info import Listing, ModelInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.byteserver import Exchange
    from support.events import StartServer
    from support.faults import Fault
    from support.kernel import Kernel

HOSTILE = (
    '<img src=x onerror="alert(1)">',
    "</script><script>alert(1)</script>",
    "<!--<script>",
    r"$\href{javascript:alert(1)}{x}$",
    r"\(x\)",
    '"],"most":0}',
    "\u202ereversed\u2028line\x1b[2J",
    "\ud800",
)
MODELS = (
    ModelInfo("groq", "llama-8b", ("text", "tools"), 131072, 0.05, 0.08, has_key=True),
    ModelInfo("groq", "flux", ("images",)),
    ModelInfo("demo", "demo", ("text", "vision"), None, 0.0, 0.0),
    ModelInfo("together", "tiny", ("text",), 512, 0.00001, 12.5),
)


def listed(*models: ModelInfo) -> Listing:
    """A listing of these models."""
    return Listing("p", models)


class Page(HTMLParser):
    """The elements, the texts outside of scripts, and the scripts of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes an element."""
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        """Notes a text."""
        (self.scripts if self.tags[-1:] == ["script"] and data.strip() else self.texts).append(data)


def page_of(models: Sequence[ModelInfo]) -> Page:
    """What a browser reads of a list of models."""
    return Page(ModelList(tuple(models)).bundle()["text/html"])


def test_the_table_says_what_is_known() -> None:
    """And of what is not known a dash: no invented price, no zero for a small one."""
    lines = ModelList(MODELS).bundle()["text/plain"].splitlines()
    assert [re.split(r"\s{2,}", line.strip()) for line in lines] == [
        ["model", "provider", "can", "context", "$ per 1M in", "out", "key"],
        ["llama-8b", "groq", "text, tools", "131,072", "0.05", "0.08", "set"],
        ["flux", "groq", "images", "–", "–", "–", "none needed"],
        ["demo", "demo", "text, vision", "–", "0", "0", "none needed"],
        ["tiny", "together", "text", "512", "0.00001", "12.5", "none needed"],
    ]


def test_notes_get_a_column_where_all_have_one() -> None:
    """Where one among hundreds has a note, an empty column would take the width."""
    noted = ModelInfo("demo", "demo-slow", note="20 tokens/s")
    page = page_of([noted, noted])
    assert "note" in page.texts
    assert "20 tokens/s" in page.texts
    assert json.loads(page.scripts[0])["rows"][1][-1] == "20 tokens/s"
    assert "20 tokens/s" not in str(ModelList((noted, *MODELS)))


def test_models_are_chosen_by_words_and_abilities() -> None:
    """Hundreds are listed, of which one wants a few."""
    listings = [listed(*MODELS)]
    assert list(ModelList.of(listings, words="GROQ tools")) == [MODELS[0]]
    assert list(ModelList.of(listings, can=["images"])) == [MODELS[1]]
    assert list(ModelList.of(listings, can=["vision"])) == [MODELS[2]]
    assert list(ModelList.of(listings, is_free=True)) == [MODELS[2]]
    nothing = ModelList.of(listings, words="no such model")
    assert "No model is listed" in str(nothing)
    assert "script" not in Page(nothing.bundle()["text/html"]).tags


def test_it_is_a_sequence_of_models() -> None:
    """A cell can go on with it: for m in _, _[0].name, len(_)."""
    models = ModelList(MODELS)
    assert (len(models), models[0], models[1:3], MODELS[2] in models) == (
        4,
        MODELS[0],
        MODELS[1:3],
        True,
    )
    assert repr(models) == "<ModelList of 4 models>"
    first = json.loads(models.to_json())[0]
    assert (first["name"], first["can"], first["price_in"]) == ("llama-8b", ["text", "tools"], 0.05)


def test_without_pandas_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ModuleNotFoundError out of our own files would look like a bug of ours."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="needs pandas") as raised:
        ModelList(MODELS).to_dataframe()
    assert raised.value.hint == "%pip install pandas"


def test_a_dataframe_has_a_row_for_each_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pandas does not come along: what it is given is all that is ours."""
    given_to: dict[str, Any] = {}

    def take(rows: Any, columns: Any) -> None:
        given_to.update(rows=rows, columns=columns)

    monkeypatch.setitem(sys.modules, "pandas", types.SimpleNamespace(DataFrame=take))
    ModelList(MODELS).to_dataframe()
    assert len(given_to["rows"]) == 4
    assert given_to["columns"][:3] == ["provider", "name", "can"] == list(given_to["rows"][0])[:3]


def test_providers_without_models_are_accounted_for() -> None:
    """Who misses a model learns whether its provider failed, wants a key or does not run."""
    listings = (
        Listing("slow", state="slow", trouble="did not answer within 6 s"),
        Listing("sonar", (ModelInfo("sonar", "s"),), state="failed", trouble="said 404"),
        Listing("groq", state="no key", key_env="GROQ_API_KEY"),
        Listing("acme", state="no key"),
        Listing("ovhcloud", state="not asked", key_env="OVHCLOUD_API_KEY"),
        Listing("ollama", state="not running"),
        Listing("vllm", state="not running"),
    )
    notes = str(ModelList((), tuple(listings))).splitlines()
    assert notes[1:] == [
        "slow: did not answer within 6 s",
        "sonar: said 404; these are the models known without it",
        "To be asked after setting a key (%env NAME=…): groq (GROQ_API_KEY), acme",
        "Answers without a key, when named with -p: ovhcloud",
        "Not running on this computer: ollama, vllm",
    ]


@pytest.mark.parametrize(
    ("age_s", "said"),
    [(0.2, ""), (30, "up to 30 s old"), (125, "up to 2 min old")],
)
def test_the_age_of_the_list_is_said(age_s: float, said: str) -> None:
    """A model that was added a moment ago is not missing: the list is old."""
    models = ModelList(MODELS, (Listing("p", asked_at=1000.0),), 1000.0 + age_s)
    line = str(models).splitlines()[-1]
    assert said in line
    assert ("--refresh" in line) == bool(said)


def test_a_long_list_is_cut_where_no_script_runs() -> None:
    """Two thousand rows make a page stand still; the script searches in all of them."""
    models = [ModelInfo("p", f"m{number}") for number in range(2000)]
    bundle = ModelList(tuple(models)).bundle()
    page = Page(bundle["text/html"])
    assert page.tags.count("tr") == 101
    assert "… and 1,900 more: words after %g4f_models narrow it" in page.texts
    assert len(bundle["text/plain"].splitlines()) == 102
    assert len(json.loads(page.scripts[0])["rows"]) == 2000
    assert len(bundle["text/html"]) < 400_000


@given(st.lists(st.text() | st.sampled_from(HOSTILE), min_size=1, max_size=3))
def test_no_name_is_taken_for_markup(names: list[str]) -> None:
    """Names come from strangers, and what runs in the page can run code in the kernel."""
    page = page_of([ModelInfo(name, name, note=name) for name in names])
    harmless = page_of([ModelInfo("p", "m", note="n" if all(names) else "") for _ in names])
    without_spans = [tag for tag in page.tags if tag != "span"]
    assert without_spans == [tag for tag in harmless.tags if tag != "span"]
    assert set(page.attributes) == set(harmless.attributes)
    assert len(page.scripts) == 2
    assert page.scripts[1] == harmless.scripts[1]
    assert "$" not in page.scripts[0]
    rows = json.loads(page.scripts[0])["rows"]
    assert [row[2] for row in rows] == ["text"] * len(names)
    assert not any(len(text) > 1 and re.search(r"[$\\]", text) for text in page.texts)


@given(st.text() | st.sampled_from(HOSTILE))
def test_no_name_moves_the_cursor(name: str) -> None:
    """In a terminal it could overwrite what stands above."""
    said = by_hand(ModelList((ModelInfo("p", name),)))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", said)
    said.encode()


def test_without_widgets_the_setting_is_told() -> None:
    """The picker must not be the only way."""
    assert "%g4f_config model=groq:llama-8b" in by_hand(ModelList(MODELS))
    assert "%g4f_config model=PROVIDER:NAME" in by_hand(ModelList(()))


@pytest.fixture(scope="module")
def loaded(shared_kernel: Kernel) -> Kernel:
    """A kernel that knows the magics."""
    shared_kernel.run("%load_ext g4f_magic")
    return shared_kernel


def test_a_cell_shows_the_table_and_gives_the_list(loaded: Kernel) -> None:
    """The one is to be read, the other to go on with."""
    run = loaded.run("%g4f_models demo text")
    assert run.error is None
    assert run.result is not None
    assert set(run.result) == {"text/html", "text/plain"}
    assert "demo-slow" in run.result["text/plain"]
    assert "demo-image" not in run.result["text/plain"].partition("To be asked")[0]
    assert loaded.value("[(m.provider, m.name) for m in _][0]") == ("demo", "demo")


def test_json_is_printed_for_programs(loaded: Kernel) -> None:
    """Another program reads it without parsing a table."""
    run = loaded.run("%g4f_models --json --images")
    assert [model["name"] for model in json.loads(run.text)] == ["demo-image"]
    assert run.result is None


def test_where_nobody_can_click_the_picker_is_a_line_to_type(loaded: Kernel) -> None:
    """A notebook that is executed without a page would be saved with dead widgets."""
    run = loaded.run("%g4f_models --pick")
    assert run.result is not None
    assert "%g4f_config model=demo:demo" in run.result["text/plain"]
    (widgets, _) = loaded.run("%g4f_models --pick", cell_id="cell").outputs
    assert "application/vnd.jupyter.widget-view+json" in widgets["data"]
    assert "%g4f_config model=demo:demo" in widgets["data"]["text/plain"]


def test_a_mistake_in_the_line_is_said_in_a_line(loaded: Kernel) -> None:
    """And so is a provider that does not exist; nobody is asked."""
    for line in ("--no-such-option", "-p grok"):
        error = loaded.run(f"%g4f_models {line}").error
        assert error is not None
        assert len(error.traceback) <= 2


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
def test_a_time_that_is_none_is_refused(loaded: Kernel, seconds: str) -> None:
    """Nothing would be listed, or the six seconds waited that were not wanted."""
    error = loaded.run(f"%g4f_models --timeout {seconds}").error
    assert error is not None
    assert error.evalue == f"--timeout {seconds} is no number of seconds to wait"


@pytest.mark.fault(
    "Interrupts",
    "While %g4f_models asks the providers",
    sees="Stopped; nothing is listed.",
    keeps="nothing new",
)
def test_a_stop_is_said_in_a_line(loaded: Kernel, byte_server: StartServer, fault: Fault) -> None:
    """Who has waited long enough gets a page of our own code, and the request goes on."""
    server = byte_server(hang)
    running = loaded.start(f"%g4f_models -p {server.url} --timeout 50", cell_id="stopped")
    server.wait_for(lambda: server.requests)
    loaded.interrupt()
    run = running.finish(timeout=5)
    assert fault.is_seen_in(run)
    error = run.error
    assert error is not None
    assert (error.ename, len(error.traceback)) == ("Stopped", 1)
    server.wait_for(lambda: server.exchanges[0].client_closed)
    assert loaded.run("print('next')").text == "next\n"


def hang(exchange: Exchange) -> None:
    """A script of a service that takes the request and says nothing."""
    exchange.wait(threading.Event())


def picker_at(kernel: Kernel, url: str, *, search: str = "") -> None:
    """Binds a picker of a server's models to a name in the kernel, and searches in it."""
    run = kernel.run(f"%g4f_models -p {url} --refresh --pick", cell_id="cell")
    assert run.error is None
    assert kernel.run(f"picker = _\npicker._search.value = {search!r}").error is None


def said(kernel: Kernel, text: str) -> str:
    """What the picker says below its buttons, once it has that text in it."""
    wait = f"while {text!r} not in picker._said.value: time.sleep(0.01)"
    assert kernel.run(f"import time\n{wait}", timeout=20).error is None
    answer: str = kernel.value("picker._said.value")
    return answer


def test_a_trial_that_fails_says_why(loaded: Kernel, byte_server: StartServer) -> None:
    """Nothing else would: there is no cell whose error could be shown."""
    names = {"data": [{"id": "good"}, {"id": "<b>bad</b>"}]}

    def script(exchange: Exchange) -> None:
        if exchange.request.method == "GET":
            exchange.send(json_reply(200, names))
        else:
            exchange.send(json_reply(400, {"error": {"message": "no <b>bad</b> model"}}))

    picker_at(loaded, byte_server(script).url, search="bad")
    loaded.run("picker._try.click()")
    assert "no &lt;b&gt;bad&lt;/b&gt; model" in said(loaded, "400")
    loaded.run("import os; os.environ['G4F_TIMEOUT'] = 'soon'; picker._try.click()")
    said(loaded, "G4F_TIMEOUT is")
    loaded.run("del os.environ['G4F_TIMEOUT']")


def test_another_trial_ends_the_first(loaded: Kernel, byte_server: StartServer) -> None:
    """The answer that comes late would be taken for the other model's."""

    def script(exchange: Exchange) -> None:
        if exchange.request.method == "GET":
            exchange.send(json_reply(200, {"data": [{"id": "a"}, {"id": "b"}]}))
        elif exchange.request.json["model"] == "a":
            exchange.wait(threading.Event())
        else:
            stream_script(["I am b."])(exchange)

    server = byte_server(script)
    picker_at(loaded, server.url)
    loaded.run("picker._try.click()")
    server.wait_for(lambda: len(server.exchanges) == 2)
    loaded.run("picker._list.index = 1; picker._try.click()")
    assert "b · " in said(loaded, "I am b.")
    server.wait_for(lambda: server.exchanges[1].client_closed)


def test_a_name_with_blanks_can_be_chosen(loaded: Kernel, byte_server: StartServer) -> None:
    """Half of the name would be asked for, of a server that knows no such model."""
    listing = {"data": [{"id": "my own model"}]}
    server = byte_server(lambda exchange: exchange.send(json_reply(200, listing)))
    picker_at(loaded, server.url)
    loaded.run("picker._use.click()")
    assert "my own model         this session" in loaded.run("%g4f_config model").text
    typed = loaded.value("picker._models[0].settings")
    loaded.run("%g4f_config provider= model=")
    assert "my own model         this session" in loaded.run(f"%g4f_config {typed}").text
    loaded.run("%g4f_config provider= model=")


def test_where_nothing_is_found_there_is_nothing_to_click(
    loaded: Kernel, byte_server: StartServer
) -> None:
    """A model that paints is not tried either: its picture costs more than a word."""
    listing = {"data": [{"id": "paints", "type": "image"}]}
    server = byte_server(lambda exchange: exchange.send(json_reply(200, listing)))
    picker_at(loaded, server.url, search="no such model")
    loaded.run("picker._try.click(); picker._use.click()")
    assert loaded.value("(picker._try.disabled, picker._use.disabled)") == (True, True)
    assert loaded.value("(picker._said.value, picker._details.value)") == ("", "")
    loaded.run("picker._search.value = ''")
    assert loaded.value("(picker._try.disabled, picker._use.disabled)") == (True, False)
    assert len(server.requests) == 1
