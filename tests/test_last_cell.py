"""Asking about a cell that failed, or about the one above, in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.byteserver import ByteServer, stream_script
from support.kernel import Kernel

from g4f_magic.prompts.last_cell import without_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "correct horse battery staple"
CORRECTED = "The list is empty.\n\n```python\nmean = 0\n```"


@pytest.fixture(scope="module")
def chat() -> Iterator[Kernel]:
    """A kernel with the extension loaded, and a key in its environment."""
    with Kernel(env={"MY_API_KEY": KEY, "KEY_COUNT": "7"}) as running:
        assert running.run("%load_ext g4f_magic").error is None
        yield running


@pytest.fixture
def service(byte_server: Callable[..., ByteServer]) -> ByteServer:
    """A service that corrects."""
    return byte_server(stream_script([CORRECTED]))


def asked(kernel: Kernel, service: ByteServer, options: str, body: str | None = None) -> str:
    """The prompt that a cell with these options sends."""
    line = f"chat --new -p {service.url}/v1 -m m {options}"
    run = kernel.run(f"%{line}" if body is None else f"%%{line}\n{body}")
    assert run.error is None
    return str(service.requests[-1].json["messages"][-1]["content"])


def refusal(kernel: Kernel, code: str) -> str:
    """What a cell fails with."""
    error = kernel.run(code).error
    assert error is not None
    return f"{error.ename}: {error.evalue}"


def test_the_last_failure_is_sent_with_its_cell(chat: Kernel, service: ByteServer) -> None:
    """Nobody copies a cell and a traceback into a chat."""
    cell = "def mean(xs):\n    return sum(xs) / len(xs)\n\n# `mean`\nmean([])"
    chat.run(cell)
    chat.run("'nothing wrong here'")
    prompt = asked(chat, service, "--fix")
    assert f"```python\n{cell}\n```" in prompt
    assert "ZeroDivisionError: division by zero" in prompt
    assert "Cell, line 2, in mean\n    return sum(xs) / len(xs)\n" in prompt
    assert "interactiveshell" not in prompt
    assert "/tmp" not in prompt  # noqa: S108  # where ipykernel says that cells are


def test_the_corrected_cell_appears_below(chat: Kernel, service: ByteServer) -> None:
    """It is read, and run with a key."""
    chat.run("1 / 0")
    run = chat.run(f"%%chat --new -p {service.url}/v1 -m m --fix -f code\nin {{{{ 'Latin' }}}}")
    assert run.reply is not None
    assert [part["text"] for part in run.reply["payload"]] == ["mean = 0"]
    assert service.requests[-1].json["messages"][-1]["content"].endswith("```\n\nin Latin")


def test_a_syntax_error_can_be_fixed(chat: Kernel, service: ByteServer) -> None:
    """It has no traceback, as nothing ran."""
    chat.run("for x in 3 print(x)")
    prompt = asked(chat, service, "--fix")
    assert "```python\nfor x in 3 print(x)\n```" in prompt
    assert "SyntaxError: " in prompt


def test_what_led_to_an_error_is_told(chat: Kernel, service: ByteServer) -> None:
    """The reason stands in the first of two errors as often as not."""
    chat.run("try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('b') from e")
    prompt = asked(chat, service, "--fix")
    assert prompt.index("KeyError: 'a'") < prompt.index("direct cause")
    assert prompt.index("direct cause") < prompt.index("ValueError: b")
    chat.run("try:\n    {}['a']\nexcept KeyError:\n    undefined_name")
    prompt = asked(chat, service, "--fix")
    assert prompt.index("During handling") < prompt.index("NameError: ")


def test_long_errors_are_cut_and_say_so(chat: Kernel, service: ByteServer) -> None:
    """A thousand frames, or a table in a message, would fill the model's context."""
    chat.run("def f(n):\n    f(n + 1)\nf(0)")
    prompt = asked(chat, service, "--fix")
    assert "frames left out …]" in prompt
    assert "RecursionError" in prompt
    assert len(prompt) < 3000
    chat.run("raise KeyError('x' * 1_000_000)")
    prompt = asked(chat, service, "--fix")
    assert "characters left out …]" in prompt
    assert len(prompt) < 4000


def test_keys_of_the_environment_are_not_sent(chat: Kernel, service: ByteServer) -> None:
    """Cells connect to databases and services, and their errors show with what."""
    chat.run(f"raise ValueError('{KEY} 7 sk-abcdefgh12345678 ftp://me:pass@host/')")
    prompt = asked(chat, service, "--fix")
    assert "raise ValueError('… 7 … ftp://…@host/')" in prompt
    assert KEY not in prompt
    assert "pass@" not in prompt


def test_a_key_that_is_part_of_another_leaves_nothing() -> None:
    """The rest of the longer one would be most of it."""
    environ = {"A_KEY": "12345678", "B_KEY": "1234567890abcdef", "HOME": "/home/somebody"}
    assert without_keys("1234567890abcdef /home/somebody", environ) == "… /home/somebody"


def test_our_own_errors_are_not_to_be_fixed(chat: Kernel, service: ByteServer) -> None:
    """A missing key or a slip in an option is no fault of the notebook."""
    chat.run("int('seven')")
    chat.run("%%chat --no-such-option\nhi")
    assert "int('seven')" in asked(chat, service, "--fix")


def test_without_a_failure_a_line_says_so(kernel: Kernel) -> None:
    """An empty question would cost money."""
    kernel.run("%load_ext g4f_magic")
    assert refusal(kernel, "%chat --fix") == "UsageError: no cell has failed yet"
    assert refusal(kernel, "%chat --explain") == "UsageError: no cell has run before this one"
    assert refusal(kernel, "%chat --fix --explain").startswith("UsageError: --fix and --explain")


@pytest.mark.parametrize("failing", ["int('seven')", "1 +"])
def test_a_failure_before_loading_counts(kernel: Kernel, service: ByteServer, failing: str) -> None:
    """It is the reason why somebody loads the extension."""
    kernel.run(failing)
    kernel.run("'another cell'")
    kernel.run("%load_ext g4f_magic")
    prompt = asked(kernel, service, "--fix")
    assert f"The cell:\n\n```python\n{failing}\n" in prompt
    assert "Error: " in prompt


def test_the_cell_above_is_explained(chat: Kernel, service: ByteServer) -> None:
    """Code that was found somewhere is understood before it is changed."""
    chat.run("total = sum(range(5))\ntotal")
    chat.run("%chat")
    prompt = asked(chat, service, "--explain", "for a child")
    assert "```python\ntotal = sum(range(5))\ntotal\n```" in prompt
    assert "What Python said" not in prompt
    assert prompt.endswith("\n\nfor a child")
    chat.run("undefined_name")
    assert "NameError" in asked(chat, service, "--explain")
