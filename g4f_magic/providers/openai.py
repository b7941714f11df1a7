"""The chat-completions dialect, which nearly every service speaks, and OpenAI itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import MissingAuthError, ModelNotFoundError, ProviderError, UsageError
from ..limits import ANSWER, Limit
from ..messages import Event, Message, Sent
from ..portal import run_outside
from ..secret import Secret, bare, names_secret, veiled_address
from ..transport import READ_TIMEOUT_S, Proxies, Request, TlsSetting
from .history import last_media, last_prompt, without_history, without_system
from .media import media_parts, with_parts
from .refusals import is_hopeless
from .replies import models_listed, replied

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from ..service import Service
    from .listings import ListedModel

_LISTING = Limit("", 20)


class OpenaiTemplate:
    """Speaks chat-completions; subclass it and set ``api_base`` to support a service.

    The dialect is OpenAI's (https://platform.openai.com/docs/api-reference/chat),
    read as leniently as servers write it.
    """

    name: ClassVar[str] = "OpenaiTemplate"
    api_base: ClassVar[str] = ""
    api_base_env: ClassVar[str] = ""
    api_key: ClassVar[str | None] = None
    api_key_env: ClassVar[str] = ""
    api_endpoint: ClassVar[str | None] = None
    needs_auth: ClassVar[bool] = False
    supports_message_history: ClassVar[bool] = True
    supports_system_message: ClassVar[bool] = True
    asks_for_usage: ClassVar[bool] = True
    default_model: ClassVar[str] = ""
    fallback_models: ClassVar[Sequence[str]] = ()
    models: ClassVar[Sequence[str]] = ()
    image_models: ClassVar[Sequence[str]] = ()
    vision_models: ClassVar[Sequence[str]] = ()
    model_aliases: ClassVar[Mapping[str, str]] = {}
    sort_models: ClassVar[bool] = True
    ssl: ClassVar[TlsSetting] = True
    headers: ClassVar[Mapping[str, str]] = {}
    service: ClassVar[Service | None] = None  # a staticmethod where there is one

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Name a provider after its class unless it names itself."""
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__

    @classmethod
    async def create_async_generator(  # noqa: PLR0913  # the fields of the dialect, by name
        cls,
        model: str | None,
        messages: Sequence[Message],
        *,
        proxy: Proxies = None,
        timeout: float | None = None,
        media: Any = None,
        api_key: str | None = None,
        api_endpoint: str | None = None,
        api_base: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        top_p: float | None = None,
        stop: str | Sequence[str] | None = None,
        stream: bool = True,
        prompt: str | None = None,
        headers: Mapping[str, str] | None = None,
        impersonate: str | None = None,
        extra_parameters: Mapping[str, Any] | Sequence[str] | None = None,
        extra_data: Mapping[str, Any] | None = None,
        max_retries: int = 2,
        max_answer_mb: int = ANSWER.mb,
        **params: Any,
    ) -> AsyncGenerator[Event, None]:
        """Yield the text and the typed events of one answer.

        ``timeout`` is in seconds without any byte, ``max_answer_mb`` bounds them all; ``media``
        (see ``media_parts``) goes with the last message of the user. Unknown ``params`` are
        request fields, and ``extra_parameters`` unless only names. A model in ``image_models``,
        or a ``prompt``, asks for pictures. Raises ``UsageError``, then ``ProviderError``.
        """
        refuse_disguise(impersonate, cls.name)
        base = cls.base_url(api_base)
        key = api_key = cls._key(api_key, base)
        parts = await media_parts(media)
        model = cls._known_model(model, prompt)
        if not model:
            way = {"proxy": proxy, "headers": headers, "max_retries": max_retries}
            model = cls._first_model(await cls.list_models(key, base, timeout, **way), prompt)
        if prompt is None and model in cls.image_models:
            prompt, parts = last_prompt(messages), [*parts, *last_media(messages)]
        sampling = {"temperature": temperature, "max_tokens": max_tokens, "top_p": top_p}
        fields = told_fields({**params, **sampling, "stop": stop}, extra_parameters, extra_data)
        if prompt is None:
            url = api_endpoint or cls.api_endpoint or f"{base}/chat/completions"
            body = cls._chat_body(model, cls._taken(messages, parts), stream=stream) | fields
        else:
            refuse_media(parts, model)
            url, stream = f"{base}/images/generations", False
            body = {"model": model, "prompt": prompt, **fields}
        url, headers = veiled_address(url), cls.get_headers(stream, key, headers)
        request = cls._request(url, headers, encoded(body), proxy, timeout, max_retries)
        yield Sent(bare(url), body, cls.name)
        async with aclosing(replied(request, prompt, cls.api_key_env, max_answer_mb)) as events:
            async for event in events:
                yield event

    @classmethod
    def _known_model(cls, model: str | None, picture_prompt: str | None) -> str:
        """Return the model to ask as far as that is known without a listing."""
        if not model and picture_prompt is not None:
            model = next(iter(cls.image_models), None)
        return cls.model_aliases.get(model or "", model or cls.default_model)

    @classmethod
    def _taken(
        cls, messages: Sequence[Message], parts: Sequence[dict[str, Any]]
    ) -> Sequence[Message]:
        """Return the messages as this service takes them, with parts to send along."""
        if not cls.supports_message_history:
            messages = without_history(messages)
        if not cls.supports_system_message:
            messages = without_system(messages)
        return with_parts(messages, parts) if parts else messages

    @classmethod
    def _chat_body(cls, model: str, messages: Sequence[Message], *, stream: bool) -> dict[str, Any]:
        body: dict[str, Any] = {"model": model, "messages": messages, "stream": stream}
        if stream and cls.asks_for_usage:
            body["stream_options"] = {"include_usage": True}
        return body

    @classmethod
    def get_headers(
        cls,
        stream: bool,  # noqa: FBT001  # the position is part of the interface
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """Return the headers of a request; ``headers`` of the caller win."""
        own = {
            "Accept": "text/event-stream" if stream else "application/json",
            "Content-Type": "application/json",
        }
        if api_key:
            own["Authorization"] = Secret(f"Bearer {api_key}")
        for name, value in {**cls.headers, **(headers or {})}.items():
            own = {known: own[known] for known in own if known.lower() != name.lower()}
            own[name] = Secret(value) if names_secret(name) else value
        return own

    @classmethod
    def get_models(
        cls,
        api_key: str | None = None,
        api_base: str | None = None,
        timeout: float | None = None,
    ) -> list[str]:
        """Return the names of the service's models; ``timeout`` in seconds.

        Raises as ``list_models`` does. Blocks; inside async code use that.
        """
        return run_outside(cls.list_models, api_key, api_base, timeout)

    @classmethod
    async def list_models(
        cls,
        api_key: str | None = None,
        api_base: str | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> list[str]:
        """Return the names that ``GET {api_base}/models`` lists, sorted if ``sort_models``.

        ``options`` are those of ``describe_models``. Falls back on ``fallback_models`` where
        there are any; otherwise raises ``ProviderError``.
        """
        try:
            listed = await cls.describe_models(api_key, api_base, timeout, **options)
        except ProviderError:
            if not cls.fallback_models:
                raise
            names = list(cls.fallback_models)
        else:
            names = [model.name for model in listed]
        return sorted(names) if cls.sort_models else names

    @classmethod
    async def describe_models(  # noqa: PLR0913  # how to ask
        cls,
        api_key: str | None = None,
        api_base: str | None = None,
        timeout: float | None = None,
        *,
        proxy: Proxies = None,
        headers: Mapping[str, str] | None = None,
        max_retries: int = 2,
    ) -> list[ListedModel]:
        """Return what ``GET {api_base}/models`` says of each model, in its order.

        Adds those that make pictures to ``image_models`` of this class, and those
        that see them to ``vision_models``. Raises ``MissingAuthError`` before anything
        is sent, ``ProviderError`` afterwards.
        """
        base = cls.base_url(api_base)
        key = cls._key(api_key, base)
        headers = cls.get_headers(False, key, headers)  # noqa: FBT003  # as in its interface
        url = veiled_address(f"{base}/models")
        request = cls._request(url, headers, b"", proxy, timeout, max_retries)
        request = replace(request, limit=_LISTING)
        models = await models_listed(request, cls.api_key_env)
        cls.note_models(models)
        return models

    @classmethod
    def note_models(cls, listed: Sequence[ListedModel]) -> None:
        """Keep what a listing says, for this class alone: all others inherit the template's."""
        if cls is OpenaiTemplate:
            return
        makers = (model.name for model in listed if model.makes_images)
        seers = (model.name for model in listed if model.sees_images)
        cls.image_models = tuple(dict.fromkeys((*cls.image_models, *makers)))
        cls.vision_models = tuple(dict.fromkeys((*cls.vision_models, *seers)))

    @classmethod
    def _request(  # noqa: PLR0913, PLR0917  # what differs from one request to the next
        cls,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        proxies: Proxies,
        timeout_s: float | None,
        max_retries: int = 2,
    ) -> Request:
        return Request(
            "POST" if body else "GET",
            url,
            headers,
            body,
            provider=cls.name,
            proxies=proxies,
            verify=cls.ssl,
            timeout_s=timeout_s or READ_TIMEOUT_S,
            max_retries=max_retries,
            service=cls.service,
            is_hopeless=is_hopeless,
        )

    @classmethod
    def base_url(cls, api_base: str | None = None) -> str:
        """Return the address that is asked: as given, from the environment, or the service's."""
        base = api_base or os.environ.get(cls.api_base_env or " ") or cls.api_base
        if not base:
            message = f"{cls.name} has no base URL"
            raise UsageError(message, hint="set api_base, for instance http://localhost:8000/v1")
        return veiled_address(base.rstrip("/"))

    @classmethod
    def _key(cls, api_key: str | None, base: str) -> str | None:
        known = api_key or cls.api_key or os.environ.get(cls.api_key_env or " ")
        key = Secret((known or "").strip())
        if not key and cls.needs_auth and base == cls.api_base.rstrip("/"):
            if not cls.api_key_env:
                message = f"{cls.name} needs a key, and none is given"
                raise MissingAuthError(message, hint="Client(…, api_key=…), or %env G4F_API_KEY=…")
            message = f"{cls.name} needs a key, and {cls.api_key_env} is not set"
            raise MissingAuthError(
                message, hint=f"%env {cls.api_key_env}=…  (or -p demo, which needs none)"
            )
        return key or None

    @classmethod
    def _first_model(cls, names: Sequence[str], picture_prompt: str | None) -> str:
        """Return the model to ask out of a listing, which may have told what makes pictures."""
        if not names:
            message = f"{cls.name} lists no models"
            raise ModelNotFoundError(message, hint="name one with -m")
        return cls._known_model(None, picture_prompt) or names[0]


class OpenaiChat(OpenaiTemplate):
    """The official OpenAI API."""

    name = "openai"
    api_base = "https://api.openai.com/v1"
    api_base_env = "OPENAI_BASE_URL"
    api_key_env = "OPENAI_API_KEY"
    needs_auth = True
    default_model = "gpt-4o-mini"
    image_models: ClassVar[Sequence[str]] = (
        "gpt-image-1",
        "gpt-image-1-mini",
        "dall-e-3",
        "dall-e-2",
    )


def refuse_disguise(browser: str | None, provider: str) -> None:
    """Raise ``UsageError`` where a browser is to be impersonated."""
    if browser is not None:
        message = f"{provider} cannot impersonate {browser!r}"
        raise UsageError(message, hint="only open, documented APIs are spoken to")


def refuse_media(parts: Sequence[dict[str, Any]], model: str) -> None:
    """Raise ``UsageError`` where something is to be sent along to a model of pictures."""
    if parts:
        message = f"{model!r} makes pictures from words alone, and media was given"
        raise UsageError(message, hint="leave media out, or ask a model that chats")


def told_fields(
    params: Mapping[str, Any],
    extra_parameters: Mapping[str, Any] | Sequence[str] | None,
    extra_data: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the fields of a request that were given; what is extra stays even if None.

    ``extra_parameters`` may be names, as gpt4free has them: nothing to do here,
    where every parameter is sent on.
    """
    given = {name: value for name, value in params.items() if value is not None}
    extra = extra_parameters if isinstance(extra_parameters, Mapping) else {}
    return {**given, **extra, **(extra_data or {})}


def encoded(body: dict[str, Any]) -> bytes:
    """Return a request's fields as JSON; raises ``UsageError`` for what is not JSON."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair, which only escapes can carry
        return json.dumps(body, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        message = f"the request cannot be written as JSON: {error}"
        raise UsageError(message) from error
