"""What a prompt is made of: texts, and the pictures and files among them."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Kind: TypeAlias = Literal["image", "audio", "file", "text"]

SOUND_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg"}

_LONGEST_NAME = 80
_WHAT = {"image": "picture", "audio": "sound"}


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something that goes along with a prompt; ``note`` is what its card says about it."""

    kind: Kind
    data: bytes = field(repr=False)
    media_type: str
    name: str
    note: str = ""

    @property
    def can_be_sent(self) -> bool:
        """Whether it is what it says; one that comes from elsewhere may not be."""
        if self.kind == "text":
            try:
                self.data.decode()
            except UnicodeDecodeError:
                return False
            return True
        fits = {"image": self.media_type.startswith("image/"), "file": bool(self.media_type)}
        return bool(self.data) and fits.get(self.kind, self.media_type in SOUND_TYPES.values())

    def part(self) -> dict[str, Any]:
        """Return it as a content part of a message, in the dialect of chat-completions."""
        if self.kind == "text":
            return {"type": "text", "text": self._text()}
        coded = base64.b64encode(self.data).decode()
        uri = f"data:{self.media_type};base64,{coded}"
        if self.kind == "image":
            return {"type": "image_url", "image_url": {"url": uri}}
        if self.kind == "file":
            return {"type": "file", "file": {"filename": self.name, "file_data": uri}}
        kind = next(kind for kind, media in SOUND_TYPES.items() if media == self.media_type)
        return {"type": "input_audio", "input_audio": {"data": coded, "format": kind}}

    def _text(self) -> str:
        """Return a text under its name; between fences, unless it is Markdown itself."""
        text = self.data.decode()
        if self.media_type != "text/markdown":
            fence = max(["``", *re.findall("`+", text)], key=len) + "`"
            language = Path(self.name).suffix[1:]
            end = "" if text.endswith("\n") else "\n"
            text = f"{fence}{language}\n{text}{end}{fence}"
        return f"{self.name}:\n\n{text}" if self.name else text

    def __str__(self) -> str:
        """Return what stands for it where only text can."""
        name = " ".join(self.name.split())
        name = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
        what = _WHAT.get(self.kind, "" if name else self.kind)
        return f"‹{': '.join(filter(None, (what, name)))}›"


Part: TypeAlias = str | Attachment
"""A text that is not empty, or what stands between two."""

Content: TypeAlias = str | list[dict[str, Any]]
"""What a message says, in the dialect of chat-completions."""


def content(parts: Iterable[Part]) -> Content:
    """Return parts as the content of a message: a plain text where there is nothing else.

    Texts beside each other are one, with an empty line between them.
    """
    found: list[dict[str, Any]] = []
    for part in parts:
        one = {"type": "text", "text": part} if isinstance(part, str) else part.part()
        if found and found[-1]["type"] == one["type"] == "text":
            one["text"] = f"{found.pop()['text']}\n\n{one['text']}"
        found.append(one)
    if [one["type"] for one in found] == ["text"]:
        text: str = found[0]["text"]
        return text
    return found


def notes(parts: Iterable[Part]) -> list[str]:
    """Return what a card says about parts, each under its name."""
    noted = [part for part in parts if isinstance(part, Attachment) and part.note]
    return [": ".join(filter(None, (part.name, part.note))) for part in noted]


def readable(parts: Iterable[Part]) -> str:
    """Return the text of parts, with a name in the place of each that is none."""
    return "".join(map(str, parts))
