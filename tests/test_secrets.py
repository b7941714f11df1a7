"""Keys from wherever they come, looked for wherever something is shown, kept or written.

One kernel is given keys in all the ways there are, each way a key of its own, and asks services
that quote them. A row of the tests is one way and one place in which the key must not be.
"""

from __future__ import annotations

import base64
import copy
import json
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from support import secret_scenes
from support.byteserver import (
    DONE,
    END,
    ByteServer,
    Exchange,
    chunked,
    delta,
    event,
    finish,
    json_reply,
    reply,
    sse_head,
)
from support.canary import canary, files_below, hide_nothing_of, seen
from support.environment import clean_environment
from support.kernel import Kernel
from test_plugins import install

from g4f_magic import Client
from g4f_magic.providers import OpenaiTemplate
from g4f_magic.providers.presets import HOSTED
from g4f_magic.providers.replies import secrets_of
from g4f_magic.secret import veiled
from g4f_magic.transport import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.byteserver import Request as Asked
    from support.cell_run import CellRun

VARIABLES = {"openai": "OPENAI_API_KEY", **{one.name: one.api_key_env for one in HOSTED}}


class Place(NamedTuple):
    """A way to give a key; in its texts stand ``{key}``, ``{base}``, ``{login}``, ``{proxy}``."""

    name: str
    environ: dict[str, str] = {}  # noqa: RUF012 - never changed
    options: str = ""
    config: dict[str, str] = {}  # noqa: RUF012
    settings: dict[str, str] = {}  # noqa: RUF012
    client: dict[str, Any] = {}  # noqa: RUF012
    params: dict[str, Any] = {}  # noqa: RUF012

    @property
    def slug(self) -> str:
        """The start of the paths that are asked with this key."""
        return re.sub(r"\W+", "-", self.name).strip("-")

    @property
    def is_typed(self) -> bool:
        """Whether the line of the cell has it, which IPython's own verbose frames show."""
        return "key" in self.options or "login" in self.options or "proxy" in self.options

    def filled(self, server: ByteServer, keys: Path) -> dict[str, Any]:
        """Everything with its key, and the addresses of the service."""
        key, path, here = canary(self.name), f"{self.slug}/v1", f"127.0.0.1:{server.port}"
        words = {
            "{key}": key,
            "{base}": f"http://{here}/{path}",
            "{login}": f"http://me:{key}@{here}/{path}",
            "{proxy}": f"http://me:{key}@{here}",
            "{far}": f"http://service.invalid/{path}",
            "{file}": str(keys.with_name("keys.env")),
        }
        text = json.dumps(self._asdict())
        for word, value in words.items():
            text = text.replace(word, value)
        filled: dict[str, Any] = json.loads(text)
        return {name: value for name, value in filled.items() if value}


def environment(name: str, **environ: str) -> Place:
    """A place in variables of the environment."""
    return Place(name, environ)


BY_VARIABLE = [
    environment(variable, G4F_PROVIDER=provider, G4F_API_BASE="{base}", **{variable: "{key}"})
    for provider, variable in VARIABLES.items()
]
BY_HAND = [
    environment("G4F_API_KEY", G4F_API_BASE="{base}", G4F_API_KEY="{key}"),
    environment(
        "a plugin's variable", G4F_PROVIDER="acme", G4F_API_BASE="{base}", ACME_API_KEY="{key}"
    ),
    Place(
        ".env file",
        {"G4F_PROVIDER": "groq", "G4F_API_BASE": "{base}"},
        settings={"env_file": "{file}"},
    ),
    environment("G4F_API_BASE", G4F_API_BASE="{login}"),
    environment("OPENAI_BASE_URL", G4F_PROVIDER="openai", OPENAI_BASE_URL="{login}"),
    Place("c.ChatMagics.provider", config={"provider": "{login}"}),
    Place("%g4f_config provider=", settings={"provider": "{login}"}),
    Place("-p", options="-p {login}"),
    environment("G4F_PROXY", G4F_API_BASE="{far}", G4F_PROXY="{proxy}"),
    environment("HTTP_PROXY", G4F_API_BASE="{far}", HTTP_PROXY="{proxy}"),
    environment("ALL_PROXY", G4F_API_BASE="{far}", ALL_PROXY="{proxy}"),
    Place("c.ChatMagics.proxy", {"G4F_API_BASE": "{far}"}, config={"proxy": "{proxy}"}),
    Place("%g4f_config proxy=", {"G4F_API_BASE": "{far}"}, settings={"proxy": "{proxy}"}),
    Place("--proxy", {"G4F_API_BASE": "{far}"}, "--proxy {proxy}"),
    Place("--param api_key", {"G4F_API_BASE": "{base}"}, """--param 'api_key="{key}"'"""),
    Place(
        "--param headers",
        {"G4F_API_BASE": "{base}"},
        """--param 'headers={"X-Api-Key":"{key}"}'""",
    ),
    Place("Client(api_key)", client={"provider": "{base}", "api_key": "{key}"}),
    Place("Client(provider)", client={"provider": "{login}"}),
    Place("Client(api_base)", client={"api_base": "{login}"}),
    Place("Client(proxies)", client={"provider": "{far}", "proxies": {"http": "{proxy}"}}),
    Place("create(api_key)", client={"provider": "{base}"}, params={"api_key": "{key}"}),
    Place("create(api_base)", client={"provider": "{far}"}, params={"api_base": "{login}"}),
    Place(
        "create(headers)",
        client={"provider": "{base}"},
        params={"headers": {"X-Team-Token": "{key}"}},
    ),
    Place("a class of the notebook", client={"class": {"api_base": "{base}", "api_key": "{key}"}}),
]
NOBODY = "127.0.0.1:1"
ASTRAY = [
    environment("a dead G4F_API_BASE", G4F_API_BASE=f"http://me:{{key}}@{NOBODY}/v1"),
    environment("a dead G4F_PROXY", G4F_API_BASE="{far}", G4F_PROXY=f"http://me:{{key}}@{NOBODY}"),
    environment("no G4F_API_BASE", G4F_API_BASE="http://me:{key}@"),
    environment("no G4F_PROXY", G4F_API_BASE="{far}", G4F_PROXY="http://me:{key}@"),
    environment("OLLAMA_HOST", G4F_PROVIDER="ollama", OLLAMA_HOST=f"http://me:{{key}}@{NOBODY}"),
    environment("a key in two lines", G4F_API_BASE="{base}", G4F_API_KEY="{key}\n{key}"),
]
PLACES = BY_VARIABLE + BY_HAND + ASTRAY
SCENES = ("answered", "refused", "missing", "page", "broken", "busy", "reset", "astray")
WAYS = (
    ("answered", "-m refused --cache -o both"),
    ("stalled", "--timeout 0.1"),
    ("refused", "--tools plant"),
    ("answered", "--schema Shape"),
    ("refused", "-a HELLO -f json"),
)
VERBOSE = ("broken", "reset", "astray", "refused")


class Service:
    """Answers as the model's name says, and quotes whatever key it was sent."""

    def __init__(self) -> None:
        self.is_busy = False

    def __call__(self, exchange: Exchange) -> None:
        """Speak to one request."""
        request = exchange.request
        quoted = "I know you: " + " and ".join(credentials(request))
        if request.method == "GET":
            listed = [{"id": "answered"}, {"id": "refused"}]
            exchange.send(json_reply(200, {"data": listed}))
            return
        scene = request.json["model"]
        if scene == "busy":
            self.is_busy = not self.is_busy
            scene = "busy" if self.is_busy else "answered"
        if scene == "reset":
            exchange.reset()
        elif scene == "stalled":
            exchange.sleep(60)
        elif scene in REPLIES:
            exchange.send(REPLIES[scene](quoted))
        else:
            exchange.send(sse_head() + chunked(delta("an answer")))
            error = event({"error": {"message": quoted}})
            exchange.send(chunked(error if scene == "broken" else finish() + DONE) + END)


REPLIES: dict[str, Callable[[str], bytes]] = {
    "refused": lambda said: json_reply(401, {"error": {"message": said}}),
    "missing": lambda said: reply(404, said.encode()),
    "page": lambda said: reply(200, f"<html><title>{said}</title>".encode(), "text/html"),
    "astray": lambda _: reply(302, b"", headers=[("Location", "http://elsewhere.invalid/")]),
    "busy": lambda said: json_reply(503, {"error": said}, [("retry-after-ms", "1")]),
}


def credentials(request: Asked) -> list[str]:
    """What a request says of who sends it; a login also without its base64."""
    names = ("authorization", "proxy-authorization", "x-api-key", "x-team-token")
    values = [request.headers[name] for name in names if name in request.headers]
    logins = [value.removeprefix("Basic ") for value in values if value.startswith("Basic ")]
    return values + [base64.b64decode(login).decode() for login in logins]


class Seen(NamedTuple):
    """What became of the tour: its texts by where they stand, and the requests."""

    texts: dict[str, dict[str, str | bytes]]
    requests: list[Asked]


#: Where keys are looked for, and what must stand there if the looking is to mean anything.
OUTPUTS = {
    "cells": "I know you",
    "verbose tracebacks": "create_async_generator",
    "%tb": "create_async_generator",
    "%debug": "ipdb>",
    "names": "Variable",
    "settings": "Current: ",
    "objects": "<Comparison of ",
    "pickles": "g4f_magic.messages",
    "completion": "--proxy",
    "logs": "HTTP Request: POST",
    "threads": "most recent call first",
    "exports": "an answer",
    "disk": "I know you",
}
TRACEBACKS = ("verbose tracebacks", "%tb", "%debug")
LAST = """
import faulthandler
both.save('both.jsonl')
results += [one for one in Out.values() if type(one).__module__.startswith('g4f_magic')]
folder = Path(os.environ[FILE]).parent
(folder / 'objects').write_text(objects())
(folder / 'pickles').write_bytes(pickled())
with (folder / 'threads').open('w') as file:
    faulthandler.dump_traceback(file)
"""


class Tour:
    """One kernel in which everything happens, and what is seen of it."""

    def __init__(self, kernel: Kernel, folder: Path) -> None:
        self.kernel = kernel
        self.folder = folder
        self.texts: dict[str, dict[str, str | bytes]] = {name: {} for name in OUTPUTS}

    def run(self, code: str, output: str = "", where: str = "") -> CellRun:
        """Runs a cell; what it shows is looked through later, if ``output`` names it."""
        run = self.kernel.run(code, where or code)
        if output:
            shown = [one.content for one in run.messages if one.kind != "execute_input"]
            self.texts[output][where or code] = json.dumps([*shown, run.reply], default=str)
        return run

    def begin(self) -> None:
        """Logs everything from here on."""
        log = str(self.folder / "logs")
        self.run("%load_ext g4f_magic")
        begun = self.run(
            "import logging, warnings\n"
            f"logging.basicConfig(level=1, filename={log!r}, force=True)\n"
            "logging.captureWarnings(True); warnings.simplefilter('always')\n"
            "from support.secret_scenes import *"
        )
        assert begun.error is None

    def visit(self, place: Place) -> None:
        """Asks with the key of a place in all scenes."""
        name = place.name
        self.run(f"plant({name!r})", "settings", f"{name} plant")
        for scene in SCENES if place in BY_HAND else SCENES[:2]:
            self.run(f"ask({name!r}, {scene!r})", "cells", f"{name} {scene}")
        if place in BY_HAND:
            self.run("%g4f_config", "settings", f"{name} %g4f_config")
            self.run("%config ChatMagics", "settings", f"{name} %config")
            self.run("%chat", "settings", f"{name} %chat")
            self.run("%g4f_models --refresh --timeout 2", "cells", f"{name} %g4f_models")
            for scene, options in WAYS[: None if place.environ else 1]:
                code = f"ask({name!r}, {scene!r}, {options!r})"
                self.run(code, "cells", f"{name} {scene} {options}")

    def fail(self, place: Place) -> None:
        """Fails with the key of a place, and looks at the traceback in every way there is."""
        name = place.name
        self.run(f"plant({name!r})")
        for scene in VERBOSE if place in BY_HAND else VERBOSE[-1:]:
            run = self.run(f"ask({name!r}, {scene!r})", "verbose tracebacks", f"{name} {scene}")
            assert run.error is not None, (name, scene)
        if place not in BY_VARIABLE:
            self.run("%tb", "%tb", name)
            self.run("debug()", "%debug", name)

    def look_around(self) -> None:
        """Collects what is there in the end."""
        self.run("%who", "names")
        self.run("%whos", "names")
        assert self.run(LAST).error is None
        for form in ("md", "json", "jsonl", "ipynb"):
            assert self.run(f"%g4f_chats export chat.{form}", "cells").error is None
        for code in ("%chat --pro", "%chat -p ", "%g4f_config proxy=", "results[0].", "both."):
            place = {"code": code, "cursor_pos": len(code)}
            self.texts["completion"][code] = str(self.kernel.request("complete_request", place))
        for code in ("both", "results", "ask"):
            place = {"code": code, "cursor_pos": len(code), "detail_level": 0}
            self.texts["completion"][f"{code}?"] = str(
                self.kernel.request("inspect_request", place)
            )
        for name in ("objects", "pickles", "threads", "logs"):
            self.texts[name][name] = (self.folder / name).read_bytes()
        self.texts["exports"] |= files_below(self.kernel.cwd)
        self.texts["disk"] |= files_below(self.kernel.home)


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """All places, all scenes, all outputs."""
    folder = tmp_path_factory.mktemp("secrets")
    keys, site = folder / "keys.json", folder / "site"
    install(site)
    env = {secret_scenes.FILE: str(keys), "JPY_SESSION_NAME": str(folder / "n.ipynb")}
    with ByteServer(Service()) as server:
        keys.write_text(json.dumps({one.name: one.filled(server, keys) for one in PLACES}))
        keys.with_name("keys.env").write_text(f"GROQ_API_KEY={canary('.env file')}\n")
        with Kernel(env=env) as kernel:
            kernel.run(f"import sys; sys.path[:0] = {[str(Path(__file__).parent), str(site)]}")
            done = Tour(kernel, folder)
            done.begin()
            for place in PLACES:
                done.visit(place)
            done.run("%xmode Verbose")
            for place in PLACES:
                done.fail(place)
            done.look_around()
        yield Seen(done.texts, server.requests)


@pytest.mark.slow
@pytest.mark.timeout(600)  # for the tour
@pytest.mark.parametrize("place", BY_VARIABLE + BY_HAND, ids=lambda place: place.name)
def test_the_key_reached_the_service(tour: Seen, place: Place) -> None:
    """Otherwise the rows below prove nothing."""
    asked = [one for one in tour.requests if f"/{place.slug}/" in one.path]
    told = " ".join(word for one in asked for word in credentials(one))
    assert seen(canary(place.name), told)


@pytest.mark.slow
@pytest.mark.timeout(600)  # for the tour
@pytest.mark.parametrize("output", OUTPUTS)
def test_there_was_something_to_look_through(tour: Seen, output: str) -> None:
    """As above."""
    texts = [
        text if isinstance(text, bytes) else text.encode() for text in tour.texts[output].values()
    ]
    assert any(OUTPUTS[output].encode() in text for text in texts)


ROWS = [
    pytest.param(place, output, id=f"{place.name} - {output}")
    for place in PLACES
    for output in OUTPUTS
    # The line of a cell stands in IPython's own frames, which verbose tracebacks show.
    if not (place.is_typed and output in TRACEBACKS)
    and not (place in BY_VARIABLE and output in {"%tb", "%debug"})
]


@pytest.mark.slow
@pytest.mark.timeout(600)  # for the tour
@pytest.mark.parametrize(("place", "output"), ROWS)
def test_no_key_is_seen(tour: Seen, place: Place, output: str) -> None:
    """Notebooks, logs and bug reports are shared."""
    hide_nothing_of(canary(place.name), tour.texts[output])


@pytest.mark.slow
def test_no_key_is_in_a_notebook_that_was_executed(tmp_path: Path) -> None:
    """Reports are made at night, with keys in the environment and errors in the cells."""
    path = tmp_path / "report.ipynb"
    with ByteServer(Service()) as server:
        base = f"http://me:{canary('login')}@127.0.0.1:{server.port}/v1"
        keys = {"G4F_API_BASE": base, "G4F_API_KEY": canary("key"), "G4F_HOME": str(tmp_path)}
        asked = [f"%chat -m {scene} --retries 0 hi" for scene in ("answered", *VERBOSE)]
        cells = ["%load_ext g4f_magic", *asked, "%xmode Verbose", *asked, "%tb"]
        notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
        client = NotebookClient(notebook, allow_errors=True, kernel_name="python3")
        nbformat.write(client.execute(env=clean_environment() | keys, cwd=str(tmp_path)), path)
        assert {one.headers["authorization"] for one in server.requests} == {
            f"Bearer {canary('key')}"
        }
    assert "I know you" in path.read_text()
    for name in ("key", "login"):
        hide_nothing_of(canary(name), files_below(tmp_path))


def test_the_keys_and_passwords_of_a_request_are_known() -> None:
    """Services quote them in errors; Azure and Google have names of their own for the header."""
    given = {"Api-Key": "b", "Cookie": "c=1; d=2", "Accept": "x"}
    headers = OpenaiTemplate.get_headers(stream=False, api_key="a", headers=given)
    logins = ("me:p@ss", "you:other", "key:")
    sent = [base64.b64encode(login.encode()).decode() for login in logins]
    request = Request("GET", "http://me:p%40ss@a.test/", headers, proxies="http://you:other@b.test")
    assert secrets_of(request) == ["a", "b", "c=1;", "d=2", sent[0], "p@ss", sent[1], "other"]
    assert secrets_of(Request("GET", "http://key@a.test/", {}, proxies={})) == [sent[2], "key"]
    assert "p%40ss" not in repr(request)


def test_what_a_client_is_given_is_shown_by_nothing() -> None:
    """Values of variables stand in verbose tracebacks and debuggers."""
    given = {
        "api_key": canary("a"),
        "api_base": f"http://me:{canary('b')}@a.test",
        "proxy": {"http": canary("c")},
        "headers": {"X-Own": canary("d")},
        "user": "somebody",
    }
    veiled_params = veiled(given)
    assert veiled_params == given
    assert "somebody" in repr(veiled_params)
    assert not any(seen(canary(name), repr(veiled_params)) for name in "abcd")


def test_a_pickled_client_has_no_key() -> None:
    """A pickle is kept in files and in the memory of schedulers; a copy is as good as new."""
    login = f"http://me:{canary('login')}@a.test/v1"
    client = Client("openai", api_key=canary("key"), api_base=login, timeout=7)
    pickled = pickle.dumps(client)
    for name in ("key", "login"):
        assert not seen(canary(name), pickled)
    settings = pickle.loads(pickled)._async.settings  # noqa: S301, SLF001 - our own
    assert settings == {"api_base": "http://a.test/v1", "timeout": 7, "max_retries": 2}
    for copied in (copy.copy(client), copy.deepcopy(client)):
        assert copied._async.settings["api_key"] == canary("key")  # noqa: SLF001
