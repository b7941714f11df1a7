"""Markdown as GitHub shows it: its dialect, then its list of what may stay."""

from __future__ import annotations

import cmarkgfm
import nh3
from cmarkgfm.cmark import Options

# What the sanitiser lets through (html-pipeline 3, SanitizationFilter::DEFAULT_CONFIG), without
# attributes that Markdown does not make.
# fmt: off
_TAGS = {
    "a", "abbr", "b", "bdo", "blockquote", "br", "caption", "cite", "code", "dd", "del",
    "details", "dfn", "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4",
    "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "rp", "rt",
    "ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "summary", "sup", "table",
    "tbody", "td", "tfoot", "th", "thead", "time", "tr", "tt", "ul", "var", "wbr",
}
# fmt: on
_ATTRIBUTES = {"*": {"align", "alt", "aria-label", "dir", "id", "lang", "open", "role", "title"}}
_ATTRIBUTES |= {"a": {"href"}, "img": {"src"}}


def github_html(markdown: str) -> str:
    """The page's HTML for a Markdown text; a formula stays as it was written."""
    page = cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE)
    return nh3.clean(
        page, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes={"http", "https", "mailto"}
    )
