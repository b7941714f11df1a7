"""Conversations as files, and files as conversations: the kind follows from the suffix."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

from ..errors import UsageError
from ..paths import path_of
from . import archive, chats, notebook, transcript
from .reading import Source, decoded, whole
from .transcript import readable, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..prompts.conversation import Conversation

__all__ = ["Kind", "exported", "imported", "kind_of", "load", "readable", "save", "shown"]

Kind: TypeAlias = Literal["md", "json", "jsonl", "ipynb"]

_LARGEST_MIB = 256


def kind_of(path: str | os.PathLike[str]) -> Kind:
    """Return what a file is by its suffix. Raises ``UsageError``."""
    suffix = PurePath(path).suffix.lower().removeprefix(".")
    if suffix not in get_args(Kind):
        message = f"{str(path)!r} does not end in .md, .json, .jsonl or .ipynb"
        raise UsageError(message, hint="the end of the name says which of the four it is")
    return cast("Kind", suffix)


def exported(conversation: Conversation, kind: Kind) -> bytes:
    """Return a conversation as the content of a file: no keys, no headers, no request."""
    write = {
        "md": transcript.write,
        "json": archive.write,
        "jsonl": chats.write,
        "ipynb": notebook.write,
    }[kind]
    return whole(write(conversation)).encode()


def imported(data: bytes, name: str, chat_options: Mapping[str, bool]) -> Conversation:
    """Return the conversation that the content of a file holds, all of it or none.

    ``name`` is the file's; ``chat_options`` says of each option of ``%%chat``
    whether a value follows it. Raises ``UsageError`` with the place and reason.
    """
    kind = kind_of(name)
    source = Source(name, decoded(data, name))
    if kind == "md":
        conversation = transcript.read(source)
    elif kind == "jsonl":
        conversation = chats.read_lines(source)
    elif kind == "ipynb":
        conversation = notebook.read(source.json(), chat_options)
    elif isinstance((document := source.json()).value, dict) and "g4f_magic" in document.value:
        conversation = archive.read(document)
    else:
        conversation = chats.read(document)
    if not conversation.turns:
        source.refuse("there is no turn in it")
    conversation.name = conversation.name or PurePath(name).stem
    return conversation


def save(
    conversation: Conversation, path: str | os.PathLike[str], *, may_replace: bool = False
) -> Path:
    """Write a conversation to a file and return where. Raises ``UsageError``.

    A file that is there already is left alone, unless it ``may_replace`` it.
    """
    target = path_of(path)
    data = exported(conversation, kind_of(target))
    try:
        _write(target, data, may_replace=may_replace)
    except FileExistsError:
        message = f"{str(target)!r} is there already"
        raise UsageError(message, hint="choose another name, or replace it with --force") from None
    except OSError as error:
        message = f"{str(target)!r} cannot be written: {error.strerror}"
        raise UsageError(message) from error
    return target


def load(path: str | os.PathLike[str], chat_options: Mapping[str, bool]) -> Conversation:
    """Read a conversation from a file, as ``imported`` does. Raises ``UsageError``."""
    target = path_of(path)
    kind_of(target)
    try:
        size_mib = target.stat().st_size / 2**20
        data = target.read_bytes() if size_mib <= _LARGEST_MIB else b""
    except OSError as error:
        message = f"{str(target)!r} cannot be read: {error.strerror}"
        raise UsageError(message) from error
    if size_mib > _LARGEST_MIB:
        message = f"{str(target)!r} has {size_mib:.0f} MiB; at most {_LARGEST_MIB} are read"
        raise UsageError(message)
    return imported(data, target.name, chat_options)


def _write(target: Path, data: bytes, *, may_replace: bool) -> None:
    """Write all or nothing: what was there stays as it was until the new file is whole."""
    was_there = target.exists()
    with target.open("ab" if may_replace else "xb") as file:
        if not target.is_file():  # a pipe, a device
            file.write(data)
            return
    place = Path(os.path.realpath(target))
    handle, name = tempfile.mkstemp(prefix=f"{place.name}-", dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        shutil.copymode(place, name)
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        if not was_there:
            place.unlink(missing_ok=True)
        raise
