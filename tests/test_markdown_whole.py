"""Blocks within blocks, as models write them: frozen pieces look like the whole text."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from support.markdown_whole import assert_pieces_are_the_whole

from g4f_magic.display.harmless import neutralise

WORDS = st.sampled_from(
    (
        *(
            "word",
            "a *b* `c`",
            "$x$",
            "1. 5",
            "- no item",
            "#no heading",
            "é🦊",
            "\\# plain",
            "<b>",
        ),
        *(
            "[l]",
            "[l][m]",
            "![p](q)",
            "&amp; &",
            "a | b",
            "==",
            "two  ",
            "<https://a.b>",
            "$$",
            "```",
        ),
    )
)
LINES = st.lists(WORDS, min_size=1, max_size=3).map("\n".join)
LEAVES = st.one_of(
    LINES,
    LINES.map("# {}".format).map(lambda text: text.replace("\n", " ") + " ##"),
    st.builds("{}\n{}".format, LINES, st.sampled_from(["===", "---", "-", "="])),
    st.builds(
        "{0}{1}\n{2}\n\n{2}\n{3}".format,
        st.sampled_from(["```", "~~~~", "`````"]),
        st.sampled_from(["", "py", " a b"]),
        LINES,
        st.sampled_from(["```", "~~~~", "`````", "````` ", ""]),
    ),
    LINES.map(lambda text: "    " + text.replace("\n", "\n\n    ")),
    st.builds(
        "| {} | b |\n| :-- | --: |\n{}".format,
        st.sampled_from(["a", "`x`", "\\|"]),
        st.lists(st.sampled_from(["| 1 | 2 |", "| 3", "4 | 5", "| \\| |"]), max_size=3).map(
            "\n".join
        ),
    ),
    st.sampled_from(
        (
            *("---", "***", "_ _ _", "<div>\nraw\n</div>", "<div>\n\n*in*\n\n</div>", "<br>"),
            *("<!-- a\n\nb -->", "<pre>\na\n\nb\n</pre>", "<script>\n\n</script>", "<?x\n\n?>"),
            *(
                "<!X\n\n>",
                "<![CDATA[\n\n]]>",
                "</p>",
                "<a-b c='d'>\nx",
                "<details>\n\nx\n\n</details>",
            ),
            *("$$\na\n\nb\n$$", "\\[\nx\n\\]", "\\begin{a}\n\nx\n\\end{a}", "[l]: /url 'title'"),
            *(
                "[l]:\n/url\n'of two\nlines'",
                "[m]: <x y>\n[l]: /z",
                "[l]: /url\ntext",
                "",
                "\t",
                " ",
            ),
        )
    ),
)


def quoted(text: str, mark: str) -> str:
    """The text in a quotation."""
    return mark + text.replace("\n", f"\n{mark}")


def item(text: str, mark: str, indent: int) -> str:
    """The text as an item of a list."""
    return mark + " " * indent + text.replace("\n", "\n" + " " * (len(mark) + indent))


def joined(blocks: st.SearchStrategy[str], most: int) -> st.SearchStrategy[str]:
    """Several blocks, with or without blank lines between them."""
    gap = st.sampled_from(["\n", "\n\n", "\n\n", "\n \n", "\n\n\n"])
    pairs = st.lists(st.builds("{}{}".format, blocks, gap), min_size=1, max_size=most)
    return pairs.map("".join)


BLOCKS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(quoted, joined(inner, 3), st.sampled_from(["> ", ">", " > ", ">     "])),
        st.builds(
            item,
            joined(inner, 3),
            st.sampled_from(["-", "*", "+", "1.", "1)", "22."]),
            st.integers(1, 5),
        ),
    ),
    max_leaves=6,
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Draw a text, of which a line here and there has another end or indent."""
    text = draw(joined(BLOCKS, 6))
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    lines = text.split("\n")
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(lines) - 1))
        lines[place] = draw(st.sampled_from(["", " ", "  ", "\t", "> "])) + lines[place].lstrip()
    return end.join(lines)


@example("```\n- word\n    ```\n    more\n", None)  # four spaces: a line of the code
@given(documents(), st.lists(st.integers(0, 2000), max_size=30) | st.just(None))
def test_pieces_of_nested_blocks_look_like_the_whole(text: str, cuts: list[int] | None) -> None:
    """A list that falls apart in the middle of an answer, and is whole at its end, flickers."""
    assert_pieces_are_the_whole(text, range(len(text)) if cuts is None else cuts)


@given(documents())
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    """It is made so once for the pieces and once more for the whole."""
    safe = neutralise(text)
    assert neutralise(safe) == safe
