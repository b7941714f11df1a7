"""Text that does not show itself: keys, and what holds them."""

from __future__ import annotations


class Secret(str):
    """A key: sent as it is, and shown as ``…`` where values of variables are printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show nothing of it; IPython's verbose tracebacks print the values of variables."""
        return "'…'"


class SecretDict(dict[str, str]):
    """Settings with keys among them, such as the environment; never shown."""

    def __repr__(self) -> str:
        """Show nothing of it."""
        return "{…}"
