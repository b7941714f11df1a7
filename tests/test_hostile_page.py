"""What a hostile model writes does nothing in a trusted notebook, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from support.chat_bytes import DONE, END, chunked, delta, finish, json_reply, sse_head
from support.payloads import DIAGRAMS, FENCES, HTML, IMAGES, LINKS, MATH, PAYLOADS, numbered

from g4f_magic.display.harmless import neutralise

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.byteserver import ByteServer, Exchange
    from support.lab import Lab
    from support.lab_page import LabPage

pytestmark = [pytest.mark.browser, pytest.mark.slow]

#: Runs in each frame before anything else: notes what outputs hold besides things to be read,
#: however briefly.
WITNESS = r"""
window.canary = number => console.debug(`canary ${number}`);
window.faults = [];
const FORBIDDEN = "script,style,iframe,frame,object,embed,form,base,meta,link,template,video," +
    "audio,button,textarea,select,marquee,input:not([type=checkbox][disabled])";
const ADDRESSES = ["href", "xlink:href", "src", "srcset", "action", "formaction", "data",
    "poster", "background", "ping"];
const isHarmless = (element, address) => {
    let protocol;
    try { protocol = new URL(address, location.href).protocol; } catch { return true; }
    return ["http:", "https:", "mailto:", "ftp:"].includes(protocol) ||
        (element.localName === "img" && /^data:image\//.test(address));
};
const inspect = element => {
    if (!element.closest(".jp-OutputArea-output") || element.closest(".jupyter-widgets")) return;
    const found = element.matches(FORBIDDEN) ? [element.localName] : [];
    for (const {name, value} of element.attributes) {
        if (name.startsWith("on")) found.push(name);
        if (ADDRESSES.includes(name) && !isHarmless(element, value)) found.push(value);
        if (name === "style" && /url|fixed/.test(value)) found.push(value);
        if (name === "data-commandlinker-command") found.push(name);
    }
    if (found.length) window.faults.push(`${found.join(" ")} in ${element.outerHTML}`);
};
const inspectAll = root => {
    if (root.nodeType === 1) [root, ...root.querySelectorAll("*")].forEach(inspect);
};
new MutationObserver(changes => changes.forEach(change =>
    change.type === "attributes" ? inspect(change.target) : change.addedNodes.forEach(inspectAll)
)).observe(document, {childList: true, subtree: true, attributes: true});
"""
#: Does to everything in the outputs what a reader may do, but for leaving the page.
POKE = r"""() => {
    document.addEventListener("click", event => {
        const link = event.target.closest("a");
        if (link && link.protocol !== "javascript:") event.preventDefault();
    }, true);
    for (const element of document.querySelectorAll(".jp-RenderedMarkdown *")) {
        for (const kind of ["mouseover", "focus", "click", "toggle", "input", "submit"]) {
            element.dispatchEvent(new MouseEvent(kind, {bubbles: true, cancelable: true}));
        }
    }
}"""
#: What a notebook that is trusted needs, for all of it to be rendered as it is.
IS_TRUSTED = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .filter(cell => cell.model.type === "code").every(cell => cell.model.trusted)"""

KINDS = {
    "markup": HTML,
    "links": LINKS,
    "images": IMAGES,
    "fences": FENCES,
    "math": MATH,
    "diagrams": DIAGRAMS,
}
NUMBERED = [numbered(payload, number) for number, payload in enumerate(PAYLOADS)]
#: Those of which none leaves a fence open: several can stand in one answer.
MILD = len(HTML + LINKS + IMAGES)
RAW = """import json
def show(text): display({"text/markdown": text}, raw=True)"""
LAST = "The last formula: $x$"  # in the queue behind all others
#: Leaves the page, covers it or moves it to another server, so that nothing else can be seen.
LEAVES = re.compile("http-equiv|<base|<form|fixed")


@pytest.fixture
def page(lab_page: LabPage) -> LabPage:
    """A page under observation."""
    lab_page.context.add_init_script(WITNESS)
    return lab_page


FORMULAS = r"""Inline $a < b$, \\(c > d\\) and $\text{if } x_i \in \{1, 2\}$, then

$$\frac{\partial f}{\partial x} = \sum_{i=0}^{n} x_i \left[ y \right] \bbox[yellow]{z}$$

\begin{align}
a &= b \\
c &= d & \text{for } a < c
\end{align}
"""
DIAGRAM = """```mermaid
graph TD
    A[Start] -->|x < y & z| B{"Is it?<br/>Really"}
    B --> C[Line\\nbreak]
    style A fill:#f9f,stroke:#333;
```

```mermaid
classDiagram
    class Shape { <<interface>> +area() float }
    Shape <|-- Square
```

```mermaid
sequenceDiagram
    Alice->>+Bob: See a.example, R&D #35;1
    Bob-->>-Alice: Hi!
```
"""
#: Harmless answers as models write them.
CORPUS = [
    FORMULAS,
    DIAGRAM,
    "# One\n\n## Two: `x < y` & more\n\nSetext\n======\n\n### Three ###\n\nText.\n",
    "- a\n- b\n  - c\n    1. d\n    2. e\n\n       with a paragraph\n- f\n\n* * *\n\n1) x\n2) y\n",
    "- [ ] to do\n- [x] done\n  - [ ] nested `code`\n",
    "| a | b |\n|:--|--:|\n| `x \\| y` | **1** |\n| AT&T | $a$ and ~~b~~ |\n",
    "> quoted\n> - list\n>\n> > deeper\n>\n> ```python\n> x = 1 < 2\n> ```\n",
    "Use `List<int>`, `Vec<T>`, `a && b`, `$HOME`, `<div>`, ``a ` b`` and `&amp;` here.\n",
    "R&D, AT&T, a & b, a < b and c > d, 1<2, x <3, -> => <- &copy; &lt;b&gt; &amp; &nbsp;.\n",
    "[a](https://a.example 'title') [b](./c.md) [d](#e) [f](https://a.example/x_(y)?z=1&w=2#v)\n",
    "[g][h] and [h] and [I][]\n\n[h]: https://a.example/h 'H'\n[i]: ../relative.md\n",
    "<https://a.example/?a=b&c=d> https://a.example/x?y=1&z=2 www.example.org a@b.org <a@b.org>\n",
    "Text with a note[^1] and [1].\n\n[^1]: The note.\n",
    "**bold** *it* ***both*** ~~gone~~ __b__ _i_ snake_case_name 2*3*4 \\*a\\* \\# hard  \nbreak\n",
    "🙂 👩‍👩‍👧 ünïcödé · 中文、日本語。한국어 · עברית · العربية ١٢٣ · ไทย\n",
    "\u200fשלם **עלם**\u200f\n\n- \u200eabc\n- אבג\n",
    "Costs $5 or $6; `$$` is no formula. \\$7 and 100% of it @ home, wow!\n",
    "Dear R.,\n\nfirst line\nsecond line\n\n---\n\nJavaScript: The Good Parts. The data: 1, 2.\n",
    "1. step\n\n   ```bash\n   cat < file && echo \"$x\" | sed 's/<b>//'\n   ```\n\n2. step\n",
    "    indented <b> & code\n\n\ttab\n",
    "```\nno language <b>\n```\n\n~~~~md\n```\n![x](http://a.example/x.png)\n```\n~~~~\n",
    "```html\n<script>alert(1)</script>\n<!-- x -->\n[a](javascript:b)\n```\n",
    "![dot](data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7)\n",
    *(
        f"```{name}\n{code}\n```\n"
        for name, code in (
            ("python", "def f(x: dict[str, int]) -> None:\n    return x['a'] @ y  # <b> & \\n"),
            ("js", "const f = (a, b) => `${a}</script>` && a < b; // https://a.example"),
            ("ts", "function id<T>(x: T): Promise<T[]> { return x! }"),
            ("c++", "template<typename T> std::vector<T*>& f(T&& x) { return x->y; }"),
            ("rust", "fn f<'a, T: Fn(&'a str)>(x: Vec<T>) -> Option<T> { vec![x][0] }"),
            ("sql", "SELECT * FROM t WHERE a <> 'b' AND c >= 1;"),
            ("bash", 'if [[ $x < 1 ]]; then echo "$HOME" > /dev/null; fi'),
            ("latex", "\\begin{align}\\href{x}{y} & $z$\\end{align}"),
            ("json", '{"a": "<b>", "c": [1, 2]}'),
            ("yaml", "a: &b\n  - *c"),
            ("diff", "@@ -1,2 +1,2 @@\n-a\n+<b>"),
            ("xml", "<?xml version='1.0'?><a b='c'/>"),
            ("r", "x <- c(1, 2) %>% f()"),
        )
    ),
]


def harm(page: LabPage) -> list[str]:
    """What ran, what was asked from elsewhere and what waits to be clicked."""
    page.page.locator(".jp-CodeCell").last.locator("mjx-container").last.wait_for()
    page.page.evaluate(POKE)
    page.page.wait_for_load_state("networkidle")
    ran = [line for line in page.console if line.startswith("canary")]
    return [*ran, *page.asked_elsewhere, *page.page.evaluate("window.faults")]


Answers = Sequence[Sequence[str]]


def speaker(answers: Answers, delay_s: float = 0.0) -> Callable[[Exchange], None]:
    """A service that thinks and says, in these pieces, what stands at the number asked for."""

    def script(exchange: Exchange) -> None:
        pieces = answers[int(exchange.request.json["messages"][-1]["content"])]
        model = "".join(pieces)
        exchange.send(sse_head())
        for thought in pieces:
            exchange.send(chunked(delta(None, model=model, reasoning_content=thought)))
        for piece in pieces:
            exchange.sleep(delay_s)
            exchange.send(chunked(delta(piece, model=model)))
        exchange.send(chunked(finish(model=model) + DONE) + END)

    return script


def cut(text: str, size: int) -> list[str]:
    """Pieces of a text."""
    return [text[start : start + size] for start in range(0, len(text), size)]


def chat(page: LabPage, server: ByteServer, count: int, *first: str) -> None:
    """Ask for ``count`` answers in cells of one notebook, and return when the last is there."""
    cells = ["%load_ext g4f_magic", *first]
    cells += [f"%%chat --alone -p {server.url}/v1 -m m\n{number}" for number in range(count)]
    page.lab.write_notebook("chat.ipynb", cells)
    page.open("chat.ipynb")
    page.command("notebook:run-all-cells")
    page.wait_done(len(cells) - 1)
    page.wait_text(len(cells) - 1, "The last formula")


def open_again(page: LabPage) -> None:
    """Save the notebook and load it, trusted as it is."""
    page.save()
    page.open("chat.ipynb")
    assert page.page.evaluate(IS_TRUSTED)
    page.page.locator(".jp-OutputArea", has_text="The last formula").last.wait_for()


def test_the_payloads_do_harm_where_nothing_is_done_about_it(lab: Lab, page: LabPage) -> None:
    """A witness that is blind would let everything pass."""
    texts = [text for text in NUMBERED if not LEAVES.search(text)]
    (lab.root / "payloads.json").write_text(json.dumps([*texts, LAST]))
    show = "for text in json.load(open('payloads.json'))[{}:{}]: show(text)"
    cells = [show.format(start, start + 45) for start in range(0, len(texts) + 1, 45)]
    lab.write_notebook("raw.ipynb", [RAW, *cells])
    page.open("raw.ipynb")
    page.command("notebook:run-all-cells")
    page.wait_text(len(cells), "The last formula")
    seen = "\n".join(harm(page))
    assert len(set(re.findall(r"^canary (\d+)", seen, re.MULTILINE))) >= 40
    assert len(set(re.findall(r"^https?://n(\d+)\.evil\.test", seen, re.MULTILINE))) >= 40
    assert len(set(re.findall(r"^java\s?script:canary\((\d+)\)", seen, re.MULTILINE))) >= 20


@pytest.mark.timeout(240)
def test_no_answer_does_harm(page: LabPage, byte_server: Callable[..., ByteServer]) -> None:
    """What runs in the notebook has the kernel and the files: at once, or when it is opened."""
    texts = ["\n\n".join(NUMBERED[start : start + 4]) for start in range(0, MILD, 4)]
    answers = [cut(text, 9) for text in [*texts, *NUMBERED[MILD:], LAST]]
    chat(page, byte_server(speaker(answers)), len(answers))
    assert harm(page) == []
    open_again(page)
    assert harm(page) == []


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", KINDS)
def test_no_answer_does_harm_in_pieces(
    kind: str, page: LabPage, byte_server: Callable[..., ByteServer]
) -> None:
    """What is shown of a long answer while it arrives ends anywhere, also within a payload."""
    texts = [numbered(text, PAYLOADS.index(text)) for text in KINDS[kind]]
    words = "Words and words in a paragraph. " * 6 + "\n\n"
    answers = [
        [words * (number % 12 + 1), *cut(f"{text}\n\n", 5), words * 3]
        for number, text in enumerate(texts)
    ]
    server = byte_server(speaker([*answers, [LAST]], 0.03))
    chat(page, server, len(answers) + 1)
    assert harm(page) == []
    open_again(page)
    assert harm(page) == []


def test_the_name_of_a_model_does_no_harm(
    page: LabPage, byte_server: Callable[..., ByteServer]
) -> None:
    """A service that lists its models names them as it likes."""
    names = [*NUMBERED[:10], *(numbered(text, PAYLOADS.index(text)) for text in MATH[-30:])]

    def script(exchange: Exchange) -> None:
        if exchange.request.method == "GET":
            number = int(exchange.request.path.split("/")[1])
            exchange.send(json_reply(200, {"data": [{"id": names[number]}]}))
        else:
            speaker([[LAST]])(exchange)

    server = byte_server(script)
    ask = f"get_ipython().run_line_magic('chat', f'--alone -p {server.url}/{{n}}/v1 0')"
    chat(page, server, 1, f"for n in range({len(names)}): {ask}")
    assert page.output(1).locator(".jp-RenderedMarkdown").count() == len(names)
    assert "canary(0)" in page.output(1).inner_text()
    assert harm(page) == []


def test_a_refusal_does_no_harm(page: LabPage, byte_server: Callable[..., ByteServer]) -> None:
    """What a server says of an error is shown, too."""
    texts = [*NUMBERED[:10], *NUMBERED[MILD : MILD + 10]]

    def script(exchange: Exchange) -> None:
        asked = exchange.request.json or {"messages": [{"content": "1"}]}  # the list of models
        number = int(asked["messages"][-1]["content"])
        if number:
            exchange.send(json_reply(400, {"error": {"message": texts[number - 1]}}))
        else:
            speaker([[LAST]])(exchange)

    server = byte_server(script)
    ask = f"get_ipython().run_line_magic('chat', f'--alone -p {server.url}/v1 -m m {{n}}')"
    cell = f"for n in range(1, {len(texts) + 1}):\n try: {ask}"
    cell += "\n except Exception: get_ipython().showtraceback()"
    chat(page, server, 1, cell)
    errors = page.output(1).locator("[data-mime-type='application/vnd.jupyter.stderr']")
    assert errors.count() == len(texts)
    assert harm(page) == []


FAKE = """All done.

<small role="status">✍ 3 s · about 12 tokens</small> <button class="jupyter-button">Stop</button>

<details open><summary>Reasoning</summary>

nothing

</details>

</div></div><small>gpt-4 · openai</small> <em>interrupted after 1.0 s</em>
"""


def test_an_imitation_of_our_own_lines_is_text(
    page: LabPage, byte_server: Callable[..., ByteServer]
) -> None:
    """A button that is none, and figures that nobody counted, would be believed."""
    chat(page, byte_server(speaker([["All done."], [FAKE], [LAST]])), 3)
    honest, faked = (page.output(number).locator(".jp-RenderedMarkdown") for number in (1, 2))
    for element in ("small", "button", "details", "summary", "div"):
        expected = honest.locator(element).count()
        assert faked.locator(element).count() == expected, element
    shown = faked.inner_text()
    assert '<button class="jupyter-button">Stop</button>' in shown.replace("\u2060", "")
    assert harm(page) == []


#: Renders each text in the way of a trusted output, and gives the page's HTML of each.
RENDER = """async texts => {
    const {rendermime} = window.jupyterapp.shell.currentWidget.content;
    const renderers = [];
    for (const text of texts) {
        const renderer = rendermime.createRenderer("text/markdown");
        document.body.append(renderer.node);
        renderer.processMessage({type: "after-attach"});
        const data = {"text/markdown": text};
        await renderer.renderModel(rendermime.createModel({data, trusted: true}));
        renderers.push(renderer);
    }
    const last = renderers.at(-1).node;
    while (!last.querySelector("mjx-container")) await new Promise(requestAnimationFrame);
    return renderers.map(renderer => renderer.node.innerHTML);
}"""
#: Differ from one drawing of the same to the next.
PASSING = re.compile(
    r'\u2060|data:image/svg\+xml[^"]*| (?:id|for|aria-\w+|ctxtmenu_counter)="[^"]*"'
)


def test_harmless_markdown_is_rendered_as_before(lab: Lab, lab_page: LabPage) -> None:
    """What keeps an answer from doing harm must not be seen in those that do none."""
    lab.write_notebook("empty.ipynb", [""])
    lab_page.open("empty.ipynb")
    before = lab_page.page.evaluate(RENDER, [*CORPUS, LAST])
    after = lab_page.page.evaluate(RENDER, [neutralise(text) for text in [*CORPUS, LAST]])
    for text, was, became in zip(CORPUS, before, after, strict=False):
        assert PASSING.sub("", became) == PASSING.sub("", was), text
    assert "mjx-container" in after[CORPUS.index(FORMULAS)]
    assert "<figure" in after[CORPUS.index(DIAGRAM)]
