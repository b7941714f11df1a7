"""Keys to be lost: one for each place that a key can come from, and whether it is seen again."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_AROUND = 60  # bytes of the text on either side that a failure shows


def canary(place: str) -> str:
    """A key of its own for a place; it looks like no service's, so that no pattern hides it."""
    return f"Zq7{hashlib.sha256(place.encode()).hexdigest()[:21]}"


def seen(key: str, text: str | bytes) -> str:
    """What of a text shows a key, as it is or in base64; empty if nothing does."""
    raw = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    places = (raw.find(form) for form in _forms(key))
    at = next((place for place in places if place >= 0), None)
    if at is None:
        return ""
    return raw[max(0, at - _AROUND) : at + len(key) + _AROUND].decode(errors="replace")


def hide_nothing_of(key: str, texts: Mapping[str, str | bytes]) -> None:
    """Fails with the places in which a key is seen."""
    found = {name: seen(key, text) for name, text in texts.items()}
    where = "\n".join(f"in {name}: {shown}" for name, shown in found.items() if shown)
    assert not where, f"the key is seen\n{where}"


def files_below(folder: Path) -> dict[str, bytes]:
    """The contents of all files in a folder, by their paths in it."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _forms(key: str) -> list[bytes]:
    """The key, and what is sure of it in base64 where other text stands before and after."""
    forms = [key.encode()]
    for before, uncertain in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * before + key.encode()).rstrip(b"=")
        forms.append(encoded[uncertain:-1])
    return forms
