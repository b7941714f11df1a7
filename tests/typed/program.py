"""What somebody writes against the public names; both checkers must know every type in it."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from typing_extensions import assert_type

import g4f_magic
from g4f_magic import Answer, AsyncClient, Client, compare
from g4f_magic.compare import Comparison, ComparisonStopped
from g4f_magic.errors import G4FError, MissingAuthError, ResponseError, RetryProviderError
from g4f_magic.messages import Event, Image, Message, Reasoning, ToolCall, Usage
from g4f_magic.providers import (
    Demo,
    OpenaiChat,
    OpenaiTemplate,
    Provider,
    RetryProvider,
    get_provider,
    provider_names,
)
from g4f_magic.shapes import ChatCompletion, ChatCompletionMessage
from g4f_magic.streams import AsyncStream, Stream

PROMPT: list[Message] = [{"role": "user", "content": "Hello"}]


class Acme(OpenaiTemplate):
    """A service, as somebody else adds it."""

    name = "acme"
    api_base = "https://acme.example/v1"
    api_key_env = "ACME_API_KEY"
    models = ("anvil", "rocket")


class Echo:
    """A provider that shares nothing with ours but its shape."""

    name = "echo"
    default_model = "echo"

    async def create_async_generator(
        self, model: str | None, messages: Sequence[Message], **params: Any
    ) -> AsyncGenerator[Event, None]:
        """Say what was said, after a thought."""
        del model, params
        yield Reasoning("hm")
        yield str(messages[-1].get("content", ""))

    def get_models(
        self,
        api_key: str | None = None,
        api_base: str | None = None,
        timeout: float | None = None,
    ) -> list[str]:
        """Name the only model."""
        del api_key, api_base, timeout
        return ["echo"]


def who() -> Callable[[], Client]:
    """Take everything that may answer: a class, an object, a name, a URL, several."""
    several = RetryProvider([OpenaiChat, Acme, Echo(), Demo, get_provider("groq")], max_retries=5)
    assert_type(provider_names(), list[str])
    assert_type(several.last_provider, Provider | None)
    Client(["openai", Acme, "https://host.example/v1"], proxies={"https": "http://host:1"})
    Client(timeout="1")  # type: ignore[arg-type]
    Client(modell="gpt-4o-mini")  # type: ignore[call-arg]
    return lambda: Client(several, model="gpt-4o-mini", timeout=5)


def whole(client: Client) -> str | None:
    """Read a whole answer, and go on with it."""
    reply = client.chat.completions.create(messages=PROMPT, temperature=0)
    assert_type(reply, ChatCompletion)
    message = reply.choices[0].message
    assert_type(message, ChatCompletionMessage)
    assert_type(message.content, str | None)
    assert_type(reply.choices[0].finish_reason, str | None)
    if reply.usage is not None:
        assert_type(reply.usage.completion_tokens, int | None)
    client.chat.completions.create("gpt-4o", [*PROMPT, message])
    _ = reply.text  # type: ignore[attr-defined]
    return message.content


def streamed(client: Client, *, stream: bool) -> str:
    """Read an answer as it comes; whether it does may be known only when it runs."""
    chunks = client.chat.completions.create(messages=PROMPT, stream=True)
    assert_type(chunks, Stream)
    with chunks:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    either = client.chat.completions.create(messages=PROMPT, stream=stream)
    assert_type(either, ChatCompletion | Stream)
    _ = chunks.choices  # type: ignore[attr-defined]
    return text


def others(client: Client) -> list[str]:
    """Ask for pictures and for the names of models."""
    datum = client.images.generate("a red fox", response_format="b64_json").data[0]
    assert_type(datum.b64_json, str | None)
    client.images.generate("a red fox", response_format="png")  # type: ignore[arg-type]
    return [model.id for model in client.models.list()]


async def awaited() -> str:
    """Do the same in async code."""
    async with AsyncClient(Demo) as client:
        waiting = client.chat.completions.create(messages=PROMPT)
        reply = await assert_type(waiting, Coroutine[Any, Any, ChatCompletion])
        assert_type(reply.choices[0].message.content, str | None)
        chunks = client.chat.completions.create(messages=PROMPT, stream=True)
        assert_type(chunks, AsyncStream)
        assert_type(await chunks, AsyncStream)
        assert_type((await client.images.generate("a fox")).created, int)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])


def compared() -> Comparison:
    """Hold models against each other."""
    try:
        found = compare("Hello", ["demo", "demo-brief?seed=1"], repeat=2, judge="demo")
    except ComparisonStopped as stopped:
        found = stopped.comparison
    assert_type(found, Comparison)
    assert_type(found[0], Answer)
    assert_type(found.summary()[0].model, str)
    assert_type(found.save("answers.jsonl"), Path)
    version: str = g4f_magic.__version__
    del version
    compare("Hello", 3)  # type: ignore[arg-type]
    return Comparison.load("answers.jsonl")


def read(answer: Answer) -> str:
    """Use every field of an answer."""
    assert_type(answer.text, str)
    assert_type(answer.reasoning, str)
    assert_type(answer.code, str)
    assert_type(answer.images, tuple[Image, ...])
    assert_type(answer.tool_calls, tuple[ToolCall, ...])
    assert_type(answer.usage, Usage | None)
    assert_type(answer.finish_reason, str | None)
    assert_type(answer.model, str)
    assert_type(answer.provider, str)
    assert_type(answer.elapsed_s, float)
    assert_type(answer.first_token_s, float | None)
    assert_type(answer.cached, bool)
    assert_type(answer.state, Literal["streaming", "complete", "cut off", "interrupted", "failed"])
    assert_type(answer.save(Path(os.devnull)), Path)
    answer.text = ""  # type: ignore[misc]
    names = [call.name for call in answer.tool_calls]
    listed = cast("list[str]", answer.json())  # what a model says has no type
    return "".join([*names, *listed])


def failing(client: Client) -> float | None:
    """Tell what went wrong by its type."""
    try:
        whole(client)
    except MissingAuthError as error:
        assert_type(error.hint, str)
    except RetryProviderError as error:
        assert_type(error.causes, tuple[G4FError, ...])
    except ResponseError as error:
        assert_type(error.status, int | None)
        assert_type(error.partial, str)
        return error.retry_after_s
    return None
