"""The verbs of `%g4f_chats`: one function each, and what words and options it takes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import count
from typing import TYPE_CHECKING

from ..display.listing import ConversationList, Displayed, Note, Transcript, UsageTable
from ..display.table import one_line
from ..errors import UsageError
from ..formats import load, readable, save, shown
from ..messages import Answer
from ..models.listing_cache import ListingCache, default_path
from ..prompts.conversation import Conversation, Turn
from ..store.saved import SavedTurn
from .options import split_words

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ..store.chats import Chats
    from ..store.saved import SavedConversation
    from ..store.store import Store

_OPTIONS = ("all", "yes", "force")
_IMPORT_WITHIN_S = 120.0
_MOST_TURNS = 100  # shown at once: a page stands still over megabytes of Markdown
_MEMORY_ONLY = (
    "Nothing tells which notebook this is: "
    "its conversations are in memory only and end with the kernel."
)
_ELSEWHERE = "%g4f_chats use NAME changes to another conversation"
_STAYS = "*A turn stays when its cell is deleted, until `%g4f_chats undo` or `delete`.*"


def run(
    words: Sequence[str],
    options: argparse.Namespace,
    chats: Chats,
    chat_options: Mapping[str, bool],
) -> Displayed:
    """Do what a line of `%g4f_chats` says, and return what there is to show.

    ``options`` has ``all``, ``yes`` and ``force``; ``chat_options`` says of each option
    of `%%chat` whether a value follows it. Raises ``UsageError``, and ``StoreError``
    when the disk fails.
    """
    name, *rest = words or ["list"]
    verb = VERBS.get(name)
    if verb is None:
        alike = get_close_matches(name, VERBS, n=1)
        meant = f"did you mean {alike[0]!r}? " if alike else ""
        message = f"%g4f_chats has no verb {name!r}"
        raise UsageError(message, hint=f"{meant}there are {', '.join(VERBS)}")
    given = {option for option in _OPTIONS if getattr(options, option)}
    usage = " ".join(["%g4f_chats", name, *verb.takes.split()])
    if odd := given - {verb.option}:
        message = f"{name!r} takes no --{min(odd)}"
        raise UsageError(message, hint=usage)
    if not verb.fewest <= len(rest) <= verb.most:
        message = f"{name!r} cannot be used with {len(rest) or 'no'} word{'s' * (len(rest) != 1)}"
        raise UsageError(message, hint=f"{usage}; a name or file with spaces in it goes in quotes")
    return verb.do(_Call(chats, rest, has_option=bool(given), chat_options=chat_options))


@dataclass(frozen=True, slots=True)
class _Call:
    """What a verb is called with; ``has_option`` if the one that the verb takes was given."""

    chats: Chats
    words: list[str]
    has_option: bool
    chat_options: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class _Verb:
    do: Callable[[_Call], Displayed]
    takes: str = ""
    fewest: int = 0
    most: int = 0
    option: str = ""


def _list(call: _Call) -> ConversationList:
    chats, words = call.chats, call.words
    notebook = None if call.has_option else chats.notebook

    def read(store: Store) -> list[SavedConversation]:
        listed = store.conversations(notebook)
        return _with_all(words, listed, store, notebook) if words else listed

    found = chats.keeper.call(read)
    notes = [] if chats.is_kept else [_MEMORY_ONLY]
    if words and not found:
        notes.append("No conversation has all these words.")
    current = chats.notebook, chats.current
    if not words and current not in [(one.notebook, one.name) for one in found]:
        notes.append(f"The current conversation is {chats.current!r}; nothing is said in it yet.")
    return ConversationList(
        tuple(found), current, time.time(), names_notebooks=call.has_option, notes=tuple(notes)
    )


def _show(call: _Call) -> Displayed:
    name = call.words[0] if call.words else call.chats.current
    turns = _turns(call.chats, name)
    if not turns:
        return Note(f"Nothing is said in {name!r} yet.")
    said = list(_told(turns))
    last = said[-_MOST_TURNS:]
    notes = [_STAYS] if any(turn.cell_id for turn in turns) else []
    if len(last) < len(said):
        notes.append(f"*These are the last {len(last)} of {_count(len(said))}; `export` has all.*")
    if notes:
        notes.insert(0, "---")
    conversation = Conversation(name, last)
    texts = ("\n\n".join([to_text(conversation).rstrip(), *notes]) for to_text in (shown, readable))
    return Transcript(*texts)


def _new(call: _Call) -> Note:
    chats, name = call.chats, _good_name(call.words[0])
    if name == chats.current or name in _names(chats):
        message = f"a conversation {name!r} is there already"
        hint = f"%g4f_chats use {_typed(name)} continues it; %%chat -c NAME does either"
        raise UsageError(message, hint=hint)
    chats.current = name
    return Note(f"The next %%chat begins {name!r}.")


def _use(call: _Call) -> Note:
    chats, name = call.chats, call.words[0]
    is_new = name in {"main", chats.current} and name not in _names(chats)
    turns = 0 if is_new else _find(chats, name).turns
    chats.current = name
    return Note(f"The next %%chat continues {name!r}, which has {_count(turns)}.")


def _undo(call: _Call) -> Note:
    notebook, name = call.chats.notebook, call.chats.current
    turn = call.chats.keeper.call(lambda store: store.undo(notebook, name))
    call.chats.forget(name)
    if turn is None:
        message = f"{name!r} has no turn to take away"
        raise UsageError(message, hint=_ELSEWHERE)
    if not turn.prompt:
        what = "system prompt" if turn.system is not None else "fresh start"
        return Note(f"Took the last {what} of {name!r} away.")
    return Note(f"Took the last turn of {name!r} away: {_first_words(turn.prompt)!r}")


def _fork(call: _Call) -> Note:
    chats, name, old = call.chats, _good_name(call.words[0]), call.chats.current
    chats.keeper.call(lambda store: store.fork(chats.notebook, old, name))
    chats.current = name
    return Note(f"The next %%chat continues {name!r}, a copy of {old!r}, which stays as it is.")


def _rename(call: _Call) -> Note:
    chats, new = call.chats, _good_name(call.words[-1])
    old = call.words[0] if len(call.words) > 1 else chats.current
    _find(chats, old)
    chats.keeper.call(lambda store: store.rename(chats.notebook, old, new))
    chats.forget(old)
    if chats.current == old:
        chats.current = new
    return Note(f"{old!r} is now {new!r}.")


def _delete(call: _Call) -> Note:
    chats, name = call.chats, call.words[0]
    turns = _count(_find(chats, name).turns)
    if not call.has_option:
        message = f"this would delete {name!r} with {turns} for good"
        raise UsageError(message, hint=f"%g4f_chats delete {_typed(name)} --yes")
    chats.keeper.call(lambda store: store.delete(chats.notebook, name))
    chats.forget(name)
    if chats.current != name:
        return Note(f"Deleted {name!r} with {turns}.")
    chats.current = "main"
    return Note(f"Deleted {name!r} with {turns}. The current conversation is 'main'.")


def _export(call: _Call) -> Note:
    name = call.chats.current
    turns = _turns(call.chats, name)
    if not turns:
        message = f"nothing is said in {name!r} yet, so there is nothing to export"
        raise UsageError(message, hint=_ELSEWHERE)
    conversation = Conversation(name, list(_told(turns)))
    path = save(conversation, call.words[0], may_replace=call.has_option)
    return Note(f"Wrote {name!r} to {str(path)!r}.")


def _import(call: _Call) -> Note:
    chats = call.chats
    conversation = load(call.words[0], call.chat_options)
    wanted = one_line(conversation.name).replace('"', "'") or "imported"  # so it can be typed
    turns = [_imported(turn) for turn in conversation.turns]

    def keep(store: Store) -> str:
        taken = {one.name for one in store.conversations(chats.notebook)}
        name = _free_name(wanted, taken | {chats.current})
        store.add(chats.notebook, name, turns)
        return name

    chats.current = chats.keeper.call(keep, within_s=_IMPORT_WITHIN_S)
    said = _count(sum(bool(turn.prompt) for turn in turns))
    taken = "" if chats.current == wanted else f" ({wanted!r} is taken)"
    return Note(f"The next %%chat continues {chats.current!r}{taken}, imported with {said}.")


def _usage(call: _Call) -> Displayed:
    spent = call.chats.keeper.call(lambda store: store.usage(call.chats.notebook))
    if not spent:
        return Note("This notebook has asked nobody yet.")
    return UsageTable(tuple(spent), ListingCache(default_path()).prices())


def _cache(call: _Call) -> Note:
    if call.words != ["clear"]:
        message = f"the cache can be cleared, not {call.words[0]!r}"
        raise UsageError(message, hint="%g4f_chats cache clear")
    forgotten = call.chats.keeper.call(lambda store: store.cache.clear())
    return Note(f"Forgot {forgotten:,} cached answer{'s' * (forgotten != 1)}; conversations stay.")


VERBS = {
    "list": _Verb(_list, "[WORD …] [--all]", most=1000, option="all"),
    "show": _Verb(_show, "[NAME]", most=1),
    "new": _Verb(_new, "NAME", 1, 1),
    "use": _Verb(_use, "NAME", 1, 1),
    "undo": _Verb(_undo),
    "fork": _Verb(_fork, "NAME", 1, 1),
    "rename": _Verb(_rename, "[OLD] NEW", 1, 2),
    "delete": _Verb(_delete, "NAME --yes", 1, 1, option="yes"),
    "export": _Verb(_export, "FILE [--force]", 1, 1, option="force"),
    "import": _Verb(_import, "FILE", 1, 1),
    "usage": _Verb(_usage),
    "cache": _Verb(_cache, "clear", 1, 1),
}


def _with_all(
    words: Sequence[str],
    listed: Iterable[SavedConversation],
    store: Store,
    notebook: str | None,
) -> list[SavedConversation]:
    """Return those of a list that have all the words, in a turn or in their name."""
    said = {(turn.notebook, turn.conversation) for turn in store.search(words, notebook)}
    wanted = [word.casefold() for word in words]
    return [
        one
        for one in listed
        if (one.notebook, one.name) in said or all(word in one.name.casefold() for word in wanted)
    ]


def _find(chats: Chats, name: str) -> SavedConversation:
    """Return the conversation of that name; ``UsageError`` with the nearest if there is none."""
    named = {one.name: one for one in _kept(chats)}
    if name in named:
        return named[name]
    alike = get_close_matches(name, named, n=1)
    meant = f"did you mean {alike[0]!r}? " if alike else ""
    message = f"there is no conversation {name!r} in this notebook"
    raise UsageError(message, hint=f"{meant}%g4f_chats lists them")


def _names(chats: Chats) -> set[str]:
    return {one.name for one in _kept(chats)}


def _kept(chats: Chats) -> list[SavedConversation]:
    return chats.keeper.call(lambda store: store.conversations(chats.notebook))


def _turns(chats: Chats, name: str) -> list[SavedTurn]:
    """Return the turns of a conversation; ``UsageError`` if only a new one could bear the name."""
    turns = chats.keeper.call(lambda store: store.turns(chats.notebook, name))
    if not turns and name != chats.current:
        _find(chats, name)
    return turns


def _told(turns: Iterable[SavedTurn]) -> Iterator[Turn]:
    """Yield the turns that were said, each with what the marks before it set."""
    system, starts_afresh = None, False
    for turn in turns:
        if turn.starts_afresh:
            system, starts_afresh = None, True
        system = system if turn.system is None else turn.system
        if turn.prompt or turn.answer is not None:
            said = (None, turn.answer, turn.compared, turn.parts)
            yield Turn(turn.prompt, system, starts_afresh, *said)
            system, starts_afresh = None, False
    if starts_afresh or system is not None:
        yield Turn("", system=system, starts_afresh=starts_afresh)


def _imported(turn: Turn) -> SavedTurn:
    """Return a turn to keep; what nobody answered is not under way."""
    answer = turn.answer or (Answer(state="interrupted") if turn.prompt else None)
    return SavedTurn(
        prompt=turn.prompt,
        system=turn.system,
        starts_afresh=turn.starts_afresh,
        answer=answer,
        compared=turn.compared,
        parts=turn.parts,
    )


def _free_name(name: str, taken: set[str]) -> str:
    """Return the name, or the first of NAME-2, NAME-3 … that is not taken."""
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(free for free in names if free not in taken)


def _good_name(name: str) -> str:
    if not name.strip():
        message = f"{name!r} is no name for a conversation"
        raise UsageError(message)
    return name


def _typed(name: str) -> str:
    """Return a name as it can be typed."""
    if split_words(name) == ([], [name]):
        return name
    return f"'{name}'" if '"' in name else f'"{name}"'


def _first_words(prompt: str) -> str:
    return " ".join(prompt.split())[:80]


def _count(turns: int) -> str:
    return f"{turns:,} turn{'s' * (turns != 1)}"
