"""The calls that a model asks for, made one after the other in the thread of the cell."""

from __future__ import annotations

import asyncio
import inspect
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from ..types.unfit import UnfitError
from .reentry import await_here
from .tool import result_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from ..messages import CallOutcome, ToolCall
    from ..portal import Interrupts
    from .tool import Tool

    Told: TypeAlias = tuple[CallOutcome, str]

_LONGEST_QUESTION = 500
_REPEATED = "not called again: this very call was made before, see its result above"
_REFUSED = "not called: the user did not allow it"
_NOBODY = "not called: confirm_tools is on, and nobody is here to allow it"


class Caller:
    """Calls the functions of one turn, and no others.

    ``hold`` is entered while a function runs, ``run_alone`` runs a coroutine where no loop
    runs; with ``is_asking`` a person is asked before each call.
    """

    def __init__(
        self,
        tools: Iterable[Tool],
        stop: Interrupts,
        hold: Callable[[], AbstractContextManager[object]],
        run_alone: Callable[[Any], Any],
        *,
        is_asking: bool,
    ) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._stop = stop
        self._hold = hold
        self._run_alone = run_alone
        self._is_asking = is_asking
        self._made: set[tuple[str, str]] = set()

    def run(self, call: ToolCall) -> ToolCall:
        """Return the call with its result; an error of the function is its result, too."""
        try:
            with self._stop.raising():
                outcome, result = self._run(call)
        except KeyboardInterrupt:
            self._stop.stop()  # if the function has raised it by itself
            outcome, result = "interrupted", ""
        # Functions of the notebook: whatever they raise is for the model to know.
        except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001
            outcome, result = "failed", result_text(f"{type(error).__name__}: {error}")
        return replace(call, outcome=outcome, result=result)

    def _run(self, call: ToolCall) -> Told:
        tool = self._tools.get(call.name)
        if tool is None:
            return "failed", f"there is no tool {call.name!r}; there are {', '.join(self._tools)}"
        try:
            ready = tool.bound(call.arguments)
        except UnfitError as error:
            return "failed", f"not called, since the arguments do not fit: {error}"
        asked = (call.name, _normal(call.arguments))
        if asked in self._made:
            return "repeated", _REPEATED
        self._made.add(asked)
        if self._is_asking and (refusal := _refusal(call)):
            return "refused", refusal
        with self._hold():
            value = ready()
            if inspect.isawaitable(value):
                value = await_here(value, self._run_alone)
            return "done", result_text(value)


def _refusal(call: ToolCall) -> str:
    """Ask whether a call may be made; return why not, empty if it may."""
    given = json.loads(call.arguments or "{}")
    shown = ", ".join(f"{name}={json.dumps(value)}" for name, value in given.items())
    if len(shown) > _LONGEST_QUESTION:
        shown = f"{shown[:_LONGEST_QUESTION]} …"
    try:
        reply = input(f"The model wants to call {call.name}({shown}). Allow it? [y/N] ")
    except (EOFError, NotImplementedError):  # the latter of kernels without a person
        return _NOBODY
    return "" if reply.strip().lower() in {"y", "yes"} else _REFUSED


def _normal(arguments: str) -> str:
    """Return JSON in a form that is the same for the same arguments."""
    return json.dumps(json.loads(arguments or "{}"), sort_keys=True)
