"""What must hold of any bytes at all: one check for each reader of what strangers write.

A check raises ``AssertionError``, or whatever the reader should not have raised.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from g4f_magic.cell.arguments import chat_options, takes_value
from g4f_magic.cell.options import request_fields, split_words
from g4f_magic.compare import parse_models
from g4f_magic.display.rendered import rendered as in_a_column
from g4f_magic.errors import StoreError, UsageError
from g4f_magic.formats import exported, imported
from g4f_magic.magics import ChatMagics
from g4f_magic.prompts.prompt import expand
from g4f_magic.providers.completions import CompletionReader
from g4f_magic.providers.listings import listed_models
from g4f_magic.providers.payloads import PayloadReader
from g4f_magic.providers.refusals import is_hopeless, refusal
from g4f_magic.settings.env_file import read_variables
from g4f_magic.settings.settings import Settings
from g4f_magic.settings.settings_file import read_settings, write_settings
from g4f_magic.types.answer_type import named_type
from g4f_magic.types.docstrings import described
from g4f_magic.types.unfit import UnfitError
from support.markdown_whole import assert_pieces_are_the_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from g4f_magic.formats import Kind

CORPUS = Path(__file__).parent.parent / "corpus"


def reply(data: bytes) -> None:
    """A reply means the same wherever the network cuts it."""
    whole = _events([data])
    assert _events(data[place : place + 1] for place in range(len(data))) == whole
    half = len(data) // 2
    assert _events([data[:half], b"", data[half:]]) == whole


def _events(chunks: Iterable[bytes]) -> list[Any]:
    """All that a reply says, with its pieces of text joined."""
    payloads, reader = PayloadReader(), CompletionReader()
    arrived = [payload for chunk in chunks for payload in payloads.feed(chunk)]
    events = [event for payload in arrived + payloads.close() for event in reader.read(payload)]
    return [*events, *reader.close(), payloads.is_done, reader.understood]


def json_reply(data: bytes) -> None:
    """What a service lists or refuses is read or left out, and never our own trouble."""
    refusal(418, data, provider="p", headers={}, retry_after_s=None)
    is_hopeless(429, data)
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(data.decode("utf-8", "replace"))
        listed_models(value if isinstance(value, dict) else {"data": value})


def markdown(data: bytes) -> None:
    """A text looks the same in pieces as whole, and can be shown in a column."""
    text = data.decode("utf-8", "replace")
    assert_pieces_are_the_whole(text, range(len(text)))
    in_a_column(text)


def prompt(data: bytes) -> None:
    """A prompt is expanded or refused; without double braces it is sent as it is."""
    text = data.decode("utf-8", "replace")
    try:
        said = expand(text, lambda expression: f"<{expression}>")
    except UsageError:
        assert "{{" in text
    else:
        assert "{{" in text or said == text


def options(data: bytes) -> None:
    """A line is understood or refused, and what follows its options is literal."""
    line = data.decode("utf-8", "replace")
    with contextlib.suppress(UsageError):
        given, rest = chat_options(ChatMagics.chat.parser, line)
        assert line.endswith(rest)
        request_fields(given)
    with contextlib.suppress(UsageError):
        parse_models([line])
    words = [word for some in split_words(line) for word in some]
    assert {"'", '"'} & set(line) or all(word in line for word in words)


def imports(data: bytes) -> None:
    """A conversation is imported or refused; what came in goes out, and in again, the same."""
    for kind in ("md", "json", "jsonl", "ipynb"):
        with contextlib.suppress(UsageError):
            _survives(data, kind)


def _survives(data: bytes, kind: Kind) -> None:
    chat = takes_value(ChatMagics.chat.parser)
    once = exported(imported(data, f"x.{kind}", chat), "json")
    assert exported(imported(once, "x.json", chat), "json") == once


def settings_file(data: bytes) -> None:
    """A file of settings is understood as far as it goes, and kept as it was understood."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.toml")
        path.write_bytes(data)
        settings = Settings(path)
        settings.told([], {}, {})
        settings.news()
        with contextlib.suppress(StoreError):
            values = read_settings(path)
            write_settings(path, values)
            assert read_settings(path) == values


def env_file(data: bytes) -> None:
    """A file of variables is read or refused, and no value is shown."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, ".env")
        path.write_bytes(data)
        with contextlib.suppress(UsageError):
            assert all(name.isidentifier() for name in read_variables(path))


def docstring(data: bytes) -> None:
    """A docstring describes what it names, in its own words."""
    text = data.decode("utf-8", "replace")
    said = described(text)
    assert set(" ".join((said.text, *said.parameters.values())).split()) <= _words(text)


def _words(text: str) -> set[str]:
    """All that may be read as a word of a text whose lines are cut behind marks."""
    ends = [text[place:] for place in range(len(text) + 1)]
    return {word for end in ends for word in end.split()[:1]}


def schema(data: bytes) -> None:
    """A value fits a JSON schema, or does not; a schema of any form is no trouble of ours."""
    with contextlib.suppress(ValueError, RecursionError):
        given, _, answer = data.decode("utf-8", "replace").partition("\n")
        kind = json.loads(given)
        with contextlib.suppress(UsageError, UnfitError):
            wanted = named_type("x", {"x": kind})
            json.dumps(wanted.response_format)
            wanted.read(answer)


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each
    for each in (
        *(reply, json_reply, markdown, prompt, options, imports, settings_file, env_file),
        *(docstring, schema),
    )
}
