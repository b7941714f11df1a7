"""Tab in a cell of the magics offers what can stand there, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import IPython
import pytest
from support.byteserver import stream_script
from support.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.events import StartServer
    from support.lab import Lab
    from support.lab_page import LabPage

LISTED = {
    "groq": ["llama-3.1-8b-instant", "openai/gpt-oss-20b"],
    "ollama": ["llama3.2:3b", "llama3.2:1b"],
    "http://own.example/v1": ["mine"],
}
NOTEBOOK = """
import collections, dataclasses, pathlib, typing
from IPython.display import Image

@dataclasses.dataclass
class Fox:
    age: int

class Den(typing.TypedDict):
    foxes: list[Fox]

class Plain:
    colour = "red"

def feed(fox): ...
async def fetch(fox): ...

plain = Plain()
form = {"type": "object"}
fable = {"moral": "none"}
photo = b"..."
folder = pathlib.Path(".")
food = "mice"
_hidden = b"..."
"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start a kernel of a notebook with some variables, files, models and conversations."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "data file.csv").touch()
    (folder / "data.csv").touch()
    (folder / ".data").touch()
    (folder / "drawings").mkdir()
    (folder / "drawings" / "fox.png").touch()
    env = {"JPY_SESSION_NAME": str(folder / "den.ipynb"), "HOME": str(folder)}
    with Kernel(env=env, cwd=folder) as kernel:
        list_models(kernel, LISTED)
        assert kernel.run("%load_ext g4f_magic", cell_id="load").error is None
        assert kernel.run(NOTEBOOK).error is None
        names = "alias.fast=groq:llama-3.1-8b-instant system.brief='Be brief.' provider=demo"
        assert kernel.run(f"%g4f_config {names}").error is None
        yield kernel


def list_models(kernel: Kernel, listed: dict[str, list[str]]) -> None:
    """Leave on disk what `%g4f_models` has found a long time ago."""
    facts: dict[str, Any] = {"can": ["text"], "has_key": True}
    facts |= dict.fromkeys(["context_length", "price_in", "price_out"])
    state = {"state": "listed", "trouble": "", "key_env": "", "asked_at": 1.0}
    listings = {
        f"{provider}||": {
            "provider": provider,
            "models": [{"provider": provider, "name": name, **facts} for name in names],
            **state,
        }
        for provider, names in listed.items()
    }
    home = Path(kernel.env["G4F_HOME"])
    home.mkdir(exist_ok=True)
    (home / "models.json").write_text(json.dumps({"version": 1, "listings": listings}))


def cells(kernel: Kernel, typed: str) -> list[str]:
    """Return the cells that the offers lead to; ``|`` is the cursor, which stays behind them."""
    before, _, after = typed.partition("|")
    asked = {"code": before + after, "cursor_pos": len(before)}
    reply = kernel.request("complete_request", asked)
    assert reply["status"] == "ok"
    assert reply["cursor_end"] == len(before)
    start = before[: reply["cursor_start"]]
    return [f"{start}{match}|{after}" for match in reply["matches"]]


def words(kernel: Kernel, typed: str) -> list[str]:
    """Return the last words before the cursor, one for each offer."""
    begun = [cell.partition("|")[0] for cell in cells(kernel, typed)]
    return [text.rpartition(" ")[2].rpartition("\n")[2] for text in begun]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("%%chat --mo|\nhi", "--model"),
        ("%%chat --new --al|", "--alone"),
        ("%chat -t 0.5 --sys|", "--system"),
        ("%g4f_models --vi|", "--vision"),
        ("%g4f_models llama --fr|", "--free"),
        ("%g4f_chats delete main --y|", "--yes"),
        ("%g4f_config cache=on --s|", "--save"),
        ("answer = %chat --mo|", "--model"),
        ("x = 1\n%chat --mo|\ny = 2", "--model"),
        ("\n\n%%chat --mo|\nhi", "--model"),
        ("%%chat -p lms|\nhi", "lmstudio"),
        ("%g4f_models -p lms|", "lmstudio"),
        ("%%chat -s br|", "brief"),
        ("%%chat --reasoning-effort h|", "high"),
        ("%g4f_chats ren|", "rename"),
        ("%g4f_chats cache cl|", "clear"),
        ("%g4f_config cac|", "cache="),
        ("%g4f_config alias.|", "alias.fast="),
    ],
)
def test_a_word_that_is_begun_is_finished(notebook: Kernel, typed: str, offered: str) -> None:
    """Nobody remembers thirty options, and a misspelt name is an error."""
    assert words(notebook, typed) == [offered]


@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("%%chat -m fas|\nhi", ["%%chat -m fast|\nhi"]),
        ("%%chat -m groq:l|", ["%%chat -m groq:llama-3.1-8b-instant|"]),
        ("%%chat -mgroq:l|", ["%%chat -mgroq:llama-3.1-8b-instant|"]),
        ("%%chat --model=groq:l|", ["%%chat --model=groq:llama-3.1-8b-instant|"]),
        ("%%chat -m groq:openai/|", ["%%chat -m groq:openai/gpt-oss-20b|"]),
        ("%%chat -m ollama:llama3.2:1|", ["%%chat -m ollama:llama3.2:1b|"]),
        ("%%chat -p groq -m openai/g|", ["%%chat -p groq -m openai/gpt-oss-20b|"]),
        ("%%chat -p http://own.example/v1 -m |", ["%%chat -p http://own.example/v1 -m mine|"]),
        ("%%chat -m groq:l| -t 0\nhi", ["%%chat -m groq:llama-3.1-8b-instant| -t 0\nhi"]),
        ("%%chat -m demo -m groq:l|", ["%%chat -m demo -m groq:llama-3.1-8b-instant|"]),
        ("%%chat -m demo-sl|", ["%%chat -m demo-slow|"]),
        ("%g4f_config model=groq:l|", ["%g4f_config model=groq:llama-3.1-8b-instant|"]),
        ("%g4f_config alias.x=groq:l|", ["%g4f_config alias.x=groq:llama-3.1-8b-instant|"]),
        ("%g4f_config provider=lms|", ["%g4f_config provider=lmstudio|"]),
        ("%g4f_config cache=|", ["%g4f_config cache=on|", "%g4f_config cache=off|"]),
        (
            "%g4f_chats import dat|",
            ['%g4f_chats import "data file.csv"|', "%g4f_chats import data.csv|"],
        ),
        ('%g4f_chats import "data f|', ['%g4f_chats import "data file.csv"|']),
        ("%g4f_config env_file=.d|", ["%g4f_config env_file=.data|"]),
        ("%g4f_chats import drawings/|", ["%g4f_chats import drawings/fox.png|"]),
        ("%g4f_chats import ~/drawings/|", ["%g4f_chats import ~/drawings/fox.png|"]),
        ("%g4f_chats import .d|", ["%g4f_chats import .data|"]),
    ],
)
def test_what_is_replaced_is_the_word_as_a_person_sees_it(
    notebook: Kernel, typed: str, becomes: list[str]
) -> None:
    """IPython takes words apart at ``:`` and knows no quotes; what comes after stays."""
    assert cells(notebook, typed) == becomes


@pytest.mark.parametrize(
    "typed",
    [
        "%%chat -o fo|",
        "%%chat -t 0|",
        "%%chat --misspelt dat|",
        '%%chat -s "what is in dat|',
        "%%chat -m demo What is in dat|",
        "%%chat -m demo -- --mo|",
        "%chat What is in dat|",
        "%%chat\nWhat is in dat|",
        "%%chat\nWhat does pri|",
        "%%chat\n--mo|",
        "%%chat --raw\n{{ pla|",
        "%%chat\n{{ plain }} pla|",
        "%%chat\n{{ plain }} and {{{{ pla|",
        "%%chat\n{{ plain.colou }}|",
        "%%chat -m org/na|",
        "%g4f_models dat|",
        "%g4f_chats new dat|",
        "%g4f_chats wrong dat|",
        "%g4f_config replay=live|",
        "%g4f_config wrong=dat|",
    ],
)
def test_nothing_else_is_offered(notebook: Kernel, typed: str) -> None:
    """Files, functions and magics would pop up in the middle of prose and names."""
    assert cells(notebook, typed) in ([], [typed])


@pytest.mark.parametrize("is_jedi", [True, False])
@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("%%chat\nSay {{ plain.col|", "%%chat\nSay {{ plain.colour|"),
        ("%%chat\nSay {{plain.col|}} and", "%%chat\nSay {{plain.colour|}} and"),
        ("%%chat\n{{ plain }} {{ len(plain.col|", "%%chat\n{{ plain }} {{ len(plain.colour|"),
        ("%chat Say {{ plain.col|", "%chat Say {{ plain.colour|"),
        ("%%chat -m demo\n{{ fable['mor|", "%%chat -m demo\n{{ fable['moral|"),
    ],
)
def test_an_expression_is_completed_as_in_any_cell(
    notebook: Kernel, typed: str, becomes: str, *, is_jedi: bool
) -> None:
    """Columns and attributes are what one looks up while writing a prompt."""
    notebook.run(f"get_ipython().Completer.use_jedi = {is_jedi}")
    offered = cells(notebook, typed)
    assert offered[:1] in ([becomes], [becomes.replace("moral|", "moral'|")])
    assert not any(
        "data.csv" in cell or "%time" in cell for cell in cells(notebook, "%%chat\n{{ |")
    )


@pytest.mark.skipif(IPython.version_info < (8, 6), reason="older ones take no kinds from a hook")
def test_an_expression_shows_what_its_names_are(notebook: Kernel) -> None:
    """The list of Tab tells a function from a variable by the word beside it."""

    def kinds(code: str) -> dict[str, str]:
        reply = notebook.request("complete_request", {"code": code, "cursor_pos": len(code)})
        offered = reply["metadata"]["_jupyter_types_experimental"]
        return {one["text"]: one["type"] for one in offered}

    notebook.run("get_ipython().Completer.use_jedi = True")
    assert kinds("pla") == kinds("%%chat\n{{ pla")
    assert kinds("%%chat\n{{ le")["len"] == "function"
    notebook.run("get_ipython().Completer.use_jedi = False")


def test_python_is_completed_as_ever(notebook: Kernel) -> None:
    """A cell that only mentions the magics is none of ours."""
    for typed in ("pla|", "# %%chat\npla|", "%timeit pla|", "%%timeit\npla|"):
        assert "plain" in [word.lstrip("%") for word in words(notebook, typed)], typed
    assert "%%chat" in words(notebook, "%%cha|")


def test_conversations_of_the_notebook_are_offered(notebook: Kernel) -> None:
    """Also before the first chat, when a kernel was started again; those of others are not."""
    for name in ('"about foxes"', "about", "other", """'the "red" one'"""):
        asked = notebook.run(f"%chat -p demo -c {name} --quiet Hello", cell_id=name)
        assert asked.error is None
    notebook.run("%unload_ext g4f_magic")
    assert notebook.run("%load_ext g4f_magic", cell_id="load").error is None
    assert words(notebook, "%%chat -c ot|") == ["other"]
    assert cells(notebook, "%%chat -c the|") == ["""%%chat -c 'the "red" one'|"""]
    quoted = ["%g4f_chats show about|", '%g4f_chats show "about foxes"|']
    assert sorted(cells(notebook, "%g4f_chats show ab|"), reverse=True) == quoted
    notebook.run(
        "%g4f_config provider=demo alias.fast=groq:llama-3.1-8b-instant system.brief=Short"
    )


@pytest.mark.parametrize(
    ("typed", "texts"),
    [
        ("-a fo", ["folder"]),
        ("-a ", ["photo", "folder", '"data file.csv"', "data.csv", "den.ipynb", "drawings/"]),
        ("--schema ", ["Fox", "Den", "form"]),
        ("--tools fe", ["feed", "fetch"]),
        ("--tools feed,fe", ["fetch"]),
        ("-f j", ["json"]),
        ("--prompt-file dr", ["drawings/"]),
    ],
)
def test_names_of_the_notebook_fit_the_option(
    notebook: Kernel, typed: str, texts: list[str]
) -> None:
    """Of a hundred variables three are functions that a model may call."""
    (notebook.cwd / "den.ipynb").touch()
    taken = ["-a/--attach", "--schema", "--tools", "-f/--format", "--prompt-file"]
    setup = [
        "import argparse",
        "from g4f_magic.completion.completion import Completion",
        "parser = argparse.ArgumentParser()",
        *(f"_ = parser.add_argument(*{option.split('/')!r})" for option in taken),
        "_completion = Completion(get_ipython(), None, {'chat': parser}, None)",
    ]
    assert notebook.run("\n".join(setup)).error is None
    line = f"%%chat {typed}"
    offered = notebook.value(f"list(_completion.offer({line!r}, {len(line)}).texts)")
    assert sorted(offered) == sorted(texts)


def test_nobody_is_asked_while_somebody_types(byte_server: StartServer, kernel: Kernel) -> None:
    """A request for every key would be slow, and tell a service what is being written."""
    server = byte_server(stream_script(["hi"]))
    kernel.run("%load_ext g4f_magic")
    kernel.run(f"%g4f_config provider={server.url}/v1")
    for typed in ("%%chat -m |", "%%chat -m m|", f"%%chat -p {server.url}/v1 -m |", "%%chat -p |"):
        cells(kernel, typed)
    assert server.requests == []


def test_of_very_many_models_the_providers_are_offered_first(kernel: Kernel) -> None:
    """IPython hands on 500 completions, and what front ends filter is only these."""
    many = {name: [f"org/model-{number}" for number in range(500)] for name in ("groq", "xai")}
    list_models(kernel, many)
    kernel.run("%load_ext g4f_magic")
    assert {"groq:", "xai:"} <= set(words(kernel, "%%chat -m |"))
    assert len(words(kernel, "%%chat -m |")) < 100
    assert words(kernel, "%%chat -m xai:org/model-49|")[0] == "xai:org/model-490"
    list_models(kernel, {"xai": ["new"]})
    assert words(kernel, "%%chat -m xai:n|") == ["xai:new"]


def test_without_the_extension_nothing_is_left(kernel: Kernel) -> None:
    """What was loaded can be taken back, and loaded again without offering twice."""
    for _ in range(2):
        kernel.run("%load_ext g4f_magic")
        assert words(kernel, "%%chat --mo|") == ["--model"]
        kernel.run("%unload_ext g4f_magic")
        assert "--model" not in words(kernel, "%%chat --mo|")


def test_where_there_is_no_key_the_models_of_the_demo_are_offered(kernel: Kernel) -> None:
    """The first thing that a newcomer types is ``-m demo-``."""
    kernel.run("%load_ext g4f_magic")
    assert cells(kernel, "%chat -m demo-sl|") == ["%chat -m demo-slow|"]
    kernel.run("import os; os.environ['GROQ_API_KEY'] = 'k'")
    assert "%chat -m demo-slow|" not in cells(kernel, "%chat -m demo-sl|")


@pytest.mark.browser
@pytest.mark.slow
def test_a_page_shows_what_can_be_typed(lab: Lab, lab_page: LabPage) -> None:
    """JupyterLab filters and merges on its own; what comes through is what is of use."""
    lab.write_notebook("tab.ipynb", ["%load_ext g4f_magic", ""])
    page = lab_page.open("tab.ipynb").page
    lab_page.run(0)
    offers = page.locator(".jp-Completer-item .jp-Completer-match")
    for typed, offered in {
        "%%chat -m demo-b": ["demo-brief"],
        "%%chat -m groq:gpt --s": [
            *("--schema", "--seed", "--show", "--size", "--stop", "--system"),
        ],
    }.items():
        lab_page.type(1, typed)
        page.keyboard.press("Tab")
        offers.first.wait_for()
        assert offers.all_inner_texts() == offered
        page.keyboard.press("Escape")
