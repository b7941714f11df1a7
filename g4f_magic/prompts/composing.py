"""The prompt that a cell and its options make up: texts, values in them, what goes along."""

from __future__ import annotations

import ast
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UsageError
from ..limits import ATTACHMENT, Limit
from ..parts import readable
from .prompt import evaluated, expand, expand_parts

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from ..parts import Attachment, Part


class Prompt(NamedTuple):
    """A prompt as it reads, and the system prompt with it.

    ``parts`` is what to send where that is more than text.
    """

    text: str
    parts: tuple[Part, ...]
    system: str | None


def composed(
    text: str,
    options: argparse.Namespace,
    scope: dict[str, Any],
    rows: int,
    limit: Limit = ATTACHMENT,
) -> Prompt:
    """Return what a cell says: the prompt's file, then ``text``, then what is attached.

    ``options`` are those of ``%%chat``, ``scope`` has the names of the notebook, and
    ``rows`` says how many rows of a frame are shown; ``limit`` bounds what goes along.
    Raises ``UsageError`` and, where an address does not answer, ``ProviderError``.
    """
    system = options.system
    if options.prompt_file:
        text = "\n".join(filter(None, (_text_in(options.prompt_file, limit), text)))
    said: list[Part] = [text] if text else []
    if not options.raw:
        evaluate = partial(_value, scope=scope)
        said = expand_parts(text, evaluate, rows=rows)
        system = system and expand(system, evaluate, rows=rows)
    attached = list(_attached(options.attach, scope, rows, limit)) if options.attach else []
    pictures = [part for part in said if not isinstance(part, str)]
    written = "\n\n".join(filter(None, (readable(said), " ".join(map(str, attached)))))
    return Prompt(written, _parts(said, attached, limit) if pictures or attached else (), system)


def _attached(
    named: Iterable[str], scope: dict[str, Any], rows: int, limit: Limit
) -> Iterator[Attachment]:
    """Yield what was named: a value of the notebook, else a file, files or an address."""
    from .attachments import attachments

    for what in named:
        if what in scope:
            yield from attachments(scope[what], name=what, rows=rows, limit=limit)
        elif _is_made_of(what, scope) and not Path(what).exists():
            value = evaluated(what, partial(_value, scope=scope))
            yield from attachments(value, rows=rows, limit=limit)
        else:
            yield from attachments(what, limit=limit)


def _is_made_of(text: str, scope: dict[str, Any]) -> bool:
    """Tell whether a text is an expression like ``plt.gcf()`` or ``figures[0]`` on a name there."""
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: nested too deep
        return False
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return isinstance(node, ast.Name) and node.id in scope


def _parts(said: list[Part], attached: list[Attachment], limit: Limit) -> tuple[Part, ...]:
    """Return all that is to be sent; blank lines between pictures say nothing."""
    from .attachments import check_size

    parts = [part for part in (*said, *attached) if not isinstance(part, str) or part.strip()]
    sizes = [len(part if isinstance(part, str) else part.data) for part in parts]
    for part, size in zip(parts, sizes, strict=True):
        check_size(size, "the text" if isinstance(part, str) else str(part), limit)
    check_size(sum(sizes), "the prompt with what goes along", limit)
    return tuple(parts)


def _text_in(path: str, limit: Limit) -> str:
    """Return the text of a file without the line ends around it."""
    from .attachments import attachments

    found = attachments(path, limit=limit)
    if odd := [one.name for one in found if one.kind != "text"]:
        message = f"--prompt-file {path!r} is no text: {', '.join(odd)}"
        raise UsageError(message, hint="-a attaches pictures and documents")
    return "\n".join(one.data.decode().strip("\n") for one in found)


def _value(expression: str, scope: dict[str, Any]) -> Any:
    return eval(compile(expression, "<prompt>", "eval"), scope)  # noqa: S307  # the user's own code
