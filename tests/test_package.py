"""The package as strangers get it: what is in it, and that it works where nothing else is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.metadata import Metadata
from support.environment import find_program, need
from support.installed import Environment, run

from g4f_magic import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # pip may wait for the network

TREE = Path(__file__).parent.parent
PROGRAM = Path(__file__).with_name("typed") / "program.py"
PYRIGHT = Path(__file__).parent / "support" / "node" / "node_modules" / "pyright" / "index.js"
# What a cell and the tree of modules come to, then each extra by a part that uses it.
TESTS_OF_CELLS = ("tests/test_chat_cell.py", "tests/test_layers.py")
TESTS_OF_EXTRAS = (
    "tests/test_proxies.py",
    "tests/test_engine.py",
    "-k",
    "reached_through_a_socks or one_kernel",
)
# What people write against; the other modules are ours to change.
PUBLIC = (
    *("client", "compare.comparison", "compare.compare", "errors", "messages", "providers"),
    *("shapes", "streams"),
)


def build(folder: Path, out: Path, *what: str) -> None:
    """Build what can be uploaded, with the tools of this environment."""
    run([sys.executable, "-m", "build", "--no-isolation", *what, "--outdir", str(out), str(folder)])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive, and the wheel that was built from it."""
    out = tmp_path_factory.mktemp("built")
    build(TREE, out)
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel."""
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def source(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, unpacked."""
    out = tmp_path_factory.mktemp("source")
    run(["tar", "-xzf", str(next(built.glob("*.tar.gz"))), "-C", str(out)])
    return out / f"g4f_magic-{__version__}"


@pytest.fixture(scope="module")
def bare(wheel: Path) -> Iterator[Environment]:
    """The wheel and what it needs, put into an empty environment by a pip that compiles nothing."""
    with tempfile.TemporaryDirectory(prefix="bare-") as folder:
        environment = Environment(Path(folder) / "env")
        environment.pip("install", "--quiet", "--only-binary", ":all:", str(wheel))
        yield environment


@pytest.fixture(scope="module")
def extended(
    bare: Environment, wheel: Path, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Environment, Path]:
    """The same with the extras, of which dev is for tests of a kernel, and a folder with these.

    So what looks at the wheel alone stands first in this file.
    """
    bare.pip("install", "--quiet", f"{wheel}[dask,socks]")
    bare.run("-c", "import distributed, socksio", cwd=source)
    bare.pip("install", "--quiet", f"{wheel}[dev]")
    outside = tmp_path_factory.mktemp("outside")
    (outside / "shared").symlink_to(TREE.parent / "shared")  # beside it, as beside the repository
    shutil.copytree(source, outside / "g4f_magic", ignore=shutil.ignore_patterns("g4f_magic"))
    return bare, outside / "g4f_magic"


def files_in(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel with their contents."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    """A top-level ``tests`` would land in every environment; without py.typed all is Any."""
    about = f"g4f_magic-{__version__}.dist-info"
    names = {"METADATA", "RECORD", "WHEEL", "licenses/LICENSE"}
    package = TREE / "g4f_magic"
    modules = {str(path.relative_to(TREE)) for path in package.rglob("*.py")}
    wanted = {f"{about}/{name}" for name in names} | modules | {"g4f_magic/py.typed"}
    assert set(files_in(wheel)) == wanted


def test_the_source_archive_has_all_that_is_built_and_tested(source: Path) -> None:
    """Those who pack it for a distribution run its tests and ship its documentation."""
    for name in ("tests/conftest.py", "docs/decisions.md", "notebooks/01_first_chat.ipynb"):
        assert (source / name).is_file()
    for name in ("CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "Makefile"):
        assert (source / name).read_bytes() == (TREE / name).read_bytes()
    assert not list(source.rglob("node_modules"))
    assert not list(source.rglob("*.pyc"))


def test_the_wheel_is_the_same_from_the_tree_and_from_the_archive(
    wheel: Path, tmp_path: Path
) -> None:
    """What is checked here is then what everybody installs, however it was built."""
    build(TREE, tmp_path, "--wheel")
    assert files_in(next(tmp_path.glob("*.whl"))) == files_in(wheel)


def test_the_metadata_is_what_an_index_takes(wheel: Path) -> None:
    """An upload that is refused, or a page without licence and words, costs a release."""
    text = files_in(wheel)[f"g4f_magic-{__version__}.dist-info/METADATA"]
    found = Metadata.from_email(text, validate=True)
    assert (found.name, str(found.version)) == ("g4f-magic", __version__)
    assert (found.license_expression, found.license_files) == ("MIT", ["LICENSE"])
    assert found.description_content_type == "text/markdown"
    assert {"dask", "dev", "lab", "socks"} <= set(found.provides_extra or ())
    assert str(found.requires_python) == ">=3.10"


def test_the_citation_names_this_version() -> None:
    """Who cites it wants to say which one was used."""
    lines = (TREE / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    told = dict(line.split(": ", 1) for line in lines if ": " in line and line[0].isalpha())
    assert told["version"] == __version__
    assert told["license"] == "MIT"


def test_the_wheel_alone_answers(bare: Environment, tmp_path: Path) -> None:
    """Nothing beyond what it declares may be needed for a first answer."""
    ask = "Client('demo').chat.completions.create(messages=[{'role': 'user', 'content': 'Hello'}])"
    program = f"from g4f_magic import Client\nprint({ask}.choices[0].message.content)"
    assert "not a language model" in bare.run("-c", program, cwd=tmp_path)
    assert "No broken requirements" in bare.pip("check")
    installed = {one["name"] for one in json.loads(bare.pip("list", "--format", "json"))}
    assert "g4f-magic" in installed
    assert installed.isdisjoint({"distributed", "jupyterlab", "pandas", "pydantic", "socksio"})


def run_tests(environment: Environment, outside: Path, *which: str) -> None:
    """Run tests of the source archive on what is installed."""
    environment.run("-m", "pytest", "-q", *which, cwd=outside)


def test_cells_work_with_the_wheel(extended: tuple[Environment, Path]) -> None:
    """A file that the wheel lacks is noticed by nobody whose tests read the tree."""
    environment, outside = extended
    where = "import g4f_magic; print(g4f_magic.__file__)"
    assert "site-packages" in environment.run("-c", where, cwd=outside)
    run_tests(environment, outside, *TESTS_OF_CELLS)


def test_extras_work_with_the_wheel(extended: tuple[Environment, Path]) -> None:
    """``pip install g4f-magic[socks,dask,dev]`` has to bring all that these need."""
    environment, outside = extended
    run_tests(environment, outside, *TESTS_OF_EXTRAS)


def test_mypy_knows_the_types(bare: Environment, tmp_path: Path) -> None:
    """Who checks a program of theirs must not get Any, nor errors for what is right."""
    (tmp_path / PROGRAM.name).write_text(PROGRAM.read_text())
    options = ("--strict", "--python-executable", bare.python, "--cache-dir", str(tmp_path))
    said = run([sys.executable, "-m", "mypy", *options, PROGRAM.name], cwd=tmp_path)
    assert "no issues found in 1 source file" in said


def pyright(environment: Environment, cwd: Path, *words: str) -> dict[str, Any]:
    """What pyright finds, which reads the environment that is active."""
    node = find_program("node", "node", reason="pyright is a JavaScript program")
    if not PYRIGHT.exists():
        need("pyright", "npm ci --prefix tests/support/node")
    command = [node, str(PYRIGHT), "--outputjson", *words]
    done = subprocess.run(
        command, cwd=cwd, env=environment.env, capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_pyright_knows_the_types(bare: Environment, tmp_path: Path) -> None:
    """Editors show what pyright says; strictly, and with each error that the program expects."""
    (tmp_path / PROGRAM.name).write_text(PROGRAM.read_text())
    settings = {"typeCheckingMode": "strict", "reportUnnecessaryTypeIgnoreComment": "error"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    found = pyright(bare, tmp_path)
    assert found["summary"]["filesAnalyzed"] == 1
    assert found["generalDiagnostics"] == []


def test_every_public_type_is_complete(bare: Environment, tmp_path: Path) -> None:
    """What one checker infers another infers differently, so public names say their types."""
    found = pyright(bare, tmp_path, "--verifytypes", "g4f_magic", "--ignoreexternal")
    types = found["typeCompleteness"]
    for part in PUBLIC:
        symbols = [
            one for one in types["symbols"] if f"{one['name']}.".startswith(f"g4f_magic.{part}.")
        ]
        assert symbols
        inferred = [one for one in symbols if one["isTypeAmbiguous"] or not one["isTypeKnown"]]
        assert [one["name"] for one in inferred if one["isExported"]] == []
    assert types["exportedSymbolCounts"]["withUnknownType"] == 0
