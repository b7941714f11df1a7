"""Error replies of every shape in, one clear ``ResponseError`` out."""

from __future__ import annotations

import html
import json
import math
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ..errors import ResponseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BUDGET_SPENT = "the account's budget is used up; waiting does not help"
"""The hint of a refusal after which asking again cannot help."""

TOO_LONG = "the conversation is too long for this model: --last N sends fewer turns, --new none"

_LATER = "try again later, or another provider (-p)"
_HINTS = {
    404: "check the name of the model (-m) and the base URL (-p)",
    408: _LATER,
    413: "the request is too large for it: --last N sends fewer turns, --new none",
    429: _LATER,
}
_LONGEST_MESSAGE = 300
# Of a minute's quota OpenAI, Groq and Gemini speak with a link to "billing", too (2026-08).
_SPENT = re.compile(
    rb"insufficient_quota|billing_(hard_limit|not_active)|credit balance", re.IGNORECASE
)
# From the second line on: xAI, Gemini, Moonshot, DashScope, Hugging Face (2026-08).
_TOO_LONG = re.compile(
    rb"context.{0,12}(length|window|size)|prompt is too long"
    rb"|maximum prompt length|input token count|model token limit|range of input length"
    rb"|inputs.{0,3} (tokens \+|must have less)",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"\b(?:(?:sk|pk|gsk|hf|xai|nvapi|r8|key|ghp|gho|github_pat|pplx|csk|fw)[-_]|AIza|Bearer\s+)"
    r"[A-Za-z0-9_\-*.]{6,}"
)
_PAGE = re.compile(r"<(!doctype|html|head|body|\?xml)\b", re.IGNORECASE)
_TITLE = re.compile(r"<title[^<>]*>([^<]*)", re.IGNORECASE)  # however many begin, read once
# Also the marks that turn the direction of writing, and halves of characters.
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+"
)


def is_hopeless(status: int, body: bytes) -> bool:
    """Tell whether asking again cannot help: the money is spent, not the minute's quota."""
    return status == HTTPStatus.PAYMENT_REQUIRED or (
        status == HTTPStatus.TOO_MANY_REQUESTS and _SPENT.search(body) is not None
    )


def refusal(  # noqa: PLR0913  # one keyword per fact of a refusal
    status: int,
    body: bytes,
    *,
    provider: str,
    headers: Mapping[str, str] | None = None,
    retry_after_s: float | None = None,
    secrets: Sequence[str] = (),
    api_key_env: str = "",
) -> ResponseError:
    """Return the error for a reply that is no answer: its status and what its body says.

    ``secrets`` are what the request carried and no message may show.
    """
    said = _message(body, secrets)
    if status == HTTPStatus.OK:
        message = f"{provider} reported an error: {said}" if said else f"{provider} sent no answer"
    else:
        name = f"{status} {_phrase(status)}".rstrip()
        if said.startswith(name):  # the title of a gateway's page
            said = said[len(name) :].lstrip(" :-")
        message = f"{provider} said {name}" + (f": {said}" if said else "")
    return ResponseError(
        message,
        hint=_hint(status, body, api_key_env, retry_after_s),
        provider=provider,
        status=status,
        retry_after_s=retry_after_s,
        request_id=_request_id(headers or {}),
    )


def nonsense(
    status: int,
    body: bytes,
    *,
    provider: str,
    headers: Mapping[str, str],
    secrets: Sequence[str] = (),
) -> ResponseError:
    """Return the error for a reply with a good status whose body is no answer."""
    kind = _one_line(headers.get("content-type", "").partition(";")[0]) or "no content type"
    hint = "is this the base URL of an OpenAI-compatible service? It often ends in /v1"
    if not body.strip():
        message = f"{provider} sent an empty answer"
    elif _is_html(body):
        title = _message(body, secrets)
        message = f"{provider} sent a web page instead of an answer: {title}".rstrip(": ")
    elif _is_beginning(body):
        message = f"{provider} stopped after the first few bytes of an answer"
        hint = "run the cell again"
    elif _is_object(body) and (said := _message(body, secrets)):
        message = f"{provider} sent something that is no answer: {said}"
    else:
        message = f"{provider} sent something that is no answer ({kind}, {len(body)} bytes)"
    request_id = _request_id(headers)
    return ResponseError(
        message, hint=hint, provider=provider, status=status, request_id=request_id
    )


def redacted(text: str, secrets: Sequence[str] = ()) -> str:
    """Return the text with the secrets, and whatever looks like a key, taken out."""
    for secret in secrets:
        if len(secret) > 3:  # noqa: PLR2004  # a shorter one is a placeholder
            text = text.replace(secret, "…")
    return _KEY.sub("…", text)


def _message(body: bytes, secrets: Sequence[str]) -> str:
    """Return what a body says in one line; of a web page only its title."""
    text = body.decode("utf-8-sig", "replace")
    try:
        said = _said(json.loads(text))
    except (ValueError, RecursionError):
        said = text
    if said.lstrip()[:1] == "<" or _PAGE.search(said):
        title = _TITLE.search(said)
        before = said.partition("<")[0]
        said = f"{before} {html.unescape(title[1])}" if title else before
    said = redacted(_one_line(said), secrets)
    return said if len(said) <= _LONGEST_MESSAGE else said[:_LONGEST_MESSAGE] + " …"


def _one_line(text: str) -> str:
    return " ".join(_CONTROLS.sub(" ", text).split())


def _said(value: Any) -> str:
    """Find the message in an error of any shape: object, string or list of them."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(filter(None, (_said(item) for item in value[:3])))
    if not isinstance(value, dict):
        return ""
    for name in ("error", "message", "detail", "msg", "errors", "error_description", "title"):
        if said := _said(value.get(name)):
            return said
    code = value.get("code") or value.get("type")
    return str(code) if code else ""


def _request_id(headers: Mapping[str, str]) -> str | None:
    names = ("x-request-id", "request-id", "cf-ray")
    return next((headers[name] for name in names if name in headers), None)


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body.decode("utf-8-sig", "replace")), dict)
    except (ValueError, RecursionError):
        return False


def _is_html(body: bytes) -> bool:
    return body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"


def _is_beginning(body: bytes) -> bool:
    """Tell whether a body ends inside its first event."""
    return body.lstrip().startswith(b"data: {") and b"\n" not in body.strip()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return {529: "Overloaded"}.get(status, "")


def _hint(status: int, body: bytes, api_key_env: str, retry_after_s: float | None) -> str:
    if is_hopeless(status, body):
        return BUDGET_SPENT
    if status in {401, 403}:
        return f"check the key in {api_key_env}" if api_key_env else "check the key"
    if retry_after_s:
        return f"try again in {math.ceil(retry_after_s)} s"
    if _TOO_LONG.search(body):
        return TOO_LONG
    return _HINTS.get(status, _LATER if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "")
