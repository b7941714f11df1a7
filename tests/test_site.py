"""The pages of docs/ say what the package does today; `make docs` sees to their links."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from g4f_magic import errors
from g4f_magic.cell.arguments import chat_options, parsed
from g4f_magic.cell.options import split_words
from g4f_magic.magics import ChatMagics
from g4f_magic.providers import get_provider
from g4f_magic.providers.refusals import refusal
from g4f_magic.settings.settings import KEYS, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
PAGES["README.md"] = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
MADE = re.compile(r"<!-- made by .*?<!-- end -->", re.DOTALL)
OURS = re.compile(r"%%?(?:chat|g4f_\w+)\b[^`\n?]*")
LARGEST_PICTURE_BYTES = 150_000


@functools.cache
def script(name: str) -> Any:
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page in one language, or in none."""
    return [text for one, text in BLOCK.findall(PAGES[page]) if one == language]


def lines_of_ours(page: str) -> Iterator[str]:
    """Each line with a magic of ours, in cells and in the running text."""
    for text in [*blocks(page, ""), *blocks(page, "python")]:
        yield from (line.strip() for line in text.split("\n") if line.strip()[:1] == "%")
    written = MADE.sub("", BLOCK.sub("", PAGES[page]))
    yield from (span for span in re.findall(r"`([^`\n]+)`", written) if OURS.fullmatch(span))


def is_explained(message: str) -> bool:
    """Whether the page of errors has the message, with … for what differs."""
    rows = re.findall(r"^\| `(.+?)` \|", PAGES["troubleshooting.md"], re.MULTILINE)
    patterns = (".+".join(map(re.escape, row.split("…"))) for row in rows)
    return any(re.fullmatch(pattern, message) for pattern in patterns)


def read(line: str, settings: Settings) -> None:
    """Read a line as its magic does; raises what the cell would show."""
    magic, _, rest = line.lstrip("%").partition(" ")
    if magic == "chat":
        chat_options(ChatMagics.chat.parser, rest)
        return
    arguments, words = split_words(rest) if magic != "g4f_models" else (rest.split(), [])
    parsed(getattr(ChatMagics, magic).parser, arguments, "")
    if magic == "g4f_config":
        settings.assign(*(word for word in words if "=" in word))
        settings.told([word.partition("=")[0] for word in words], {}, {})


def test_parts_that_repeat_the_code_are_fresh() -> None:
    """An option, a setting or a message would be missing on its page, or be there no more."""
    pages = script("make_reference").pages()
    assert len(pages) > 3
    for path, text in pages.items():
        assert path.read_text(encoding="utf-8") == text, "run python docs/make_reference.py"


def test_every_class_of_error_has_its_cause_and_cure() -> None:
    """Somebody with an error in a cell would find nothing about it."""
    page = PAGES["troubleshooting.md"]
    classes = [name for name, one in vars(errors).items() if isinstance(one, type)]
    told = re.findall(r"### (\w+)\n\n\*\*Cause\.\*\* .+?\n\n\*\*What helps\.\*\* ", page, re.DOTALL)
    assert told == classes


def test_the_words_of_every_error_are_found() -> None:
    """The page would lack an error that is put together in a way which nobody foresaw."""
    reference = script("make_reference")
    wordless = [one for one in reference.all_messages() if one.text == reference.HOLE]
    # Those that pass on what a type hint, argparse, a reader of files or an expression says.
    assert [one.hint for one in wordless] == [
        "",
        "%%chat? shows what it takes",
        "nothing was loaded; Comparison.save writes files that can be",
        "…",
    ]


@pytest.mark.parametrize(
    "fails",
    [
        lambda: get_provider("opnai"),
        lambda: chat_options(ChatMagics.chat.parser, "--modle x hi"),
        lambda: chat_options(ChatMagics.chat.parser, "-m a -m b -f json hi"),
        lambda: Settings().assign("max_rounds=none"),
        lambda: Settings().assign("api_key=1"),
    ],
)
def test_what_a_cell_says_stands_on_the_page(fails: Callable[[], object]) -> None:
    """The words of an error would be searched for in vain."""
    with pytest.raises(errors.G4FError) as error:
        fails()
    assert is_explained(str(error.value))


def test_every_error_of_the_faults_stands_on_the_page_of_errors() -> None:
    """Who looks up what a broken network has put into the cell would find nothing."""
    rows = re.findall(r"\| `\w+Error: (.+?)` \|", PAGES["faults.md"])
    assert len(rows) > 50
    # A row need not have the words of OpenSSL, which stand behind ours.
    assert [row for row in rows if not (is_explained(row) or is_explained(f"{row} (…)"))] == []


@pytest.mark.parametrize(
    ("status", "body", "wait_s"),
    [
        (401, b"", None),
        (404, b"", None),
        (413, b"", None),
        (429, b"insufficient_quota", None),
        (400, b"context length exceeded", None),
        (429, b"", 3600),
        (503, b"", None),
    ],
)
def test_the_hints_of_refusals_stand_on_the_page(
    status: int, body: bytes, wait_s: float | None
) -> None:
    """What most often goes wrong would be explained least."""
    error = refusal(status, body, provider="groq", retry_after_s=wait_s, api_key_env="GROQ_API_KEY")
    rows = re.findall(r"^\| [^`]+ \| `(.+)` \|$", PAGES["troubleshooting.md"], re.MULTILINE)
    assert any(re.fullmatch(re.escape(row).replace("…", ".+"), error.hint) for row in rows)


@pytest.mark.parametrize("page", PAGES)
def test_cells_shown_can_be_run(page: str, tmp_path: Path) -> None:
    """A reader would copy a cell and be told that there is no such option."""
    settings = Settings(tmp_path / "config.toml")
    for line in lines_of_ours(page):
        if OURS.match(line):
            read(line, settings)
        else:
            assert line.split()[0] in {"%load_ext", "%pip", "%env"}


def test_cells_of_all_magics_are_looked_at() -> None:
    """The test above would prove nothing if it found no cells."""
    lines = [line for page in PAGES for line in lines_of_ours(page)]
    names = {line.split()[0] for line in lines}
    assert {"%%chat", "%chat", "%g4f_chats", "%g4f_config", "%g4f_models"} <= names
    assert len(lines) > 100


@pytest.mark.parametrize("page", PAGES)
def test_python_shown_is_python(page: str) -> None:
    """A reader would copy code and get a SyntaxError."""
    for text in blocks(page, "python"):
        source = TransformerManager().transform_cell(text)
        compile(source, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_pictures_are_small_and_can_be_taken_anew() -> None:
    """A picture of how it looked long ago misleads, and nobody would know where it came from."""
    pictures = sorted((DOCS / "images").glob("*"))
    taken = sorted(f"{shot.name}.png" for shot in script("make_pictures").CELLS if shot.name)
    assert [path.name for path in pictures] == taken
    shown = set(re.findall(r"images/(\w+\.png)", "".join(PAGES.values())))
    assert shown == set(taken)
    assert all(path.stat().st_size <= LARGEST_PICTURE_BYTES for path in pictures)


def test_settings_stand_in_the_configuration_of_ipython() -> None:
    """docs/configuration.md says so of all, and an administrator sets them there."""
    assert set(KEYS) <= set(ChatMagics.class_trait_names(config=True))


def test_links_of_the_readme_lead_somewhere() -> None:
    """The README is not part of the site, whose build looks at the others."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGES["README.md"])
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []
