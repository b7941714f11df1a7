"""Names and addresses lead to providers, and to nothing that gives a password away."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
from support.byteserver import ByteServer, free_port, stream_script
from support.events import hear

from g4f_magic.errors import ProviderNotFoundError
from g4f_magic.providers import (
    Aichat,
    Demo,
    OpenaiChat,
    OpenaiTemplate,
    Provider,
    RetryProvider,
    get_provider,
    provider_names,
)
from g4f_magic.providers.presets import LOCAL_SERVERS, Preset
from g4f_magic.providers.registry import is_provider_name, running_local_server

if TYPE_CHECKING:
    from support.events import StartServer


@pytest.mark.parametrize("name", provider_names())
def test_every_name_leads_to_a_provider_of_that_name(name: str) -> None:
    """A name that is listed and then not found would be a bad joke."""
    provider = get_provider(name)
    assert isinstance(provider, Provider)
    assert provider.name == name
    assert get_provider(name.upper()) is provider


def test_openai_is_found_first_and_the_demo_is_there() -> None:
    """The order is that in which keys are looked for."""
    assert provider_names()[0] == "openai"
    assert get_provider("openai") is OpenaiChat
    assert get_provider("demo") is Demo
    assert get_provider("aichat") is Aichat


@pytest.mark.parametrize("name", [*provider_names(), "https://x.example/v1"])
def test_a_pickle_leads_to_the_same_provider(name: str) -> None:
    """Providers made from a row or an address stand in no module."""
    provider = get_provider(name)
    assert pickle.loads(pickle.dumps(provider)) is provider  # noqa: S301  # our own bytes


class Own(get_provider("ollama")):  # type: ignore[misc]  # as a person's module may
    """A provider made from one with a name."""


def test_a_class_made_from_a_named_provider_is_pickled_as_any_other() -> None:
    """It would arrive as what it was made from."""
    assert pickle.loads(pickle.dumps(Own)) is Own  # noqa: S301  # our own bytes


def test_a_name_is_known_however_it_is_written() -> None:
    """``OpenAI:gpt-4o`` is as good as ``openai:gpt-4o``; ``llama3.2:3b`` names nobody."""
    assert all(is_provider_name(name.title()) for name in provider_names())
    assert not is_provider_name("llama3.2")


def test_local_servers_are_asked_where_they_listen_and_without_a_key() -> None:
    """Ollama works without a single setting."""
    for preset in LOCAL_SERVERS:
        provider = get_provider(preset.name)
        assert issubclass(provider, OpenaiTemplate)  # type: ignore[arg-type]
        assert provider.api_base == preset.api_base  # type: ignore[attr-defined]
        assert not provider.needs_auth  # type: ignore[attr-defined]


def test_any_base_url_is_a_provider_named_after_its_host(byte_server: StartServer) -> None:
    """Cards name the server and nothing longer."""
    server = byte_server(stream_script(["hi"]))
    provider = get_provider(f"{server.url}/v1/")
    assert provider.name == f"127.0.0.1:{server.port}"
    assert hear(provider).text == "hi"
    assert server.requests[0].path == "/v1/chat/completions"


def test_the_same_address_is_the_same_provider() -> None:
    """Settings made for an address apply to it however it was typed."""
    assert get_provider("https://x.example/v1/") is get_provider("https://x.example/v1")
    assert get_provider("https://x.example/v1") is not get_provider("https://y.example/v1")


@pytest.mark.parametrize(
    "url",
    [
        "https://me:secret@x.example/v1",
        "https://secret@x.example",
        "https://me:se%40cret@x.example/?key=secret",
        "https://me:se@cret@x.example/v1",
    ],
)
def test_a_password_in_an_address_is_in_no_name(url: str) -> None:
    """Names stand on cards, in saved turns and in errors."""
    provider = get_provider(url)
    assert provider.name == "x.example"
    assert "secret" not in repr(provider)


@pytest.mark.parametrize(
    "url",
    ["://", "http://", "https://me:secret@", "http://[::1", "ftp://me:secret@x.example", "x://"],
)
def test_what_is_no_address_is_refused_without_its_password(url: str) -> None:
    """A stack trace of a URL parser would help nobody."""
    with pytest.raises(ProviderNotFoundError, match="is not the address of a service") as caught:
        get_provider(url)
    assert "secret" not in str(caught.value)
    assert "http://localhost:8000/v1" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "meant"), [("opnai", "openai"), ("Olama", "ollama"), ("lm-studio", "lmstudio")]
)
def test_a_misspelt_name_gets_the_nearest_one(name: str, meant: str) -> None:
    """A person would have to look the spelling up."""
    with pytest.raises(ProviderNotFoundError, match=f"no provider is called '{name}'") as caught:
        get_provider(name)
    assert f"did you mean {meant!r}?" in caught.value.hint


def test_an_unknown_name_gets_the_list() -> None:
    """Where nothing is alike, nothing is suggested."""
    with pytest.raises(ProviderNotFoundError) as caught:
        get_provider("zzzz")
    assert "did you mean" not in caught.value.hint
    assert all(name in caught.value.hint for name in provider_names())


def test_the_base_class_of_several_is_a_provider_too() -> None:
    """Everything that takes a provider takes a list of them."""
    assert isinstance(RetryProvider([Demo]), Provider)


def test_the_first_server_that_listens_is_found() -> None:
    """Who has started Ollama need not name it."""
    dead = Preset("dead", f"http://127.0.0.1:{free_port()}/v1")
    with ByteServer(stream_script(["hi"])) as server:
        alive = Preset("alive", f"{server.url}/v1")
        found = running_local_server([dead, alive])
        assert found is not None
        assert found.name == "alive"
        assert hear(found).text == "hi"
    assert running_local_server([dead, alive]) is None


def test_ollama_and_lm_studio_are_looked_for() -> None:
    """The others share their ports with half of all web servers."""
    assert [preset.name for preset in LOCAL_SERVERS[:2]] == ["ollama", "lmstudio"]
