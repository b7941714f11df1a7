"""Figures are told as they were found: what is missed or left out is in sight."""

from __future__ import annotations

import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import figures
import places
import pytest
import results
import run
from figures import Absence, Figure
from support.environment import clean_environment

SCRIPTS = sorted(
    path.name
    for path in places.HERE.glob("*.py")
    if "sys.exit(main(" in path.read_text(encoding="utf-8")
)
KEPT = Figure("speed", "ms", [3.0, 1.0, 20.0], [10.0, 30.0, 20.0], "bare", limit=5)
MISSED = Figure("… size", "×", [999.0, 2000.0], limit=1000, judged="worst", is_least=True)
ABSENT = Absence("chatlab", "pip: no network")


def test_a_row_has_the_spread_the_ratio_and_the_limit() -> None:
    """Without the spread one could not tell a measurement from luck."""
    assert figures.table([KEPT, MISSED]).splitlines()[2:] == [
        "| speed | ms | 3 (1 – 20) | 3 | bare: 20 (10 – 30) | 0.15 | median ≤ 5 | ok |",
        "| … size | × | 1500 (999 – 2000) | 2 |  |  | worst ≥ 1000 | **missed** |",
    ]


@pytest.mark.parametrize(("judged", "most", "least"), [("median", 2.0, 2.0), ("worst", 9.0, 1.0)])
def test_a_limit_holds_for_the_median_or_the_worst(
    judged: figures.Judged, most: float, least: float
) -> None:
    """A limit that is judged the wrong way round would be kept for ever."""
    figure = Figure("x", "", [1, 2, 9], judged=judged)
    assert replace(figure, limit=most).is_within
    assert not replace(figure, limit=most - 0.1).is_within
    assert replace(figure, limit=least, is_least=True).is_within
    assert not replace(figure, limit=least + 0.1, is_least=True).is_within


def test_a_peer_that_fails_is_left_out_with_the_reason() -> None:
    """Readers would think that it was measured, or the others would not be."""
    absent: list[Absence] = []
    error = places.CannotBeHadError("no network\nat all")
    with figures.left_out("chatlab", absent):
        raise error
    assert figures.table([KEPT, *absent]).splitlines()[3:] == [
        "",
        "- left out: chatlab: CannotBeHadError: no network",
    ]


def test_a_peer_that_fails_once_is_not_asked_again() -> None:
    """Half its samples would be held against all of ours, or every round told the same."""
    absent: list[Absence] = []
    takes = {"ours": lambda: 1, "broken": lambda: 1 // 0, "whole": lambda: 2}
    assert figures.in_turn(takes, 2, absent) == {"ours": [1, 1], "whole": [2, 2]}
    assert [gone.name for gone in absent] == ["broken"]
    with pytest.raises(ZeroDivisionError):
        figures.in_turn({"ours": lambda: 1 // 0}, 2, absent)


def test_the_page_begins_with_what_was_missed_and_what_failed() -> None:
    """A limit that is not kept would be found by those only who read every row."""
    parts = [
        results.Part("load", "What it costs.", [KEPT, MISSED, ABSENT], 61),
        results.Part("grid", "Many prompts.", [], 59, failure="OSError: disk full", is_quick=True),
    ]
    told = results.page(parts, "2026-11-21 · 2 cores")
    assert told.partition("\n## ")[0].splitlines()[4:] == [
        "2026-11-21 · 2 cores · 2 minutes",
        "",
        "**1 of 2 limits are missed:**",
        "",
        "- `load.py`: speed … size",
        "- `grid.py` failed: OSError: disk full",
    ]
    assert "## load\n\nWhat it costs. (61 s)\n\n| measured |" in told
    assert "left out: chatlab: pip: no network" in told
    assert "Many prompts. *Fewer and shorter runs than usual.* (59 s)\n\nOSError: disk full" in told


def test_the_page_says_that_all_limits_are_kept() -> None:
    """The one thing most readers look for."""
    told = results.page([results.Part("load", "What it costs.", [KEPT], 1)], "")
    assert "All 1 limits are kept." in told


def test_a_script_that_fails_costs_the_others_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Twenty minutes of measuring would be lost for one peer's sake."""
    error = OSError("disk full")

    def broken(*, quick: bool) -> list[figures.Finding]:
        del quick
        raise error

    modules = [ModuleType("broken", "Fails."), ModuleType("whole", "Works.")]
    vars(modules[0])["measure"] = broken
    vars(modules[1])["measure"] = lambda *, quick: [] if quick else [KEPT]
    first, second = run.run_all(modules, quick=False)
    assert (first.failure, list(first.findings)) == ("OSError: disk full", [])
    assert (second.failure, list(second.findings)) == ("", [KEPT])
    assert "Traceback" in capsys.readouterr().err


def test_what_begins_late_is_shortened() -> None:
    """A run that takes an hour is one that nobody makes."""
    whole = ModuleType("whole", "Works.")
    vars(whole)["measure"] = lambda *, quick: [] if quick else [KEPT]
    (part,) = run.run_all([whole], quick=False, shortened_after_s=-1)
    assert part.is_quick
    assert not part.findings


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_says_what_it_measures(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A benchmark that no longer starts is noticed on the day it is wanted."""
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(places.HERE / script), run_name="__main__")
    assert ended.value.code == 0
    assert "--quick" in capsys.readouterr().out


def test_a_script_measures_and_prints_its_table() -> None:
    """The harness, the service and the kernels of the benchmarks would rot unseen."""
    script = Path(places.HERE, "full_speed.py")
    done = subprocess.run(
        [sys.executable, script, "--quick"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "| … published bytes / answer bytes | × | " in done.stdout, done.stderr
    assert done.returncode == ("limit missed" in done.stderr)
