"""A notebook in a real browser: what a user types, clicks and sees."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from support.environment import find_program

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator
    from pathlib import Path

    from support.lab import Lab

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
)
#: The indicator in the toolbar is no help: it shows "idle" before "initializing" (Lab 4.6).
IS_IDLE = """() => {
    const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
    const kernel = context?.isReady && context.session?.kernel;
    return kernel && kernel.connectionStatus === "connected" && kernel.status === "idle";
}"""
#: ``[1]`` may follow ``[1]``: only a watcher sees the ``[*]`` of a quick cell between.
WATCH = """prompt => {
    window.hasStarted = false;
    const look = () => { window.hasStarted ||= prompt.textContent.includes("*"); };
    const changes = {childList: true, characterData: true, subtree: true};
    new MutationObserver(look).observe(prompt, changes);
}"""
#: The widget that the extension makes at last is there, and the subshell that it is for.
HAS_WIDGETS = """() => {
    const context = window.jupyterapp.shell.currentWidget.sessionContext;
    const comms = [...context.session.kernel._comms.values()];
    return comms.some(comm => comm.targetName === "jupyter.widget" && comm.subshellId);
}"""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A headless chromium, the one installed on the machine."""
    path = find_program("chromium", *CHROMIUM, reason="the page is looked at in a real browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=SWITCHES)
        try:
            yield browser
        finally:
            browser.close()


class LabPage:
    """An open notebook; cells are counted from 0, times are in seconds."""

    def __init__(self, lab: Lab, browser: Browser, timeout: float = 30.0) -> None:
        self.lab = lab
        self.timeout_ms = timeout * 1000
        self.context = browser.new_context(viewport={"width": 1280, "height": 900})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(self.timeout_ms)
        #: Messages of the browser's console that are errors.
        self.console_errors: list[str] = []
        #: All that was said on it, by frames as well.
        self.console: list[str] = []
        #: Addresses elsewhere than at the Lab that something in the page has asked.
        self.asked_elsewhere: list[str] = []
        self.page.on("console", self._note)
        self.context.on("request", self._note_request)

    def _note(self, message: Any) -> None:
        self.console.append(message.text)
        if message.type == "error":
            self.console_errors.append(message.text)

    def _note_request(self, request: Any) -> None:
        if not request.url.startswith((self.lab.url, "data:", "blob:")):
            self.asked_elsewhere.append(request.url)

    def __enter__(self) -> LabPage:
        """Gives itself; `open` loads a notebook."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the page; the kernel goes with the server."""
        self.context.close()

    def open(self, path: str) -> LabPage:
        """Loads a notebook in a fresh workspace; returns when its kernel is idle."""
        self.page.goto(f"{self.lab.url}/lab/tree/{path}?reset")
        self.page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for()
        self.wait_idle()
        return self

    def wait_idle(self) -> None:
        """Returns when the kernel is connected and idle."""
        self.page.wait_for_function(IS_IDLE)

    def cell(self, number: int) -> Locator:
        """A code cell."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number)

    def output(self, number: int) -> Locator:
        """The whole output area of a cell."""
        return self.cell(number).locator(".jp-Cell-outputArea")

    def prompt(self, number: int) -> Locator:
        """What stands before a cell: ``[ ]:``, ``[*]:`` or ``[3]:``."""
        return self.cell(number).locator(".jp-InputArea-prompt")

    def select(self, number: int) -> None:
        """Puts the cursor into a cell."""
        self.cell(number).locator(".cm-content").click()

    def type(self, number: int, source: str) -> None:
        """Replaces the source of a cell, as by pasting."""
        self.select(number)
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(source)

    def run(self, number: int, *, keys: str = "Control+Enter", wait: bool = True) -> None:
        """Runs a cell with ``keys`` (``Shift+Enter`` goes on to the next)."""
        self.select(number)
        self.prompt(number).evaluate(WATCH)
        self.page.keyboard.press(keys)
        self.page.wait_for_function("window.hasStarted")
        if wait:
            self.wait_done(number)

    def is_running(self, number: int) -> bool:
        """True while the cell shows ``[*]``."""
        return "*" in self.prompt(number).inner_text()

    def wait_done(self, number: int) -> None:
        """Returns when a started cell no longer shows ``[*]``."""
        expect(self.prompt(number)).not_to_contain_text("*", timeout=self.timeout_ms)

    def wait_text(self, number: int, text: str | re.Pattern[str]) -> str:
        """The output of a cell as text, once it contains ``text``."""
        expect(self.output(number)).to_contain_text(text, timeout=self.timeout_ms)
        return self.output(number).inner_text()

    def click_tool(self, name: str) -> None:
        """Clicks a button of the notebook's toolbar by its item name."""
        self.page.locator(f'.jp-NotebookPanel-toolbar [data-jp-item-name="{name}"]').first.click()

    def stop_button(self, number: int) -> Locator:
        """The Stop button of an answer that grows in a cell."""
        return self.output(number).get_by_role("button", name="Stop")

    def wait_warm(self) -> None:
        """Returns when the extension has loaded what it needs, and clicks will arrive."""
        self.page.wait_for_function(HAS_WIDGETS)

    def interrupt(self) -> None:
        """Clicks the ■ of the toolbar."""
        self.click_tool("interrupt")

    def restart_and_run_all(self) -> None:
        """Clicks ⏩ and says yes; returns when the last cell has run or one has failed."""
        last = self.page.locator(".jp-Notebook .jp-CodeCell").count() - 1
        self.prompt(last).evaluate(WATCH)
        self.click_tool("restart-and-run")
        self.page.locator(".jp-Dialog .jp-mod-accept").last.click()
        self.page.wait_for_function("window.hasStarted")
        self.wait_done(last)
        self.wait_idle()

    def command(self, name: str) -> None:
        """Runs a command of JupyterLab by its id, such as ``docmanager:save``."""
        self.page.evaluate("name => window.jupyterapp.commands.execute(name)", name)

    def save(self) -> None:
        """Writes the notebook to disk."""
        self.command("docmanager:save")
        expect(self.page.locator(".jp-Document .jp-mod-dirty")).to_have_count(0)

    def screenshot(self, path: str | Path) -> None:
        """Writes a picture of the window."""
        self.page.screenshot(path=path)
