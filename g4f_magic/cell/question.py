"""A prompt in one line may end in a question mark, which IPython takes for a request for help."""

from __future__ import annotations

import tokenize
from typing import TYPE_CHECKING

from IPython.core.inputtransformer2 import EscapedCommand, MagicAssign, TokenTransformBase

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAGIC = ["%", "chat"]


class Question(TokenTransformBase):
    """Turns ``%chat What is …?`` into a call of the magic before IPython looks for help.

    ``%chat?`` still shows the help page.
    """

    priority = 1  # before that of help, which begins at the same place

    def __init__(self, start: tuple[int, int], call: TokenTransformBase) -> None:
        super().__init__(start)  # type: ignore[no-untyped-call]
        self._call = call

    @classmethod
    def find(cls, tokens_by_line: Sequence[Sequence[tokenize.TokenInfo]]) -> Question | None:
        """Return the first of these lines that is a question to a model."""
        for tokens in tokens_by_line:
            indents = {tokenize.INDENT, tokenize.DEDENT}
            line = [token for token in tokens if token.type not in indents]
            words = [token.string for token in line]
            if words[-2:-1] != ["?"]:
                continue
            if words[:2] == _MAGIC and words[2] != "?":
                return cls(line[0].start, EscapedCommand(line[0].start))
            if words[1:4] == ["=", *_MAGIC] and words[4] != "?":
                return cls(line[0].start, MagicAssign(line[2].start))
        return None

    def transform(self, lines: list[str]) -> list[str]:
        """Return the lines with this one as a call."""
        called: list[str] = self._call.transform(lines)
        return called
