"""One text goes out, one JSON object comes back, and whatever else comes is no answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import ByteServer, json_reply, reply
from support.events import HELLO, hear
from support.kernel import Kernel

from g4f_magic.call import start_call
from g4f_magic.client import AsyncClient, Client
from g4f_magic.errors import ResponseError, UsageError
from g4f_magic.messages import FinishReason, Sent
from g4f_magic.providers import Aichat, Provider, RetryProvider, get_provider
from g4f_magic.providers.aichat import one_prompt
from g4f_magic.settings import config

if TYPE_CHECKING:
    from support.byteserver import Exchange, Script
    from support.events import StartServer

    from g4f_magic.messages import Message

KEY = "sk-secret-0123456789"
SAMPLING = {"temperature": 1, "presence_penalty": 0, "top_p": 1, "frequency_penalty": 0}
DIALOGUE: list[Message] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": [{"type": "text", "text": "Who"}, {"type": "text", "text": "?"}]},
]
CHALLENGE = (
    b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>x</body></html>"
)


def says(status: int, body: bytes, kind: str = "application/json", **headers: str) -> Script:
    """A service that answers everything with this."""
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return lambda exchange: exchange.send(reply(status, body, kind, pairs))


def old_site(exchange: Exchange) -> None:
    """Answer as the old site did: the last line of the prompt, in capitals."""
    said = exchange.request.json["message"].removesuffix("\nassistant:").rpartition("\n")[2]
    exchange.send(json_reply(200, {"message": said.upper()}))


def at(url: str) -> type[Aichat]:
    """A subclass as a user writes it, for a service at this address."""
    return type("Own", (Aichat,), {"url": url})


# --- what is sent ----------------------------------------------------------------------------


def test_a_conversation_is_one_text_that_ends_where_the_answer_begins() -> None:
    """The service knows no roles; it continues the text."""
    assert one_prompt(DIALOGUE) == (
        "system: Be brief.\nuser: Hi\nassistant: Hello!\nuser: Who?\nassistant:"
    )
    assert one_prompt([{"content": "Hi"}]) == "user: Hi\nassistant:"


def test_the_request_is_what_the_old_site_took(byte_server: StartServer) -> None:
    """Field by field; no key goes to a service that knows none."""
    server = byte_server(old_site)
    url = f"{server.url}/api/text"
    heard = hear(Aichat, "any", DIALOGUE, api_base=url, api_key=KEY, stream=True)
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/api/text")
    assert request.json == {"message": one_prompt(DIALOGUE), **SAMPLING}
    assert request.headers["content-type"] == "application/json"
    assert "authorization" not in request.headers
    assert KEY.encode() not in request.body
    assert heard.sent == Sent(url, request.json, "aichat")


def test_what_the_caller_sets_is_sent(byte_server: StartServer) -> None:
    """Nothing is dropped, and the caller's headers win."""
    server = byte_server(old_site)
    extra: dict[str, Any] = {"extra_parameters": {"a": 1}, "extra_data": {"b": 2}}
    headers = {"content-type": "application/json; charset=utf-8", "X-Own": "yes"}
    params: dict[str, Any] = {"temperature": 0.2, "seed": 7, "stop": None}
    assert hear(Aichat, api_base=server.url, headers=headers, **params, **extra).error is None
    (request,) = server.requests
    set_here = {"temperature": 0.2, "seed": 7, "a": 1, "b": 2}
    assert request.json == {"message": one_prompt(HELLO), **SAMPLING, **set_here}
    assert request.headers["content-type"] == headers["content-type"]
    assert request.headers["x-own"] == "yes"


def test_the_address_is_an_attribute_too(byte_server: StartServer) -> None:
    """A subclass, or the class itself, is pointed at a service that runs."""
    assert Aichat.url == "https://chat-gpt.org/api/text"
    server = byte_server(old_site)
    own = at(f"{server.url}/own")
    assert hear(own).text == "USER: HELLO"
    assert hear(own, api_endpoint=f"{server.url}/other").text == "USER: HELLO"
    assert [request.path for request in server.requests] == ["/own", "/other"]


def test_a_password_in_the_address_is_in_no_saved_request(byte_server: StartServer) -> None:
    """What was sent stands in the notebook."""
    server = byte_server(old_site)
    heard = hear(Aichat, api_base=server.url.replace("//", "//me:secret@"))
    assert heard.error is None
    assert heard.sent.url == server.url


def test_a_disguise_is_refused(byte_server: StartServer) -> None:
    """Only open APIs are spoken to."""
    server = byte_server(old_site)
    assert isinstance(hear(Aichat, api_base=server.url, impersonate="chrome").error, UsageError)
    assert server.requests == []


@pytest.mark.parametrize(
    "params",
    [
        {"prompt": "a fox"},
        {"media": b"\x89PNG"},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        {"messages": [{"role": "user", "content": [None]}]},
    ],
)
def test_what_is_no_text_is_refused(params: dict[str, Any], byte_server: StartServer) -> None:
    """An answer about a picture that was never sent would be made up."""
    server = byte_server(old_site)
    error = hear(Aichat, api_base=server.url, **params).error
    assert isinstance(error, UsageError)
    assert "no pictures" in str(error)
    assert server.requests == []


def test_names_of_extra_parameters_change_nothing(byte_server: StartServer) -> None:
    """Every parameter is sent on as it is."""
    server = byte_server(old_site)
    content = ["plain", {"type": "text", "text": " words"}]
    messages: list[Message] = [{"role": "user", "content": content}]
    heard = hear(Aichat, None, messages, api_base=server.url, extra_parameters=["seed"], seed=7)
    assert heard.text == "USER: PLAIN WORDS"
    assert server.requests[0].json["seed"] == 7


# --- what comes back -------------------------------------------------------------------------


def test_an_answer_comes_in_one_piece_and_is_complete(byte_server: StartServer) -> None:
    """It would be shown as cut off otherwise."""
    server = byte_server(old_site)
    heard = hear(Aichat, api_base=server.url)
    assert heard.events[1:] == ["USER: HELLO", FinishReason("stop")]
    call = start_call(Aichat, None, HELLO, api_base=server.url)
    assert call.finished.wait(10)
    answer = call.answer
    assert (answer.state, answer.text, answer.provider) == ("complete", "USER: HELLO", "aichat")


def test_a_character_written_as_two_escapes_is_one(byte_server: StartServer) -> None:
    """Half of one could not be printed."""
    server = byte_server(says(200, rb'{"message": "\ud83d\ude00 \ud83d"}'))
    assert hear(Aichat, api_base=server.url).text == "\N{GRINNING FACE} \N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("script", "status", "reason"),
    [
        (says(200, CHALLENGE, "text/html"), 200, "a web page instead of an answer: Just a moment"),
        (says(403, CHALLENGE, "text/html"), 403, "403 Forbidden: Just a moment"),
        (says(404, b""), 404, "404 Not Found"),
        (says(500, b'{"error": "down"}'), 500, "500 Internal Server Error: down"),
        (says(500, b'{"message": "down"}'), 500, "500 Internal Server Error: down"),
        (says(200, b""), 200, "aichat sent an empty answer"),
        (says(200, b'{"message": ""}'), 200, "aichat sent an empty answer"),
        (says(200, b'{"message": " \\n"}'), 200, "aichat sent an empty answer"),
        (says(200, b'{"text": "hi"}'), 200, "something that is no answer (application/json"),
        (says(200, b'{"message": 5}'), 200, "something that is no answer"),
        (says(200, b'["message"]'), 200, "something that is no answer"),
        (says(200, b"[" * 100_000), 200, "something that is no answer"),
        (says(200, b'{"error": "quota", "message": "x"}'), 200, "reported an error: quota"),
        (says(302, b"", "text/html"), 302, "302 Found"),
    ],
)
def test_whatever_is_no_answer_says_that_the_service_did_not_answer(
    script: Script, status: int, reason: str, byte_server: StartServer
) -> None:
    """The site is gone; a page of whoever has its name now must not be shown as an answer."""
    heard = hear(Aichat, api_base=byte_server(script).url, max_retries=0)
    error = heard.error
    assert isinstance(error, ResponseError)
    assert "the service did not answer" in str(error)
    assert reason in str(error)
    assert "<" not in str(error)
    assert (error.status, error.provider) == (status, "aichat")
    assert "another provider" in error.hint
    assert heard.text == ""


def test_what_a_refusal_says_of_itself_is_kept(byte_server: StartServer) -> None:
    """When to come back, and what to quote to its support."""
    script = says(429, b"slow down", "text/plain", retry_after="7", x_request_id="r1")
    error = hear(Aichat, api_base=byte_server(script).url, max_retries=0).error
    assert isinstance(error, ResponseError)
    assert (error.retry_after_s, error.request_id) == (7, "r1")


def test_a_busy_service_is_asked_again(byte_server: StartServer) -> None:
    """As every other provider is."""
    scripts = iter([says(503, b"busy", retry_after="0"), old_site])
    heard = hear(Aichat, api_base=byte_server(lambda e: next(scripts)(e)).url)  # noqa: PLW0108
    assert len(heard.waits) == 1
    assert heard.text == "USER: HELLO"


# --- how it is reached -----------------------------------------------------------------------


@pytest.mark.parametrize("provider", [Aichat, "aichat", "Aichat", [Aichat]])
def test_it_answers_through_the_clients(provider: Any, byte_server: StartServer) -> None:
    """``Client(provider=Aichat)`` is how old scripts ask it."""
    url = byte_server(old_site).url
    completion = Client(provider, api_base=url).chat.completions.create(messages=HELLO)
    assert completion.choices[0].message.content == "USER: HELLO"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.provider == "aichat"

    async def streamed() -> str:
        client = AsyncClient(provider, api_base=url)
        stream = client.chat.completions.create(messages=HELLO, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert asyncio.run(streamed()) == "USER: HELLO"


def test_it_answers_by_its_name(byte_server: StartServer) -> None:
    """``-p aichat``, with the address in the environment."""
    url = byte_server(old_site).url
    environ = {"G4F_PROVIDER": "aichat", "G4F_API_BASE": url}
    found = config.target((None, None), (None, None), environ=environ)
    assert found.provider is Aichat
    assert found.name == "aichat"
    assert hear(found.provider, found.model, HELLO, **found.params()).text == "USER: HELLO"
    assert config.target(("aichat", None), (None, None), environ={}).provider is Aichat


def test_it_answers_a_cell(byte_server: StartServer) -> None:
    """``%%chat -p aichat`` shows the whole answer, and an error where there is none."""
    server = byte_server(old_site)
    with Kernel({"G4F_PROVIDER": "aichat", "G4F_API_BASE": server.url}) as kernel:
        assert kernel.run("%load_ext g4f_magic").error is None
        run = kernel.run("%%chat -p aichat\nhello")
        assert run.error is None
        shown = str(run.outputs)
        assert "USER: HELLO" in shown
        assert "cut off" not in shown
        server.script = says(403, CHALLENGE, "text/html")
        error = kernel.run("%%chat -p aichat\nhello again").error
        assert error is not None
        assert "the service did not answer" in str(error)


def test_a_retry_goes_on_to_the_next(byte_server: StartServer) -> None:
    """The old name in a list of providers stops nobody."""
    gone = at(byte_server(says(403, CHALLENGE, "text/html")).url)
    runs = at(byte_server(old_site).url)
    retry = RetryProvider([gone, runs], shuffle=False)
    assert hear(retry).text == "USER: HELLO"
    assert retry.last_provider is runs


def test_it_is_a_provider_without_a_list_of_models() -> None:
    """Everything that takes a provider takes it."""
    assert isinstance(Aichat, Provider)
    assert get_provider("aichat").get_models() == []


def test_a_service_that_is_not_there_is_a_network_error() -> None:
    """As with all others."""
    with ByteServer(old_site) as server:
        url = server.url
    error = hear(Aichat, api_base=url, max_retries=0).error
    assert error is not None
    assert "aichat" in str(error) or "127.0.0.1" in str(error)
