"""Options end where the text begins, and the text comes through untouched."""

from __future__ import annotations

import argparse

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from g4f_magic.cell.options import split_options
from g4f_magic.errors import UsageError

TAKES_VALUE = {
    "-m": True,
    "--model": True,
    "-s": True,
    "--system": True,
    "-t": True,
    "--temperature": True,
    "--new": False,
    "--raw": False,
    "-q": False,
}


def split(line: str) -> tuple[list[str], str]:
    """Return what a line is split into."""
    return split_options(line, TAKES_VALUE)


def refusal(line: str) -> UsageError:
    """Return the error that a line leads to."""
    with pytest.raises(UsageError) as caught:
        split(line)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "what's up?",
        "it's \"quoted\" and 'single",
        "costs $x and {x} and {{ x }}",
        "a -m b --new -- c",
        "a    b\tc  ",
        "Grüße 🦊\u2028x",
        "\\n \\ back",
        "'starts with a quote",
        "=x",
        "",
    ],
)
@pytest.mark.parametrize("options", ["", "--new ", "-m gpt ", "--model=gpt -t 0.5 --raw "])
def test_the_text_after_the_options_is_no_syntax(options: str, text: str) -> None:
    """People write apostrophes, code and shell variables in prompts."""
    assert split(options + text)[1] == text


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("-m gpt hi", ["-m=gpt"]),
        ("-mgpt hi", ["-m=gpt"]),
        ("-m=gpt hi", ["-m=gpt"]),
        ("--model gpt hi", ["--model=gpt"]),
        ("--model=gpt hi", ["--model=gpt"]),
        ("  --model   gpt   hi", ["--model=gpt"]),
        ("-t0.5 hi", ["-t=0.5"]),
        ("-t -0.5 hi", ["-t=-0.5"]),
        ("-m a -m b hi", ["-m=a", "-m=b"]),
        ("--new --raw -q hi", ["--new", "--raw", "-q"]),
        ("-s 'be brief' hi", ["-s=be brief"]),
        ('-s "it\'s" hi', ["-s=it's"]),
        ("-s 'it\\'s' hi", ["-s=it's"]),
        ('-s"be brief" hi', ["-s=be brief"]),
        ('--system="be brief" hi', ["--system=be brief"]),
        ("--system 'a=b -m c' hi", ["--system=a=b -m c"]),
        ("--system=a=b hi", ["--system=a=b"]),
        ("-s '' hi", ["-s="]),
        ("--system '' hi", ["--system="]),
        ("--system= hi", ["--system="]),
        ("-s= hi", ["-s="]),
        ("-s don't hi", ["-s=don't"]),
        ("-m ollama:llama3.2:3b hi", ["-m=ollama:llama3.2:3b"]),
        ("--new hi -m gpt", ["--new"]),
    ],
)
def test_options_are_read_in_every_usual_form(line: str, arguments: list[str]) -> None:
    """Fingers know several; each must mean the same."""
    assert split(line)[0] == arguments
    assert split(line)[1].startswith("hi")


@given(st.text().filter(lambda text: not {"\\", '"'} & set(text) and text != "--"))
@example("-0.5")
@example("--new")
@example("-m")
@example("=a b")
@example("")
def test_argparse_reads_the_value_that_was_written(value: str) -> None:
    """The arguments go on to argparse, which has rules of its own for dashes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-m", "--model")
    for option in ("-m ", "-m=", "-m", "--model ", "--model="):
        arguments, text = split(f'{option}"{value}" hi')
        assert (parser.parse_args(arguments).model, text) == (value, "hi")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("-- -m gpt", "-m gpt"),
        ("--new -- --raw", "--raw"),
        ("--", ""),
        ("-- ", ""),
        ("--new --", ""),
        ("--   indented ", "  indented "),
        ("- a list item", "- a list item"),
        ("--new - a list item", "- a list item"),
        ("-", "-"),
        ("–new dash", "–new dash"),
    ],
)
def test_two_dashes_end_the_options_and_one_is_text(line: str, text: str) -> None:
    """A prompt may begin with a dash."""
    assert split(line)[1] == text


@given(st.text())
@example("  -m x")
@example("\u3000\x1f")
def test_any_text_after_two_dashes_comes_through_byte_for_byte(text: str) -> None:
    """What is pasted there may be anything at all."""
    assert split("-- " + text) == ([], text)
    assert split("--new -m 'a b' -- " + text) == (["--new", "-m=a b"], text)


@given(st.text())
def test_a_line_is_split_or_refused_and_nothing_else(line: str) -> None:
    """No line may end in a stack trace; the text is the end of the line."""
    try:
        _, text = split(line)
    except UsageError:
        return
    assert line.endswith(text)


@given(st.text(min_size=1).filter(lambda text: "\\" not in text and '"' not in text))
def test_any_quoted_value_is_read_whole(value: str) -> None:
    """A system prompt may hold whatever a sentence can."""
    assert split(f'--system "{value}" rest') == ([f"--system={value}"], "rest")


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("--modle gpt hi", "there is no option '--modle'", "did you mean '--model'?"),
        ("--nwe hi", "there is no option '--nwe'", "did you mean '--new'?"),
        ("--modle=gpt", "there is no option '--modle'", "did you mean '--model'?"),
        ("--zzz", "there is no option '--zzz'", "%%chat? lists them"),
        ("-5 + 3 is?", "there is no option '-5'", "-- before the text"),
        ("-qx", "there is no option '-qx'", "-- before the text"),
        ("-s '--' hi", "-s cannot be --", "end the options"),
        ("--new=1 hi", "--new takes no value", "-- before the text"),
        ("-m", "-m needs a value", "%%chat?"),
        ("-m   ", "-m needs a value", "%%chat?"),
        ("--new --system", "--system needs a value", "%%chat?"),
        ("-s 'be brief", "the quote ' after -s is not closed", "first line"),
        ('--system="be \\" brief', 'the quote " after --system is not closed', "first line"),
    ],
)
def test_a_slip_is_named_with_what_to_write(line: str, said: str, hint: str) -> None:
    """A misspelt option would otherwise be sent to the model as text."""
    error = refusal(line)
    assert str(error) == said
    assert hint in error.hint


def test_where_nothing_is_alike_nothing_is_suggested() -> None:
    """A wild guess is worse than the list."""
    assert "did you mean" not in refusal("--zzz").hint
