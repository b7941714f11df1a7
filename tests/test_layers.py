"""The house is built as designed: imports point one way and nothing grows too large.

Modules are parsed, not imported, so an import counts wherever it stands: at the top, inside a
function, under ``TYPE_CHECKING``, or as ``import_module("…")`` with the name written out.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE = "g4f_magic"
LONGEST_MODULE_LINES = 400
LONGEST_FUNCTION_LINES = 50
MOST_METHODS = 15

# From the bottom up. A module may import those of its own line and of the lines above it here;
# "x.*" is the package x with all that is in it.
LAYERS = (
    (
        *("errors", "fenced", "image_bytes", "limits", "messages", "models.model_info"),
        *("models.prices", "parts", "paths", "secret", "service", "types.*", "version"),
    ),
    ("inflate", "pauses", "pool", "portal", "sse"),
    ("transport", "trouble"),
    ("providers.*",),
    ("call", "client", "compare.tasks", "fetching", "replay", "shapes", "shaping", "streams"),
    ("models.*", "prompts.conversation", "store.*"),
    ("prompts.*", "tools", "tools.calling", "tools.reentry", "tools.tool"),
    ("display.*",),
    ("cell.front_end", "cell.next_cell", "cell.options", "cell.question"),
    ("formats.*", "settings.*"),
    ("cell.*", "compare.*", "completion.*", "tools.rounds", "warmup"),
    ("magics",),
    ("__init__",),
)
# Beyond the layers: whole parts that may not know each other although the order would allow it.
STRANGERS = {"display.*": ("providers.*",)}
# Who owns a foreign library, and so translates its errors and bears its changes.
OWNERS = {
    "IPython": ("cell.arguments", "cell.question", "completion.tab", "display.*", "magics"),
    "anyio": ("pool", "transport"),
    "distributed": ("compare.chunk",),
    "httpx": ("pool", "transport", "trouble"),
    "ipywidgets": ("display.*",),
    "markdown_it": ("display.*",),
    "nest_asyncio2": ("tools.reentry",),
    "sqlite3": ("store.database",),
}
HEAVY = (
    *("anyio", "asyncio", "httpx", "ipywidgets", "markdown_it", "nest_asyncio2"),
    *("pydantic", "sqlite3", "ssl"),
)
# The kernel has these already; the others of HEAVY wait for the first use of a magic.
IN_EVERY_KERNEL = ("asyncio", "sqlite3", "ssl")


def covers(pattern: str, module: str) -> bool:
    """Say whether a name of the tables above means this module."""
    return fnmatchcase(module, pattern) or pattern == f"{module}.*"


def any_covers(patterns: tuple[str, ...], module: str) -> bool:
    """Say whether one of several names means this module."""
    return any(covers(pattern, module) for pattern in patterns)


def layer_of(module: str) -> int:
    """Return how high a module stands, or fail if nobody has decided it."""
    for height, patterns in enumerate(LAYERS):
        if any_covers(patterns, module):
            return height
    pytest.fail(
        f"{PACKAGE}.{module} stands in no layer: add it to LAYERS in tests/test_layers.py, in the "
        "line where it belongs, and to the picture in CONTRIBUTING.md"
    )


def imported_names(source: str, package: str) -> Iterator[tuple[str, ...]]:
    """Yield each import of a source as the absolute names it may mean, most exact first."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name,) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            yield from ((f"{base}.{alias.name}", base) for alias in node.names)
        elif isinstance(node, ast.Call):
            yield from ((name,) for name in _imported_by_call(node, package))


def run_on_import(source: str) -> str:
    """Return a source without what only type checkers or callers of a function reach."""
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not _is_for_type_checkers(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [ast.Pass()]
    return ast.unparse(tree)


def _is_for_type_checkers(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _imported_by_call(node: ast.Call, package: str) -> Iterator[str]:
    called = ast.unparse(node.func).rpartition(".")[2]
    if called in {"import_module", "__import__"} and node.args:
        name = node.args[0]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            yield resolve_name(name.value, package)


class Tree:
    """The modules of a package by short name, with their sources and imports."""

    def __init__(self, sources: dict[str, str], packages: frozenset[str]) -> None:
        self.sources = sources
        self._packages = packages
        self.own: dict[str, set[str]] = {}
        self.foreign: dict[str, set[str]] = {}
        for module, source in sources.items():
            self._sort_imports(module, source)

    def _sort_imports(self, module: str, source: str) -> None:
        self.own[module], self.foreign[module] = set(), set()
        for names in imported_names(source, self._package_of(module)):
            if names[0].partition(".")[0] != PACKAGE:
                self.foreign[module].add(names[0].partition(".")[0])
            else:
                self.own[module].add(self._module_meant(names))
        self.own[module].discard(module)

    def loaded_first(self, module: str) -> set[str]:
        """Return what Python loads before this module, packages around it included.

        Inside a package ``from . import x`` waits for all of it, ``from .x import y`` does not.
        The top of all has nothing to wait for.
        """
        loaded = set()
        source = run_on_import(self.sources[module])
        for names in imported_names(source, self._package_of(module)):
            if names[0].partition(".")[0] == PACKAGE:
                meant = self._module_meant(names)
                around = meant.rpartition(".")[0]
                is_named = f"{PACKAGE}.{around}" in names
                if around and (is_named or not module.startswith(f"{around}.")):
                    loaded.add(around)
                loaded.add(meant)
        return loaded - {module}

    def _package_of(self, module: str) -> str:
        inside = module if module in self._packages else module.rpartition(".")[0]
        return f"{PACKAGE}.{inside}".rstrip(".") if inside != "__init__" else PACKAGE

    def _module_meant(self, names: tuple[str, ...]) -> str:
        short = [name.removeprefix(PACKAGE).removeprefix(".") or "__init__" for name in names]
        return next((name for name in short if name in self.sources), short[-1])


def read_tree(folder: Path) -> Tree:
    """Read all modules below a package's folder."""
    sources, packages = {}, set()
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "__init__"
        sources[name] = path.read_text(encoding="utf-8")
        if parts[-1] == "__init__":
            packages.add(name)
    return Tree(sources, frozenset(packages))


def imports_against_the_order(tree: Tree) -> list[str]:
    """Tell each import of a module that stands higher, or that is a stranger."""
    return [
        f"{module} imports {other}"
        for module, others in tree.own.items()
        for other in sorted(others)
        if layer_of(other) > layer_of(module) or are_strangers(module, other)
    ]


def are_strangers(module: str, other: str) -> bool:
    """Say whether a module may not know another one whatever their order."""
    return any(
        covers(part, module) and any_covers(unknown, other) for part, unknown in STRANGERS.items()
    )


def imports_past_the_owner(tree: Tree) -> list[str]:
    """Tell each import of a foreign library outside the modules that own it."""
    return [
        f"{module} imports {library}"
        for module, libraries in tree.foreign.items()
        for library in sorted(libraries & OWNERS.keys())
        if not any_covers(OWNERS[library], module)
    ]


def cycle(imports: Mapping[str, set[str]]) -> list[str]:
    """Return the modules of one import cycle, or nothing."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def too_long(tree: Tree) -> list[str]:
    """Tell each module and each function above its limit; a docstring is help, not a step."""
    found = []
    for module, source in tree.sources.items():
        if (lines := len(source.splitlines())) > LONGEST_MODULE_LINES:
            found.append(f"{module} has {lines} lines")
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if (lines := _lines_without_docstring(node)) > LONGEST_FUNCTION_LINES:
                found.append(f"{module}.{node.name} has {lines} lines")
    return found


def too_many_methods(tree: Tree) -> list[str]:
    """Tell each class above its limit; what Python and IPython call (``x_``) is not counted."""
    found = []
    for module, source in tree.sources.items():
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.ClassDef):
                continue
            methods = [
                one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
            ]
            own = [one.name for one in methods if not one.name.endswith("_")]
            if len(own) > MOST_METHODS:
                found.append(f"{module}.{node.name} has {len(own)} methods")
    return found


def _lines_without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    has_docstring = ast.get_docstring(node, clean=False) is not None
    return _lines(node) - (_lines(node.body[0]) if has_docstring else 0)


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def package_folder() -> Path:
    """Return where the package under test is: in this tree, or installed from a wheel."""
    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@pytest.fixture(scope="module")
def tree() -> Tree:
    """Read the package under test."""
    return read_tree(package_folder())


def test_every_module_has_a_place(tree: Tree) -> None:
    """A module that stands nowhere is one the other tests here say nothing about."""
    assert len(tree.sources) > len(LAYERS)  # guards against reading an empty folder
    for module in tree.sources:
        layer_of(module)


def test_imports_point_one_way(tree: Tree) -> None:
    """What is below can be read, tested and replaced without what is above it."""
    assert imports_against_the_order(tree) == []


def test_no_modules_import_each_other_in_a_circle(tree: Tree) -> None:
    """Within one layer, too: a circle breaks as soon as somebody imports its other end first."""
    assert cycle(tree.own) == []


def test_no_module_waits_for_a_package_that_waits_for_it(tree: Tree) -> None:
    """Two threads that import at the same time would meet there, and one get half a module."""
    assert cycle({module: tree.loaded_first(module) for module in tree.sources}) == []


def test_each_foreign_library_has_one_door(tree: Tree) -> None:
    """A change or an error of such a library is then handled in one place."""
    assert imports_past_the_owner(tree) == []


def test_nothing_grows_too_large(tree: Tree) -> None:
    """A module of 400 lines or a function of 50 has found a second purpose."""
    assert too_long(tree) == []


def test_no_class_does_too_much(tree: Tree) -> None:
    """A class of more than fifteen methods is two that share their fields."""
    assert too_many_methods(tree) == []


def made(**sources: str) -> Tree:
    """Make a tree out of sources; ``a__b`` stands for a.b."""
    named = {
        name if name == "__init__" else name.replace("__", "."): text
        for name, text in sources.items()
    }
    inner = {name.rpartition(".")[0] for name in named if "." in name}
    return Tree({**dict.fromkeys(inner, ""), **named}, frozenset({"__init__", *inner}))


@pytest.mark.parametrize(
    "source",
    [
        "from .magics import x",
        "from . import magics",
        "import g4f_magic.magics",
        "from g4f_magic.magics import x",
        "from g4f_magic import magics as m",
        "def f():\n    from .magics import x",
        "if TYPE_CHECKING:\n    from .magics import x",
        "try:\n    import g4f_magic.magics\nexcept ImportError: pass",
        "importlib.import_module('g4f_magic.magics')",
        "import_module('.magics', __package__)",
        "__import__('g4f_magic.magics')",
    ],
)
def test_an_import_upwards_is_found_however_it_is_written(source: str) -> None:
    """A check that can be slipped past by moving a line is none."""
    assert imports_against_the_order(made(transport=source, magics="")) == [
        "transport imports magics"
    ]


def test_imports_downwards_and_within_a_layer_are_free() -> None:
    """Guards against a check that fails on everything."""
    tree = made(
        errors="import asyncio",
        messages="from .errors import G4FError",
        providers__base="from ..messages import Message\nfrom . import openai",
        providers__openai="from g4f_magic.transport import exchange",
        transport="import httpx\nfrom .errors import G4FError",
    )
    assert imports_against_the_order(tree) == []
    assert imports_past_the_owner(tree) == []
    assert cycle(tree.own) == []


def test_a_relative_import_is_read_from_where_it_stands() -> None:
    """In a sub-package one dot means the sub-package, in its ``__init__`` as well."""
    tree = made(
        __init__="from .magics import load_ipython_extension",
        magics="",
        display="from .card import Card",
        display__card="from ..providers import base\nfrom ..providers.base import Provider",
        providers__base="from .. import __version__",
    )
    assert tree.own["__init__"] == {"magics"}
    assert tree.own["display"] == {"display.card"}
    assert imports_against_the_order(tree) == [
        "display.card imports providers.base",
        "providers.base imports __init__",
    ]


def test_a_library_used_past_its_owner_is_found() -> None:
    """Again wherever the import stands, and for a library's inner modules too."""
    tree = made(
        warmup="def f():\n    import httpx, IPython.display",
        display__card="import IPython.display\nfrom ipywidgets import HTML\nimport sqlite3",
        store="if TYPE_CHECKING:\n    from anyio.abc import TaskGroup",
    )
    assert imports_past_the_owner(tree) == [
        "warmup imports IPython",
        "warmup imports httpx",
        "display.card imports sqlite3",
        "store imports anyio",
    ]


def test_a_circle_within_a_layer_is_found() -> None:
    """The order alone would let it pass."""
    circular = made(call="from .client import x", client="def f():\n    from .call import x")
    assert imports_against_the_order(circular) == []
    assert set(cycle(circular.own)) == {"call", "client"}


@pytest.mark.parametrize(
    ("demo", "circle"),
    [
        ("from . import voice", {"providers", "providers.demo"}),
        ("from g4f_magic.providers import voice", {"providers", "providers.demo"}),
        ("import g4f_magic.sse", {"providers", "providers.demo", "sse"}),
        ("from .voice import speak", set()),
        ("def f():\n    from . import voice", set()),
        ("if TYPE_CHECKING:\n    from . import voice", set()),
    ],
)
def test_a_circle_through_the_package_around_is_found(demo: str, circle: set[str]) -> None:
    """Importing a module loads the package around it first."""
    tree = made(
        providers="from .demo import Demo",
        providers__demo=demo,
        providers__voice="",
        sse="from .providers.voice import speak",
    )
    loaded_first = {module: tree.loaded_first(module) for module in tree.sources}
    assert set(cycle(loaded_first)) == circle


def test_a_module_without_a_place_is_refused_in_a_sentence() -> None:
    """Who adds a module learns here what to do."""
    with pytest.raises(pytest.fail.Exception, match=r"g4f_magic\.helpers stands in no layer: add"):
        imports_against_the_order(made(helpers="from .errors import x", errors=""))


def test_length_is_counted_without_the_docstring() -> None:
    """A magic's docstring is its help and may be as long as that needs."""
    help_text = "    '''Help.\n" + "\n" * 60 + "    '''\n"
    step = "    x = 1\n"
    tree = made(
        sse="def f():\n" + help_text + step * 49,
        store="class C:\n async def g(self):\n" + step * 50 + "\n" * 349,
    )
    assert too_long(tree) == ["store has 401 lines", "store.g has 51 lines"]


def test_methods_are_counted() -> None:
    """Guards against a check that never fails."""
    methods = "".join(f"    def m{number}(self): ...\n" for number in range(16))
    source = f"class C:\n    def __init__(self): ...\n{methods}"
    assert too_many_methods(made(store=source)) == ["store.C has 16 methods"]


def newly_loaded(before: str, statement: str, folder: Path) -> set[str]:
    """Return the top-level modules that a statement loads in a new interpreter."""
    program = (
        f"import json, sys\n{before}\nknown = set(sys.modules)\n{statement}\n"
        "print(json.dumps(sorted({n.partition('.')[0] for n in set(sys.modules) - known})))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(package_folder().parent)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    loaded: list[str] = json.loads(run.stdout)
    return set(loaded)


def test_importing_the_package_loads_nothing_heavy(tmp_path: Path) -> None:
    """An import in a script or a notebook's first cell costs nothing to feel."""
    loaded = newly_loaded("", f"import {PACKAGE}", tmp_path)
    assert PACKAGE in loaded
    assert loaded.isdisjoint(HEAVY)


def test_loading_the_magics_loads_nothing_heavy(tmp_path: Path) -> None:
    """``%load_ext`` returns at once; httpx and the widgets come with the first answer."""
    loaded = newly_loaded("import IPython", f"import {PACKAGE}.magics", tmp_path)
    assert loaded.isdisjoint(set(HEAVY) - set(IN_EVERY_KERNEL))


def test_loading_is_seen_by_these_tests(tmp_path: Path) -> None:
    """Guards the two tests above: a heavy import does show."""
    assert {"httpx", "ssl"} <= newly_loaded("", "import httpx", tmp_path)
