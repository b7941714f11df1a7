"""Replies of picture services in, pictures out."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import unquote_to_bytes, urljoin

from ..image_bytes import media_type
from ..messages import Image, ImageResponse


def pictures(listed: Any, *, alt: str, address: str) -> ImageResponse:
    """Return the pictures of the ``data`` of an ``/images/generations`` reply, if any.

    ``address`` is where the reply came from: URLs may be relative to it.
    """
    items = listed if isinstance(listed, list) else []
    found = (_picture(item, address) for item in items if isinstance(item, dict))
    return ImageResponse(tuple(image for image in found if image), alt)


def data_in(uri: str) -> bytes:
    """Return the bytes that a ``data:`` URI holds; none where it is broken."""
    head, _, content = uri.partition(",")
    data = unquote_to_bytes(content)
    return _decoded(data) if head.endswith(";base64") else data


def _picture(item: dict[str, Any], address: str) -> Image | None:
    content = str(item.get("b64_json") or item.get("url") or "")
    revised = str(item.get("revised_prompt") or "")
    if content.startswith("data:"):
        data = data_in(content)
    elif item.get("b64_json"):
        data = _decoded(content.encode())
    else:
        url = urljoin(address, content)
        return Image(url=url, revised_prompt=revised) if content else None
    return Image(data, media_type(data), revised_prompt=revised) if data else None


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text + b"==")  # some leave the padding out
    except binascii.Error:
        return b""
