"""What functions print and show while a card is drawn, whose end would clear it away."""

from __future__ import annotations

import io
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Aside:
    """Holds outputs back until the card is closed, where there is one that ``clears``.

    IPython's own ``capture_output`` takes a publisher away that ipykernel needs for each
    message, so that no click would arrive meanwhile (IPython 9.18).
    """

    def __init__(self, publisher: Any, *, clears: bool) -> None:
        self._publisher = publisher
        # Of ipykernel; what other kernels show is cleared away with the card.
        self._clears = clears and hasattr(publisher, "register_hook")
        self._held: list[Callable[[], object]] = []

    @contextmanager
    def hold(self) -> Iterator[None]:
        """While entered, hold back what is printed and shown."""
        if not self._clears:
            yield
            return
        self._publisher.register_hook(self._take)
        try:
            with redirect_stdout(self._tape("stdout")), redirect_stderr(self._tape("stderr")):
                yield
        finally:
            self._publisher.unregister_hook(self._take)

    def show(self) -> None:
        """Show what was held back, in order."""
        held, self._held = self._held, []
        for show in held:
            show()

    def _tape(self, name: str) -> io.TextIOBase:
        return _Tape(lambda text: self._held.append(lambda: getattr(sys, name).write(text)))

    def _take(self, message: dict[str, Any]) -> None:
        content = message["content"]
        if "data" in content:  # else it clears what is held back anyway
            show = partial(self._publisher.publish, content["data"], content.get("metadata"))
            is_update = message["header"]["msg_type"] == "update_display_data"
            transient = content.get("transient")
            self._held.append(partial(show, transient=transient, update=is_update))


class _Tape(io.TextIOBase):
    """Gives on what is written."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take

    def write(self, text: str) -> int:
        self._take(text)
        return len(text)
