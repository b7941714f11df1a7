"""What a cell looks like while an answer comes and after, in JupyterLab in a real browser."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import DONE, END, chunked, delta, finish, sse_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.byteserver import ByteServer, Exchange
    from support.lab import Lab
    from support.lab_page import LabPage

    StartServer = Callable[[Callable[[Exchange], None]], ByteServer]

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ARABIC = "\u0645\u0631\u062d\u0628\u0627"  # "hello"
SCREENSHOTS = Path(__file__).parent.parent / "build" / "screenshots"

#: Notes, from frame to frame, the text of a cell's outputs and where its words stand.
FILM = r"""number => {
    const cell = document.querySelectorAll(".jp-Notebook .jp-CodeCell")[number];
    const area = cell.querySelector(".jp-Cell-outputArea");
    window.film = [];
    const look = () => {
        const places = {};
        const top = area.getBoundingClientRect().top;
        const texts = document.createTreeWalker(area, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
            const word = texts.currentNode.textContent.match(/\bw\d+x\b/);
            if (!word) continue;
            const range = document.createRange();
            range.selectNodeContents(texts.currentNode);
            places[word[0]] = range.getBoundingClientRect().top - top;
        }
        window.film.push({text: area.innerText, places});
        window.filming = requestAnimationFrame(look);
    };
    look();
}"""


class Counter:
    """Numbers words, so that each is to be found on the page."""

    def __init__(self) -> None:
        self.number = 0

    def words(self, count: int) -> str:
        """So many new words."""
        first, self.number = self.number, self.number + count
        return " ".join(f"w{number}x" for number in range(first, self.number))


def rich_text(sections: int) -> str:
    """Markdown of all kinds, whose words are numbered."""
    counter = Counter()
    parts = []
    for number in range(sections):
        rows = "\n".join(f"| {counter.words(1)} | {counter.words(2)} |" for _ in range(5))
        parts += [
            f"## {counter.words(3)}",
            counter.words(60),
            f"- {counter.words(5)}\n- {counter.words(5)}\n  - {counter.words(4)}",
            f"```python\n{counter.words(4)}\n{counter.words(4)}\n```",
            f"| a | b |\n| --- | --- |\n{rows}",
            f"$$x_{{{number}}} = \\frac{{1}}{{2}}$$",
            f"{counter.words(20)} $a+b$ {counter.words(3)}",
        ]
    return "\n\n".join(parts)


def sends(text: str, *, pause_s: float = 0.01, thought: str = "") -> Callable[[Exchange], None]:
    """A script that streams a thought and a text in small pieces."""

    def script(exchange: Exchange) -> None:
        exchange.send(sse_head())
        for piece in pieces(thought):
            exchange.send(chunked(delta(None, reasoning_content=piece)))
            exchange.sleep(pause_s)
        for piece in pieces(text):
            exchange.send(chunked(delta(piece)))
            if not exchange.sleep(pause_s):
                return
        exchange.send(chunked(finish() + DONE) + END)

    return script


def pieces(text: str) -> list[str]:
    """The text in pieces of 12 characters."""
    return [text[start : start + 12] for start in range(0, len(text), 12)]


def open_chat(lab: Lab, page: LabPage, name: str, *cells: str, theme: str = "") -> None:
    """Opens a notebook of these cells, below one that has loaded the extension."""
    lab.write_notebook(f"{name}.ipynb", ["%load_ext g4f_magic", *cells])
    page.open(f"{name}.ipynb")
    if theme:
        page.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme
        )
    page.run(0)
    page.wait_warm()


@pytest.fixture
def filmed(lab: Lab, lab_page: LabPage, byte_server: StartServer) -> list[dict[str, Any]]:
    """The frames of a long answer from its first word to its saved form."""
    server = byte_server(sends(rich_text(6)))
    open_chat(lab, lab_page, "film", f"%%chat -p {server.url}/v1 -m tested\nhi")
    lab_page.page.evaluate(FILM, 1)
    lab_page.run(1)
    lab_page.wait_text(1, "to first token")
    lab_page.page.evaluate("new Promise(done => setTimeout(done, 500))")
    frames: list[dict[str, Any]] = lab_page.page.evaluate("window.film")
    return frames


def test_nothing_on_the_screen_is_taken_away_or_moved(filmed: list[dict[str, Any]]) -> None:
    """Who reads along loses the line when text jumps or blinks, at the final swap too."""
    seen: set[str] = set()
    shown_at = []
    for frame in filmed:
        now = set(re.findall(r"\bw\d+x\b", frame["text"]))
        assert seen <= now, f"gone: {sorted(seen - now)}"
        if now != seen:
            shown_at.append(len(now))
        seen = now
    assert len(shown_at) > 20, "it was to grow bit by bit"
    # A formula takes its height when it is set; the gap above a heading in a new output differs.
    for before, after in pairwise(filmed):
        for word in before["places"].keys() & after["places"].keys():
            assert abs(after["places"][word] - before["places"][word]) < 25, word


def test_the_button_stops_the_answer(lab: Lab, lab_page: LabPage, byte_server: StartServer) -> None:
    """The connection is closed, what came is kept, one line says so, and the next cell runs."""
    server = byte_server(sends("word " * 3000, pause_s=0.02))
    open_chat(lab, lab_page, "stop", f"%%chat -p {server.url}/v1 -m tested\nhi", "%chat", "_")
    lab_page.run(1, wait=False)
    lab_page.wait_text(1, "word word word")
    lab_page.screenshot(SCREENSHOTS / "stop_button.png")
    lab_page.stop_button(1).click()
    lab_page.wait_done(1)
    text = lab_page.output(1).inner_text()
    assert "Stopped after" in text
    assert "interrupted after" in text
    assert "Traceback" not in text
    assert lab_page.stop_button(1).count() == 0
    server.wait_for(lambda: server.exchanges[0].client_closed, timeout=1)
    lab_page.run(2)
    lab_page.wait_text(2, "1 turn")


def test_the_keyboard_reaches_the_button(
    lab: Lab, lab_page: LabPage, byte_server: StartServer
) -> None:
    """Not everyone has a mouse."""
    server = byte_server(sends("word " * 3000, pause_s=0.02))
    open_chat(lab, lab_page, "keys", f"%%chat -p {server.url}/v1 -m tested\nhi")
    lab_page.run(1, wait=False)
    button = lab_page.stop_button(1)
    button.wait_for()
    assert button.get_attribute("title") == "Stop this answer and keep what has arrived"
    lab_page.page.keyboard.press("Escape")
    for _ in range(30):
        lab_page.page.keyboard.press("Tab")
        if button.evaluate("button => button === document.activeElement"):
            break
    lab_page.page.keyboard.press("Enter")
    lab_page.wait_done(1)
    assert "Stopped after" in lab_page.output(1).inner_text()


def test_a_thought_is_open_while_it_is_all_there_is(
    lab: Lab, lab_page: LabPage, byte_server: StartServer
) -> None:
    """Half a minute of nothing would look like a hanging cell; later it is in the way."""
    server = byte_server(sends("answer " * 200, pause_s=0.03, thought="thought " * 40))
    open_chat(lab, lab_page, "thought", f"%%chat -p {server.url}/v1 -m tested\nhi")
    lab_page.run(1, wait=False)
    lab_page.wait_text(1, "thought thought thought")
    assert lab_page.output(1).locator("details[open]").is_visible()
    assert "thinking" in lab_page.output(1).inner_text()
    lab_page.screenshot(SCREENSHOTS / "thinking.png")
    lab_page.wait_text(1, "answer answer answer")
    assert lab_page.output(1).locator("details:not([open])").is_visible()
    lab_page.output(1).locator("summary").click()
    lab_page.wait_text(1, re.compile(r"about \d{3} tokens"))
    assert lab_page.output(1).locator("details[open]").is_visible(), "closed while it was read"
    lab_page.wait_done(1)
    lab_page.wait_text(1, "to first token")
    assert lab_page.output(1).locator("details:not([open])").count() == 1
    lab_page.screenshot(SCREENSHOTS / "thought.png")


def test_a_tool_call_is_folded_below_what_was_said(
    lab: Lab, lab_page: LabPage, byte_server: StartServer
) -> None:
    """What a model wants to call is part of its answer."""
    call = {"name": "get_weather", "arguments": json.dumps({"city": "<b>Paris</b> `x` ```"})}

    def script(exchange: Exchange) -> None:
        fragments = [{"index": 0, "id": "c1", "type": "function", "function": call}]
        exchange.send(sse_head() + chunked(delta("Let me look.")))
        exchange.send(chunked(delta(None, tool_calls=fragments)))
        exchange.send(chunked(finish("tool_calls") + DONE) + END)

    server = byte_server(script)
    open_chat(lab, lab_page, "tool", f"%%chat -p {server.url}/v1 -m tested\nhi")
    lab_page.run(1)
    folded = lab_page.output(1).locator("details")
    folded.locator("summary").click()
    assert "get_weather" in folded.locator("summary").inner_text()
    assert '"city": "<b>Paris</b> `x` ```"' in folded.inner_text()
    lab_page.screenshot(SCREENSHOTS / "tool_call.png")


def test_the_last_answer_can_be_shown_again(lab: Lab, lab_page: LabPage) -> None:
    """A page that is loaded anew in the middle of an answer gets no more of it."""
    open_chat(lab, lab_page, "again", "%%chat -m demo-slow --max-tokens 60\nHello", "%chat --show")
    lab_page.run(1, wait=False)
    lab_page.wait_text(1, "not a language model")
    lab_page.save()
    lab_page.open("again.ipynb")
    lab_page.run(2)
    lab_page.wait_text(2, "length limit")
    assert lab_page.output(2).locator(".jp-OutputArea-child").count() == 1


def test_an_error_is_red_and_short_below_what_had_arrived(
    lab: Lab, lab_page: LabPage, byte_server: StartServer
) -> None:
    """The partial answer stays, Run All stops, and no stack hides the reason."""

    def breaks(exchange: Exchange) -> None:
        exchange.send(sse_head() + chunked(delta("The beginning of an answer")))
        exchange.sleep(1)
        exchange.reset()

    server = byte_server(breaks)
    open_chat(lab, lab_page, "error", f"%%chat -p {server.url}/v1 -m tested\nhi")
    lab_page.run(1)
    error = lab_page.output(1).locator("[data-mime-type='application/vnd.jupyter.stderr']")
    assert "broke the connection" in error.inner_text()
    assert len(error.inner_text().strip().splitlines()) <= 2
    assert error.locator(".ansi-red-fg").inner_text() == "NetworkError"
    assert "The beginning of an answer" in lab_page.output(1).inner_text()
    lab_page.screenshot(SCREENSHOTS / "error.png")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_text_can_be_read_in_both_themes(
    lab: Lab, lab_page: LabPage, byte_server: StartServer, theme: str
) -> None:
    """Fixed colours vanish on one of the two backgrounds."""
    server = byte_server(sends("answer " * 200, thought="thought " * 5))
    name = theme.rpartition(" ")[2].lower()
    cell = f"%%chat -p {server.url}/v1 -m tested\nhi"
    open_chat(lab, lab_page, f"theme-{name}", cell, theme=theme)
    lab_page.run(1, wait=False)
    lab_page.stop_button(1).wait_for()
    lab_page.wait_text(1, "answer answer")
    contrasts = lab_page.output(1).evaluate(CONTRASTS)
    assert {place for place, _ in contrasts} == {"SMALL", "SUMMARY", "P", "BUTTON"}
    assert [pair for pair in contrasts if pair[1] < 4.5] == []
    lab_page.screenshot(SCREENSHOTS / f"theme_{name}.png")


#: The contrast of texts with what is behind them (WCAG 2.2, 1.4.3).
CONTRASTS = r"""area => {
    const parse = colour => colour.match(/[\d.]+/g).map(Number);
    const light = colour => {
        const [r, g, b] = colour.map(v => v / 255).map(
            v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = element => {
        let ground = [255, 255, 255];
        for (let node = element; node; node = node.parentElement) {
            const [r, g, b, a = 1] = parse(getComputedStyle(node).backgroundColor);
            if (a > 0.5) { ground = [r, g, b]; break; }
        }
        const [r, g, b, a = 1] = parse(getComputedStyle(element).color);
        const ink = [r, g, b].map((v, i) => v * a + ground[i] * (1 - a));
        const [low, high] = [light(ink), light(ground)].sort((x, y) => x - y);
        return (high + 0.05) / (low + 0.05);
    };
    return [...area.querySelectorAll("small, summary, p, button")].map(
        element => [element.tagName, contrast(element)]);
}"""


def test_wide_things_stay_within_the_cell(
    lab: Lab, lab_page: LabPage, byte_server: StartServer
) -> None:
    """In a narrow window a wide table scrolls by itself and long lines break or scroll."""
    table = "|" + "column |" * 30 + "\n|" + "---|" * 30 + "\n|" + "some value |" * 30
    text = f"{'unbroken' * 60}\n\n{table}\n\n```\n{'x = 1; ' * 80}\n```\n\n{ARABIC}\n\nend"
    server = byte_server(sends(text, pause_s=0.001))
    lab_page.page.set_viewport_size({"width": 640, "height": 900})
    open_chat(lab, lab_page, "wide", f"%%chat -p {server.url}/v1 -m tested\nhi")
    lab_page.run(1)
    lab_page.wait_text(1, "end")
    notebook = lab_page.page.locator(".jp-WindowedPanel-outer")
    assert notebook.evaluate("panel => panel.scrollWidth <= panel.clientWidth")
    for words, direction in ((ARABIC, "rtl"), ("x = 1", "ltr"), ("end", "ltr")):
        place = lab_page.output(1).get_by_text(words).first
        assert place.evaluate("element => getComputedStyle(element).direction") == direction
    lab_page.screenshot(SCREENSHOTS / "narrow.png")
