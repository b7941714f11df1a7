"""Makes IPython's completer ask what the magics offer, in the way that its version has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from IPython.core.completer import IPCompleter, provisionalcompleter, rectify_completions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from ..cell.session import Session
    from .completion import Completion, Offer

_FIRST = 1000.0  # a matcher of this rank can silence all others
_NOT_PYTHON = ("file_match", "magic_match")


class Tab:
    """Answers the completer of one shell; ``parsers`` are those of the magics by name.

    What it takes is imported when somebody presses Tab in a magic for the first time, in
    ``alone``, where nobody else imports.
    """

    def __init__(
        self,
        shell: Any,
        session: Session,
        parsers: Mapping[str, Any],
        alone: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._shell = shell
        self._session = session
        self._parsers = parsers
        self._alone = alone
        self._completion: Completion | None = None
        self._python: Any = None
        self._matchers, self._matcher = self._way()

    def register(self) -> None:
        """Be asked from now on."""
        self._matchers.insert(0, self._matcher)

    def unregister(self) -> None:
        """Be asked no more."""
        if self._matcher in self._matchers:
            self._matchers.remove(self._matcher)

    def _way(self) -> tuple[list[Any], Callable[..., Any]]:
        """Return the list that the completer looks into, and what belongs there."""
        completer = self._shell.Completer
        try:
            from IPython.core.completer import context_matcher
        except ImportError:  # before IPython 8.6
            return completer.magic_arg_matchers, self._matches

        @context_matcher(priority=_FIRST, identifier="g4f_magic")  # type: ignore[untyped-decorator]
        def matcher(context: Any) -> dict[str, Any]:
            return self._match(context)

        return completer.custom_matchers, matcher

    def _match(self, context: Any) -> dict[str, Any]:
        """Answer IPython 8.6 and later."""
        from IPython.core.completer import SimpleCompletion

        before = context.full_text.split("\n")[: context.cursor_line]
        offset = sum(len(line) + 1 for line in before) + context.cursor_position
        offer = self._offer(context.full_text, offset)
        if offer is None:
            return {"completions": [], "suppress": False}
        return {
            "completions": [
                SimpleCompletion(text, type=offer.kinds.get(text, "magic")) for text in offer.texts
            ]
            or _Nothing(),
            "matched_fragment": offer.begun,
            "ordered": True,
            "suppress": True,
        }

    def _matches(self, line: str) -> list[str]:
        """Answer older versions, which replace a word of their own and tell only its line."""
        completer = self._shell.Completer
        before = completer.text_until_cursor
        offer = self._offer(*self._cell(line, before))
        if offer is None:
            return []
        word, begun = completer.splitter.split_line(before), offer.begun
        less = begun[: max(0, len(begun) - len(word))]
        more = word[: max(0, len(word) - len(begun))]
        texts = offer.texts or [begun]  # for if there is none, others are asked
        return [more + text[len(less) :] for text in texts if text.startswith(less)]

    def _cell(self, line: str, before: str) -> tuple[str, int]:
        """Return the cell that a front end asks for, and where its cursor stands."""
        if hasattr(self._shell, "kernel"):
            content = self._shell.kernel.get_parent("shell").get("content", {})
            code, offset = content.get("code", ""), content.get("cursor_pos", 0)
            if code[:offset].endswith(before):
                return code, offset
        return line, len(before)

    def _offer(self, text: str, offset: int) -> Offer | None:
        if "%" not in text:
            return None
        if self._completion is None:
            with self._alone():
                from .completion import Completion

            self._completion = Completion(
                self._shell, self._session, self._parsers, self._in_expression
            )
        return self._completion.offer(text, offset)

    def _in_expression(self, code: str) -> Offer:
        """Offer what IPython itself does for a Python expression."""
        from .completion import Offer

        shell = self._shell
        if self._python is None:  # the shell's own has this question on its mind
            self._python = IPCompleter(
                shell, shell.user_ns, shell.user_global_ns, parent=shell.Completer
            )
        self._python.use_jedi = shell.Completer.use_jedi
        with provisionalcompleter():
            found = [*rectify_completions(code, self._python.completions(code, len(code)))]
        start = found[0].start if found else len(code)
        kinds = {
            one.text: one.type or ""
            for one in found
            if not any(matcher in one._origin for matcher in _NOT_PYTHON)  # noqa: SLF001  # it has no other
        }
        return Offer(code[start:], [*kinds], kinds)


class _Nothing(Sequence[Any]):
    """No completions, but counted as some: only then IPython asks no other matcher (9.18)."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: Any) -> NoReturn:
        raise IndexError(index)
