"""What a model is shown beside the text: values, files and addresses as parts of a prompt."""

from __future__ import annotations

import glob
import os
import re
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ..errors import G4FError, UsageError
from ..image_bytes import SVG, media_type
from ..limits import ATTACHMENT, Limit, in_mb
from ..messages import Answer, Image
from ..parts import SOUND_TYPES, Attachment
from ..portal import run_outside
from ..secret import bare
from .drawn import Drawn, array_drawn, drawn, fitted
from .frames import is_a, is_frame
from .values import shown

_BYTES = (bytes, bytearray, memoryview)
_PDF = "application/pdf"
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_LONGEST_NAME = 80
_NAMES = "give a variable, a path, a pattern such as data/*.csv, or a URL; text goes in with {{ }}"
_KNOWN = "PNG, JPEG, GIF, WebP, WAV, MP3, PDF and text in UTF-8 can be sent"


def attachments(
    value: Any, *, name: str = "", rows: int = 10, limit: Limit = ATTACHMENT
) -> list[Attachment]:
    """Return a value, or the files that it names, as what a model is shown.

    A text of one line is an address, a path or a pattern of paths; one of several is
    text. Values that are neither picture nor file are shown as in a prompt, with
    ``rows`` of what is long. ``name`` is what to call the value, ``limit`` bounds its
    size. Raises ``UsageError`` for what cannot be read or is too large, and
    ``ProviderError`` where an address does not answer.
    """
    try:
        found = _named(value, limit) if _is_name(value) else _held(value, name, rows, limit)
        check_size(sum(len(each.data) for each in found), name or _told(value), limit)
    except G4FError:
        raise
    except Exception as error:
        message = f"{name or _told(value)} cannot be shown: {type(error).__name__}: {error}"
        raise UsageError(message) from error
    return found


def pictures(value: Any, *, name: str = "") -> list[Attachment]:
    """Return what a value is that is a picture by itself; nothing for all others.

    Figures, charts, pictures of Pillow, of an answer and as bytes are; arrays are numbers.
    """
    if isinstance(value, Answer):
        return [one for image in value.images for one in pictures(image, name=name)]
    data = value.data if isinstance(value, Image) else value
    if not isinstance(data, _BYTES):
        found = drawn(data)
        return [_picture(found, name)] if found else []
    data = bytes(data)
    return [_picture(fitted(data), name)] if media_type(data) not in {"", SVG} else []


def _is_name(value: Any) -> bool:
    return isinstance(value, os.PathLike) or (isinstance(value, str) and "\n" not in value)


def _named(value: Any, limit: Limit) -> list[Attachment]:
    """Return what an address, a path or a pattern of paths names."""
    text = os.fsdecode(value)
    if _ADDRESS.match(text):
        return [_downloaded(text, limit)]
    if text.startswith("data:"):
        from ..providers.pictures import data_in

        return [_of_bytes(data_in(text), "", _told(text), limit)]
    if not text:
        message = "an empty text names no file"
        raise UsageError(message, hint=_NAMES)
    path = os.path.expanduser(text)  # noqa: PTH111  # patterns are texts
    if glob.has_magic(path) and not os.path.lexists(path):
        return _matching(path, limit)
    return [_of_file(Path(path), text, limit)]


def _matching(pattern: str, limit: Limit) -> list[Attachment]:
    found = [Path(path) for path in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207  # absolute ones, too
    files = [path for path in found if path.is_file()]
    if not files:
        message = f"no file matches {pattern!r}"
        raise UsageError(message)
    check_size(sum(path.stat().st_size for path in files), f"{len(files)} files together", limit)
    return [_of_file(path, str(path), limit) for path in files]


def _of_file(path: Path, told: str, limit: Limit) -> Attachment:
    try:
        if path.is_dir():
            message = f"{told!r} is a folder"
            raise UsageError(message, hint=f"{told.rstrip('/')}/* takes the files in it")
        if path.exists() and not path.is_file():  # reading a device may never end
            message = f"{told!r} is no file"
            raise UsageError(message)
        check_size(path.stat().st_size, repr(told), limit)
        with path.open("rb") as file:
            data = file.read(limit.size_bytes + 1)
    except (OSError, ValueError) as error:  # the latter for what is no name of a file
        message = f"{_told(told)} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise UsageError(message, hint=_NAMES) from error
    return _of_bytes(data, path.name, repr(told), limit)


def _held(value: Any, name: str, rows: int, limit: Limit) -> list[Attachment]:
    """Return a value that is itself what is to be shown."""
    if isinstance(value, _BYTES):
        return [_of_bytes(bytes(value), name, name or _told(value), limit)]
    if callable(getattr(type(value), "read", None)):
        return [_of_open_file(value, name, limit)]
    found = pictures(value, name=name) or _several(value, limit)
    if isinstance(value, Answer) and (value.text or not found):
        return [Attachment("text", value.text.encode(), "text/markdown", name), *found]
    if found:
        return found
    if array := array_drawn(value):
        return [_picture(array, name)]
    text = shown(value, rows=rows)
    is_table = is_frame(value) and not is_a(value, "numpy.ndarray")
    kind = "text/markdown" if is_table else "text/plain"
    note = text.partition("\n")[0] if is_frame(value) else ""
    return [Attachment("text", text.encode(), kind, name, note)]


def _several(values: Any, limit: Limit) -> list[Attachment]:
    """Return what is in a list of nothing but pictures and names of files."""
    found: list[Attachment] = []
    for value in values if isinstance(values, (list, tuple)) else ():
        each = _named(value, limit) if _is_found(value) else pictures(value)
        if not each:
            return []
        found += each
        check_size(sum(len(one.data) for one in found), "the list", limit)
    return found


def _is_found(value: Any) -> bool:
    if isinstance(value, str):
        return bool(_ADDRESS.match(value)) or os.path.isfile(value)  # noqa: PTH113  # as Path raises for long texts
    return isinstance(value, os.PathLike)


def _of_open_file(file: Any, name: str, limit: Limit) -> Attachment:
    """Read an open file and leave it where it was."""
    start = file.tell() if file.seekable() else None
    data = file.read(limit.size_bytes + 1)
    if start is not None:
        file.seek(start)
    own = getattr(file, "name", "")
    name = Path(own).name if isinstance(own, str) and own else name
    data = data.encode() if isinstance(data, str) else bytes(data)
    return _of_bytes(data, name, repr(name) if name else "the open file", limit)


def _of_bytes(data: bytes, name: str, told: str, limit: Limit) -> Attachment:
    """Return what these bytes are, which only they themselves tell."""
    check_size(len(data), told, limit)
    if not data:
        message = f"{told} is empty"
        raise UsageError(message)
    if media_type(data) not in {"", SVG}:
        return _picture(fitted(data), name)
    if sound := _sound_type(data):
        return Attachment("audio", data, sound, name)
    if data.startswith(b"%PDF-"):
        return Attachment("file", data, _PDF, name or "document.pdf")
    text = _decoded(data)
    if text is None:
        message = f"{told} is neither a picture, a sound, a PDF nor text"
        raise UsageError(message, hint=_KNOWN)
    kind = "text/markdown" if name.lower().endswith((".md", ".markdown")) else "text/plain"
    return Attachment("text", text.encode(), kind, name)


def _picture(picture: Drawn, name: str) -> Attachment:
    return Attachment("image", picture.data, media_type(picture.data), name, picture.note)


def _sound_type(data: bytes) -> str:
    from ..providers.media import SOUNDS

    return next((SOUND_TYPES[kind] for kind, start in SOUNDS.items() if start.match(data)), "")


def _decoded(data: bytes) -> str | None:
    """Return the text in UTF-8, or in UTF-16 where its mark says so; None for what is none."""
    try:
        text = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _downloaded(address: str, limit: Limit) -> Attachment:
    told = repr(bare(address))
    data = run_outside(_fetch, address, told, limit)
    parts = urlsplit(address)
    return _of_bytes(
        data, unquote(parts.path.rpartition("/")[2]) or parts.hostname or "", told, limit
    )


async def _fetch(address: str, told: str, limit: Limit) -> bytes:
    """Return what lies at an address that the person gave, wherever it redirects to."""
    from ..transport import Reply, Request, exchange

    host = urlsplit(address).hostname or told
    request = Request(
        "GET",
        address,
        {"Accept": "*/*"},
        provider=host,
        max_retries=1,
        limit=limit.above,
        gate=_anywhere,
    )
    data = b""
    async with aclosing(exchange(request)) as steps:
        async for step in steps:
            if not isinstance(step, Reply):
                continue
            if step.status != 200:  # noqa: PLR2004  # OK
                message = f"{told} cannot be read: {step.status} {step.reason}".rstrip()
                raise UsageError(message)
            announced = step.headers.get("content-length", "")
            check_size(int(announced) if announced.isdecimal() else 0, told, limit)
            data = await step.read(limit.size_bytes + 1)
    return data


async def _anywhere(_host: str, _port: int, _is_proxied: bool, /) -> str:  # noqa: FBT001  # as transport calls it
    return ""


def check_size(size_bytes: int, told: str, limit: Limit) -> None:
    """Raise ``UsageError`` for more than may be sent."""
    if size_bytes > limit.size_bytes:
        message = (
            f"{told} cannot be sent: it has {in_mb(size_bytes)}, and the limit is {limit.mb} MB"
        )
        raise UsageError(message, hint=limit.hint(size_bytes))


def _told(value: Any) -> str:
    """Return what to call a value without a name."""
    if not isinstance(value, str):
        return "the data" if isinstance(value, _BYTES) else f"the {type(value).__name__}"
    return repr(value if len(value) <= _LONGEST_NAME else f"{value[:_LONGEST_NAME]}…")
