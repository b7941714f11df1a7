"""Runs all benchmarks and writes their figures down; exits with 1 if a limit is missed."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import adapters
import browser
import catalogue
import client
import columns
import first_token
import full_speed
import grid
import interrupt
import load
import paced
import peers
import places
import store
from figures import left_out, missed, prepare_package, surroundings
from results import Part, page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

#: What says most comes first: what begins late is shortened.
MODULES = (
    *(load, peers, first_token, full_speed, paced, columns),
    *(interrupt, client, browser, store, catalogue, grid),
)
SHORTENED_AFTER_S = 13 * 60
RESULTS = places.HERE / "RESULTS.md"


def main() -> int:
    """Measure all, print the page and, if not told otherwise, write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs, not written")
    parser.add_argument("--write", type=Path, metavar="FILE", help=f"instead of {RESULTS.name}")
    asked = parser.parse_args()
    prepare_package()
    prepare_peers()
    told = surroundings()
    parts = run_all(MODULES, quick=asked.quick)
    written = page(parts, told)
    print(written)
    target = asked.write or (None if asked.quick else RESULTS)
    if target is not None:
        target.write_text(written, encoding="utf-8")
    return 1 if any(missed(part.findings) or part.failure for part in parts) else 0


def prepare_peers() -> None:
    """Makes the environments of all peers, so that none is made while something is timed."""
    wanted = [peer.requirements for peer in adapters.PEERS] + [(name,) for name in client.PEERS]
    for requirements in wanted:
        with left_out(requirements[0], []):
            places.peer_python(*requirements)


def run_all(
    modules: Sequence[ModuleType], *, quick: bool, shortened_after_s: float = SHORTENED_AFTER_S
) -> list[Part]:
    """What each of them finds; one that fails costs the others nothing."""
    started = time.monotonic()
    return [
        run_one(module, quick=quick or time.monotonic() - started > shortened_after_s)
        for module in modules
    ]


def run_one(module: ModuleType, *, quick: bool) -> Part:
    """What it finds or, instead, why it failed."""
    print(f"{module.__name__} …", file=sys.stderr, flush=True)
    started = time.monotonic()
    findings, failure = [], ""
    try:
        findings = module.measure(quick=quick)
    except Exception as error:  # noqa: BLE001  # whatever it is, the other figures are wanted
        traceback.print_exc()
        failure = f"{type(error).__name__}: {error}".splitlines()[0]
    about = (module.__doc__ or "").splitlines()[0]
    took_s = time.monotonic() - started
    return Part(module.__name__, about, findings, took_s, failure=failure, is_quick=quick)


if __name__ == "__main__":
    sys.exit(main())
