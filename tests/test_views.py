"""An answer in the form that its cell asks for, in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import stream_script
from support.kernel import Kernel

from g4f_magic.display.views import shown
from g4f_magic.messages import Answer, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.byteserver import ByteServer
    from support.cell_run import CellRun

    Ask = Callable[..., CellRun]

CODE = "Two steps:\n\n```python\na = 1\n```\n\n```python\nprint(a)\n```\n"
PAGE = "A page:\n\n```html\n<h1>Hi</h1><script>x()</script><link rel=preconnect href=//e>\n```\n"


@pytest.fixture(scope="module")
def chat() -> Iterator[Kernel]:
    """A kernel with the extension loaded."""
    with Kernel() as running:
        assert running.run("%load_ext g4f_magic").error is None
        yield running


@pytest.fixture
def ask(chat: Kernel, byte_server: Callable[..., ByteServer]) -> Ask:
    """Asks a service that answers with a text."""

    def start(text: str, options: str, cell_id: str | None = None) -> CellRun:
        url = byte_server(stream_script([text])).url
        return chat.run(f"%%chat -p {url}/v1 -m m --new {options}\nhi", cell_id=cell_id)

    return start


def data_of(run: CellRun) -> list[dict[str, Any]]:
    """The MIME bundles that a cell leaves."""
    assert run.error is None
    return [output["data"] for output in run.outputs]


def inputs_of(run: CellRun) -> list[str]:
    """What a cell puts into a new one below."""
    assert run.reply is not None
    payload = run.reply["payload"]
    assert all(part["source"] == "set_next_input" and not part["replace"] for part in payload)
    return [part["text"] for part in payload]


def test_text_is_shown_as_it_came(ask: Ask) -> None:
    """Who wants to see the stars and hashes sees them."""
    (data,) = data_of(ask("# Not *a* title", "-f text"))
    assert list(data) == ["text/plain"]
    assert data["text/plain"].startswith("# Not *a* title\n\nm · ")


def test_json_is_a_tree_and_reads_without_one(ask: Ask) -> None:
    """JupyterLab folds it, and on GitHub it is indented text."""
    tree, lines = data_of(ask('Sure!\n```json\n{"b": [1], "a": "é"}\n```', "-f json"))
    assert tree["application/json"] == {"b": [1], "a": "é"}
    assert tree["text/plain"] == '{\n  "b": [\n    1\n  ],\n  "a": "é"\n}'
    assert tree["text/markdown"] == f"```json\n{tree['text/plain']}\n```"
    assert "m · " in lines["text/plain"]


@pytest.mark.parametrize("text", ["no JSON here", '{"a": NaN}'])
def test_without_json_the_text_is_shown(ask: Ask, text: str) -> None:
    """An answer in words is an answer; NaN would break the whole output."""
    (data,) = data_of(ask(text, "-f json"))
    assert data["text/plain"].startswith(f"{text}\n\nno JSON in this answer\n\n")
    assert "no JSON in this answer" in data["text/markdown"]


def test_without_html_the_text_is_shown(ask: Ask) -> None:
    """An empty frame would look like a page that failed."""
    (data,) = data_of(ask("1 < 2", "-f html"))
    assert data["text/plain"].startswith("1 < 2\n\nno HTML in this answer\n\n")


def test_html_is_shown_in_a_frame_where_nothing_runs(ask: Ask) -> None:
    """A page by a model has the rights of nobody, and its source can be read anywhere."""
    (data,) = data_of(ask(PAGE, "-f html"))
    page = data["text/html"]
    assert '<iframe sandbox srcdoc="' in page
    assert "default-src 'none'".replace("'", "&#x27;") in page
    assert "<script" not in page
    assert "<link" not in page
    assert "preconnect" not in page.partition("<pre")[0]
    assert "&lt;script&gt;x()" in page.partition("<pre")[2]
    assert data["text/plain"].startswith(PAGE.strip())


def test_code_comes_into_a_cell_below_and_is_not_run(ask: Ask, chat: Kernel) -> None:
    """It is read before it runs, so all that happens is that it stands there."""
    run = ask(CODE, "-f code")
    assert inputs_of(run) == ["a = 1\n\nprint(a)"]
    assert "the code is in the cell below" in run.markdown
    assert not chat.value("'a' in globals()")


def test_a_cell_that_runs_again_does_not_pile_up_cells(ask: Ask) -> None:
    """Run three times, it would leave three copies of the same code below."""
    assert inputs_of(ask(CODE, "-f code", cell_id="c"))
    assert inputs_of(ask(CODE, "-f code", cell_id="c")) == []
    assert inputs_of(ask("```\nother\n```", "-f code", cell_id="c")) == ["other"]


def test_without_code_there_is_no_new_cell(ask: Ask) -> None:
    """An empty cell would look like an answer."""
    run = ask("Only words.", "-f code")
    assert inputs_of(run) == []
    assert "no code in this answer" in run.markdown


def test_code_of_other_languages_is_named(ask: Ask) -> None:
    """Whoever looks for the SQL learns that it is not in the cell."""
    run = ask("```python\nx\n```\n```sql\ny\n```", "-f code")
    assert inputs_of(run) == ["x"]
    assert "not taken along: sql" in run.markdown


def test_a_line_magic_has_forms_too(chat: Kernel, byte_server: Callable[..., ByteServer]) -> None:
    """Among other outputs of a cell, the answer takes its place in its form."""
    url = byte_server(stream_script(['{"a": 1}'])).url
    run = chat.run(f"print('x')\n%chat -p {url}/v1 -m m --new -f json hi")
    assert data_of_displays(run)[0]["application/json"] == {"a": 1}


def data_of_displays(run: CellRun) -> list[dict[str, Any]]:
    """The MIME bundles that a cell leaves besides what it prints."""
    return [output["data"] for output in run.outputs if "data" in output]


def test_the_last_answer_is_shown_in_another_form(ask: Ask, chat: Kernel) -> None:
    """Nobody asks again, and pays again, to see a tree."""
    ask('{"a": 1}', "")
    assert "application/json" in data_of(chat.run("%chat --show -f json"))[0]


def test_code_of_the_last_answer_is_put_below_on_request(ask: Ask, chat: Kernel) -> None:
    """The cell was deleted, or nobody had thought of it before."""
    ask(CODE, "")
    assert inputs_of(chat.run("%chat --show -f code")) == ["a = 1\n\nprint(a)"]


def test_a_tree_hides_no_tool_call() -> None:
    """What a model has called is seen beside what it answers, too."""
    answer = Answer(text="{}", tool_calls=(ToolCall("1", "look_up", '{"a": 1}'),))
    _, (lines, _) = shown("json", answer)
    assert "look_up" in lines["text/markdown"]
    assert "look_up" in lines["text/plain"]


def test_an_odd_form_is_refused_before_anything_is_sent(chat: Kernel) -> None:
    """A slip in an option costs nothing."""
    error = chat.run("%%chat -f yaml\nhi").error
    assert error is not None
    assert "yaml" in error.evalue
    error = chat.run("%%chat -m demo -m demo-slow -f json\nhi").error
    assert error is not None
    assert error.evalue.startswith("-f json shows one answer")


def test_an_answer_that_was_broken_off_is_shown_as_it_came() -> None:
    """Half a page or half a tree hides that the other half is missing."""
    for form in ("html", "json"):
        ((bundle, _),) = shown(form, Answer(text='{"a": 1}', state="failed"))
        assert "broken off by an error" in bundle["text/markdown"]
