"""The page of faults says what the tests found, for enough of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.slow
def test_the_page_is_what_the_tests_say_and_all_of_them_compare() -> None:
    """A page about failures that is wrong is worse than none."""
    command = [sys.executable, "make_faults.py", "--check"]
    done = subprocess.run(command, cwd=DOCS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_has_at_least_sixty_faults() -> None:
    """Fewer would leave out what happens every day somewhere."""
    lines = (DOCS / "faults.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| ---")]
    heads = [line for line in lines if line.startswith("| what goes wrong")]
    assert len(rows) - len(heads) >= 60
