"""Paths as people type them."""

from __future__ import annotations

import os
from pathlib import Path


def path_of(typed: str | os.PathLike[str]) -> Path:
    """Return a path with ``~`` read as the home of somebody, or as it stands where nobody is."""
    return Path(os.path.expanduser(typed))  # noqa: PTH111  # Path's own raises RuntimeError
