"""What the first bytes of a picture tell: its type and its size in pixels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SVG = "image/svg+xml"
SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    SVG: ".svg",
}

_SIGNATURES = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}
_PROLOGUE_BYTES = 4096  # of an SVG: declarations and comments before its first tag
_SVG_TAG = re.compile(rb"<svg(?=[\s/>])[^>]*>?")
_LENGTH = rb"""\s%s\s*=\s*["']\s*(\d+(?:\.\d+)?)(?:px)?\s*["']"""
_WIDTH, _HEIGHT = re.compile(_LENGTH % b"width"), re.compile(_LENGTH % b"height")
_VIEW_BOX = re.compile(rb"""\sviewBox\s*=\s*["'](?:[^\s,"']+[\s,]+){2}([\d.]+)[\s,]+([\d.]+)""")
# All that begin a frame; between them stand DHT, JPG and DAC (ITU-T T.81, table B.1).
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def media_type(data: bytes) -> str:
    """Return the type of a picture, or an empty string for what is none."""
    for kind, start in _SIGNATURES.items():
        if start.match(data):
            return kind
    return SVG if _svg_tag(data) else ""


def pixels(data: bytes) -> tuple[int, int] | None:
    """Return width and height, or None where the bytes do not tell."""
    measure = _MEASURES.get(media_type(data))
    size = measure(data) if measure else None
    return size if size and all(size) else None


def _png(data: bytes) -> tuple[int, int] | None:
    if len(data) < 24 or data[12:16] != b"IHDR":  # noqa: PLR2004  # where the size ends
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _gif(data: bytes) -> tuple[int, int]:
    return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """Walk over the segments to the one that begins the frame."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004  # begins every marker
        if data[at + 1] in _JPEG_FRAMES:
            height, width = data[at + 5 : at + 7], data[at + 7 : at + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        is_fill = data[at + 1] == 0xFF  # noqa: PLR2004  # as above
        at += 1 if is_fill else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _webp(data: bytes) -> tuple[int, int] | None:
    """Read the first chunk: extended, lossless or lossy (RFC 9649, 2.5 to 2.7)."""
    kind, start = data[12:16], data[20:30]
    if len(start) < 10:  # noqa: PLR2004  # the longest of the three
        return None
    if kind == b"VP8X":
        return 1 + int.from_bytes(start[4:7], "little"), 1 + int.from_bytes(start[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(start[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = (int.from_bytes(start[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    return width, height


def _svg(data: bytes) -> tuple[int, int] | None:
    """Read width and height where both are pixels, else the box that is seen."""
    tag = _svg_tag(data)
    width, height, box = _WIDTH.search(tag), _HEIGHT.search(tag), _VIEW_BOX.search(tag)
    sides = (width[1], height[1]) if width and height else box.groups() if box else ()
    try:
        width_px, height_px = (round(float(side)) for side in sides)
    except (ValueError, OverflowError):  # none, two points in one number, or far too many digits
        return None
    return width_px, height_px


def _svg_tag(data: bytes) -> bytes:
    """Return the first tag of an SVG, cut off where it is very long; empty if there is none."""
    text = data[:_PROLOGUE_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    while text.startswith((b"<?", b"<!", b"]")):  # the last ends declarations of entities
        text = text.partition(b"-->" if text.startswith(b"<!--") else b">")[2].lstrip()
    tag = _SVG_TAG.match(text)
    return tag[0] if tag else b""


_MEASURES: dict[str, Callable[[bytes], tuple[int, int] | None]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/gif": _gif,
    "image/webp": _webp,
    SVG: _svg,
}
