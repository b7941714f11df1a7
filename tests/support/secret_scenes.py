"""What the kernel of ``tests/test_secrets.py`` does with keys; no code of a cell names one.

The keys stand in a file beside the kernel's folders: what a person types is in the notebook
anyway, and what nobody typed must be nowhere.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import pickle
from pathlib import Path
from typing import Any, TypedDict

from IPython.core.debugger import Pdb
from IPython.core.getipython import get_ipython
from IPython.core.magic import Magics

import g4f_magic
from g4f_magic import AsyncClient, Client
from g4f_magic.errors import G4FError
from g4f_magic.providers import OpenaiTemplate

#: The variable that names the file of the keys.
FILE = "SECRETS_OF_THIS_TEST"
HELLO = [{"role": "user", "content": "hi"}]
_UP = 40  # frames that a debugger walks


class Shape(TypedDict):
    """What an answer can be asked to be."""

    colour: str


class Given(dict[str, Any]):
    """How a key is given; what is shown of it here would be no fault of the package's."""

    def __repr__(self) -> str:
        """Nothing of it."""
        return "{…}"


def given(place: str) -> Given:
    """How the key of a place is given: ``environ``, ``options``, ``config`` or ``client``."""
    text = Path(os.environ[FILE]).read_text(encoding="utf-8")
    found: Given = json.loads(text, object_hook=Given)[place]
    return found


def plant(place: str) -> None:
    """Gives the key of one place, and takes back that of the last one."""
    shell: Any = get_ipython()
    for name in _planted:
        os.environ.pop(name, None)
    magics = shell.magics_manager.registry["ChatMagics"]
    magics.provider = magics.proxy = magics.env_file = ""
    how = given(place)
    os.environ.update(how.get("environ", {}))
    for name, value in how.get("config", {}).items():
        setattr(magics, name, value)
    settings = {"provider": "", "proxy": "", "env_file": "", **how.get("settings", {})}
    shell.run_line_magic("g4f_config", " ".join(f'{key}="{settings[key]}"' for key in settings))
    _planted[:] = how.get("environ", {})


_planted: list[str] = []


def ask(place: str, model: str, options: str = "") -> Any:
    """Asks as a cell does, with the options that the place has, or with its client."""
    shell: Any = get_ipython()
    how, retries = given(place), int(model == "busy")
    if "client" not in how:
        line = f"-m {model} {how.get('options', '')} --last 0 --retries {retries} {options}"
        return shell.run_cell_magic("chat", line, "hi")
    client = make_client(place)
    results.append(client)
    params = Given(how.get("params", {}), max_retries=retries)
    return client.chat.completions.create(model, HELLO, **params)


#: Clients that were made, and what else is to be looked at in the end.
results: list[Any] = []


def make_client(place: str) -> Client:
    """A client that is given the key of a place."""
    settings = given(place)["client"]
    if attributes := settings.pop("class", None):
        own: Any = type("Own", (OpenaiTemplate,), attributes)
        return Client(own)
    return Client(**settings)


def debug() -> None:
    """Walks up the last traceback as a person at ``%debug`` does, and looks at all names."""
    shell: Any = get_ipython()
    commands = "p locals()\nup\n" * _UP
    written = io.StringIO()
    pdb = Pdb(stdin=io.StringIO(f"w\n{commands}q\n"), stdout=written)
    pdb.use_rawinput = False
    shell.InteractiveTB.pdb = pdb
    shell.run_line_magic("debug", "")
    shell.InteractiveTB.pdb = None
    print(written.getvalue())  # noqa: T201 - what a cell shows


def objects() -> str:
    """All objects of the package that are alive, and what those have that people get to see."""
    ours = [one for one in gc.get_objects() if _module(one).startswith(g4f_magic.__name__)]
    seen = [one for one in ours if isinstance(one, (AsyncClient, Client, G4FError, Magics))]
    return "\n".join([*map(repr, ours), *(repr(vars(one)) for one in seen), *map(str, results)])


def pickled() -> bytes:
    """Clients and results as pickles; providers that are made for an address have none."""
    found = b""
    for one in results:
        with contextlib.suppress(pickle.PicklingError):
            found += pickle.dumps(one)
    return found


def _module(one: object) -> str:
    return str(getattr(type(one), "__module__", ""))
