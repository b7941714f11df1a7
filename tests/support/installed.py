"""Environments of their own, with what pip has put there and nothing of this tree."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from support.environment import clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Environment:
    """An environment in a folder, made empty where there is none; ``python`` is its interpreter."""

    def __init__(self, folder: Path) -> None:
        if not folder.exists():
            run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
        self.python = str(folder / "bin" / "python")
        path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
        active = {"PATH": path, "VIRTUAL_ENV": str(folder), "PYTHONPATH": ""}
        #: For programs that run in it, as after ``source bin/activate``.
        self.env = clean_environment() | active

    def pip(self, *words: str, cwd: Path | None = None) -> str:
        """What pip says that works on it, with the settings of this machine for pip."""
        return run([sys.executable, "-m", "pip", "--python", self.python, *words], cwd=cwd)

    def run(self, *words: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
        """What its Python says."""
        return run([self.python, *words], cwd=cwd, env={**self.env, **(env or {})})


def run(
    command: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> str:
    """What a command prints to its end; `AssertionError` with all of it when it fails."""
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, errors="replace", check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
