"""Requests out to chat-completions services, what their replies mean back."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import ProviderError, ResponseError
from ..limits import ANSWER
from ..messages import Event, FinishReason, Remark, Waiting
from ..pool import passwords
from ..secret import Secret
from ..transport import Reply, Request, drain, exchange
from .completions import CompletionReader
from .listings import ListedModel, listed_models
from .payloads import Payload, PayloadReader, is_error
from .pictures import pictures
from .refusals import TOO_LONG, nonsense, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_SCHEMES = frozenset({"Bearer", "Basic"})
_ERROR_LIMIT_BYTES = 64 * 1024


async def replied(
    request: Request,
    picture_prompt: str | None = None,
    api_key_env: str = "",
    max_mb: int = ANSWER.mb,
) -> AsyncGenerator[Event, None]:
    """Yield the events of an answer, streamed or whole, or the pictures made from a prompt.

    ``api_key_env`` is for the hint, ``max_mb`` bounds all bytes. Raises ``ResponseError``
    and ``NetworkError``, which carry the text so far.
    """
    request = replace(request, limit=ANSWER._replace(mb=max_mb))
    async with aclosing(_replies(request, api_key_env)) as steps:
        async for step in steps:
            if isinstance(step, Waiting):
                yield step
                continue
            if picture_prompt is None:
                answer = _answer(step, request, api_key_env)
            else:
                answer = _pictures(step, request, picture_prompt, api_key_env)
            async with aclosing(answer) as events:
                async for event in events:
                    yield event


async def models_listed(request: Request, api_key_env: str = "") -> list[ListedModel]:
    """Return the models that a service lists, in its order."""
    listing: dict[str, Any] = {}
    async with aclosing(_replies(request, api_key_env)) as steps:
        async for step in steps:
            if isinstance(step, Reply):
                listing = await _listed(step, request, api_key_env)
    return listed_models(listing)


async def _replies(request: Request, api_key_env: str) -> AsyncGenerator[Waiting | Reply, None]:
    """Yield what ``exchange`` does, but raise a reply whose status is not that of a success."""
    async with aclosing(exchange(request)) as steps:
        async for step in steps:
            if isinstance(step, Reply) and not step.is_success:
                raise _refusal(step, await step.read(_ERROR_LIMIT_BYTES), request, api_key_env)
            yield step


async def _listed(reply: Reply, request: Request, api_key_env: str) -> dict[str, Any]:
    """Return the object with ``data`` or ``models`` in a reply; a bare list as its ``data``."""
    listing = _listing(reply, await reply.read(), request, api_key_env)
    if isinstance(listing, ResponseError):
        raise listing  # from where no variable holds the body: it may quote the key
    return listing


def _listing(
    reply: Reply, body: bytes, request: Request, api_key_env: str
) -> dict[str, Any] | ResponseError:
    try:
        value = json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return _nonsense(reply, body, request)
    if isinstance(value, list):
        value = {"data": value}
    if isinstance(value, dict) and is_error(value):
        return _refusal(reply, body, request, api_key_env)
    if not isinstance(value, dict) or not {"data", "models"} & value.keys():
        return _nonsense(reply, body, request)
    return value


async def _answer(reply: Reply, request: Request, api_key_env: str) -> AsyncGenerator[Event, None]:
    reader, payloads = CompletionReader(), PayloadReader()
    try:
        async with aclosing(_payloads(reply, payloads, reader)) as arriving:
            async for payload in arriving:
                if is_error(payload):
                    failure = _refusal(reply, json.dumps(payload).encode(), request, api_key_env)
                    payload.clear()  # it may quote the key, and verbose frames show it
                    raise failure
                for event in reader.read(payload):
                    yield event
        if not reader.understood:
            raise _nonsense(reply, bytes(payloads.seen), request)
        for event in reader.close():
            yield event
        if payloads.unreadable and reader.is_finished:  # of another it is said that it is cut off
            yield Remark(_unreadable(payloads.unreadable))
    except ProviderError as error:
        error.partial = error.partial or reader.text
        raise


def _unreadable(count: int) -> str:
    pieces = "a piece" if count == 1 else f"{count} pieces"
    return f"{pieces} of the answer arrived broken and cannot be shown"


async def _pictures(
    reply: Reply, request: Request, prompt: str, api_key_env: str
) -> AsyncGenerator[Event, None]:
    body = await _listed(reply, request, api_key_env)
    found = pictures(body.get("data"), alt=prompt, address=request.url)
    if not found.images:
        failure = _nonsense(reply, json.dumps(body).encode(), request)
        body.clear()  # as above
        raise failure
    yield found
    yield FinishReason("stop")


async def _payloads(
    reply: Reply, payloads: PayloadReader, reader: CompletionReader
) -> AsyncGenerator[Payload, None]:
    """Yield what arrives; no trouble after the server said that it had finished is any."""
    async with aclosing(reply.chunks()) as chunks:
        try:
            async for chunk in chunks:
                for payload in payloads.feed(chunk):
                    yield payload
                if payloads.is_done:
                    await drain(chunks)
                    break
        except ProviderError:
            if not (payloads.is_done or reader.is_finished):
                raise
    for payload in payloads.close():
        yield payload


def _refusal(reply: Reply, body: bytes, request: Request, api_key_env: str) -> ResponseError:
    error = refusal(
        reply.status,
        body,
        provider=request.provider,
        headers=reply.headers,
        retry_after_s=reply.retry_after_s,
        secrets=secrets_of(request),
        api_key_env=api_key_env,
    )
    if error.hint == TOO_LONG and (turns := _turns_sent(request.body)):
        error.hint = TOO_LONG.replace(":", f", {turns} turns were sent before the prompt:", 1)
    return error


def secrets_of(request: Request) -> list[str]:
    """Return the keys and passwords that a request has carried."""
    values = [value for value in request.headers.values() if isinstance(value, Secret)]
    words = [word for value in values for word in value.split() if word not in _SCHEMES]
    proxies = "" if request.service else request.proxies  # in here it is behind none
    return [*words, *passwords(request.url, proxies)]


def _turns_sent(body: bytes) -> int:
    """Return how many answers a request repeats; one for a listing has no body."""
    messages = json.loads(body or b"{}").get("messages") or []
    return sum(message.get("role") == "assistant" for message in messages)


def _nonsense(reply: Reply, body: bytes, request: Request) -> ResponseError:
    secrets = secrets_of(request)
    return nonsense(
        reply.status, body, provider=request.provider, headers=reply.headers, secrets=secrets
    )
