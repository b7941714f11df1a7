"""Writes docs/faults.md from the tests marked ``fault``: ``python docs/make_faults.py``.

With ``--check`` it only says whether the page is as the tests have it.
"""  # noqa: INP001  # a script

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = Path(__file__).with_name("faults.md")
TESTS = Path(__file__).parents[1] / "tests"
UNHARMED = "The whole answer."

#: All groups in the order of the page, and what there is to say of each.
GROUPS = {
    "The way to the service": "Names, routes and packets.",
    "Encryption": "Nothing is sent, and no key, before the certificate is found good.",
    "Proxies": "The message names the proxy, without its password, so that nobody looks for the "
    "fault at the service.",
    "A connection that fails half-way": "What had arrived stays in the cell and in the "
    "conversation. An answer is whole only if the service said so.",
    "What a service refuses": "The service's own words, in one line, with whatever looks like a "
    "key taken out.",
    "Replies that are not as they should be": "What arrives decides, not what was announced.",
    "The machine": "The disk, the database, the clock.",
    "The kernel": "Restarts, crashes, copies of the process.",
    "The notebook": "What other cells do.",
    "Interrupts": "■, at any moment.",
}

TEXT = """\
<!-- Written by docs/make_faults.py from the tests marked `fault`: do not edit. -->
# When something fails

What a cell shows when a network, a service or the machine fails, and what is kept. Each row is a
test that injects the fault for real – into a socket, a certificate, a proxy, a disk, a process –
while a notebook chats. It compares what the cell shows with the words in the table, looks up in
the database what is kept, and chats again in the next cell. There are {count} of them.

How to read the tables:

- *What you see* is a line below the cell, in the end or, where the answer comes after all, while
  it is waited for; `…` stands for what differs each time, such as a port. A message may have a
  second line that says what to type next. No key is in any of them.
- *What is kept* is in the conversation afterwards, on disk. Your question is stored before it
  leaves. Text that had arrived stays in the cell, and the next prompt goes on with it; a question
  without any answer is kept, but not sent again. Run the cell again to ask once more: the new
  answer takes the place of the old one.
- Before an answer has begun, whatever may pass – a lost connection, 408, 409, 429, 5xx – is tried
  twice more after a pause that the cell tells of; `--retries N` changes how often. In the tables
  nothing is tried again unless a row says so.
- Wherever it waits, ■ stops it.

[Troubleshooting](troubleshooting.md) has the messages with their causes and cures.
"""


class Row(NamedTuple):
    """What a test injects, what the cell shows, and what is kept."""

    group: str
    injected: str
    sees: str
    keeps: str


class Collector:
    """A plugin of pytest that takes down the rows, and the tests that do not compare theirs."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.unchecked: list[str] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Look at the tests that were found."""
        for item in session.items:
            marker = item.get_closest_marker("fault")
            if marker is not None:
                self.rows.append(Row(*marker.args, **marker.kwargs))
                if "fault" not in getattr(item, "fixturenames", ()):
                    self.unchecked.append(item.nodeid)


def collected() -> list[Row]:
    """Return the rows of all tests that are marked, each once."""
    collector = Collector()
    files = sorted(TESTS.glob("test_*.py"))
    marked = [str(f) for f in files if re.search(r"mark\.fault|fault_row", f.read_text("utf-8"))]
    options = ["--collect-only", "--quiet", "--quiet", "--no-summary", "-p", "no:cacheprovider"]
    status = pytest.main([*options, *marked], plugins=[collector])
    if status != pytest.ExitCode.OK:
        sys.exit(f"the tests cannot be collected: {status!r}")
    if collector.unchecked:
        sys.exit(f"compare nothing with their row: {', '.join(collector.unchecked)}")
    return list(dict.fromkeys(collector.rows))


def page(rows: Iterable[Row]) -> str:
    """Return the page of these rows."""
    by_group: dict[str, list[Row]] = {group: [] for group in GROUPS}
    for row in rows:
        by_group[row.group].append(row)
    tables = [
        f"## {group}\n\n{GROUPS[group]}\n\n{_table(found)}\n"
        for group, found in by_group.items()
        if found
    ]
    return "\n".join([TEXT.format(count=sum(map(len, by_group.values()))), *tables])


def _table(rows: Iterable[Row]) -> str:
    lines = ["| what goes wrong | what you see | what is kept |", "| --- | --- | --- |"]
    for row in rows:
        fence = "`` " if "`" in row.sees else "`"
        sees = "nothing of it" if row.sees == UNHARMED else f"{fence}{row.sees}{fence[::-1]}"
        cells = (cell.replace("|", "\\|") for cell in (row.injected, sees, row.keeps))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    text = page(collected())
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        sys.exit("docs/faults.md is stale: run python docs/make_faults.py")
