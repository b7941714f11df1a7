"""Pictures and sounds to send along, as parts of a chat message."""

from __future__ import annotations

import asyncio
import base64
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..image_bytes import SVG, media_type
from ..limits import ATTACHMENT
from ..paths import path_of
from ..secret import bare
from .pictures import data_in

if TYPE_CHECKING:
    from ..messages import Message

LARGEST_BYTES = ATTACHMENT.size_bytes

_Part = dict[str, Any]
_BYTES = (bytes, bytearray, memoryview)
SOUNDS = {
    "wav": re.compile(rb"RIFF.{4}WAVE", re.DOTALL),
    # An ID3 tag, or the first header of an MPEG frame, layer III (ISO 11172-3, 2.4.2.3).
    "mp3": re.compile(rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]"),
}
_SOUND_ADDRESS = re.compile(r"[^?#]*\.(mp3|wav|ogg|flac|m4a|aac|opus)([?#]|$)", re.IGNORECASE)


async def media_parts(media: Any) -> list[_Part]:
    """Return the content parts of ``media``, which is one item or a sequence of items.

    An item is a path, bytes, an open binary file, the address of a picture or a
    ``data:`` URI, alone or as ``(item, name)``. Types are told by the first bytes.
    Raises ``UsageError``, naming the item that cannot be sent.
    """
    return [] if media is None else await asyncio.to_thread(_parts, media)


def with_parts(messages: Sequence[Message], parts: Sequence[_Part]) -> list[Message]:
    """Return the messages with these parts at the end of the last one of the user."""
    messages = list(messages)
    places = [place for place, one in enumerate(messages) if one.get("role") == "user"]
    if not places:
        return [*messages, {"role": "user", "content": list(parts)}]
    last = messages[places[-1]]
    content: Any = last.get("content") or []
    before = [{"type": "text", "text": content}] if isinstance(content, str) else content
    messages[places[-1]] = {**last, "content": [*before, *parts]}
    return messages


def _parts(media: Any) -> list[_Part]:
    if isinstance(media, (str, *_BYTES)) or not isinstance(media, Sequence):
        return [_part(media, _name(media))]
    named = (item if _is_named(item) else (item, None) for item in media)
    return [_part(item, repr(name) if name else _name(item)) for item, name in named]


def _is_named(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2  # noqa: PLR2004  # item and name


def _part(item: Any, name: str) -> _Part:
    if isinstance(item, str) and item.startswith(("http://", "https://")):
        if _SOUND_ADDRESS.match(item):
            raise _unfit(
                name, "is a sound elsewhere", "download it: only pictures go by their address"
            )
        return {"type": "image_url", "image_url": {"url": item}}
    data = _bytes(item, name)
    if len(data) > LARGEST_BYTES:
        raise _unfit(name, "is too large", f"at most {LARGEST_BYTES >> 20} MB can be sent")
    if not data:
        raise _unfit(name, "holds no data")
    text = base64.b64encode(data).decode()
    if (kind := media_type(data)) not in {"", SVG}:
        return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{text}"}}
    for kind, start in SOUNDS.items():
        if start.match(data):
            return {"type": "input_audio", "input_audio": {"data": text, "format": kind}}
    raise _unfit(
        name, "is neither a picture nor a sound", "PNG, JPEG, GIF, WebP, WAV and MP3 can be sent"
    )


def _bytes(item: Any, name: str) -> bytes:
    """Return what an item holds; a byte more than the largest where it holds too much."""
    if isinstance(item, _BYTES):
        return bytes(item)
    if isinstance(item, str) and item.startswith("data:"):
        return data_in(item)
    try:
        if isinstance(item, (str, os.PathLike)):
            with path_of(item).open("rb") as file:
                return file.read(LARGEST_BYTES + 1)
        if hasattr(item, "read"):
            return _from_file(item, name)
    except (OSError, ValueError) as error:  # also a closed file, or no name of one
        reason = getattr(error, "strerror", None) or str(error)
        message = f"{name} cannot be read: {reason}"
        raise UsageError(message) from error
    raise _unfit(name, "is nothing that can be sent", "give a path, bytes, an open file or a URL")


def _from_file(file: Any, name: str) -> bytes:
    """Read an open file and leave it where it was: another provider may be tried with it."""
    if not isinstance(file.read(0), bytes):
        raise _unfit(name, "is open as text", "open it with mode 'rb'")
    start = file.tell() if file.seekable() else None
    data: bytes = file.read(LARGEST_BYTES + 1)
    if start is not None:
        file.seek(start)
    return data


def _name(item: Any) -> str:
    """Return what to call an item in a message: short, and without passwords."""
    if isinstance(item, _BYTES):
        return f"media of {len(item)} bytes"
    told = os.fspath(item) if isinstance(item, os.PathLike) else item
    told = getattr(told, "name", told) if hasattr(told, "read") else told
    text = bare(told) if isinstance(told, str) else repr(told)
    # One line; what tells two paths apart stands at the end.
    return repr(text if len(text) <= 80 else f"{text[:30]}…{text[-48:]}")  # noqa: PLR2004


def _unfit(name: str, what: str, hint: str = "") -> UsageError:
    return UsageError(f"{name} {what}", hint=hint)
