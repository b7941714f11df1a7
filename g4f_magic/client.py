"""A client for scripts: OpenAI's interface in front of any provider, sync and async."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from . import portal
from .errors import UsageError
from .providers import OpenaiChat, RetryProvider, get_provider
from .providers.base import models_of
from .secret import bare, veiled
from .shaping import (
    MESSAGES_EXAMPLE,
    chunks_of,
    completion_of,
    page_of,
    pictures_of,
    plain_messages,
)
from .streams import AsyncStream, Stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine
    from types import TracebackType

    from typing_extensions import Self

    from .messages import Event
    from .providers import OpenaiTemplate, Provider
    from .shapes import ChatCompletion, ChatCompletionChunk, ImagesResponse, ModelPage
    from .shaping import MessageLike
    from .transport import Proxies

# pyright takes a class for a Provider only if it repeats that its name is a ClassVar.
ProviderLike: TypeAlias = "Provider | type[OpenaiTemplate] | str"
"""What may answer: a provider, a class on the template, a name or a base URL."""

_NOT_PICKLED = frozenset({"api_key", "proxy"})


class AsyncClient:
    """Asks one provider; made once, used for many requests on any event loop.

    ``provider`` is a provider, its name, a base URL, or a list of these (tried
    in order); without it ``api_base`` decides, else OpenAI. ``timeout`` is in
    seconds without any byte. Connections are shared by all clients of an event
    loop and close with it.
    """

    def __init__(  # noqa: PLR0913  # the settings of a service
        self,
        provider: ProviderLike | Sequence[ProviderLike] | None = None,
        *,
        model: str | None = None,
        api_key: str | None = None,
        api_base: str | None = None,
        proxies: Proxies = None,
        timeout: float | None = None,
        max_retries: int = 2,
    ) -> None:
        self.provider: Provider = resolve(provider, api_base)
        self.model = model
        self.chat: AsyncChat = AsyncChat(self)
        self.images: AsyncImages = AsyncImages(self)
        self.models: AsyncModels = AsyncModels(self)
        settings = {
            "api_key": api_key or None,
            "api_base": api_base,
            "proxy": proxies or None,
            "timeout": timeout,
            "max_retries": max_retries,
        }
        self.settings: dict[str, Any] = veiled(
            {name: value for name, value in settings.items() if value is not None}
        )

    def __repr__(self) -> str:
        """Name the provider and the model; never a key."""
        return f"{type(self).__name__}({self.provider.name!r}, model={self.model!r})"

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled, which has no key: where it is read, there may be another."""
        kept = {name: self.settings[name] for name in self.settings if name not in _NOT_PICKLED}
        if "api_base" in kept:
            kept["api_base"] = bare(kept["api_base"])
        return {**vars(self), "settings": kept}

    def __copy__(self) -> Self:
        """Return the client itself, as nothing changes it."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return the client itself."""
        return self

    async def __aenter__(self) -> Self:
        """Return the client itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the client."""
        await self.close()

    async def close(self) -> None:
        """Leave the shared connections to the event loop, which closes them."""

    def events(
        self, model: str | None, messages: Sequence[MessageLike], params: dict[str, Any]
    ) -> AsyncGenerator[Event, None]:
        """Yield what the provider says, asked with the settings of this client."""
        given, plain = self.settings | params, plain_messages(messages)
        if not plain and given.get("prompt") is None:
            message = "there is no message to send"
            raise UsageError(message, hint=MESSAGES_EXAMPLE)
        return self.provider.create_async_generator(model, plain, **given)

    def chunks(
        self, model: str | None, messages: Sequence[MessageLike], params: dict[str, Any]
    ) -> AsyncGenerator[ChatCompletionChunk, None]:
        """Yield the answer in OpenAI's chunks."""
        events = self.events(model or self.model, messages, params)
        return chunks_of(events, self.provider)

    def completion(
        self, model: str | None, messages: Sequence[MessageLike], params: dict[str, Any]
    ) -> Coroutine[Any, Any, ChatCompletion]:
        """Return the answer whole, when awaited."""
        events = self.events(model or self.model, messages, params)
        return completion_of(events, self.provider)


class AsyncChat:
    """The place of ``completions``, as in OpenAI's SDK."""

    def __init__(self, client: AsyncClient) -> None:
        self.completions: AsyncCompletions = AsyncCompletions(client)


class AsyncCompletions:
    """Creates completions."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    @overload
    def create(
        self,
        model: str | None = None,
        messages: Sequence[MessageLike] = (),
        stream: Literal[False] = False,  # noqa: FBT002  # OpenAI's interface
        **params: Any,
    ) -> Coroutine[Any, Any, ChatCompletion]: ...
    @overload
    def create(
        self,
        model: str | None = None,
        messages: Sequence[MessageLike] = (),
        *,
        stream: Literal[True],
        **params: Any,
    ) -> AsyncStream: ...
    @overload
    def create(
        self,
        model: str | None = None,
        messages: Sequence[MessageLike] = (),
        *,
        stream: bool,
        **params: Any,
    ) -> Coroutine[Any, Any, ChatCompletion] | AsyncStream: ...
    def create(
        self,
        model: str | None = None,
        messages: Sequence[MessageLike] = (),
        stream: bool = False,  # noqa: FBT001, FBT002  # OpenAI's interface
        **params: Any,
    ) -> Coroutine[Any, Any, ChatCompletion] | AsyncStream:
        """Return an awaitable ``ChatCompletion``; with ``stream`` an ``AsyncStream``.

        The stream works with and without ``await`` before it. Unknown
        parameters are sent on. Raises ``UsageError`` and ``ProviderError``.
        """
        params = {"stream": stream, **veiled(params)}
        if stream:
            return AsyncStream(self._client.chunks(model, messages, params))
        return self._client.completion(model, messages, params)


class AsyncImages:
    """Makes pictures."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def generate(
        self,
        prompt: str,
        model: str | None = None,
        n: int = 1,
        size: str | None = None,
        response_format: Literal["url", "b64_json"] | None = None,
        **params: Any,
    ) -> ImagesResponse:
        """Return the pictures made from a prompt, each as bytes in base64 or as an address.

        ``response_format`` asks for one of these; which it is, the service decides.
        Without ``model`` the provider's first that makes pictures is asked. Unknown
        parameters are sent on. Raises ``UsageError`` and ``ProviderError``.
        """
        client, params = self._client, veiled(params)
        known = getattr(client.provider, "image_models", ())
        if model is None and (not known or client.model in known):
            model = client.model
        wanted = {"n": None if n == 1 else n, "size": size, "response_format": response_format}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        messages = [{"role": "user", "content": prompt}]
        events = client.events(model, messages, {"prompt": prompt, **wanted, **params})
        return await pictures_of(events, client.provider)


class AsyncModels:
    """Lists models."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def list(self) -> ModelPage:
        """Return the models that the provider offers. Raises ``ProviderError``."""
        wanted = ("api_key", "api_base", "timeout", "proxy", "max_retries")
        settings = self._client.settings
        options = {name: settings[name] for name in wanted if name in settings}
        provider = self._client.provider
        return page_of(await models_of(provider, **options), provider)


class Client:
    """``AsyncClient`` for blocking code: scripts, cells, threads, running loops."""

    def __init__(  # noqa: PLR0913  # the settings of a service
        self,
        provider: ProviderLike | Sequence[ProviderLike] | None = None,
        *,
        model: str | None = None,
        api_key: str | None = None,
        api_base: str | None = None,
        proxies: Proxies = None,
        timeout: float | None = None,
        max_retries: int = 2,
    ) -> None:
        self._async = AsyncClient(
            provider,
            model=model,
            api_key=api_key,
            api_base=api_base,
            proxies=proxies,
            timeout=timeout,
            max_retries=max_retries,
        )
        self.chat: Chat = Chat(self._async)
        self.images: Images = Images(self._async)
        self.models: Models = Models(self._async)

    def __repr__(self) -> str:
        """Name the provider and the model; never a key."""
        return repr(self._async).removeprefix("Async")

    @property
    def provider(self) -> Provider:
        """Who is asked."""
        return self._async.provider

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Leave the shared connections to the background loop."""


class Chat:
    """The place of ``completions``, as in OpenAI's SDK."""

    def __init__(self, client: AsyncClient) -> None:
        self.completions: Completions = Completions(client)


class Completions:
    """Creates completions."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    @overload
    def create(
        self,
        model: str | None = None,
        messages: Sequence[MessageLike] = (),
        stream: Literal[False] = False,  # noqa: FBT002  # OpenAI's interface
        **params: Any,
    ) -> ChatCompletion: ...
    @overload
    def create(
        self,
        model: str | None = None,
        messages: Sequence[MessageLike] = (),
        *,
        stream: Literal[True],
        **params: Any,
    ) -> Stream: ...
    @overload
    def create(
        self,
        model: str | None = None,
        messages: Sequence[MessageLike] = (),
        *,
        stream: bool,
        **params: Any,
    ) -> ChatCompletion | Stream: ...
    def create(
        self,
        model: str | None = None,
        messages: Sequence[MessageLike] = (),
        stream: bool = False,  # noqa: FBT001, FBT002  # OpenAI's interface
        **params: Any,
    ) -> ChatCompletion | Stream:
        """Return a ``ChatCompletion``; with ``stream`` a ``Stream`` of chunks.

        Unknown parameters are sent on. Raises ``UsageError`` and ``ProviderError``.
        """
        params = {"stream": stream, **veiled(params)}
        if stream:
            return Stream(self._client.chunks(model, messages, params))
        return portal.run_outside(self._client.completion, model, messages, params)


class Images:
    """Makes pictures."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    def generate(
        self,
        prompt: str,
        model: str | None = None,
        n: int = 1,
        size: str | None = None,
        response_format: Literal["url", "b64_json"] | None = None,
        **params: Any,
    ) -> ImagesResponse:
        """Return the pictures made from a prompt, as ``AsyncImages.generate`` does."""
        params = veiled(params)
        generate = partial(self._client.images.generate, **params)
        return portal.run_outside(generate, prompt, model, n, size, response_format)


class Models:
    """Lists models."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    def list(self) -> ModelPage:
        """Return the models that the provider offers. Raises ``ProviderError``."""
        return portal.run_outside(self._client.models.list)


def resolve(
    provider: ProviderLike | Sequence[ProviderLike] | None, api_base: str | None = None
) -> Provider:
    """Return the provider that a name, a base URL, a list of these or a provider means.

    Raises ``ProviderNotFoundError``.
    """
    if provider is None:
        return OpenaiChat if api_base is None else get_provider(api_base)
    if isinstance(provider, str):
        return get_provider(provider)
    if isinstance(provider, Sequence):
        return RetryProvider([resolve(one) for one in provider], shuffle=False)
    return provider
