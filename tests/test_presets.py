"""Each row of the table of services is sound, and what is sent for it is what the service takes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.api_schema import check_chat
from support.byteserver import ByteServer, free_port, json_reply, reply, stream_script
from support.environment import is_foreign
from support.events import HELLO, hear

from g4f_magic.errors import G4FError, MissingAuthError
from g4f_magic.providers import Demo, OpenaiChat, OpenaiTemplate, get_provider, provider_names
from g4f_magic.providers.presets import (
    HOSTED,
    LOCAL_SERVERS,
    PRESETS,
    Preset,
    address,
    from_preset,
    place,
)
from g4f_magic.providers.registry import chosen_by_key, running_local_server
from g4f_magic.settings import config

if TYPE_CHECKING:
    from support.byteserver import Exchange
    from support.events import StartServer

KEY = "key-0123456789"
NAMED = [
    *("openrouter", "groq", "together", "deepseek", "mistral", "xai", "gemini", "cerebras"),
    *("deepinfra", "huggingface", "nvidia", "github", "perplexity", "fireworks", "sambanova"),
    *("moonshot", "dashscope", "nebius", "ovhcloud", "pollinations"),
    *("ollama", "lmstudio", "llamacpp", "vllm"),
]
"""The services that are promised: notebooks name them."""

each_preset = pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
each_hosted = pytest.mark.parametrize("preset", HOSTED, ids=lambda preset: preset.name)


# --- the rows --------------------------------------------------------------------------------


def faults(preset: Preset) -> list[str]:
    """Return what is wrong with a row."""
    parts = urlsplit(preset.api_base)
    is_local = parts.hostname == "127.0.0.1"
    checks = {
        "the name is one word in lower case": preset.name.isalnum() and preset.name.islower(),
        "the address is encrypted, or local": parts.scheme == ("http" if is_local else "https"),
        "the address ends without a slash": not preset.api_base.endswith("/"),
        "a local address has a port": bool(parts.port) == is_local,
        "the address carries nothing else": not (parts.query or parts.fragment or parts.username),
        "who needs a key names its variable": bool(preset.api_key_env) or not preset.needs_auth,
        "the variable looks like one": not preset.api_key_env or is_foreign(preset.api_key_env),
        "a local server needs no key": not (is_local and preset.api_key_env),
        "the title is there": bool(preset.title),
        "the site is a page": urlsplit(preset.site).scheme == "https",
        "the note is one sentence": preset.note.endswith(".") and "\n" not in preset.note,
        "the note is short": len(preset.note) <= 90,
        "no cell breaks its table": "|" not in preset.note + preset.title + preset.default_model,
        "the default is one of the fallbacks": not preset.fallback_models
        or preset.default_model in preset.fallback_models,
    }
    return [claim for claim, is_true in checks.items() if not is_true]


@each_preset
def test_every_row_is_sound(preset: Preset) -> None:
    """A slash too many or a forgotten variable shows only with a key that nobody here has."""
    assert faults(preset) == []


def test_a_row_that_is_not_sound_is_seen() -> None:
    """Guards the test above."""
    bad = Preset("Bad One", "http://x.example/v1/?a=b", needs_auth=True, note="a|b\n" * 40)
    assert len(faults(bad)) >= 9


def test_every_service_of_the_specification_has_a_row() -> None:
    """Notebooks name them."""
    assert [preset.name for preset in PRESETS] == NAMED
    assert set(NAMED) < set(provider_names())
    assert len({preset.api_base for preset in PRESETS}) == len(NAMED)
    keyed = [preset.api_key_env for preset in PRESETS if preset.api_key_env]
    assert len(set(keyed)) == len(keyed)


@each_preset
def test_a_row_becomes_the_same_provider_each_time(preset: Preset) -> None:
    """What was learnt of its models, and who is meant, would be lost otherwise."""
    provider = get_provider(preset.name)
    assert provider is get_provider(preset.name.upper())
    assert issubclass(provider, OpenaiTemplate)  # type: ignore[arg-type]


# --- what is sent ----------------------------------------------------------------------------


@each_preset
def test_a_request_is_well_formed_and_carries_its_key(
    preset: Preset, byte_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address, the header and the model are what the service reads."""
    for name in {other.api_key_env for other in PRESETS} - {preset.api_key_env, ""}:
        monkeypatch.setenv(name, "another-key-0123456789")
    if preset.api_key_env:
        monkeypatch.setenv(preset.api_key_env, KEY)
    server = byte_server(stream_script(["hi"]))
    path = urlsplit(preset.api_base).path
    model = None if preset.default_model else "m"
    heard = hear(get_provider(preset.name), model, api_base=server.url + path, max_retries=0)
    assert (heard.text, heard.error) == ("hi", None)
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", f"{path}/chat/completions")
    assert request.headers.get("authorization") == (f"Bearer {KEY}" if preset.api_key_env else None)
    check_chat(request.json)
    assert request.json["model"] == (preset.default_model or "m")
    assert request.json["messages"] == HELLO
    assert ("stream_options" in request.json) is preset.asks_for_usage


@each_hosted
def test_without_a_key_the_variable_is_named_or_none_is_sent(
    preset: Preset, byte_server: StartServer
) -> None:
    """Who has just read the table has not set it yet."""
    provider = get_provider(preset.name)
    if preset.needs_auth:
        error = hear(provider).error
        assert isinstance(error, MissingAuthError)
        assert preset.api_key_env in str(error)
        return
    server = byte_server(stream_script(["hi"]))
    assert hear(provider, api_base=server.url).text == "hi"
    assert "authorization" not in server.requests[0].headers


def test_who_lists_no_models_has_a_list_here(byte_server: StartServer) -> None:
    """Perplexity answers 404 to the question."""
    server = byte_server(lambda exchange: exchange.send(reply(404, b"")))
    names = get_provider("perplexity").get_models(api_key=KEY, api_base=server.url)
    assert "sonar" in names


# --- who is chosen ---------------------------------------------------------------------------


def chosen(**environ: str) -> str:
    """Return who is asked where nothing but these variables says so."""
    return config.target((None, None), (None, None), environ=environ).provider.name


def test_a_key_chooses_its_service_openai_first_then_as_in_the_table() -> None:
    """Who has one key has said whom to ask; who has several gets the same one each time."""
    order = [provider.api_key_env for provider in chosen_by_key()]
    assert order[0] == OpenaiChat.api_key_env
    names = [provider.name for provider in chosen_by_key()]
    assert names[1:] == [name for name in NAMED if name in names]
    for number, provider in enumerate(chosen_by_key()):
        assert chosen(**dict.fromkeys(order[number:], KEY)) == provider.name
        assert chosen(**{provider.api_key_env: KEY}) == provider.name


def test_a_token_that_is_set_for_something_else_chooses_nobody() -> None:
    """GitHub's is in every CI job and Codespace, Hugging Face's wherever models are loaded."""
    assert chosen(GITHUB_TOKEN=KEY, HF_TOKEN=KEY) == chosen()
    assert chosen(GITHUB_TOKEN=KEY, HF_TOKEN=KEY, POLLINATIONS_API_KEY=KEY) == "pollinations"
    named = config.target(("huggingface", None), (None, None), environ={"HF_TOKEN": KEY})
    assert named.provider.name == "huggingface"


def test_a_service_that_needs_no_key_is_not_chosen_without_one() -> None:
    """Prompts go nowhere that nobody named."""
    assert chosen() in {"ollama", "lmstudio", Demo.name}
    assert chosen(OVHCLOUD_API_KEY=KEY) == "ovhcloud"


# --- where Ollama is -------------------------------------------------------------------------

USUAL = "http://127.0.0.1:11434/v1"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434/v1"),
        ("example.com", "http://example.com:11434/v1"),
        ("example.com:1234", "http://example.com:1234/v1"),
        (":1234", "http://127.0.0.1:1234/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),  # noqa: S104  # read, not bound
        ("0.0.0.0:1234", "http://127.0.0.1:1234/v1"),
        ("http://0.0.0.0:1234", "http://127.0.0.1:1234/v1"),
        ("http://example.com", "http://example.com:80/v1"),
        ("https://example.com", "https://example.com:443/v1"),
        ("https://example.com:1234/", "https://example.com:1234/v1"),
        ("https://example.com/ollama/", "https://example.com:443/ollama/v1"),
        ("example.com/ollama", "http://example.com:11434/ollama/v1"),
        ("[::1]", "http://[::1]:11434/v1"),
        ("[::1]:1234", "http://[::1]:1234/v1"),
        ("::1", "http://[::1]:11434/v1"),
        ("[::]:1234", "http://[::1]:1234/v1"),
        ("[::1", "http://[::1]:11434/v1"),
        ("example.com:66000", "http://example.com:11434/v1"),
        ("example.com:-1", "http://example.com:11434/v1"),
        ("example.com:http", "http://example.com:11434/v1"),
        (' "example.com" ', "http://example.com:11434/v1"),
        ("''", "http://127.0.0.1:11434/v1"),
        ("/", "http://127.0.0.1:11434/v1"),
    ],
)
def test_a_host_is_read_as_ollama_reads_it(told: str, expected: str) -> None:
    """The cases of Ollama's own tests, envconfig/config_test.go, are among them."""
    assert address(told, USUAL) == expected


@given(st.text(alphabet="a0:.[]/@\"' hts%", max_size=20))
def test_whatever_a_host_says_something_is_asked(told: str) -> None:
    """A slip in the variable must end in our error or an answer, not in a stack."""
    assert address(told, USUAL).endswith("/v1")


def test_ollama_is_asked_where_its_variable_says_now(
    byte_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``%env OLLAMA_HOST=…`` counts from the next cell on, and an empty one not at all."""
    here, there = byte_server(stream_script(["here"])), byte_server(stream_script(["there"]))
    ollama = get_provider("ollama")
    monkeypatch.setenv("OLLAMA_HOST", f"0.0.0.0:{here.port}")
    assert hear(ollama).text == "here"
    monkeypatch.setenv("OLLAMA_HOST", there.url)
    assert hear(ollama).text == "there"
    assert hear(ollama, api_base=f"{here.url}/v1").text == "here"
    assert [request.path for request in here.requests] == ["/v1/chat/completions"] * 2
    monkeypatch.setenv("OLLAMA_HOST", " ")
    row = Preset("row", f"{here.url}/v1", host_env="OLLAMA_HOST")
    assert hear(from_preset(row)).text == "here"


def test_no_other_server_listens_to_ollamas_variable(
    byte_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says nothing of them."""
    server = byte_server(stream_script(["hi"]))
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{free_port()}")
    assert hear(get_provider("vllm"), api_base=f"{server.url}/v1").text == "hi"


def test_ollama_is_looked_for_where_its_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who moved it to another port or machine has told where."""
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{free_port()}")
    assert running_local_server(LOCAL_SERVERS[:1]) is None
    with ByteServer(stream_script(["hi"])) as server:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{server.port}")
        found = running_local_server(LOCAL_SERVERS[:1])
        assert found is get_provider("ollama")
        assert hear(found).text == "hi"


@pytest.mark.parametrize("told", ["[zz:1]", "a" * 64 + ".example", "a:b:c", "no body"])
def test_a_variable_that_names_no_place_finds_nobody(
    told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first cell of a person must not fail for it."""
    monkeypatch.setenv("OLLAMA_HOST", told)
    assert running_local_server(LOCAL_SERVERS[:1]) is None


@pytest.mark.parametrize("told", ["[zz:1]", "a:b:c"])
def test_a_variable_that_names_no_place_is_an_error_of_ours(
    told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks Ollama by name gets a line, not a stack."""
    monkeypatch.setenv("OLLAMA_HOST", told)
    assert isinstance(hear(get_provider("ollama"), max_retries=0).error, G4FError)


def test_a_server_is_looked_for_at_the_usual_port_where_none_is_told() -> None:
    """A row may leave it out."""
    assert place(Preset("x", "http://x.example/v1")) == ("x.example", 80)
    assert place(Preset("x", "https://x.example/v1")) == ("x.example", 443)
    assert place(Preset("x", "http://x.example:8080/v1")) == ("x.example", 8080)


def test_a_listing_of_a_local_server_is_asked_where_it_is(
    byte_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a model named, the first that Ollama has answers."""
    listing = {"object": "list", "data": [{"id": "llama3.2:3b"}]}
    chat = stream_script(["hi"])

    def script(exchange: Exchange) -> None:
        if exchange.request.method == "GET":
            exchange.send(json_reply(200, listing))
        else:
            chat(exchange)

    server = byte_server(script)
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    assert hear(get_provider("ollama"), None).text == "hi"
    assert [request.path for request in server.requests] == ["/v1/models", "/v1/chat/completions"]
    assert server.requests[1].json["model"] == "llama3.2:3b"


# --- the page --------------------------------------------------------------------------------


def test_the_page_of_providers_is_up_to_date() -> None:
    """A table that says something else than the program is worse than none."""
    script = Path(__file__).parents[1] / "docs" / "make_providers.py"
    spec = importlib.util.spec_from_file_location("make_providers", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = script.with_name("providers.md").read_text(encoding="utf-8")
    assert written == module.page(), "stale: run python docs/make_providers.py"
    assert all(f"| `{name}` |" in written for name in NAMED)
