"""The conversations of this notebook: kept on disk, and known to the kernel if that fails."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import StoreError
from ..prompts.conversation import Cell, Conversation, Turn, best_of, with_history
from .adoption import adopt
from .saved import SavedTurn

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..messages import Answer, Compared, Message
    from .keeper import Keeper, Kept

_READ_WITHIN_S = 2.0


def open_chats(keeper: Keeper, notebook: str, cell: Cell | None) -> Chats:
    """Return the conversations of a notebook, also of one that had another path before."""
    if notebook:
        with suppress(StoreError):  # which the first turn will say
            notebook = keeper.call(
                lambda store: adopt(store, notebook, cell.id if cell else None),
                within_s=_READ_WITHIN_S,
            )
    return Chats(keeper, notebook)


class Chats:
    """The conversations of one notebook, of which ``current`` is continued.

    ``keeper`` keeps them, in memory where nothing tells which notebook it is. What this
    kernel has said is remembered besides, for as long as the disk does not answer.
    """

    def __init__(self, keeper: Keeper, notebook: str) -> None:
        self.keeper = keeper
        self.notebook = notebook
        self.current = "main"
        self._said: dict[str, Conversation] = {}

    @property
    def is_kept(self) -> bool:
        """Whether the conversations survive the kernel."""
        return bool(self.notebook)

    def messages(self, turn: Turn, name: str, *, last: int | None = None) -> list[Message]:
        """Return what to send for a turn: the system prompt, at most ``last`` turns, itself."""
        place = (turn.cell.id, turn.cell.execution) if turn.cell else (None, None)
        try:
            history = self.keeper.call(
                lambda store: store.history(self.notebook, name, *place, last=last),
                within_s=_READ_WITHIN_S,
            )
        except StoreError:
            return self._remembered(name).messages(turn, last=last)
        return with_history(turn, history.system, history.said)

    def conversation(self, name: str) -> Conversation:
        """Return all turns under a name, as they are kept."""
        try:
            saved = self.keeper.call(
                lambda store: store.turns(self.notebook, name), within_s=_READ_WITHIN_S
            )
        except StoreError:
            return self._remembered(name)
        return Conversation(name, [_turn(one) for one in saved])

    def keep(self, turn: Turn, name: str) -> Keeping:
        """Return what keeps a turn from the moment that its request leaves."""
        return Keeping(self, turn, name)

    def mark(self, turn: Turn, name: str) -> None:
        """Keep a turn without a prompt, which says how the conversation goes on."""
        self.prepare(turn, name).begin()

    def prepare(self, turn: Turn, name: str) -> Kept:
        """Remember a turn, and return what keeps it once that begins."""
        self._remembered(name).add(turn)
        cell_id, execution = (turn.cell.id, turn.cell.execution) if turn.cell else (None, None)
        saved = SavedTurn(
            prompt=turn.prompt,
            system=turn.system,
            starts_afresh=turn.starts_afresh,
            cell_id=cell_id,
            execution=execution,
            answer=turn.answer,
            compared=turn.compared,
            parts=turn.parts,
        )
        return self.keeper.prepare(self.notebook, name, saved)

    def forget(self, name: str) -> None:
        """Remember nothing of a conversation that was changed on disk."""
        self._said.pop(name, None)

    def _remembered(self, name: str) -> Conversation:
        return self._said.setdefault(name, Conversation(name))


class Keeping:
    """One turn on its way: begun when its request leaves, ended with its answer.

    A turn whose request never leaves is not kept, so that it takes no other one's place.
    All may be called from any thread.
    """

    def __init__(self, chats: Chats, turn: Turn, name: str) -> None:
        self._chats = chats
        self._turn = turn
        self._name = name
        self._kept: Kept | None = None
        self._end: tuple[Answer, str, tuple[Compared, ...]] | None = None
        self._beginning = threading.Lock()

    @property
    def has_begun(self) -> bool:
        """Whether the prompt is being kept."""
        return self._kept is not None

    def begin(self, snapshot: Callable[[], Answer]) -> None:
        """Put the prompt on disk, then the answer as it grows."""
        self._begin(lambda: (snapshot(), ()))

    def begin_compared(self, snapshot: Callable[[], tuple[Compared, ...]]) -> None:
        """Put the prompt on disk, then all answers as they grow; the first call does so."""
        with self._beginning:
            if self._kept is None:
                self._turn.compared = snapshot()
                self._begin(lambda: _with_best(snapshot()))

    def _begin(self, snapshot: Callable[[], tuple[Answer, tuple[Compared, ...]]]) -> None:
        kept = self._chats.prepare(self._turn, self._name)
        kept.follow(snapshot)
        self._kept = kept  # before the disk is waited for, so that `finish` reaches it
        if self._end is not None:  # somebody has stopped it already
            kept.finish(*self._end)
        kept.begin()

    def finish(
        self, answer: Answer, failure: BaseException | None, compared: tuple[Compared, ...] = ()
    ) -> None:
        """Keep the answer, or all that are compared, and the line of the error that ended it."""
        self._turn.answer, self._turn.compared = answer, compared
        self._end = answer, str(failure or ""), compared
        if self._kept is not None:
            self._kept.finish(*self._end)

    def go_on_with(self, answer: Answer) -> None:
        """Let the conversation go on with another one of the answers that are compared."""
        self._turn.answer = answer
        if self._kept is not None and (turn_id := self._kept.id) is not None:
            with suppress(StoreError):  # which the next turn will say
                self._chats.keeper.call(
                    lambda store: store.keep(turn_id, answer, self._turn.compared),
                    within_s=_READ_WITHIN_S,
                )


def _with_best(compared: tuple[Compared, ...]) -> tuple[Answer, tuple[Compared, ...]]:
    return best_of([one.answer for one in compared]) or compared[0].answer, compared


def _turn(saved: SavedTurn) -> Turn:
    cell = Cell(saved.cell_id, saved.execution or "") if saved.cell_id else None
    return Turn(
        saved.prompt,
        saved.system,
        saved.starts_afresh,
        cell,
        saved.answer,
        saved.compared,
        saved.parts,
    )
