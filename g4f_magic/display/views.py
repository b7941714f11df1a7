"""The views of an answer: Markdown, plain text, a page, a tree of JSON."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..fenced import cell_code, html_in, json_in
from . import footer
from .document import Shown, document, facts, printable, publish_document, told
from .rendered import as_text

if TYPE_CHECKING:
    from IPython.core.displaypub import DisplayPublisher

    from ..messages import Answer

_BROKEN_OFF = frozenset({"failed", "interrupted"})
# No script (the sandbox), no form, and no address but of pictures that are all here. Whatever is
# fetched past any policy goes: <link> opens connections, <meta> and <base> lead elsewhere.
_HEAD = (
    "<!DOCTYPE html>"
    '<meta http-equiv="Content-Security-Policy" content="'
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'\">"
    '<meta http-equiv="x-dns-prefetch-control" content="off">'
)
_REACHES_OUT = re.compile(r"<(?:link|meta|base)\b[^>]*(?:>|\Z)", re.IGNORECASE)
_FRAME_STYLE = (
    "width:100%;height:24em;resize:vertical;border:1px solid #8886;"
    "background:#fff;color-scheme:light"
)


def publish_as(
    form: str, publisher: DisplayPublisher, answer: Answer, display_id: str = ""
) -> None:
    """Send an answer in a form, into an output that is there or a new one."""
    publish_document(publisher, answer, display_id, shown(form, answer))


def shown(form: str, answer: Answer) -> list[Shown]:
    """Return the outputs that show an answer in a form; in Markdown if it has not what it takes."""
    builders = {"text": _text}
    if answer.state not in _BROKEN_OFF:
        builders |= {"html": _page, "json": _tree}
    outputs = builders[form](answer) if form in builders else []
    return outputs or [(document(answer, remark(form, answer)), {"g4f_magic": facts(answer)})]


def remark(form: str, answer: Answer, place: str = "in the cell below") -> str:
    """Return what there is to say of an answer in a form; empty if it shows by itself.

    ``place`` is where its code goes.
    """
    if not answer.text or answer.state in _BROKEN_OFF:
        return ""
    if form == "code":
        return _code_remark(answer.text, place)
    if form == "html" and not html_in(answer.text):
        return "no HTML in this answer"
    if form == "json" and not _pretty(answer.text):
        return "no JSON in this answer"
    return ""


def _code_remark(text: str, place: str) -> str:
    found = cell_code(text)
    if not found.code:
        return "no code in this answer"
    left_out = f"; not taken along: {', '.join(found.left_out)}" if found.left_out else ""
    return f"the code is {place}, to be read and run{left_out}"


def _text(answer: Answer) -> list[Shown]:
    return [({"text/plain": document(answer)["text/plain"]}, {"g4f_magic": facts(answer)})]


def _tree(answer: Answer) -> list[Shown]:
    """Return JSON as a tree, for those without one as text, and below it the usual lines."""
    text = _pretty(answer.text)
    if not text:
        return []
    value = json.loads(text)
    bundle: dict[str, Any] = {"text/plain": text, "text/markdown": f"```json\n{text}\n```"}
    about: dict[str, Any] = {"g4f_magic": facts(replace(answer, text=text))}
    if isinstance(value, dict | list):
        bundle["application/json"] = value
        about["application/json"] = {"expanded": True}
    lines = told(answer)
    return [(bundle, about), *([(lines, {})] if lines["text/plain"] else [])]


def _pretty(text: str) -> str:
    """Return the JSON in a text, indented; empty if there is none that a front end could read."""
    try:
        pretty = json.dumps(json_in(text), indent=2, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return ""
    return printable(pretty)


def _page(answer: Answer) -> list[Shown]:
    """Return HTML as a page that runs and loads nothing, with its source folded below.

    The source is what is left where frames are taken out: in a notebook that is not trusted,
    and on GitHub.
    """
    page = html_in(answer.text)
    if not page:
        return []
    source = html.escape(_HEAD + _REACHES_OUT.sub(" ", page))
    title = html.escape(f"Page written by {footer.header(answer)}")
    parts = [
        f"<small>{as_text(footer.header(answer))}</small><br>",
        f'<iframe sandbox srcdoc="{source}" title="{title}" style="{_FRAME_STYLE}"></iframe>',
        "<details><summary>Source</summary>",
        f'<pre dir="ltr">{as_text(page)}</pre></details>',
        *(f"<small>{as_text(line)}</small><br>" for line in _last_lines(answer)),
    ]
    bundle = document(answer) | {"text/html": "\n".join(parts)}
    return [(bundle, {"g4f_magic": facts(answer)})]


def _last_lines(answer: Answer) -> list[str]:
    return [line for line in (footer.note(answer), footer.footer(answer)) if line]
