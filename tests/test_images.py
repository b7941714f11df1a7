"""Pictures and listings of models, asked for as with OpenAI's SDK."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.api_schema import check_request
from support.byteserver import json_reply, reply, stream_script
from support.environment import free_port

from g4f_magic.client import AsyncClient, Client
from g4f_magic.errors import NetworkError, ResponseError, UsageError
from g4f_magic.messages import Event, FinishReason, Image, ImageResponse
from g4f_magic.providers import Demo, OpenaiTemplate, RetryProvider, get_provider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from support.byteserver import ByteServer
    from support.events import StartServer

KEY = "sk-secret-0123456789"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
PNG_TEXT = base64.b64encode(PNG).decode()
URL = "https://x.example/fox.png"


def painter(byte_server: StartServer, *items: dict[str, Any]) -> ByteServer:
    """A service that answers everything with these pictures."""
    listed = list(items) or [{"b64_json": PNG_TEXT}]
    return byte_server(lambda exchange: exchange.send(json_reply(200, {"data": listed})))


class Stranger:
    """A provider of somebody else's: says these events, lists these models."""

    name = "stranger"
    default_model = ""

    def __init__(self, *events: Event, models: tuple[str, ...] = ()) -> None:
        self.events = events
        self.models = models
        self.params: dict[str, Any] = {}

    async def create_async_generator(
        self, model: str | None, messages: Any, **params: Any
    ) -> AsyncGenerator[Event, None]:
        """Yield the events."""
        self.params = {"model": model, "messages": messages, **params}
        for event in self.events:
            yield event

    def get_models(
        self,
        api_key: str | None = None,
        api_base: str | None = None,
        timeout: float | None = None,
    ) -> list[str]:
        """Return the models, asking as blocking providers do."""
        self.params = {"api_key": api_key, "api_base": api_base, "timeout": timeout}
        return list(self.models)


# --- pictures --------------------------------------------------------------------------------


def test_a_picture_has_openais_shape(byte_server: StartServer) -> None:
    """Scripts read data[0].b64_json and decode it."""
    server = painter(byte_server, {"b64_json": PNG_TEXT, "revised_prompt": "a red fox"})
    before = int(time.time())
    response = Client(server.url).images.generate("a fox", "flux")
    assert response.created >= before
    assert response.model_dump() == {
        "created": response.created,
        "data": [{"b64_json": PNG_TEXT, "url": None, "revised_prompt": "a red fox"}],
        "model": "flux",
        "provider": server.url.removeprefix("http://"),
    }


def test_a_picture_elsewhere_is_an_address(byte_server: StartServer) -> None:
    """Scripts that asked for addresses read data[0].url."""
    server = painter(byte_server, {"url": URL}, {"url": f"{URL}?2"})
    response = Client(server.url).images.generate("a fox", "flux", n=2, response_format="url")
    assert [(datum.url, datum.b64_json) for datum in response.data] == [
        (URL, None),
        (f"{URL}?2", None),
    ]
    assert response.model_dump(exclude_none=True)["data"][0] == {"url": URL}


def test_only_what_was_given_is_asked_for(byte_server: StartServer) -> None:
    """GPT image models answer 400 to ``response_format``, others to ``n`` or ``size``."""
    server = painter(byte_server)
    images = Client(server.url).images
    images.generate("a fox", "flux")
    images.generate("a fox", "flux", 2, "1024x1024", "b64_json", quality="hd")
    plain, full = (request.json for request in server.requests)
    assert plain == {"model": "flux", "prompt": "a fox"}
    assert full == {
        "model": "flux",
        "prompt": "a fox",
        "n": 2,
        "size": "1024x1024",
        "response_format": "b64_json",
        "quality": "hd",
    }
    for body in (plain, full):
        check_request("/v1/images/generations", body)


def test_the_async_client_makes_pictures_side_by_side(byte_server: StartServer) -> None:
    """A sheet of variants is made at once, not one after the other."""
    server = painter(byte_server)

    async def draw() -> list[Any]:
        images = AsyncClient(server.url, api_key=KEY).images
        return await asyncio.gather(*(images.generate(f"fox {i}", "flux") for i in range(3)))

    assert [response.data[0].b64_json for response in asyncio.run(draw())] == [PNG_TEXT] * 3
    assert {r.headers["authorization"] for r in server.requests} == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("image_models", "of_client", "given", "asked"),
    [
        (("flux", "sd"), None, None, "flux"),
        (("flux", "sd"), "sd", None, "sd"),
        (("flux", "sd"), "chats", None, "flux"),
        ((), "chats", None, "chats"),
        (("flux", "sd"), "sd", "other", "other"),
    ],
)
def test_the_model_asked_is_one_that_paints(
    byte_server: StartServer,
    image_models: tuple[str, ...],
    of_client: str | None,
    given: str | None,
    asked: str,
) -> None:
    """A client made for chatting has a model that refuses to paint."""
    server = painter(byte_server)
    fields = {"api_base": server.url, "image_models": image_models, "default_model": "chats"}
    own: Any = type("Own", (OpenaiTemplate,), fields)
    response = Client(own, model=of_client).images.generate("a fox", given)
    assert (response.model, server.requests[0].json["model"]) == (asked, asked)


def test_the_demo_paints_without_a_key() -> None:
    """The first try of a picture needs nothing."""
    response = Client(Demo).images.generate("a fox", n=2, size="64x64")
    assert (response.model, response.provider, len(response.data)) == ("demo-image", "demo", 2)
    assert base64.b64decode(response.data[0].b64_json or "").startswith(PNG[:8])


def test_the_next_provider_paints_when_one_is_busy(byte_server: StartServer) -> None:
    """Pictures are retried as answers are, and say who made them."""
    busy = byte_server(lambda exchange: exchange.send(json_reply(500, {"error": "busy"})))
    server = painter(byte_server)
    response = Client([busy.url, server.url]).images.generate("a fox", "flux")
    assert response.provider == server.url.removeprefix("http://")


def test_a_strangers_pictures_are_taken() -> None:
    """Providers of others yield the same event, whatever they know of the parameters."""
    paints = Stranger(ImageResponse((Image(PNG, "image/png"),)), FinishReason("stop"))
    response = Client(paints, model="own").images.generate("a fox", size="64x64")
    assert (response.data[0].b64_json, response.model) == (PNG_TEXT, "")
    assert paints.params == {
        "model": "own",
        "messages": [{"role": "user", "content": "a fox"}],
        "prompt": "a fox",
        "size": "64x64",
        "max_retries": 2,
    }


def test_a_provider_that_only_talks_is_an_error() -> None:
    """An empty list would be an IndexError in the next line of the script."""
    with pytest.raises(ResponseError, match="stranger sent no picture") as got:
        Client(Stranger("I cannot paint")).images.generate("a fox")
    assert "model" in got.value.hint


def test_a_refusal_of_a_picture_says_why(byte_server: StartServer) -> None:
    """Filters refuse prompts; their reason is the message."""
    body = {"error": {"message": "not that"}}
    server = byte_server(lambda exchange: exchange.send(json_reply(400, body)))
    with pytest.raises(ResponseError, match="not that"):
        Client(server.url).images.generate("a fox", "flux")
    with pytest.raises(UsageError, match="media"):
        Client(server.url).images.generate("a fox", "flux", media=[PNG])


# --- models ----------------------------------------------------------------------------------


def test_models_are_listed_in_openais_shape(byte_server: StartServer) -> None:
    """``for model in client.models.list()`` is the usual loop, ``.data`` the other way."""
    server = byte_server(stream_script([], models=["b", "a"]))
    page = Client(server.url, api_key=KEY, timeout=5).models.list()
    assert [model.id for model in page] == [model.id for model in page.data] == ["a", "b"]
    assert len(page) == 2
    name = server.url.removeprefix("http://")
    assert page.model_dump() == {
        "object": "list",
        "data": [
            {"id": one, "object": "model", "created": 0, "owned_by": name} for one in ("a", "b")
        ],
    }
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_the_async_client_lists_models_through_its_proxy(byte_server: StartServer) -> None:
    """Past the proxy it would fail in a company, for each of several providers."""
    proxy = byte_server(stream_script([], models=["a"]))
    providers = [get_provider("http://one.invalid"), get_provider("http://two.invalid")]

    async def names(provider: Any) -> list[str]:
        page = await AsyncClient(provider, proxies=proxy.url).models.list()
        return [model.id for model in page]

    assert asyncio.run(names(providers[0])) == ["a"]
    assert asyncio.run(names(providers)) == ["a"]
    assert [request.path for request in proxy.requests] == [
        "http://one.invalid/models",
        "http://one.invalid/models",
        "http://two.invalid/models",
    ]


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_strangers_models_are_listed(*, wrapped: bool) -> None:
    """A plugin that lists its models with blocking code must not block the others."""
    stranger = Stranger(models=("b", "a"))
    provider: Any = RetryProvider([stranger]) if wrapped else stranger
    client = Client(provider, api_key=KEY, api_base="http://x.invalid", timeout=3)
    assert [model.id for model in client.models.list()] == ["b", "a"]
    assert stranger.params == {"api_key": KEY, "api_base": "http://x.invalid", "timeout": 3}


def test_a_listing_that_fails_is_an_error(byte_server: StartServer) -> None:
    """An empty page would look like a service without models."""
    server = byte_server(lambda exchange: exchange.send(reply(401, b"who are you?")))
    with pytest.raises(ResponseError, match="who are you"):
        Client(server.url).models.list()
    with pytest.raises(NetworkError):
        Client(f"http://127.0.0.1:{free_port()}").models.list()
