"""What a model writes looks the same in pieces as whole, and does nothing but be read."""

from __future__ import annotations

import html
import re
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.markdown_whole import ON_SCREEN, pieces, rendered
from support.payloads import PAYLOADS

from g4f_magic.display.harmless import neutralise
from g4f_magic.display.markdown import close_open_fence, finished_length, split_open_block

if TYPE_CHECKING:
    from collections.abc import Callable

JOINER = "\u2060"
BLOCKS = (
    "# A heading\n",
    "Setext\n======\n",
    "A paragraph with *emphasis*, `code` and a [link](https://example.org/a_(b)?c=1&d=2).\n",
    "Two lines\nof one paragraph.\n",
    "- one\n- two\n\n- loose\n  - nested\n\n    with a paragraph\n",
    "1. first\n2. second\n\n   ```python\n   x = 1\n\n   y = 2\n   ```\n3. third\n",
    "* a\n* b\n",
    "> quoted\n> text\n>\n> > deeper\n",
    "```python\ndef f(x: list[int]) -> None:\n\n    print('<b>')\n```\n",
    "~~~~\n```\n\n~~~\n~~~~\n",
    "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |\n",
    "$$\na = b\n\n+ c\n$$\n",
    "\\[\nx\n\ny\n\\]\n",
    "\\begin{align}\na &= b \\\\\n\nc &= d\n\\end{align}\n",
    "---\n",
    "    indented\n\n    code\n",
    "<div>\nraw\n</div>\n",
    "Costs $5 and `$$` is no formula.\n",
    "🙂 emoji, ünïcödé and a && b.\n",
)


documents = st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=8).map("\n".join)


@given(documents, st.lists(st.integers(0, 4000), max_size=40))
@example("1. a\n\n2. b\n", [7])
@example("> a\n#b\n", [5])
@example("a\n---\n", list(range(8)))
def test_pieces_look_the_same_as_the_whole(text: str, cuts: list[int]) -> None:
    """A block cut in two would change its look on screen in the middle of the answer."""
    parts = pieces(text, cuts)
    assert "".join(parts) == text
    assert "".join(map(rendered, parts)) == rendered(text)


@given(documents)
def test_pieces_look_the_same_when_cut_at_each_character(text: str) -> None:
    """Slow models bring one character at a time: no half of a line may deceive."""
    parts = pieces(text, list(range(len(text))))
    assert "".join(map(rendered, parts)) == rendered(text)


@pytest.mark.parametrize("block", [block for block in BLOCKS if "\n\n" in block])
def test_no_cut_is_made_within_a_block(block: str) -> None:
    """Blank lines within code, lists and formulas are part of them."""
    for length in range(len(block)):
        assert finished_length(block[:length]) in (0, *([len(block)] if length else []))


@pytest.mark.parametrize("block", ["$$\na\n\nb\n$$", "\\[\na\n\nb\n\\]", "\\begin{a}\n\n\\end{a}"])
def test_a_display_formula_stays_whole_between_paragraphs(block: str) -> None:
    """Half a formula is shown as dollars and backslashes."""
    text = f"before\n\n{block}\n\nafter\n"
    allowed = {0, 8, 8 + len(block) + 2}
    assert {finished_length(text[:length]) for length in range(len(text) + 1)} == allowed


def test_a_formula_that_nothing_closes_is_given_up() -> None:
    """A model that writes two dollar signs once would otherwise be sent again and again."""
    assert finished_length("$$ a lot\n\n" + "word\n\n" * 2000) > 8000


@pytest.mark.parametrize("code", ["`$$`", "``\\[``", "```\n$$\n```", "`\\begin{x}`"])
def test_what_opens_a_formula_does_not_count_in_code(code: str) -> None:
    """An answer about LaTeX would otherwise never be finished anywhere."""
    assert finished_length(f"{code}\n\nb\n\nc\n") == len(code) + 5


@pytest.mark.parametrize(
    "block", ["```\na\n```\n", "~~~~ py\n~~~\n~~~~\n", "# a\n", "## b ##\n", "---\n", "***\n"]
)
def test_a_block_that_ends_with_its_own_line_is_finished(block: str) -> None:
    """Waiting for the next block would send long code once more for each token after it."""
    assert finished_length(block) == len(block)
    assert finished_length(block[:-1]) == 0


@pytest.mark.parametrize(
    "text", ["", "\n\n", "a", "a\n\n", "- a\n\n", "```\na\n", "| a |\n|---|\n| b |\n", "a\n=\n"]
)
def test_a_block_that_may_go_on_is_not_finished(text: str) -> None:
    """What comes next would otherwise stand apart from what it belongs to."""
    assert finished_length(text) == 0


def test_line_endings_of_windows_count_as_they_are() -> None:
    """Offsets are counted in the text as it came."""
    assert finished_length("# a\r\n\r\nb\r\n\r\nc d") == len("# a\r\n\r\nb\r\n\r\n")


def test_a_long_open_fence_is_split_into_fences() -> None:
    """A program of a thousand lines would be sent as a whole ten times a second."""
    text = "```python title\n" + "x = 1\n" * 100
    parts = split_open_block(text, 200)
    assert parts is not None
    assert parts.head.endswith("x = 1\n```\n\n")
    assert 200 <= parts.length < 210
    assert parts.rest == parts.opening + text[parts.length :]
    assert parts.opening == "```python title\n"
    assert (parts.head[: parts.length] + parts.rest.removeprefix(parts.opening)) == text


def test_a_long_table_is_split_into_tables() -> None:
    """The rows below would otherwise be shown as text with bars."""
    header = "| a | b |\n|---|---|\n"
    text = header + "| 1 | 2 |\n" * 50 + "| 3"
    parts = split_open_block(text, 100)
    assert parts is not None
    assert parts.opening == header
    assert parts.rest.startswith(header + "| 1 | 2 |\n")
    assert ON_SCREEN.render(parts.head).count("<tr>") + ON_SCREEN.render(parts.rest).count(
        "<tr>"
    ) == (1 + 50 + 1 + 1)
    assert ON_SCREEN.render(parts.head + parts.rest).count("<table>") == 2


def test_splitting_goes_on_with_the_rest() -> None:
    """Only the first piece of a long program would come out."""
    rest, heads = "```\n" + "line\n" * 500, 0
    while parts := split_open_block(rest, 300):
        rest, heads = parts.rest, heads + 1
    assert heads > 7
    assert len(rest) < 310


def test_a_long_list_is_split_between_its_items() -> None:
    """A list has no end until something else begins, and may be as long as the answer."""
    text = "Look:\n\n" + "".join(f"{n}. item\n    - sub\n" for n in range(1, 100))
    parts = split_open_block(text, 300)
    assert parts is not None
    assert 300 <= parts.length < 330
    assert (parts.head[: parts.length] + parts.rest) == text
    pieces = ON_SCREEN.render(parts.head) + ON_SCREEN.render(parts.rest)
    assert pieces.count("<li>") == ON_SCREEN.render(text).count("<li>")
    assert f'<ol start="{parts.rest.partition(".")[0]}">' in pieces


def test_a_split_leaves_what_stands_before_the_block() -> None:
    """The text above a program belongs to its first piece."""
    parts = split_open_block("a\n  ```\n" + "  x = 1\n" * 100, 200)
    assert parts is not None
    assert parts.head.startswith("a\n  ```\n  x = 1\n")
    assert parts.opening == "  ```\n"
    assert ON_SCREEN.render(parts.rest).count("<pre>") == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a paragraph\n" * 100,
        "```\n" + "a" * 500,
        "```\n" + "a\n" * 200 + "```\n",
        "- ```\n" + "  a\n" * 200,
        "| a |\n|---|\n| " + "b" * 300,
        "$$\n" + "a\n" * 200,
    ],
)
def test_what_cannot_be_split_is_left_alone(text: str) -> None:
    """Cut anywhere else, code would turn into text."""
    assert split_open_block(text, 100) is None


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ("```py\na", "\n```"),
        ("```py\na\n", "```"),
        ("```", "\n```"),
        ("~~~~\n```\n", "~~~~"),
        ("a\n\n```\nb\n``", "\n```"),
        ("```\na\n```\n", ""),
        ("```\na\n```", ""),
        ("a `b` ```c```", ""),
        ("text", ""),
        ("- ```\n  a", ""),
    ],
)
def test_an_open_fence_is_closed(text: str, ending: str) -> None:
    """The note that an answer was stopped would otherwise be shown as code."""
    assert close_open_fence(text) == text + ending
    assert "<p>note</p>" in ON_SCREEN.render(close_open_fence(text) + "\n\nnote")


HARMLESS = (
    *BLOCKS[:16],
    *BLOCKS[17:],
    "a < b, x <3, 1<2, a <= b, `x < y`, a > b, -> =>\n",
    "```html\n<script>alert(1)</script>\n![x](http://a.b/c)\n[a](javascript:b)\n```\n",
    "~~~\n<b>&#x6a;\n~~~\n\nafter\n",
    "```sh\necho $HOME $x\n```\n",
    "```latex\n\\begin{a}\n\\href{x}{y}\n\\end{a}\n```\n\ntext\n",
    "Use `List<int>`, `vec![1, 2]` and `&mut x` here.\n",
    "1. `<div>` first\n2. then **bold** `a[0](b)`\n",
    "Inline $a < b$, \\(c > d\\), $$\\frac{1}{2}$$ and $\\begin{matrix}a & b\\end{matrix}$.\n",
    "$$\\left[ x \\right] \\sum_{i < n} i \\text{ if } a<0$$\n",
    "Links: <https://example.org/?a=b&c=d>, <mailto:a@example.org>, https://example.org/a.\n",
    "Write to <a.b+c@mail.example.org> or a@example.org.\n",
    "```mermaid\ngraph TD\nA[x<br/>y] -->|a < b & c| B\nstyle A fill:#f9f;\n```\n",
    '[a](https://example.org "title") [b](./c.md) [d](#e) [f][g] [h] [i]() [j](/k:l)\n',
    "[g]: https://example.org/x 'title'\n[h]: ../relative.md\n",
    "R&D, AT&T, a&b, &nbsp; &copy; &rarr; &amp; &lt;b&gt;\n",
    "JavaScript: The Good Parts. Here is the data: 1, 2. Open the file: a.txt.\n",
    '"quotes" and \'others\', costs $5 or "$6"; x[1] and y[i](z), e-mail a@b.example\n',
    "- [ ] a task\n- [x] done\n",
    "![dot](data:image/png;base64,iVBORw0KGgo=)\n",
    "Wow! Really?! C:\\dir and path\\to, wow!\n",
    "@decorator, @@ -1,2 +1,2 @@\n",
    "Text\n```\n<b>\n```\nText\n",
    "1. step\n```bash\ncat <file\n```\n2. step\n```bash\ncat <file\n```\n",
)


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_markdown_is_not_touched(text: str) -> None:
    """People copy from answers: nothing may be slipped in that is not needed."""
    assert neutralise(text) == text


@given(st.lists(st.sampled_from(HARMLESS), min_size=1, max_size=6))
def test_harmless_code_and_text_stay_what_they_are_next_to_each_other(parts: list[str]) -> None:
    """What is code is decided with all that stands before it."""
    text = "\n".join(parts)
    shown = html.unescape(ON_SCREEN.render(neutralise(text)))
    assert shown.replace(JOINER, "") == html.unescape(ON_SCREEN.render(text))


def test_html_in_text_is_shown_as_text() -> None:
    """An answer about HTML would lose its tags."""
    assert neutralise("a <b>c</b>") == "a &lt;b>c&lt;/b>"
    assert neutralise("in `a <b\n`") == f"in `a <{JOINER}b\n`"
    assert neutralise("$a <b$") == f"$a <{JOINER}b$"


def test_images_become_links_to_be_clicked() -> None:
    """A picture that loads by itself tells its server what stands in its address."""
    assert neutralise("![a b](http://c.d/e)") == "[🖼 a b](http://c.d/e)"
    assert neutralise("![a][b]") == f"!{JOINER}[a][b]"
    assert neutralise("![a]") == f"!{JOINER}[a]"
    assert neutralise("\\![a](http://b)") == f"\\!{JOINER}[a](http://b)"


def test_controls_are_shown_as_what_they_are() -> None:
    """Text turned round shows a file name or a command other than the one that is copied."""
    assert neutralise("a\x00b\x1bc\u202ed\u2066e\x9b\r\nf\rg\th") == "a�b�c�d�e�\nf\ng\th"


# Each payload is rendered as it is and between paragraphs, in a list and in a quotation.
FORMS = ("{}", "a\n\n{}\n\nb", "- {}", "> {}", "a {} b", "```\n```\n{}")

_BAD_LINK = re.compile(r"(?:javascript|vbscript|file|blob|data(?!:image/(?:png|jpe?g|gif|webp);))")


def faults(page: str) -> list[str]:
    """Return what a page does besides being read."""
    found = re.findall(
        r"<(?!/?(?:p|a|em|strong|code|pre|h\d|ul|ol|li|blockquote|table|thead|tbody|tr|t[hd]|br|hr"
        r"|img)\b)[A-Za-z/!?][^>]*>|<[a-z]+[^>]*[\s\"'/]on\w+=[^>]*>",
        page,
    )
    for value in re.findall(r"(?:href|src)=\"([^\"]*)\"", page):
        plain = re.sub(r"[\x00-\x20\x7f-\xa0\ufeff]|%[01].|%20", "", html.unescape(value))
        found += [value] if _BAD_LINK.match(plain.lower()) else []
    return found + re.findall(r"<img src=\"(?!data:)[^>]*", page)


_INNER = r"(?:(?!\n[ \t]*\n)[^$])+?"  # a blank line ends a formula
_FORMULAS = re.compile(
    rf"\${_INNER}\$|\\begin\{{x\}}{_INNER}\\end\{{x\}}|\\\\[(\[]{_INNER}\\\\[)\]]"
)


def rendered_with_formulas(text: str) -> str:
    """Return HTML as JupyterLab makes it: formulas taken out first and put back as they are."""
    formulas = _FORMULAS.findall(text)
    page: str = ON_SCREEN.render(_FORMULAS.sub("FORMULA", text))
    for formula in formulas:
        page = page.replace("FORMULA", html.escape(formula, quote=False), 1)
    return page


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("form", FORMS)
def test_nothing_runs_or_loads(payload: str, form: str) -> None:
    """What runs in a trusted notebook has the kernel, the files and the session."""
    safe = neutralise(form.format(payload))
    assert faults(ON_SCREEN.render(safe)) == []
    assert faults(rendered_with_formulas(safe)) == []
    assert neutralise(safe) == safe


def test_the_check_finds_what_it_looks_for() -> None:
    """A check that is blind passes everything."""
    assert faults(rendered_with_formulas('[x](http://a/$"onclick="b"$)'))
    blind = [payload for payload in PAYLOADS[:30] if not faults(ON_SCREEN.render(payload))]
    assert len(blind) < 5
    assert faults(ON_SCREEN.render("[x](javascript&colon;alert(1))"))
    assert faults(ON_SCREEN.render("![x](//evil)"))


@given(st.lists(st.sampled_from(PAYLOADS + BLOCKS), max_size=5), st.sampled_from(["\n", "\n\n"]))
def test_nothing_runs_or_loads_in_pieces_either(parts: list[str], between: str) -> None:
    """While an answer grows, each piece is made safe without a look at the others."""
    text = between.join(parts)
    safe = [neutralise(piece) for piece in pieces(text, list(range(0, len(text), 7)))]
    for shown in safe:
        assert faults(ON_SCREEN.render(shown)) == []


@given(st.text(st.sampled_from("`~<>![]()$\\&#:@b{}\"' -1.\n\t"), max_size=60))
def test_any_text_is_harmless_and_stays_as_it_is_the_second_time(text: str) -> None:
    """Nobody has thought of every combination."""
    safe = neutralise(text)
    assert faults(ON_SCREEN.render(safe)) == []
    assert neutralise(safe) == safe


@pytest.mark.parametrize(
    "command", ["href", "url", "htmlData", "class", "style", "require", "mmlToken", "bbox"]
)
def test_commands_that_leave_the_formula_are_broken(command: str) -> None:
    """A formula can hold a link or a style, too."""
    assert neutralise(f"$\\{command}{{x}}$") == f"$\\{JOINER}{command}{{x}}$"
    assert neutralise(f"$\\{command}x$") == f"$\\{command}x$"


def test_a_box_with_a_colour_is_left_alone() -> None:
    """The same command can hold a style sheet's worth of properties."""
    assert neutralise("$\\bbox[yellow, 5px]{x}$") == "$\\bbox[yellow, 5px]{x}$"
    assert neutralise("$\\bbox[a:url(b)]{x}$") == f"$\\{JOINER}bbox[a:url(b)]{{x}}$"


def test_the_name_of_a_language_stays_in_its_attribute() -> None:
    """JupyterLab 4.6 writes it there as it is, with the quotes."""
    assert neutralise('```py" onclick="a\n"b"\n```') == "```py' onclick='a\n\"b\"\n```"
    assert neutralise('- ```py" onclick="a\n  b\n  ```') == "- ```py' onclick='a\n  b\n  ```"


def test_a_definition_does_not_take_the_line_of_a_fence_for_its_address() -> None:
    """What follows would be text, and the code that is left alone would run."""
    assert neutralise("[x]: \n```\n<b>\n```") == "[x]: \n\n```\n<b>\n```"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('A["<video poster=b>"]', f'A["<{JOINER}video poster=b>"]'),
        ("A[<<p style=b>>]", f"A[<<{JOINER}p style=b>>]"),
        ("<<interface>> A", "<<interface>> A"),
        ("A[http://b]", f"A[http{JOINER}:/{JOINER}/b]"),
        ("A@{ img: b }", f"A@{{ im{JOINER}g: b }}"),
        ("style A fill:url(b)", f"style A fill:url{JOINER}(b)"),
        ("A[b\\nc\\x2f]", f"A[b\\nc\\{JOINER}x2f]"),
    ],
)
def test_what_loads_something_in_a_diagram_is_broken(line: str, shown: str) -> None:
    """JupyterLab draws diagrams in the page, and their labels are HTML."""
    diagram = "```mermaid\ngraph TD\n\n{}\n```\n\n```text\n<b> http://a\n```"
    assert neutralise(diagram.format(line)) == diagram.format(shown)
    assert neutralise(diagram.format(shown)) == diagram.format(shown)


def test_a_diagram_in_a_list_is_shown_as_its_source() -> None:
    """Where its code ends depends on the parser, so nothing in it could be broken for sure."""
    assert neutralise("- ```mermaid\n  a\n  ```") == f"- ```m{JOINER}ermaid\n  a\n  ```"


def seconds(function: Callable[[str], object], text: str) -> float:
    """CPU time of the quickest of three calls."""
    times = []
    for _ in range(3):
        start = time.process_time()
        function(text)
        times.append(time.process_time() - start)
    return min(times)


UNITS = (
    *("a", "<", "`", "](", "![", "$", "$ ", "> ", "(a", '"$http://', "\\begin{x}"),
    *("```\n", "~~~x\n", "]:\n", "[a\n", "a\n=\n", "|a|\n", "- a\n", "  - a\n", "\n"),
    *("[^a]: b\n\n", "```mermaid\n"),
)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("function", [neutralise, finished_length, close_open_fence])
def test_work_grows_with_the_text_and_not_with_its_square(
    function: Callable[[str], object], unit: str
) -> None:
    """A cell that computes for a minute cannot be stopped before it is done."""
    small, large = (unit * (size // len(unit)) for size in (8_000, 64_000))
    assert seconds(function, large) < 30 * seconds(function, small) + 0.03  # 64 times if squared


def test_entities_do_not_spell_commands() -> None:
    """The browser decodes them before formulas are looked for."""
    assert neutralise("&dollar;&bsol;href") == "&amp;dollar;&amp;bsol;href"
    assert neutralise("\\$&#92;href\\$") == f"\\$&{JOINER}#92;href\\$"


def test_a_fence_that_cannot_be_told_from_text_is_made_safe() -> None:
    """What follows a fence in a list may be code or text, whoever reads it."""
    text = "1. a\n  ```\n<b>\n```\n<b>\n```python\n<b>\n```\n<b>"
    assert neutralise(text) == (
        f"1. a\n  ```\n<{JOINER}b>\n```\n<{JOINER}b>\n```python\n<b>\n```\n&lt;b>"
    )


def test_pieces_cut_where_a_fence_begins_are_not_swallowed_by_a_formula() -> None:
    """A piece cannot see that the one before it left a formula open."""
    parts = pieces("# \\begin{x}\n```\n\\end{x}\n```\na\n\nb\n", [12, 30, 33])
    assert all(first.endswith("\n\n") or "\\" not in first for first, _ in pairwise(parts))
