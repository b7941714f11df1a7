"""Pictures as outputs of a cell: each embedded as a whole, several in a grid."""

from __future__ import annotations

import base64
import html
import re
from typing import TYPE_CHECKING, Any, TypeAlias

from .footer import small

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..messages import Answer, Image

Output: TypeAlias = "tuple[dict[str, str], dict[str, Any]]"
"""A MIME bundle, and the metadata of its parts."""

_SIDE = 512  # of the longer one, in CSS pixels
_SIDE_IN_GRID = 256
_LONGEST_ALT = 1000  # in characters
_LONGEST_ADDRESS = 500
_RASTER = ("image/png", "image/jpeg", "image/gif", "image/webp")
_SHOWN = (*_RASTER, "image/svg+xml")
_SHOWN_EVERYWHERE = ("image/png", "image/jpeg")  # nbconvert 7.17 knows no others
_ADDRESS = re.compile(r"https?://[\w.:\[\]-]+([/?][\w./?&=%+,:;@~-]*)?", re.ASCII)
# What JupyterLab's sanitiser leaves of styles (4.6) has no columns for display: grid.
_IN_GRID = "display:inline-block;vertical-align:top;margin:0 8px 8px 0;max-width:100%;height:auto"
_ALONE = "max-width:100%;height:auto"
_NOTHING = "<span></span>"


def image_outputs(answer: Answer) -> Iterator[Output]:
    """Yield an output for each picture of an answer.

    Of several, the first has a grid of all for those who show HTML, and the others
    have nothing to show to them.
    """
    shown = [image for image in answer.images if image.data and image.media_type in _SHOWN]
    prompt = str(answer.request.get("prompt") or "")
    for image in shown:
        alt = _alt(image, prompt)
        bundle, about = _embedded(image, alt)
        if len(shown) > 1:
            bundle["text/html"] = _NOTHING if image is not shown[0] else _grid(shown, prompt)
        elif image.media_type not in _SHOWN_EVERYWHERE:
            bundle["text/html"] = _tag(image, alt, _SIDE, _ALONE)
        yield bundle, about
    for image in answer.images:
        if image not in shown:
            yield _told(image), {}


def _alt(image: Image, prompt: str) -> str:
    return (image.revised_prompt or prompt)[:_LONGEST_ALT]


def _embedded(image: Image, alt: str) -> Output:
    """Return a picture that front ends show at the size and with the words given beside it."""
    bundle = {"text/plain": repr(image)}
    if image.media_type not in _RASTER:  # an SVG may hold scripts, which only <img> keeps still
        return bundle, {}
    bundle[image.media_type] = base64.b64encode(image.data).decode()
    about: dict[str, Any] = {"alt": alt} if alt else {}
    return bundle, {image.media_type: about | _display_size(image, _SIDE)}


def _grid(images: list[Image], prompt: str) -> str:
    tags = (_tag(image, _alt(image, prompt), _SIDE_IN_GRID, _IN_GRID) for image in images)
    return f"<div>{''.join(tags)}</div>"


def _tag(image: Image, alt: str, side: int, style: str) -> str:
    source = f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"
    attributes = {"src": source, "alt": alt, **_display_size(image, side), "style": style}
    told = (f'{name}="{html.escape(str(value))}"' for name, value in attributes.items())
    return f"<img {' '.join(told)}>"


def _display_size(image: Image, side: int) -> dict[str, int]:
    """Return width and height in CSS pixels, the natural ones if they are not too large."""
    width, height = image.width, image.height
    if width is None or height is None:
        return {}
    scale = min(1.0, side / max(width, height))
    return {"width": max(1, round(width * scale)), "height": max(1, round(height * scale))}


def _told(image: Image) -> dict[str, str]:
    """Return the address of a picture that is not here, and why; no link to what was refused."""
    trouble = "what came is no picture" if image.data else image.trouble
    is_plain = len(image.url) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(image.url) is not None
    address = image.url if is_plain else ascii(image.url[:_LONGEST_ADDRESS]).replace("`", "%60")
    why = f"Picture not shown: {trouble}" if trouble else ""
    shown = f"<{address}>" if is_plain and not trouble else f"`{address}`"
    plain, markdown = [why, address], [small(why) if why else "", shown]
    if not image.url:
        plain, markdown = plain[:1], markdown[:1]
    return {
        "text/plain": "\n".join(filter(None, plain)),
        "text/markdown": "\n\n".join(filter(None, markdown)),
    }
