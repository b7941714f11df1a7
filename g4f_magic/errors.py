"""What goes wrong on purpose: one tree, each leaf chosen by who can act on it.

G4FError                      everything this package raises on purpose
├── UsageError                the person: a word, an option or a value cannot be used
│   ├── ProviderNotFoundError     no provider has that name
│   ├── ModelNotFoundError        nothing says which model to ask
│   └── MissingAuthError          a key is needed and none is set
├── ProviderError             the other side; carries what had arrived
│   ├── ResponseError             the service answered with a refusal, or with nonsense
│   ├── NetworkError              the service could not be reached, or the connection broke
│   │   └── NetworkTimeoutError       nothing came for too long
│   └── RetryNoProviderError      no provider was left to try
│       └── RetryProviderError        several were tried and each failed
└── StoreError                the disk: what is said cannot be kept, or read again
    └── DamagedError              the file is no database, or a broken one
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class G4FError(Exception):
    """Base of all errors raised on purpose.

    ``str(error)`` says what happened; ``hint`` says what to type next, or is
    empty. Neither ever contains a key.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(G4FError):
    """A word, an option or a value cannot be used as given."""


class ProviderNotFoundError(UsageError):
    """No provider has the name that was asked for."""


class ModelNotFoundError(UsageError):
    """Nothing says which model to ask."""


class MissingAuthError(UsageError):
    """The provider needs a key and none is set."""


class ProviderError(G4FError):
    """The other side failed; ``partial`` is the text that had arrived."""

    def __init__(
        self, message: str, *, hint: str = "", provider: str = "", partial: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.provider = provider
        self.partial = partial


class ResponseError(ProviderError):
    """The service answered with a refusal, or with something that is no answer.

    ``status`` is the HTTP status (200 for an error inside a stream),
    ``retry_after_s`` the pause in seconds that the service asked for, or None,
    ``request_id`` what its support will ask for.
    """

    def __init__(  # noqa: PLR0913  # one keyword per fact of a refusal
        self,
        message: str,
        *,
        hint: str = "",
        provider: str = "",
        partial: str = "",
        status: int | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, provider=provider, partial=partial)
        self.status = status
        self.retry_after_s = retry_after_s
        self.request_id = request_id


class NetworkError(ProviderError):
    """The service could not be reached, or the connection broke."""


class NetworkTimeoutError(NetworkError):
    """No byte came for longer than the time limit."""


class RetryNoProviderError(ProviderError):
    """No provider was left to try, or none answered."""


class RetryProviderError(RetryNoProviderError):
    """Several providers were tried; ``causes`` has the error of each, in order."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        provider: str = "",
        partial: str = "",
        causes: Sequence[G4FError] = (),
    ) -> None:
        super().__init__(message, hint=hint, provider=provider, partial=partial)
        self.causes: tuple[G4FError, ...] = tuple(causes)


class StoreError(G4FError):
    """The disk: what is said cannot be kept, or what was kept cannot be read."""


class DamagedError(StoreError):
    """The file is no database, or a broken one."""


def error_line(failure: BaseException) -> str:
    """Return what happened and what to do, as a cell's error does."""
    hint = getattr(failure, "hint", "")
    return f"{type(failure).__name__}: {failure}" + (f" – {hint}" if hint else "")
