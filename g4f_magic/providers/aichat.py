"""Aichat: the whole conversation as one text, answered by one JSON object."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import ResponseError, UsageError
from ..limits import ANSWER
from ..messages import Event, FinishReason, Message, Sent, Waiting
from ..secret import bare, veiled_address
from ..transport import READ_TIMEOUT_S, Proxies, Reply, Request, exchange
from .completions import joined_pairs, plain_text
from .openai import OpenaiTemplate, encoded, refuse_disguise, told_fields
from .payloads import is_error
from .refusals import nonsense, refusal
from .replies import secrets_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

_SAMPLING = {"temperature": 1, "presence_penalty": 0, "top_p": 1, "frequency_penalty": 0}
_ONLY_WORDS = "aichat takes words and answers in words: no pictures, no files"


class Aichat:
    """Asks a service of this kind without key and without streaming.

    The one it was made for no longer answers; ``url``, or ``api_base`` in a
    call, names another.
    """

    name: ClassVar[str] = "aichat"
    url: ClassVar[str] = "https://chat-gpt.org/api/text"
    default_model: ClassVar[str] = ""
    needs_auth: ClassVar[bool] = False

    @classmethod
    async def create_async_generator(  # noqa: PLR0913  # what every provider is given
        cls,
        model: str | None,  # noqa: ARG003  # the service has one
        messages: Sequence[Message],
        *,
        proxy: Proxies = None,
        timeout: float | None = None,
        media: Any = None,
        prompt: str | None = None,
        api_key: str | None = None,  # noqa: ARG003  # never sent: the service knows none
        api_endpoint: str | None = None,
        api_base: str | None = None,
        stream: bool = False,  # noqa: ARG003  # it answers at once
        headers: Mapping[str, str] | None = None,
        impersonate: str | None = None,
        extra_parameters: Mapping[str, Any] | Sequence[str] | None = None,
        extra_data: Mapping[str, Any] | None = None,
        max_retries: int = 2,
        max_answer_mb: int = ANSWER.mb,
        **params: Any,
    ) -> AsyncGenerator[Event, None]:
        """Yield the answer in one piece; other ``params`` are request fields.

        ``timeout`` is in seconds without any byte. Raises ``UsageError`` before
        anything is sent, then ``ResponseError`` and ``NetworkError``.
        """
        refuse_disguise(impersonate, cls.name)
        url = veiled_address(api_endpoint or api_base or cls.url)
        if prompt is not None or media or not all(map(_is_text, messages)):
            raise UsageError(_ONLY_WORDS, hint="ask another provider (-p)")
        told = told_fields(params, extra_parameters, extra_data)
        body = {"message": one_prompt(messages), **_SAMPLING, **told}
        request = Request(
            "POST",
            url,
            OpenaiTemplate.get_headers(False, headers=headers),  # noqa: FBT003  # its interface
            encoded(body),
            provider=cls.name,
            proxies=proxy,
            timeout_s=timeout or READ_TIMEOUT_S,
            max_retries=max_retries,
            limit=ANSWER._replace(mb=max_answer_mb),
        )
        yield Sent(bare(url), body, cls.name)
        async with aclosing(exchange(request)) as steps:
            async for step in steps:
                if isinstance(step, Waiting):
                    yield step
                    continue
                answer = _answer(step, await step.read(), request)
                if isinstance(answer, ResponseError):
                    raise answer  # from where no variable holds the body: it may quote a password
                yield answer
                yield FinishReason("stop")  # the object was whole, so the answer is not cut off

    @classmethod
    def get_models(
        cls,
        api_key: str | None = None,  # noqa: ARG003  # as every provider
        api_base: str | None = None,  # noqa: ARG003
        timeout: float | None = None,  # noqa: ARG003
    ) -> list[str]:
        """Return nothing: the service lists no models and has one."""
        return []


def one_prompt(messages: Sequence[Message]) -> str:
    """Return a conversation as one text, ended where the assistant is to go on."""
    said = (
        f"{message.get('role', 'user')}: {plain_text(message.get('content'))}\n"
        for message in messages
    )
    return "".join(said) + "assistant:"


def _is_text(message: Message) -> bool:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return all(isinstance(p, str) or (isinstance(p, dict) and "text" in p) for p in parts)


def _answer(reply: Reply, body: bytes, request: Request) -> str | ResponseError:
    """Return the text of a reply, or the error for whatever is none."""
    try:
        value = json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        value = None
    said = value if isinstance(value, dict) else {}
    text = said.get("message")
    is_refused = is_error(said) or not reply.is_success
    is_empty = isinstance(text, str) and not text.strip()
    if isinstance(text, str) and not is_empty and not is_refused:
        return joined_pairs(text)
    if is_refused:
        seen = refusal(
            reply.status,
            body,
            provider=request.provider,
            headers=reply.headers,
            retry_after_s=reply.retry_after_s,
            secrets=secrets_of(request),
        )
    else:
        seen = nonsense(
            reply.status,
            b"" if is_empty else body,
            provider=request.provider,
            headers=reply.headers,
            secrets=secrets_of(request),
        )
    message = f"the service did not answer: {seen}"
    return ResponseError(
        message,
        hint="ask another provider (-p), or set api_base to a service of this kind that runs",
        provider=request.provider,
        status=seen.status,
        retry_after_s=seen.retry_after_s,
        request_id=seen.request_id,
    )
