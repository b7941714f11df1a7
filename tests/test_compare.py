"""The same prompt to several models: what is sent, shown, kept and counted."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
import threading
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.byteserver import (
    DONE,
    END,
    ByteServer,
    Exchange,
    chunked,
    delta,
    finish,
    json_reply,
    sse_head,
)
from support.environment import clean_environment
from support.payloads import PAYLOADS

from g4f_magic.compare import Comparison, compare, parse_models
from g4f_magic.display.columns import bundle
from g4f_magic.display.compare import TerminalColumns, TextEnd
from g4f_magic.display.rendered import rendered
from g4f_magic.errors import UsageError
from g4f_magic.messages import Answer, Compared, Image, ToolCall, Usage
from g4f_magic.providers import Demo

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.cell_run import CellRun
    from support.faults import Fault
    from support.kernel import Kernel

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
SECTION = """## A heading

Some **text** about `things`, with *words* enough for a line or two of a paragraph.

- one item of a list
- another item

```python
for number in range(10):
    print(number)
```

"""
TEXT = (SECTION * 60)[: 8 * 1024]
TOKENS = [TEXT[start : start + 4] for start in range(0, len(TEXT), 4)]
ONE_IS_FOUR = "['a', 'b', 'c', 'd']"


def model_of(exchange: Exchange) -> str:
    """Which model is asked."""
    return str(exchange.request.json["model"])


def says_its_name(exchange: Exchange) -> None:
    """A service whose models say how they are called; ``bad`` fails."""
    name = model_of(exchange)
    if name == "bad":
        exchange.send(json_reply(400, {"error": {"message": "that one is broken"}}))
        return
    exchange.send(sse_head() + chunked(delta(f"I am {name}.")))
    exchange.send(chunked(finish(usage={"prompt_tokens": 3, "completion_tokens": 4}) + DONE) + END)


def ticking(outputs: list[Any]) -> int:
    """How many answers have a status line, as those have that are still under way."""
    return json.dumps(outputs).count("timer")


@pytest.fixture
def named(byte_server: StartServer) -> tuple[str, ByteServer]:
    """The address of a service whose models say their names, and the service."""
    server = byte_server(says_its_name)
    return f"{server.url}/v1", server


def test_all_models_are_asked_at_the_same_time(byte_server: StartServer) -> None:
    """One after the other, four slow models would take four times as long."""
    together = threading.Barrier(4)

    def script(exchange: Exchange) -> None:
        together.wait(20)
        says_its_name(exchange)

    comparison = compare("hi", list("abcd"), provider=f"{byte_server(script).url}/v1")
    assert [answer.text for answer in comparison] == [f"I am {name}." for name in "abcd"]
    assert comparison.models == ("a", "b", "c", "d")


def test_one_that_fails_leaves_the_others_alone(named: tuple[str, ByteServer]) -> None:
    """A name that is wrong must not cost the answers of those that are right."""
    comparison = compare("hi", ["a", "bad", "b"], provider=named[0])
    assert [answer.state for answer in comparison] == ["complete", "failed", "complete"]
    assert "that one is broken" in comparison.columns[1].error
    assert "that one is broken" in str(comparison)
    assert repr(comparison) == "<Comparison of a, bad, b: 2 of 3 complete>"


def test_models_of_several_providers_are_mixed(named: tuple[str, ByteServer]) -> None:
    """Whether the local model is good enough shows beside the one from the cloud."""
    comparison = compare("hi", ["a", "demo:demo"], provider=named[0])
    assert comparison[0].text == "I am a."
    assert "not a language model" in comparison[1].text


def test_settings_are_sent_to_the_model_that_they_stand_after(
    named: tuple[str, ByteServer],
) -> None:
    """The same model with other settings is the other thing that one compares."""
    url, server = named
    models = ["m", 'm?temperature=0&stop=["x","%26"]', "m?reasoning_effort=low", "m"]
    comparison = compare("hi", models, provider=url, system="Be brief.", max_tokens=9)
    assert comparison.models == (*models[:3], "m (2)")
    asked = sorted((request.json for request in server.requests), key=len)
    assert [body["max_tokens"] for body in asked] == [9] * 4
    assert sorted(body.get("temperature", -1) for body in asked) == [-1, -1, -1, 0]
    assert [body["stop"] for body in asked if "stop" in body] == [["x", "&"]]
    assert [b["reasoning_effort"] for b in asked if "reasoning_effort" in b] == ["low"]
    assert asked[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]


def test_messages_are_sent_as_they_are(named: tuple[str, ByteServer]) -> None:
    """A conversation is compared by its whole course."""
    url, server = named
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    compare(messages, ["m"], provider=url)
    assert server.requests[0].json["messages"] == messages


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([], "no model is named"),
        (["?temperature=0"], "names no model"),
        (["m?"], "no KEY=VALUE"),
        (["m?temperature"], "no KEY=VALUE"),
        (["m?model=x"], "'model' is no field"),
        (["m?api_key=sk-secret"], "'api_key' is no field"),
        (["m?keep=1"], "'keep' is no field"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(models: list[str], message: str) -> None:
    """Nothing may be sent by halves; and a key must not be shown above a column."""
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        parse_models(models)
    assert "sk-secret" not in f"{caught.value} {caught.value.hint}"


def test_a_key_for_all_is_refused() -> None:
    """It would go to every service that is asked."""
    with pytest.raises(UsageError, match="'api_key' is no field"):
        compare("hi", ["demo", "openai:m"], api_key="sk-secret")


def test_an_unknown_provider_is_named_before_anything_is_sent(
    named: tuple[str, ByteServer],
) -> None:
    """A typing error costs nothing."""
    with pytest.raises(UsageError, match="nosuch"):
        compare("hi", ["a"], provider="nosuch")
    assert named[1].requests == []


def test_a_provider_that_has_no_name_is_refused() -> None:
    """A client takes classes and lists, so one tries them here."""
    given: list[Any] = [Demo, ["demo"]]
    for provider in given:
        with pytest.raises(UsageError, match="is no name of a provider"):
            compare("hi", ["a"], provider=provider)


def column(label: str, text: str = "", **facts: Any) -> Compared:
    """A column as it might have come."""
    error = facts.pop("error", "")
    return Compared(label, Answer(text=text, model=label, provider="p", **facts), error)


def test_the_conversation_goes_on_with_the_first_whole_answer() -> None:
    """Who does not choose goes on as with a single model."""
    failed, cut = column("a", "x", state="failed"), column("b", "y", state="cut off")
    assert Comparison([failed, cut, column("c", "z")]).kept == Answer("z", model="c", provider="p")
    partial = Comparison([column("d", state="failed"), cut]).kept
    assert partial is not None
    assert partial.text == "y"
    assert Comparison([column("d", state="failed")]).kept is None


def test_keep_chooses_by_any_name_of_the_model() -> None:
    """``_.keep("model")`` is typed from memory."""
    kept: list[Answer] = []
    columns = [column("a", "x"), Compared("b?seed=1", Answer("y", model="b", provider="p"))]
    comparison = Comparison(columns, on_keep=kept.append)
    for name in ("b?seed=1", "b", "p:b"):
        comparison.keep(name)
        assert comparison.kept is not None
        assert comparison.kept.text == "y"
    assert comparison.kept is comparison[1]
    assert [answer.text for answer in kept] == ["y"] * 3


@pytest.mark.parametrize(
    ("name", "message"),
    [("c", "no answer is by"), ("m", "several answers are by"), ("b", "has said nothing")],
)
def test_keep_refuses_what_cannot_be_gone_on_with(name: str, message: str) -> None:
    """The turn would be lost, or be another one than was meant."""
    same = [Compared(label, Answer("x", model="m", provider="p")) for label in ("m?a=1", "m?a=2")]
    comparison = Comparison([*same, column("b")])
    with pytest.raises(UsageError, match=message):
        comparison.keep(name)
    assert comparison.kept is comparison[0]


def test_a_comparison_can_be_pickled() -> None:
    """Results are kept in files, and travel between processes."""
    comparison = Comparison([column("a", "x"), column("b", "y")], on_keep=lambda _: None)
    comparison.keep("b")
    copy = pickle.loads(pickle.dumps(comparison))  # noqa: S301  # our own
    assert copy.columns == comparison.columns
    assert copy.kept == comparison[1]
    assert copy[:1] == (comparison[0],)


def test_the_figures_come_as_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: tuple[str, ByteServer]
) -> None:
    """Averages and plots are made of it."""
    comparison = compare("hi", ["a", "bad"], provider=named[0])
    good, bad = comparison.rows()
    assert good["model"] == "a"
    assert (good["text"], good["state"], good["error"]) == ("I am a.", "complete", None)
    assert (good["tokens_out"], good["characters"]) == (4, 7)
    assert (bad["tokens_out"], bad["first_token_s"]) == (None, None)
    assert "broken" in bad["error"]
    monkeypatch.setitem(sys.modules, "pandas", None)  # as where it is not installed
    with pytest.raises(UsageError, match="pandas is not installed"):
        comparison.to_dataframe()
    monkeypatch.delitem(sys.modules, "pandas")
    (tmp_path / "pandas.py").write_text("DataFrame = tuple")
    monkeypatch.syspath_prepend(tmp_path)
    assert comparison.to_dataframe() == tuple(comparison.rows())


def test_a_script_gets_values_and_no_output(tmp_path: Path) -> None:
    """It decides by itself what to print, and needs no notebook."""
    code = (
        "import sys; from g4f_magic.compare import compare\n"
        "answers = compare('Hello', ['demo', 'demo-reasoning'])\n"
        "assert 'IPython' not in sys.modules\n"
        "print(len(answers), [answer.state for answer in answers])"
    )
    environment = clean_environment() | {"G4F_HOME": str(tmp_path)}
    environment["PYTHONPATH"] = str(Path(__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("2 ['complete', 'complete']\n", "")


def test_text_has_the_answers_one_under_the_other() -> None:
    """Where no page is, it is read from top to bottom, with the figures at the end."""
    usage = Usage(tokens_in=3, tokens_out=20)
    times = {"first_token_s": 0.5, "elapsed_s": 2.5, "usage": usage}
    columns = [column("a", "Yes.\x1b[31m", **times), column("b", "No.", state="interrupted")]
    plain = bundle(columns)["text/plain"]
    assert plain.startswith("── a ──\nYes.\ufffd[31m\n0.5 s to first token · 10 tokens/s")
    assert "── b ──\nNo.\ninterrupted after" in plain
    figures = plain.split("\n\n")[-1].splitlines()
    assert re.fullmatch(r"a +0\.50 s +█+ +2\.5 s +█+ +10 +█+ +20 +9 +█+", figures[1])
    assert re.match(r"b · interrupted +– +0\.0 s", figures[2])


def test_all_that_an_answer_has_is_in_its_column() -> None:
    """Models that think, call tools and make pictures are compared by these."""
    rich = column(
        "rich",
        "Here $x_1$.",
        reasoning="Let me **see**",
        images=(Image(PNG, "image/png"), Image(url="https://a.example/1.png")),
        tool_calls=(ToolCall("1", "look", '{"a": 1}'),),
        request={"prompt": 'a "fox"'},
    )
    several = column("several", images=(Image(PNG, "image/png"), Image(PNG, "image/png")))
    page = bundle([rich, several])["text/html"]
    assert "<summary>Reasoning</summary><p>Let me <strong>see</strong></p>" in page
    assert "<span>$x_1$</span>" in page  # which a page with MathJax sets
    assert page.count("data:image/png;base64,") == 3
    assert 'alt="a &quot;fox&quot;"' in page
    assert "https://a.example/1.png" in page
    assert "[tool call: look({&quot;a&quot;: 1})]" in page
    assert "[tool call: look(" in bundle([rich])["text/plain"]


class Strict(HTMLParser):
    """Notes every element and attribute that may do something."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at an element."""
        if tag not in ELEMENTS:
            self.faults.append(tag)
        self.faults += [f"{n}={v}" for n, v in attrs if not re.fullmatch(HARMLESS, f"{n}={v}")]


ELEMENTS = (
    *("a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "hr", "img", "li", "ol", "p"),
    *("pre", "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
)
HARMLESS = (
    r"(?si)(?:title|alt)=.*|dir=ltr|start=\d+|style=(?:text-align:\w+|max-width:100%)"
    r"|href=(?:(?:https?|ftp)://.*|mailto:.*|[^:/?#]*(?:[/?#].*)?)|src=data:image/png;base64,.*"
)


@pytest.mark.parametrize("with_formulas", [False, True])
def test_a_hostile_answer_is_only_text(with_formulas: bool) -> None:  # noqa: FBT001
    """What runs in a notebook has the kernel and the files."""
    for payload in PAYLOADS:
        parser = Strict()
        parser.feed(rendered(payload, with_formulas=with_formulas))
        assert parser.faults == [], payload


@pytest.mark.parametrize("mark", ["$x ", "$$ ", "\\[ ", "\\( ", "\\begin{a} ", "$a\\", "`a ", "!["])
def test_marks_that_nothing_closes_do_not_hold_the_page_up(mark: str) -> None:
    """One answer could otherwise stop the kernel for minutes."""
    assert len(rendered(mark * 10_000)) > 10_000


def test_names_do_no_harm() -> None:
    """A service names its models as it likes, and an error says anything."""
    evil = '<img src=x onerror="canary(1)">$\\href{javascript:canary(1)}{x}$'
    page = bundle([Compared(evil, Answer(model=evil, provider=evil, state="failed"), evil)])
    assert "<img" not in page["text/html"]
    assert "\\href" not in re.sub(r'title="[^"]*"', "", page["text/html"])


@given(st.lists(st.sampled_from([*TOKENS[:300], "x" * 300, "\n\n```\n", "| a | b |\n"])))
def test_the_end_of_a_growing_text_is_shown_and_stays_short(pieces: list[str]) -> None:
    """Longer pieces would cost too much; without the end one could not read along."""
    end, text = TextEnd(), ""
    for piece in pieces:
        text += piece
        shown = end.of(text)
        assert shown.endswith(text[-200:])
        assert len(shown) < 2400


def test_code_goes_on_as_code_where_its_beginning_is_cut_off() -> None:
    """It would turn into headings and emphasis in the middle of a line."""
    code = "```python\n" + "# a comment, and no heading\n" * 100
    assert "<h1>" not in rendered(TextEnd().of(code))


def test_a_terminal_gets_one_answer_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Two that are mixed line by line could not be read; none may wait for the slowest."""
    view = TerminalColumns()
    view.draw([column("a", "One", state="streaming"), column("b", "Two", state="streaming")])
    assert capsys.readouterr().out == "── a ──\nOne"
    view.draw([column("a", "One.", state="streaming"), column("b", "Two.")])
    assert capsys.readouterr().out == "."
    view.draw([column("a", "One."), column("b", "Two.")])
    assert capsys.readouterr().out == "\n\n\n── b ──\nTwo.\n\n\n"
    view.close([column("a", "One."), column("b", "Two.")])
    assert capsys.readouterr().out.startswith("model  first token")


@pytest.fixture(scope="module")
def notebook(shared_kernel: Kernel) -> Kernel:
    """A kernel that can compare."""
    assert shared_kernel.run("from g4f_magic.compare import compare").error is None
    return shared_kernel


def compared(server: ByteServer, models: str = ONE_IS_FOUR) -> str:
    """A cell that compares models of a service."""
    return f"compare('hi', {models}, provider='{server.url}/v1')"


def pages(run: CellRun) -> list[str]:
    """What was sent to be shown, one after the other."""
    datas = (message.content.get("data", {}) for message in run.messages)
    return [data["text/html"] for data in datas if "text/html" in data]


def test_all_columns_grow_and_one_document_stays(
    notebook: Kernel, byte_server: StartServer
) -> None:
    """Who waits for one model can read the others meanwhile; the file holds all, once."""
    gates = {name: threading.Event() for name in "ab"}

    def script(exchange: Exchange) -> None:
        name = model_of(exchange)
        exchange.send(sse_head() + chunked(delta(f"begins {name}")))
        exchange.wait(gates[name])
        exchange.send(chunked(delta(f", ends {name}") + finish() + DONE) + END)

    cell = notebook.start(compared(byte_server(script), "['a', 'b']"))
    cell.until(lambda shown: all(f"begins {name}" in json.dumps(shown) for name in "ab"))
    gates["a"].set()
    cell.until(lambda shown: "ends a" in json.dumps(shown))
    assert "ends b" not in json.dumps(cell.run.outputs)
    gates["b"].set()
    run = cell.finish()
    (document,) = run.outputs
    assert document["output_type"] == "display_data"
    assert sorted(document["data"]) == ["text/html", "text/plain"]
    for said in ("begins a, ends a", "begins b, ends b", "first token"):
        assert all(said in text for text in document["data"].values())
    assert len(document["metadata"]["g4f_magic"]["comparison"]) == 2


def test_a_thought_is_shown_as_long_as_there_is_no_text(
    notebook: Kernel, byte_server: StartServer
) -> None:
    """Half a minute of nothing would look like a hanging column; later it is in the way."""
    gate = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta(None, reasoning_content="Let me see.")))
        exchange.wait(gate)
        exchange.send(chunked(delta("Yes.") + finish() + DONE) + END)

    cell = notebook.start(compared(byte_server(script), "['a']"))
    cell.until(lambda shown: "<blockquote><p>Let me see.</p>" in json.dumps(shown))
    assert "thinking" in json.dumps(cell.run.outputs)
    gate.set()
    (document,) = cell.finish().outputs
    assert "<summary>Reasoning</summary><p>Let me see.</p>" in document["data"]["text/html"]


WITH_BUTTONS = """
from g4f_magic.call import start_call
from g4f_magic.display.compare import StopButtons, follow_all, open_columns
from g4f_magic.portal import Interrupts
from g4f_magic.providers import get_provider
with Interrupts() as stop:
    message = [{{"role": "user", "content": "hi"}}]
    calls = {{name: start_call(get_provider("{url}/v1"), name, message) for name in {models}}}
    stops = {{name: call.cancel for name, call in calls.items()}}
    view = open_columns(get_ipython(), lambda: StopButtons(stops, stop.stop))
    columns = follow_all(calls, view, stop)
"""


def test_the_buttons_go_away_with_the_drawing(notebook: Kernel, byte_server: StartServer) -> None:
    """Where a widget was, a reader without a kernel sees 'model not found'."""
    gate = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.wait(gate)
        says_its_name(exchange)

    names = ["a", "a name that is too long for a button"]
    code = WITH_BUTTONS.format(url=byte_server(script).url, models=names)
    cell = notebook.start(code)
    cell.until(lambda shown: "widget-view" in json.dumps(shown) and "waiting" in json.dumps(shown))
    gate.set()
    run = cell.finish()
    assert run.error is None
    assert [sorted(output["data"]) for output in run.outputs] == [["text/html", "text/plain"]]
    told = json.dumps([message.content for message in run.messages])
    assert "Stop a name that is too long" in told
    kinds = [message.kind for message in run.messages]
    assert kinds.count("comm_open") == kinds.count("comm_close") > 0


def test_a_comparison_can_be_shown_again(notebook: Kernel, named: tuple[str, ByteServer]) -> None:
    """As the result of a later cell it is there, but never twice below its own."""
    first = notebook.run(f"both = {compared(named[1], repr(['a', 'b']))}\nboth")
    assert len(first.outputs) == 1
    again = notebook.run("both")
    assert again.result == first.outputs[0]["data"]


@pytest.mark.fault(
    "Interrupts",
    "In compare()",
    sees="Stopped; .comparison of this has what had arrived.",
    keeps="in .comparison, all texts so far",
)
def test_an_interrupt_keeps_what_had_arrived(
    notebook: Kernel, byte_server: StartServer, fault: Fault
) -> None:
    """■ ends all of them, on the services too, in one line."""

    def script(exchange: Exchange) -> None:
        if model_of(exchange) == "a":
            says_its_name(exchange)
        else:
            exchange.send(sse_head() + chunked(delta("half")))
            exchange.wait(threading.Event())

    server = byte_server(script)
    cell = notebook.start(compared(server, "['a', 'b']"))
    cell.until(lambda shown: "half" in json.dumps(shown) and ticking(shown) == 1)
    notebook.interrupt()
    run = cell.finish()
    assert run.error is not None
    assert run.error.ename == "ComparisonStopped"
    assert len(run.error.traceback) == 1
    assert fault.is_seen_in(run)
    assert "half" in run.outputs[0]["data"]["text/html"]
    assert "interrupted after" in run.outputs[0]["data"]["text/html"]
    states = "[answer.state for answer in __import__('sys').last_value.comparison]"
    assert notebook.value(states) == ["complete", "interrupted"]
    server.wait_for(lambda: all(exchange.done.is_set() for exchange in server.exchanges), timeout=5)


def test_answers_at_full_speed_cost_little(notebook: Kernel, byte_server: StartServer) -> None:
    """A kernel may be far away from its browser."""

    def at_once(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(b"".join(map(delta, TOKENS))))
        exchange.send(chunked(finish() + DONE) + END)

    run = notebook.run(compared(byte_server(at_once)), timeout=110)
    assert run.error is None
    assert run.iopub_bytes <= 6 * 4 * len(TEXT)


@pytest.mark.slow
def test_four_slow_answers_cost_a_megabyte_and_a_half(
    notebook: Kernel, byte_server: StartServer
) -> None:
    """And at most 15 messages a second, which a browser can draw."""

    def paced(exchange: Exchange) -> None:
        exchange.send(sse_head())
        begin = time.perf_counter()
        for number, token in enumerate(TOKENS):
            exchange.send(chunked(delta(token)))
            if not exchange.sleep(max(0.0, begin + number / 125 - time.perf_counter())):
                return
        exchange.send(chunked(finish() + DONE) + END)

    run = notebook.run(compared(byte_server(paced)), timeout=110)
    assert run.error is None
    assert run.iopub_bytes <= 1_500_000
    times = [message.at for message in run.messages]
    assert max(sum(start <= at < start + 1 for at in times) for start in times) <= 15
    shown = pages(run)
    assert len(shown) > 40, "it was to grow bit by bit"
    assert all(page.count("<td") == 4 for page in shown[:-1])


@pytest.mark.slow
def test_a_notebook_that_nobody_watches_gets_one_document(tmp_path: Path) -> None:
    """A report that runs at night must not hold half an answer, or one twice."""
    nbclient = pytest.importorskip("nbclient")
    from nbformat.v4 import new_code_cell, new_notebook  # noqa: PLC0415  # comes with nbclient

    code = "from g4f_magic.compare import compare\ncompare('Hello', ['demo', 'demo-reasoning'])"
    book = new_notebook(cells=[new_code_cell(code)])
    nbclient.NotebookClient(book, resources={"metadata": {"path": str(tmp_path)}}).execute()
    (document,) = book.cells[0]["outputs"]
    assert document["data"]["text/html"].count("not a language model") == 2
    assert document["data"]["text/plain"].count("not a language model") == 2
    assert not re.search(r"\b(waiting|thinking|writing) · \d", json.dumps(document))
    assert "widgets" not in book.metadata


@pytest.mark.parametrize("first", ["g4f_magic.compare", "g4f_magic.cell.session", "g4f_magic"])
def test_the_function_is_found_where_one_looks_for_it(first: str) -> None:
    """Module and function bear one name; whichever is imported can be called."""
    code = (
        f"import {first}\nfrom g4f_magic import compare as one\nimport g4f_magic\n"
        "from g4f_magic.compare import compare as other\n"
        "for function in (one, other, g4f_magic.compare):\n"
        "    print(function('hi', 'demo-brief')[0].state)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["complete"] * 3
