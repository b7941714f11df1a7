"""Where the conversations of a shell's notebooks are kept."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..store.chats import Chats
    from ..store.keeper import Keeper
    from .front_end import FrontEnd

_NAMES_WITHIN_S = 0.3  # while somebody types


class Notebooks:
    """The conversations of the notebooks that one shell has been asked from."""

    def __init__(self, front_end: FrontEnd) -> None:
        self._front_end = front_end
        self._chats: dict[str, Chats] = {}  # by notebook
        self._keepers: dict[Path | None, Keeper] = {}

    @property
    def chats(self) -> Chats:
        """The conversations of the notebook that the running cell is in."""
        from ..store.chats import open_chats

        notebook = self._front_end.notebook()
        if notebook not in self._chats:
            keeper, cell = self.keeper(kept=bool(notebook)), self._front_end.cell()
            self._chats[notebook] = open_chats(keeper, notebook, cell)
        return self._chats[notebook]

    def names(self) -> list[str]:
        """Return what the conversations of the notebook are called; none if the disk is slow.

        Nothing is opened for good: there is no cell that could tell whether the notebook had
        another path before.
        """
        notebook = self._front_end.notebook()
        key = self._chats[notebook].notebook if notebook in self._chats else notebook
        with suppress(StoreError):
            listed = self.keeper(kept=bool(notebook)).call(
                lambda store: store.conversations(key), within_s=_NAMES_WITHIN_S
            )
            return [one.name for one in listed]
        return []

    def keeper(self, *, kept: bool) -> Keeper:
        """Return what keeps turns: on disk, or in memory where notebooks have no names."""
        from ..store.keeper import Keeper
        from ..store.store import default_path

        path = default_path() if kept else None
        return self._keepers.setdefault(path, Keeper(path))

    def news(self) -> Iterator[str]:
        """Yield the lines that there are to say of the disk, each once."""
        for keeper in self._keepers.values():
            yield from keeper.news()

    def close(self) -> None:
        """Write what is not yet on disk, and stop."""
        for keeper in self._keepers.values():
            keeper.close()
