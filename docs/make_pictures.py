"""Takes the pictures of the pages anew, in a real JupyterLab: ``python docs/make_pictures.py``."""  # noqa: INP001  # a script

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.lab import Lab
from support.lab_page import LabPage, chromium

IMAGES = Path(__file__).with_name("images")
WIDTH, HEIGHT = 1030, 1400  # of the window; pictures end sooner
BOX = """cell => {
    const {x, y, width, height} = cell.getBoundingClientRect();
    return {x, y, width, height: Math.min(height, 640)};
}"""
#: What is around a cell while it is worked on.
CALM = """
.jp-cell-toolbar, .jp-Collapser, .jp-Notebook-footer { display: none !important; }
.jp-Notebook .jp-Cell { border-color: transparent !important; }
"""


class Shot(NamedTuple):
    """A cell, and the name of its picture; taken when it is done, or has said ``until``."""

    name: str
    source: str
    until: str = ""


CELLS = (
    Shot("", "%load_ext g4f_magic"),
    Shot(
        "streaming",
        "%%chat -m demo-slow --alone\n"
        "Explain a p-value to a ten-year-old. Then give one line of Python that computes one.",
        until="A large one",
    ),
    Shot(
        "columns",
        "%%chat -m demo -m demo-brief -m demo-detailed -m demo-slow --alone\n"
        "What is a good name for a cat?",
        until="writing · 3 s",
    ),
    Shot("chat", "%%chat\nWhat is 12 * 7?"),
    Shot("picture", "%chat -m demo-image --alone --size 320x320 A red fox in the snow"),
    Shot("", "%chat --quiet -c ideas Name three uses of a brick."),
    Shot("", "%chat --quiet -c translations Translate into French: the early bird."),
    Shot("chats", "%g4f_chats"),
    Shot("models", "%g4f_models -p demo"),
    Shot("", "%g4f_config preview_rows=5 alias.fast=demo:demo-brief"),
    Shot("config", "%g4f_config"),
    Shot(
        "",
        "import pandas as pd\n\n"
        "cities = pd.DataFrame(\n"
        '    {"city": ["Oslo", "Rome", "Lima"], "rain_mm": [763, 799, 13]}\n'
        ")\n\n\n"
        "def rain_in(city: str) -> int:\n"
        '    """Tell how much it rains in a city, in mm a year."""\n'
        '    return int(cities.set_index("city").loc[city, "rain_mm"])',
    ),
    Shot(
        "values",
        "%chat --alone --quiet -o reply Which of these is the wettest? {{ cities }}\n"
        'print(reply.request["messages"][-1]["content"])',
    ),
    Shot("tools", '%%chat --alone --tools rain_in\nHow much does it rain in the city of "Rome"?'),
    Shot(
        "summary",
        "from g4f_magic import compare\n\n"
        'models = ["demo:demo-hasty", "demo:demo-brief", "demo:demo-detailed"]\n'
        'tried = compare([f"what is {n} * 7?" for n in range(2, 9)], models)\n'
        "tried.summary()",
    ),
)


def main() -> None:
    """Run the cells one after the other, and take the pictures."""
    with Lab() as lab, chromium() as browser, LabPage(lab, browser, timeout=120) as page:
        lab.write_notebook("pictures.ipynb", [one.source for one in CELLS])
        page.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        page.open("pictures.ipynb")
        page.command("application:toggle-left-area")
        page.page.add_style_tag(content=CALM)
        for number, shot in enumerate(CELLS):
            take(page, number, shot)
            if number == 0:
                page.wait_warm()


def take(page: LabPage, number: int, shot: Shot) -> None:
    """Run a cell and take its picture, if it is to have one."""
    page.run(number, keys="Shift+Enter", wait=not shot.until)
    if shot.until:
        page.wait_text(number, shot.until)
    if shot.name:
        cell = page.cell(number)
        cell.scroll_into_view_if_needed()
        page.page.screenshot(path=IMAGES / f"{shot.name}.png", clip=cell.evaluate(BOX))
    if shot.until:
        page.interrupt()
        page.wait_done(number)


if __name__ == "__main__":
    main()
