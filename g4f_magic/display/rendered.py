"""Markdown of a model as HTML in which nothing runs or loads, for where a page is laid out."""

from __future__ import annotations

import html
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from .document import printable
from .harmless import neutralise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

# Before its first slash a path has no colon, so no other scheme can be spelt.
_LEADS_TO_A_PAGE = re.compile(r"(?:https?|ftp)://|mailto:|[^:]*$|[^:/?#]*[/?#]", re.IGNORECASE)
_EMBEDDED = re.compile(r"data:image/(?:png|jpe?g|gif|webp);base64,[\w+/=]+")

# Nothing in it is without bound: each mark that nothing closes would be searched to the end.
_FORMULA = re.compile(
    r"\$\$(?:[^$\\]|\\.){1,2000}\$\$"
    r"|\$(?![\s$])(?:[^$\\]|\\.){0,500}(?<!\s)\$(?!\d)"
    r"|\\\((?:[^\\]|\\[^()]){1,500}\\\)"
    r"|\\\[(?:[^\\]|\\[^\[\]]){1,2000}\\\]"
    r"|\\begin\{(\w{1,20}\*?)\}(?:(?!\\begin).){0,2000}?\\end\{\1\}",
    re.DOTALL,
)


def rendered(text: str, *, with_formulas: bool = False) -> str:
    """Return Markdown as HTML, with markup in it shown as it is written.

    Formulas are left for the page to set if it can, or else shown as they are written, too.
    """
    # A last line without an end is too short for some versions (see `markdown`).
    page: str = _parser(with_formulas).render(f"{printable(text)}\n")
    return page


def as_text(text: str) -> str:
    """Return text as HTML, in which neither a browser nor MathJax finds anything."""
    # MathJax reads no formula across the border of an element, and \href in one runs scripts.
    return re.sub(r"[$\\]", r"<span>\g<0></span>", html.escape(printable(text)))


@cache
def _parser(with_formulas: bool) -> MarkdownIt:  # noqa: FBT001  # what it is cached by
    from markdown_it import MarkdownIt

    parser = MarkdownIt("js-default")  # which takes no HTML
    rules: dict[str, Callable[..., str]] = {
        "code_block": _code_block,
        "code_inline": _code,
        "fence": _code_block,
        "formula": _formula if with_formulas else _text,
        "image": _image,
        "link_open": _link,
        "text": _text,
    }
    parser.inline.ruler.before("escape", "formula", _read_formula)
    for name, rule in rules.items():
        parser.add_render_rule(name, rule)
    return parser


def _text(_: Any, tokens: Sequence[Token], place: int, *__: Any) -> str:
    return as_text(tokens[place].content)


def _read_formula(state: StateInline, silent: bool) -> bool:  # noqa: FBT001  # its interface
    """Take a formula as it is: what stands for emphasis or escapes elsewhere is part of it."""
    found = _FORMULA.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        state.push("formula", "", 0).content = found[0]
    state.pos = found.end()
    return True


def _formula(_: Any, tokens: Sequence[Token], place: int, *__: Any) -> str:
    """Return a formula in an element of its own, without the commands that do harm."""
    return f"<span>{html.escape(neutralise(tokens[place].content))}</span>"


def _code(_: Any, tokens: Sequence[Token], place: int, *__: Any) -> str:
    return f"<code>{as_text(tokens[place].content)}</code>"


def _code_block(_: Any, tokens: Sequence[Token], place: int, *__: Any) -> str:
    """Return code, which reads from the left, without the name of a language that one may draw."""
    return f'<pre dir="ltr"><code>{as_text(tokens[place].content)}</code></pre>\n'


def _link(renderer: Any, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    """Return the start of a link, which leads nowhere if it is odd."""
    token = tokens[place]
    if not _LEADS_TO_A_PAGE.match(str(token.attrs.get("href", ""))):
        token.attrs = {}
    return str(renderer.renderToken(tokens, place, options, env))


def _image(_: Any, tokens: Sequence[Token], place: int, *__: Any) -> str:
    """Return a picture that is all here, or a link to one: loading it tells who reads this."""
    source, told = str(tokens[place].attrs.get("src", "")), tokens[place].content
    if _EMBEDDED.fullmatch(source):
        return f'<img src="{source}" alt="{html.escape(told)}" style="max-width:100%">'
    if not _LEADS_TO_A_PAGE.match(source):
        return f"🖼 {as_text(told)}"
    return f'<a href="{html.escape(source)}">🖼 {as_text(told)}</a>'
