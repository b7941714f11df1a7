"""Compressed bytes in, what they stand for out, a piece at a time.

Zeros shrink to a thousandth, so nobody should have to hold all that one packet unfolds to.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCEPTED = "gzip, deflate"

_PIECE_BYTES = 64 * 1024
_WITH_HEADER = 32 + zlib.MAX_WBITS  # gzip's or zlib's, whichever it is
_BARE = -zlib.MAX_WBITS


class Inflater:
    """Unfolds one body that is coded as its ``Content-Encoding`` says (RFC 9110 §8.4.1)."""

    def __init__(self, encoding: str) -> None:
        named = (one.strip().lower().removeprefix("x-") for one in encoding.split(","))
        self._codings = [one for one in named if one not in {"", "identity"}]
        self._zlib = zlib.decompressobj(_WITH_HEADER)
        self._start = b""
        self._has_begun = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what a chunk unfolds to; raises ``zlib.error`` for what cannot be unfolded."""
        if not self._codings or not chunk:
            yield chunk
            return
        if self._codings not in (["gzip"], ["deflate"]):  # twice gzip is a million times more
            message = f"Content-Encoding: {', '.join(self._codings)}"
            raise zlib.error(message)
        if self._zlib.eof:  # what follows the end would be kept there for nothing
            return
        piece = self._next(chunk) if self._has_begun else self._first(self._start + chunk)
        while piece:
            yield piece
            piece = self._next(self._zlib.unconsumed_tail)

    def _first(self, chunk: bytes) -> bytes:
        """Find out which form it has, for which two bytes are needed."""
        self._has_begun = len(chunk) > 1
        if not self._has_begun:
            self._start = chunk
            return b""
        try:
            return self._next(chunk)
        except zlib.error:
            if self._codings != ["deflate"]:
                raise
        self._zlib = zlib.decompressobj(_BARE)  # as some servers understood "deflate"
        return self._next(chunk)

    def _next(self, compressed: bytes) -> bytes:
        return self._zlib.decompress(compressed, _PIECE_BYTES)
