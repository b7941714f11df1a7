"""Conversations as files, and files as conversations: the kind follows from the suffix."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

from ..errors import UsageError
from . import archive, chats, notebook, transcript
from .files import read_file, write_file
from .reading import Source, decoded, whole
from .transcript import readable, shown

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

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
    return write_file(path, exported(conversation, kind_of(path)), may_replace=may_replace)


def load(path: str | os.PathLike[str], chat_options: Mapping[str, bool]) -> Conversation:
    """Read a conversation from a file, as ``imported`` does. Raises ``UsageError``."""
    kind_of(path)
    return imported(read_file(path, _LARGEST_MIB), PurePath(path).name, chat_options)
