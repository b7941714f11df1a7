"""Text that does not show itself: keys, and what holds them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_LOGIN = re.compile(r"//[^/@]*@")
_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|COOKIE", re.IGNORECASE)


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


def names_secret(name: str) -> bool:
    """Tell whether a variable or a header of this name may hold a key."""
    return _NAMES.search(name) is not None


def veiled_address(url: str) -> str:
    """Return an address, as a secret if a name or a password stands in it."""
    return Secret(url) if _LOGIN.search(url) else url


def bare(url: str) -> str:
    """Return an address without the name and the password in it."""
    return _LOGIN.sub("//", url)


def veiled(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a request, of which none shows a key."""
    return {name: _veiled(name, value) for name, value in params.items()}


def _veiled(name: str, value: Any) -> Any:
    if isinstance(value, Mapping) and name in {"headers", "proxy"}:
        return {key: Secret(inner) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    if name in {"api_base", "api_endpoint"}:
        return veiled_address(value)
    return Secret(value) if value and name in {"api_key", "proxy"} else value
