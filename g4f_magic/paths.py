"""Paths as people type them, and those of our own files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal


def path_of(typed: str | os.PathLike[str]) -> Path:
    """Return a path with ``~`` read as the home of somebody, or as it stands where nobody is."""
    return Path(os.path.expanduser(typed))  # noqa: PTH111  # Path's own raises RuntimeError


def kept_at(name: str, usual: Literal["cache", "config", "data"]) -> Path:
    """Return where a file of ours is: in ``G4F_HOME``, else where the system has such files."""
    home = os.environ.get("G4F_HOME")
    if home:
        return path_of(home) / name
    import platformdirs

    folders = {
        "cache": platformdirs.user_cache_path,
        "config": platformdirs.user_config_path,
        "data": platformdirs.user_data_path,
    }
    return folders[usual]("g4f_magic", appauthor=False) / name
