"""Chatting in IPython's terminal, where there is nothing but text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.environment import clean_environment

ROOT = Path(__file__).parent.parent


def run(code: str, tmp_path: Path) -> str:
    """Run lines in terminal IPython; returns what it printed."""
    script = tmp_path / "session.ipy"
    script.write_text("%load_ext g4f_magic\n" + code)
    environment = clean_environment() | {"IPYTHONDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", str(script)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


def test_the_answer_is_printed_once(tmp_path: Path) -> None:
    """The terminal gets plain text, as it comes."""
    printed = run("%chat Hello\n", tmp_path)
    assert printed.count("not a language model") == 1
    assert "tokens/s" in printed
    assert "<small>" not in printed


def test_escape_sequences_do_not_reach_the_terminal(tmp_path: Path) -> None:
    """A model could otherwise clear the screen, or write into the title bar."""
    printed = run("word = 'red \\x1b[31m fox'\n%chat tell {{ word }}\n", tmp_path)
    assert "\x1b[31m" not in printed
    assert "fox" in printed


def test_an_error_is_two_lines(tmp_path: Path) -> None:
    """No stack in a terminal either."""
    printed = run("%chat -m demo-error 401\n", tmp_path)
    assert "401" in printed
    assert "Traceback" not in printed
