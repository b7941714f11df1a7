"""Values of the notebook that are pictures, or can be one, as the bytes of a PNG or JPEG.

The values draw themselves: no library is loaded for them, except Pillow where a large
picture has to be scaled down.
"""

from __future__ import annotations

import base64
import io
import sys
import warnings
import zlib
from importlib import import_module
from typing import Any, NamedTuple

from ..image_bytes import pixels
from .frames import is_a, is_frame

LONGEST_SIDE = 2048  # pixels; services scale down themselves what is larger

_PNG_COLOURS = {1: 0, 3: 2, 4: 6}  # by channels: grey, RGB, RGBA
_PNG_MODES = {"L", "LA", "RGB", "RGBA", "I;16"}
_GREY, _COLOURED = 2, 3  # dimensions
_NUMBERS = "biuf"  # kinds of them that are light or dark
_JPEG_QUALITY = 90


class Drawn(NamedTuple):
    """The bytes of a picture, and what a person should know about how they came to be."""

    data: bytes
    note: str = ""


def drawn(value: Any) -> Drawn | None:
    """Return what a picture, a figure or a chart looks like; None for what is none of these.

    Whatever the value raises while it draws comes out.
    """
    if is_a(value, "PIL.Image"):
        return _fitted(value, "PNG")
    data = _figure(value) or _chart(value) or _own_picture(value)
    return fitted(data) if data else None


def array_drawn(value: Any) -> Drawn | None:
    """Return the picture whose pixels an array holds; None for what cannot be one.

    Its shape is height × width, with 1, 3 or 4 channels behind or, as PyTorch has it, before.
    Whole numbers are taken as 0 to 255 and fractions as 0 to 1; if there are others,
    the least is drawn black and the greatest white.
    """
    if not _has_pixels(value):
        return None
    array = value.__array__()
    if array.dtype.kind not in _NUMBERS:
        return None
    if array.ndim == _GREY:
        array = array[:, :, None]
    elif array.shape[2] not in _PNG_COLOURS:
        array = array.transpose(1, 2, 0)
    height, width = array.shape[:2]
    levels, spread = _levels(_averaged(array))
    data = fitted(_png(levels)).data
    scaled = _scaled((width, height), pixels(data))
    return Drawn(data, "; ".join(filter(None, (spread, scaled))))


def fitted(data: bytes) -> Drawn:
    """Return a picture, scaled down if it is large and Pillow is installed."""
    size = pixels(data)
    if size is None or max(size) <= LONGEST_SIDE:
        return Drawn(data)
    try:
        pillow = import_module("PIL.Image")
    except ImportError:
        return Drawn(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of many pixels, which is why we are here
        with pillow.open(io.BytesIO(data)) as image:
            return _fitted(image, "JPEG" if image.format == "JPEG" else "PNG")


def _fitted(image: Any, kind: str) -> Drawn:
    """Return a picture of Pillow's as a file, upright and scaled down if it is large."""
    upright = import_module("PIL.ImageOps").exif_transpose(image)
    before = upright.size
    if kind == "PNG" and upright.mode not in _PNG_MODES:
        upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))  # which never enlarges
    file = io.BytesIO()
    upright.save(file, kind, quality=_JPEG_QUALITY)
    return Drawn(file.getvalue(), _scaled(before, upright.size))


def _scaled(before: tuple[int, int], after: tuple[int, int] | None) -> str:
    if after is None or before == after:
        return ""
    return f"scaled down from {before[0]}×{before[1]} to {after[0]}×{after[1]}"


def _figure(value: Any) -> bytes:
    """Return the PNG of a figure, or of the one that all these axes are in."""
    figure = value
    if is_a(value, "numpy.ndarray") and value.dtype.kind == "O":  # as plt.subplots gives them
        found = {id(owner): owner for owner in map(_owner, value.flat)}
        figure = found.popitem()[1] if len(found) == 1 else None
    elif not _has(value, "savefig"):
        figure = _owner(value)
    if not _has(figure, "savefig"):
        return b""
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    return file.getvalue()


def _owner(value: Any) -> Any:
    return value.get_figure() if _has(value, "get_figure") else None


def _has(value: Any, method: str) -> bool:
    """Tell whether a value has a method by its class: proxies say yes to any name."""
    return callable(getattr(type(value), method, None))


def _chart(value: Any) -> bytes:
    """Return the PNG that plotly or altair make of a chart, with the help they need for it."""
    if is_a(value, "plotly.BaseFigure"):
        return bytes(value.to_image(format="png"))
    file = io.BytesIO()
    if is_a(value, "altair.TopLevelMixin"):
        value.save(file, format="png")
    return file.getvalue()


def _own_picture(value: Any) -> bytes:
    """Return the picture that a value shows of itself in a notebook, if it has one."""
    for method in ("_repr_png_", "_repr_jpeg_"):
        picture = getattr(value, method)() if _has(value, method) else None
        if isinstance(picture, tuple):  # with its metadata
            picture = picture[0]
        if picture:
            return base64.b64decode(picture) if isinstance(picture, str) else bytes(picture)
    return b""


def _has_pixels(value: Any) -> bool:
    """Tell whether a value is an array in the shape of a picture."""
    if not _has(value, "__array__") or (is_frame(value) and not is_a(value, "numpy.ndarray")):
        return False
    shape = tuple(getattr(value, "shape", ()))
    if not all(shape) or not hasattr(value, "dtype"):
        return False
    ends = {shape[0], shape[-1]} if len(shape) == _COLOURED else set()
    return len(shape) == _GREY or not ends.isdisjoint(_PNG_COLOURS)


def _averaged(array: Any) -> Any:
    """Return a large array with less than twice the longest side: Pillow does the rest better."""
    height, width, channels = array.shape
    step = max(height, width) // LONGEST_SIDE
    if step <= 1:
        return array
    down, across = min(step, height), min(step, width)
    rows, columns = height // down, width // across
    blocks = array[: rows * down, : columns * across].reshape(rows, down, columns, across, channels)
    means = blocks.mean(axis=(1, 3))
    return means.astype(array.dtype) if array.dtype.kind in "ui" else means


def _levels(array: Any) -> tuple[Any, str]:
    """Return an array as bytes for a picture, and what its black and white stand for if not 0."""
    numpy: Any = sys.modules["numpy"]
    if array.dtype == "uint8":
        return array, ""
    finite = array[numpy.isfinite(array)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    white = 255.0 if array.dtype.kind in "ui" else 1.0
    note = ""
    if low < 0 or high > white:
        note = f"black is {low:g}, white is {high:g}"
    else:
        low, high = 0.0, white
    share = (array - low) / ((high - low) or 1.0)
    return (numpy.nan_to_num(share).clip(0, 1) * 255).round().astype("uint8"), note


def _png(levels: Any) -> bytes:
    """Return a PNG of height × width × channels bytes, without filters (PNG, third edition)."""
    height, width, channels = levels.shape
    data, line = levels.tobytes(), width * channels
    lines = b"".join(b"\0" + data[at : at + line] for at in range(0, len(data), line))
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    header = size + bytes((8, _PNG_COLOURS[channels], 0, 0, 0))
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(kind, part) for kind, part in parts)


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return len(data).to_bytes(4, "big") + kind + data + check.to_bytes(4, "big")
