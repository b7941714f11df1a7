"""The options of ``%%chat``, in the order in which its help page lists them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from IPython.core.magic_arguments import argument

if TYPE_CHECKING:
    from collections.abc import Callable

_CHAT = (
    argument("-m", "--model", action="append", metavar="MODEL", help="[PROVIDER:]MODEL; several"),
    argument("-p", "--provider", metavar="NAME_OR_URL", help="provider's name, or a base URL"),
    argument("-s", "--system", metavar="TEXT", help="system prompt from here on; '' removes it"),
    argument("-t", "--temperature", type=float, metavar="T", help="passed on to the model"),
    argument("--top-p", type=float, metavar="P", help="as all of these up to --param"),
    argument("--max-tokens", type=int, metavar="N", help="longest answer, in tokens"),
    argument("--stop", action="append", metavar="TEXT", help="where to end; may be repeated"),
    argument("--seed", type=int, metavar="N", help="for the same answer to the same prompt"),
    argument("--reasoning-effort", metavar="LEVEL", help="low, medium, high …"),
    argument("-n", type=int, metavar="N", help="how many pictures"),
    argument("--size", metavar="WxH", help="of pictures, in pixels"),
    argument("--param", action="append", metavar="KEY=JSON", help="any other request field"),
    argument("-c", "--conversation", metavar="NAME", help="in which conversation (main)"),
    argument("--last", type=int, metavar="N", help="send only the last N turns"),
    argument("--new", action="store_true", help="start the conversation afresh"),
    argument("--alone", action="store_true", help="send no history and keep none"),
    argument(
        "-a", "--attach", action="append", metavar="WHAT", help="variable, file or URL; several"
    ),
    argument("--prompt-file", metavar="PATH", help="a text that the prompt begins with"),
    argument("--tools", action="append", metavar="NAME,…", help="functions the model may call"),
    argument("--max-rounds", type=int, metavar="N", help="of calls and answers (8)"),
    argument("-o", "--out", metavar="NAME", help="bind the answer to a variable"),
    argument("--show", action="store_true", help="show the last answer once more"),
    argument("--quiet", action="store_true", help="show nothing; use with -o"),
    argument("--raw", action="store_true", help="send the text literally, no {{ }}"),
    argument("--retries", type=int, metavar="N", help="how often to try again (2)"),
    argument("--proxy", metavar="URL", help="for this call"),
    argument("--cache", action="store_true", default=None, help="answer from the cache if it can"),
    argument("--no-cache", dest="cache", action="store_false", help="ask again"),
    argument("--timeout", type=float, metavar="S", help="seconds without any byte (60)"),
    argument("text", nargs=argparse.REMAINDER, help="the prompt, all literal text"),
)


def chat_arguments(magic: Callable[..., Any]) -> Callable[..., Any]:
    """Let a magic, which ``magic_arguments`` is to decorate next, take these options."""
    for one in reversed(_CHAT):
        magic = one(magic)
    return magic
