"""What a page pays for an answer that streams into a cell, in JupyterLab in a real browser.

As a script with ``serve`` it is the service.
"""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import places  # noqa: F401  # before the harness
from answer_text import FIRST_WORD, answer_text, tokens
from cells import BARE_SETUP, bare_cell, chat_cell
from figures import Absence, Figure, main
from service import Service, note, stream_bytes
from support.byteserver import ByteServer
from support.lab import Lab
from support.lab_page import CHROMIUM, LabPage, chromium

if TYPE_CHECKING:
    from collections.abc import Sequence

    from figures import Finding
    from playwright.sync_api import Browser, CDPSession
    from support.byteserver import Exchange

SIZE_KB = 36
RATE = 500
LAST_WORD = "Feijoa"
SETTLED_MS = 500
TIMEOUT_S = 120.0  # a reference that lags behind is waited for
LIMIT_FIRST_MS = 200
LIMIT_FRAME_MS = 20  # 50 frames a second
LIMIT_BYTES = 1 / 8  # of the reference's
LIMIT_BUSY = 1 / 3

#: What is measured against: a reader for ``ask`` that shows the whole text 20 times a second.
REFERENCE = """
from IPython.display import display

def show(reply):
    text, shown, due = "", None, 0.0
    for line in reply.iter_lines():
        if line.startswith("data: {"):
            for choice in json.loads(line[6:])["choices"]:
                text += choice["delta"].get("content") or ""
        if text and time.perf_counter() >= due:
            due = time.perf_counter() + 0.05
            bundle = {"text/markdown": text}
            if shown is None:
                shown = display(bundle, raw=True, display_id=True)
            else:
                shown.update(bundle, raw=True)
    shown.update({"text/markdown": text}, raw=True)
"""
SETUP = f"%load_ext g4f_magic\n{BARE_SETUP}\n{REFERENCE}"
CHAT, WHOLE = 1, 2  # the cells, below the one that sets up

#: Notes when a word is first in sight, when an output last changed, and every frame.
WATCH = """(area, word) => {
    const seen = {first: 0, last: 0, frames: []};
    const look = () => {
        seen.last = Date.now();
        if (!seen.first && area.innerText.includes(word)) seen.first = seen.last;
    };
    const observer = new MutationObserver(look);
    observer.observe(area, {childList: true, characterData: true, subtree: true});
    const frame = () => {
        seen.frames.push(Date.now());
        if (window.seen === seen) requestAnimationFrame(frame);
        else observer.disconnect();
    };
    window.seen = seen;
    requestAnimationFrame(frame);
}"""
HAS_SETTLED = "pause_ms => Date.now() - window.seen.last > pause_ms"
END_WATCH = "() => { const seen = window.seen; window.seen = null; return seen; }"


@dataclass(frozen=True)
class Sample:
    """What one answer cost, from its first byte until the cell no longer changed."""

    first_text_ms: float
    received_mb: float
    messages: int
    frames_per_s: float
    busy_s: float


class Steady(Service):
    """The service of this script, in its own process."""

    def __init__(self) -> None:
        super().__init__()
        self._command = [sys.executable, str(Path(__file__)), "serve"]


class Meter:
    """Takes samples in one page, whose kernel's messages it counts from its opening on."""

    def __init__(self, lab: Lab, browser: Browser, service: Service) -> None:
        self._service = service
        self._sizes: list[int] = []
        chat, whole = chat_cell(service.base_url), bare_cell(service.base_url, "show")
        lab.write_notebook("answers.ipynb", [SETUP, chat, whole])
        self._page = LabPage(lab, browser, TIMEOUT_S)
        self._page.page.on("websocket", self._count)
        self._page.open("answers.ipynb")
        self._cdp: CDPSession = self._page.context.new_cdp_session(self._page.page)
        self._cdp.send("Performance.enable")
        self._page.run(0)
        self._page.wait_warm()
        self._see_that_clocks_agree()

    def sample(self, number: int) -> Sample:
        """Runs a cell in a notebook without outputs."""
        page = self._page
        page.command("notebook:clear-all-cell-outputs")
        page.output(number).evaluate(WATCH, FIRST_WORD)
        self._sizes.clear()
        busy_s = self._busy_s()
        page.run(number)
        page.wait_text(number, LAST_WORD)
        page.page.wait_for_function(HAS_SETTLED, arg=SETTLED_MS)
        busy_s = self._busy_s() - busy_s
        seen: dict[str, Any] = page.page.evaluate(END_WATCH)
        frames = [at for at in seen["frames"] if seen["first"] <= at <= seen["last"]]
        return Sample(
            first_text_ms=seen["first"] - self._service.times("first byte")[-1] * 1000,
            received_mb=sum(self._sizes) / 1e6,
            messages=len(self._sizes),
            frames_per_s=len(frames) * 1000 / (seen["last"] - seen["first"]),
            busy_s=busy_s,
        )

    def _count(self, socket: Any) -> None:
        if "/channels" in socket.url:
            socket.on("framereceived", lambda payload: self._sizes.append(len(payload)))

    def _busy_s(self) -> float:
        """How long the page's main thread has worked so far."""
        metrics = self._cdp.send("Performance.getMetrics")["metrics"]
        found: float = next(one["value"] for one in metrics if one["name"] == "TaskDuration")
        return found

    def _see_that_clocks_agree(self) -> None:
        before = time.time()
        there = self._page.page.evaluate("Date.now()") / 1000
        assert before - 0.001 <= there <= time.time(), "the browser's clock differs"


def measure(*, quick: bool) -> Sequence[Finding]:
    """Ours against the reference, in turn, where there is a browser."""
    if not any(map(shutil.which, CHROMIUM)):
        return [Absence("the page", "no Chromium on the path")]
    ours: list[Sample] = []
    whole: list[Sample] = []
    with Steady() as service, Lab() as lab, chromium() as browser:
        meter = Meter(lab, browser, service)
        for _ in range(1 if quick else 3):
            ours.append(meter.sample(CHAT))
            whole.append(meter.sample(WHOLE))
    return figures(ours, whole)


def figures(ours: list[Sample], whole: list[Sample]) -> list[Figure]:
    """Each quantity, then what its limit holds for."""

    def against(name: str, unit: str, quantity: str, limit: float | None = None) -> Figure:
        samples, baseline = (list(map(attrgetter(quantity), each)) for each in (ours, whole))
        return Figure(name, unit, samples, baseline, "whole Markdown, 20 Hz", limit)

    pairs = list(zip(ours, whole, strict=True))
    received = [one.received_mb / other.received_mb for one, other in pairs]
    busy = [one.busy_s / other.busy_s for one, other in pairs]
    frame_ms = [1000 / one.frames_per_s for one in ours]
    title = f"{SIZE_KB} KB at {RATE} tokens/s in JupyterLab"
    return [
        against(f"{title}: text visible after", "ms", "first_text_ms", LIMIT_FIRST_MS),
        against("… messages to the page", "", "messages"),
        against("… their size", "MB", "received_mb"),
        Figure("… / that of the whole Markdown", "×", received, limit=LIMIT_BYTES, judged="worst"),
        against("… main thread at work", "s", "busy_s"),
        Figure("… / that for the whole Markdown", "×", busy, limit=LIMIT_BUSY),
        against("… frames per second", "", "frames_per_s"),
        Figure("… time of a frame", "ms", frame_ms, limit=LIMIT_FRAME_MS),
    ]


def serve() -> None:
    """Serves until the process is ended."""
    text = answer_text(SIZE_KB * 1024 - len(LAST_WORD) - 2) + f"\n\n{LAST_WORD}"
    head, *pieces = stream_bytes(tokens(text, len(text)))

    def script(exchange: Exchange) -> None:
        note("first byte", at=time.time())
        exchange.send(head)
        start = time.perf_counter()
        for index, piece in enumerate(pieces):
            wait_s = start + index / RATE - time.perf_counter()
            if wait_s > 0 and not exchange.sleep(wait_s):
                return
            exchange.send(piece)

    with ByteServer(script) as server:
        note("listening", port=server.port)
        while True:
            time.sleep(60)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        sys.exit(main(measure))
