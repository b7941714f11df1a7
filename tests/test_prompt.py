"""Values of the notebook get into prompts, and nothing else is touched."""

from __future__ import annotations

import ast
import base64
from argparse import Namespace
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, SupportsIndex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.byteserver import stream_script

from g4f_magic.errors import UsageError
from g4f_magic.messages import Answer, Image
from g4f_magic.parts import Attachment, Part
from g4f_magic.prompts.composing import composed
from g4f_magic.prompts.prompt import expand, expand_parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.byteserver import ByteServer
    from support.kernel import Kernel


class Colour(str, Enum):
    """A text that Python shows in another way."""

    RED = "red"


def put(text: str, **names: Any) -> str:
    """Return the text with these names of the notebook put in."""
    return expand(text, lambda code: eval(code, {**names}))  # noqa: S307  # as a notebook does


def parts(text: str, rows: int = 10, **names: Any) -> list[Part]:
    """Return the parts of a prompt with these names of the notebook put in."""
    return expand_parts(text, lambda code: eval(code, {**names}), rows=rows)  # noqa: S307  # as above


def refusal(text: str, **names: Any) -> UsageError:
    """Return the error that a prompt leads to."""
    with pytest.raises(UsageError) as caught:
        put(text, **names)
    return caught.value


def test_strings_go_in_as_they_are_and_all_else_as_python_shows_it() -> None:
    """Quotes around every string would look odd to a model."""
    assert (
        put("{{ a }}, {{b}} and {{ c }}.", a="x\ny", b=[1, "2"], c=None)
        == "x\ny, [1, '2'] and None."
    )
    assert put("{{ c }}", c=Colour.RED) == "red"
    assert parts("a {{ c }}", c=Colour.RED) == ["a red"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ 1 + 1 }}", "2"),
        ("{{ {'a': {'b': 1}} }}", "{'a': {'b': 1}}"),
        ("{{ {'a': {'b': 1}}}}", "{'a': {'b': 1}}"),
        ("{{{'a': 1}['a']}}", "1"),
        ("{{ {1}}}", "{1}"),
        ("{{ 'a }} b' }}", "a }} b"),
        ("{{ '{{' }}", "{{"),
        ("{{ 'x' + '}' }}", "x}"),
        ("{{ f'{1}' }}", "1"),
        ("{{ [i for i in range(3)\nif i] }}", "[1, 2]"),
        ("{{\n  1\n}}", "1"),
        ("{{ (lambda: {1: 2})() }}", "{1: 2}"),
        ("{{1}}{{2}}", "12"),
        ("a{{ 1 }}}", "a1}"),
        ("{ {{ 1 }} }", "{ 1 }"),
        ("}} {{ 1 }}", "}} 1"),
    ],
)
def test_the_shortest_expression_is_taken(text: str, expected: str) -> None:
    """Dictionaries and strings hold braces, too."""
    assert put(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"a": {"b": [1, 2]} }',
        "f'{x:{width}}'",
        r"\frac{a}{b} \sum_{i=1}^{n} x_{i}",
        "body { color: red; }",
        "${HOME} $x %s {x} {0} }",
        "",
        "Grüße 🦊 \x00",
    ],
)
def test_single_braces_are_never_touched(text: str) -> None:
    """Code, JSON and LaTeX are half of all prompts."""
    assert put(text, x="changed", width=1) == text


@given(st.text(alphabet=st.sampled_from("{}ax'\" \n\\🦊")).filter(lambda text: "{{" not in text))
@example('{"a": {"b": {}}}')
def test_a_text_without_double_braces_comes_through_byte_for_byte(text: str) -> None:
    """Whatever is pasted into a cell reaches the model."""
    assert put(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "for (i in x) { print(paste0('{', i, '}')) }",
        '{"a": {"b": [1, {"c": null} ] } }',
        r"\begin{pmatrix} a \\ b \end{pmatrix} \frac{\sqrt{x}}{2}",
        "{% for x in xs %}{# no #}{x}{% endfor %}",
        "f'{x!r:>{width}} {y=}'",
        "find . -name '*.py' -exec grep -l \"${x}\" {} + | awk '{print $1}'",
        "👩‍🔬 {🦊} \u2028 \r\n {\x85}",
    ],
)
@given(st.integers(0, 200))
def test_a_megabyte_of_code_with_single_braces_comes_through(text: str, cut: int) -> None:
    """Half of all prompts hold code; a changed byte is a wrong answer."""
    long = (text * (2**20 // len(text)))[cut:]
    assert parts(long) == [long]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{{{", "{{"),
        ("{{{{ name }}", "{{ name }}"),
        ("{{{{{{ x }}}}", "{{1}}"),
        ("a {{{{% raw %}} {{ x }}", "a {{% raw %}} 1"),
        ("{{{{{", "{{{"),
        ("{{{{{{{{", "{{{{"),
    ],
)
def test_four_braces_are_two(text: str, expected: str) -> None:
    """A question about Jinja beside a value of the notebook, where --raw is no way out."""
    assert put(text, x=1) == expected


@given(st.text(), st.text().filter(lambda text: "{" not in text))
@example("{{ secret }}", "")
@example("}} {{ secret", "")
def test_what_came_out_of_a_value_is_not_expanded_again(value: str, around: str) -> None:
    """A web page in a variable must not run code in the notebook."""
    text = around + "{{ v }}" + around
    assert put(text, v=value, secret="leaked") == around + value + around


def test_a_name_that_does_not_exist_is_named() -> None:
    """Sent as an empty string or literally, the answer would be about something else."""
    error = refusal("Explain {{ reslt }}", result=1)
    assert str(error) == "{{ reslt }}: name 'reslt' is not defined"
    assert "nothing was sent" in error.hint
    assert "--raw" in error.hint


class Unshowable:
    """A value that cannot be shown, like a broken proxy object."""

    def __repr__(self) -> str:
        """Fail."""
        message = "no"
        raise RuntimeError(message)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ 1/0 }}", "{{ 1/0 }} failed: ZeroDivisionError: division by zero"),
        ("{{ odd }}", "{{ odd }} failed: RuntimeError: no"),
        ("{{ await x }}", "{{ await x }} failed: SyntaxError"),
    ],
)
def test_an_expression_that_fails_is_named_with_its_reason(text: str, said: str) -> None:
    """Among several, a person must see which one."""
    error = refusal(text, odd=Unshowable())
    assert str(error).startswith(said)
    assert "--raw" in error.hint
    assert isinstance(error.__cause__, Exception)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{{", "''"),
        ("a {{ b", "'b'"),
        ("{{ }} and", "'}} and'"),
        ("{{}}", "'}}'"),
        ("{{ a b }}", "'a b }}'"),
        ("{{ x = 1 }}", "'x = 1 }}'"),
        ("{{ 1 }", "'1 }'"),
        ("{{ \0 }}", "'\\x00 }}'"),
        ("{{ " + "(" * 5000 + " }}", repr("(" * 40)),
        ("{{ " + "-" * 200_000 + "1 }}", repr("-" * 40)),
    ],
)
def test_braces_that_hold_no_expression_are_refused_with_a_way_out(text: str, shown: str) -> None:
    """A LaTeX or Jinja text needs ``--raw``, and the error says so."""
    error = refusal(text)
    assert str(error) == f"what follows {{{{ is not a Python expression closed by }}}}: {shown}"
    assert error.hint == "--raw sends the text as it stands"


PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAASwAAAAFCAIAAABwy0ZoAAAALUlEQVR4nO3TMQEAIAzAMEDI/EtBFjJ6kCjo"
    "031nFtA5dQD8zoQQMyHETAixB0iqAQ5wnC+BAAAAAElFTkSuQmCC"
)


def test_pictures_stand_where_they_stood() -> None:
    """``Compare {{ a }} with {{ b }}``: which is which depends on the order."""
    a, b = Image(PNG, "image/png"), PNG
    fox, first, with_, second, end = parts("{{ x }}: {{ a }} with {{ b }}{{ x }}.", a=a, b=b, x=1)
    assert (fox, with_, end) == ("1: ", " with ", "1.")
    assert first == Attachment("image", PNG, "image/png", "a")
    assert second == Attachment("image", PNG, "image/png", "b")
    assert parts("{{ [b][0] }}{{ b }}", b=b) == [
        Attachment("image", PNG, "image/png", ""),
        Attachment("image", PNG, "image/png", "b"),
    ]


def test_text_between_values_is_one_part() -> None:
    """Services count parts, and some take only one."""
    assert parts("a {{ 1 }} b {{ 2 }}{{{{") == ["a 1 b 2{{"]
    assert parts("{{ '' }}") == parts("") == []


def test_an_answer_is_put_in_with_its_text_and_its_pictures() -> None:
    """``{{ _ }}`` in the next cell."""
    answer = Answer("A fox.", images=(Image(PNG, "image/png"),))
    assert parts("{{ _ }}", _=answer) == ["A fox.", Attachment("image", PNG, "image/png", "_")]
    assert put("{{ _ }}", _=Answer("A fox.")) == "A fox."


def test_long_values_are_cut_to_the_rows_that_are_set() -> None:
    """A list that fills the memory is not what one wants to send."""
    long = list(range(100_000))
    assert parts("{{ x }}", rows=2, x=long) == ["[0, 1, … 99998 more]"]
    assert put("{{ x }}", x=long).endswith("9, … 99990 more]")


def test_a_picture_is_refused_where_only_text_can_stand() -> None:
    """In a system prompt it would be sent as ``<Figure size 640x480>``."""
    error = refusal("See {{ fox }}", fox=PNG)
    assert str(error) == "{{ fox }} is a picture, where only text can stand"


def test_a_picture_that_is_too_large_is_named_by_its_expression() -> None:
    """Before anything is sent, with its size: which of five pictures was it?"""
    options = Namespace(system=None, prompt_file=None, raw=False, attach=[])
    scope = {"fox": PNG + bytes(25 << 20), "hen": PNG}
    with pytest.raises(UsageError) as caught:
        composed("{{ hen }} {{ fox }}", options, scope, 10)
    said = "‹picture: fox› cannot be sent: it has 25.1 MB, and the limit is 20 MB"
    assert str(caught.value) == said
    assert "max_attachment_mb=26" in caught.value.hint


def test_an_interrupt_while_a_value_is_worked_out_gets_through() -> None:
    """■ must stop a slow expression."""

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put("{{ stop() }}", stop=stop)


def work(monkeypatch: pytest.MonkeyPatch, text: str) -> int:
    """Return how many characters are given to Python's parser for a prompt."""
    seen = 0
    parse = ast.parse

    def counting(source: str, **options: Any) -> Any:
        nonlocal seen
        seen += len(source)
        return parse(source, **options)

    monkeypatch.setattr(ast, "parse", counting)
    try:
        put(text, x="y")
    except UsageError:
        pass
    finally:
        monkeypatch.undo()
    return seen


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("{{ x }} and then some more of the text around it, " * 20_000, 20_000),
        ("{{ " * 10_000, 0),
        ("{{ ! " * 10_000 + "}}", 50_000),
        ("{{ ! }} " * 10_000, 64 * 64 * 8),
        ("{{ '" + "}}" * 100_000, 64 * 64 * 2),
        ('{"a": 1} ' * 100_000, 0),
    ],
)
def test_a_long_prompt_costs_no_more_than_its_length(
    monkeypatch: pytest.MonkeyPatch, text: str, most: int
) -> None:
    """A pasted file would otherwise freeze the kernel for minutes.

    Counted in characters parsed, which does not depend on the machine.
    """
    assert work(monkeypatch, text) <= most


class Counting(str):
    """A text that counts the characters copied out of it."""

    __slots__ = ()
    copied: ClassVar[list[int]] = []

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        """Return a piece, which counts likewise."""
        piece = Counting(super().__getitem__(key))
        self.copied.append(len(piece))
        return piece


def test_many_values_in_a_megabyte_copy_it_once() -> None:
    """Copying the rest of the text for each value took minutes."""
    text = ("{{ x }} " + "word " * 20) * 10_000
    Counting.copied.clear()
    assert put(Counting(text), x="y") == text.replace("{{ x }}", "y")
    assert sum(Counting.copied) <= len(text)


def test_cells_of_the_notebook_are_values_too(
    kernel: Kernel, byte_server: Callable[..., ByteServer]
) -> None:
    """``{{ In[3] }}`` asks about a cell, ``{{ Out[5] }}`` and ``{{ _ }}`` about its result."""
    server = byte_server(stream_script(["A fox."]))
    for code in ("%load_ext g4f_magic", "x = {'{{ y }}': 1}", "6 * 7"):
        assert kernel.run(code).error is None
    ask = f"%%chat -p {server.url}/v1 -m m --alone\n"
    assert kernel.run(ask + "{{ In[2] }} {{ Out[3] }} {{ _ }} {{ x }}").error is None
    assert kernel.run(ask + "{{ _ }}").error is None
    asked = [request.json["messages"][-1]["content"] for request in server.requests]
    assert asked == ["x = {'{{ y }}': 1} 42 42 {'{{ y }}': 1}", "A fox."]
