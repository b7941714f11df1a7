"""Chat with language and image models from a notebook cell.

In a notebook: ``%load_ext g4f_magic``, then a cell that begins with ``%%chat``.
In a script: ``from g4f_magic import Client``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import VERSION as __version__

if TYPE_CHECKING:
    from .client import AsyncClient, Client
    from .compare import compare
    from .magics import load_ipython_extension, unload_ipython_extension
    from .messages import Answer

__all__ = [
    "Answer",
    "AsyncClient",
    "Client",
    "__version__",
    "compare",
    "load_ipython_extension",
    "unload_ipython_extension",
]

_HOMES = {
    "Answer": "messages",
    "AsyncClient": "client",
    "Client": "client",
    "compare": "compare",
    "load_ipython_extension": "magics",
    "unload_ipython_extension": "magics",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: importing the package costs nothing."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
