"""What options name in the notebook: functions to call, and the type of the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from ..settings.settings import Settings


def find_named(
    options: argparse.Namespace,
    scope: dict[str, Any],
    settings: Settings,
    configured: Mapping[str, Any],
) -> None:
    """Put into the options of ``%%chat`` the functions and the type that they name.

    ``scope`` has the names of the notebook, ``configured`` the settings in IPython's
    configuration. Raises ``UsageError``.
    """
    options.tools = options.tools or ()
    if options.tools:
        _find_tools(options, scope, settings, configured)
    options.answer_type = None
    if options.schema is not None:
        from ..types.answer_type import named_type

        options.answer_type = named_type(options.schema, scope)


def _find_tools(
    options: argparse.Namespace,
    scope: dict[str, Any],
    settings: Settings,
    configured: Mapping[str, Any],
) -> None:
    from ..tools.tool import find_tools

    if options.max_rounds is None:
        options.max_rounds = int(settings.number("max_rounds", configured))
    if options.max_rounds < 1:
        message = f"--max-rounds {options.max_rounds} is no number of rounds"
        raise UsageError(message)
    if len(options.models) > 1:
        message = "--tools takes one model, since functions may change things"
        raise UsageError(message, hint="leave out all -m but one")
    options.confirm_tools = settings.get("confirm_tools", configured) == "on"
    options.tools = find_tools(options.tools, scope)
