"""The first source that says anything decides who is asked, and no key goes astray."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from support.byteserver import ByteServer, stream_script
from support.events import HELLO, hear

from g4f_magic.errors import ProviderNotFoundError, UsageError
from g4f_magic.providers import Demo, OpenaiChat, get_provider, provider_names
from g4f_magic.settings import config

if TYPE_CHECKING:
    from support.events import StartServer

    from g4f_magic.settings.config import Target

Source: TypeAlias = tuple[str | None, str | None]
"""A provider and a model, as one source of settings names them."""

KEY = "sk-secret-0123456789"
HERE, THERE = "http://here.example/v1", "http://there.example/v1"
NONE: Source = (None, None)


def target(*sources: Source, **environ: str) -> Target:
    """Return who is asked with these options, this configuration and these variables."""
    options, configured = (*sources, NONE, NONE)[:2]
    return config.target(options, configured, environ=environ)


def asked(*sources: Source, **environ: str) -> tuple[str, str | None]:
    """Return the names of the provider and the model that are asked."""
    found = target(*sources, **environ)
    return found.provider.name, found.model


# --- who is asked ----------------------------------------------------------------------------


def test_an_option_wins_over_everything() -> None:
    """What was just typed is what is meant."""
    environ = {"G4F_PROVIDER": "vllm", "G4F_MODEL": "e", "OPENAI_API_KEY": KEY}
    assert asked(("ollama", "o"), ("lmstudio", "c"), **environ) == ("ollama", "o")


def test_the_configuration_wins_over_the_environment() -> None:
    """It was written for this notebook or this profile."""
    assert asked(NONE, ("lmstudio", "c"), G4F_PROVIDER="vllm", G4F_MODEL="e") == ("lmstudio", "c")
    assert asked(("", ""), ("lmstudio", ""), G4F_PROVIDER="vllm") == ("lmstudio", None)


def test_the_environment_wins_over_keys_that_are_there() -> None:
    """A key of OpenAI's is often set for another tool."""
    environ = {"G4F_PROVIDER": "vllm", "G4F_MODEL": "e", "OPENAI_API_KEY": KEY}
    assert asked(**environ) == ("vllm", "e")


def test_a_base_url_in_the_environment_is_who_is_asked() -> None:
    """It alone must be enough for a server of one's own."""
    environ = {"G4F_API_BASE": HERE + "/", "G4F_MODEL": "e", "OPENAI_API_KEY": KEY}
    assert asked(**environ) == ("here.example", "e")
    assert target(**environ).api_base == HERE + "/"


def test_a_key_that_is_there_says_who_is_asked() -> None:
    """Who has a key for OpenAI has already chosen."""
    assert asked(OPENAI_API_KEY=KEY) == ("openai", None)
    assert target(OPENAI_API_KEY=KEY).api_key is None


def test_an_empty_variable_says_nothing() -> None:
    """``export G4F_PROVIDER=`` is how people switch it off."""
    empty = dict.fromkeys(["G4F_PROVIDER", "G4F_MODEL", "G4F_API_BASE", "G4F_API_KEY"], "")
    empty |= dict.fromkeys(["G4F_PROXY", "G4F_TIMEOUT", "OPENAI_API_KEY"], "")
    assert target(**empty, G4F_PROVIDER_="x") == target()


def test_with_nothing_set_a_local_server_or_the_demo_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first cell of a newcomer must answer something."""
    assert target().provider.name in {"ollama", "lmstudio", "demo"}
    with ByteServer(stream_script(["hi"])) as server:
        mine = dataclasses.replace(_ollama(), api_base=f"{server.url}/v1")
        with monkeypatch.context() as patch:
            listening(patch, mine)
            found = target(G4F_API_KEY=KEY)
        assert (found.provider.name, found.api_key) == ("ollama", None)
        assert hear(found.provider, "m", HELLO, **found.params()).text == "hi"
    with monkeypatch.context() as patch:
        listening(patch)
        assert target().provider is Demo


def _ollama() -> Any:
    from g4f_magic.providers.presets import LOCAL_SERVERS  # noqa: PLC0415  # a row to copy

    return LOCAL_SERVERS[0]


def listening(patch: pytest.MonkeyPatch, *presets: Any) -> None:
    """Let these be the servers that are looked for: the real ports are this machine's."""
    from g4f_magic.providers import registry  # noqa: PLC0415  # its default is replaced

    patch.setattr(registry.running_local_server, "__defaults__", (presets,))


# --- models and providers --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "split"),
    [
        ("openai:gpt-4o", ("openai", "gpt-4o")),
        ("ollama:llama3.2:3b", ("ollama", "llama3.2:3b")),
        ("OLLAMA:llama3.2", ("OLLAMA", "llama3.2")),
        ("llama3.2:3b", ("", "llama3.2:3b")),
        ("org/model:free", ("", "org/model:free")),
        ("gpt-4o", ("", "gpt-4o")),
        ("openai", ("", "openai")),
        ("openai:", ("openai", "")),
        (":x", ("", ":x")),
        ("", ("", "")),
    ],
)
def test_a_model_is_split_only_at_the_name_of_a_provider(
    model: str, split: tuple[str, str]
) -> None:
    """Ollama's own names have colons, too."""
    assert config.split_model(model) == split


def test_a_model_may_name_its_provider_in_every_source() -> None:
    """``-m ollama:llama3.2:3b`` says all there is to say."""
    assert asked(("", "ollama:llama3.2:3b"), ("vllm", "c")) == ("ollama", "llama3.2:3b")
    assert asked(NONE, (None, "ollama:x"), G4F_PROVIDER="vllm") == ("ollama", "x")
    assert asked(G4F_MODEL="vllm:x:y") == ("vllm", "x:y")
    assert asked(("ollama", "ollama:x")) == ("ollama", "x")
    assert asked(("", "demo:"), (None, "c")) == ("demo", None)


def test_a_model_does_not_travel_to_a_provider_named_more_strongly() -> None:
    """``-p ollama`` must not ask Ollama for gpt-4o."""
    assert asked(("ollama", None), ("openai", "gpt-4o")) == ("ollama", None)
    assert asked(("ollama", None), (None, "gpt-4o"), G4F_MODEL="e") == ("ollama", None)
    assert asked(NONE, ("ollama", None), G4F_MODEL="gpt-4o") == ("ollama", None)
    assert asked((HERE, None), G4F_MODEL="e", G4F_API_BASE=THERE) == ("here.example", None)


def test_a_model_goes_to_a_provider_named_more_weakly() -> None:
    """``-m NAME`` asks the usual provider for another model."""
    assert asked((None, "x"), ("ollama", "c")) == ("ollama", "x")
    assert asked((None, "x"), (None, "c"), G4F_PROVIDER="vllm", G4F_MODEL="e") == ("vllm", "x")
    assert asked((None, "x"), G4F_MODEL="ollama:e") == ("ollama", "x")
    assert asked((None, "x"), OPENAI_API_KEY=KEY) == ("openai", "x")
    assert asked(NONE, (None, "c"), G4F_API_BASE=HERE) == ("here.example", "c")


def test_an_alias_stands_for_its_model_in_every_source() -> None:
    """``-m fast`` is typed more often than what it means."""
    aliases = {"fast": "vllm:x:y", "bare": "z", "openai": "ollama:o"}

    def meant(options: Source, configured: Source = NONE, **environ: str) -> tuple[str, str | None]:
        found = config.target(options, configured, aliases=aliases, environ=environ)
        return found.provider.name, found.model

    assert meant((None, "fast")) == ("vllm", "x:y")
    assert meant(("ollama", "bare")) == ("ollama", "z")
    assert meant(NONE, (None, "fast")) == meant(NONE, G4F_MODEL="fast") == ("vllm", "x:y")
    assert meant((None, "openai")) == ("ollama", "o")
    assert meant((None, "openai:fast")) == ("openai", "fast")
    with pytest.raises(UsageError, match="two providers are named, 'ollama' and 'vllm'"):
        meant(("ollama", "fast"))


def test_what_is_kept_in_a_file_counts_after_the_environment() -> None:
    """``G4F_PROVIDER=demo jupyter lab`` is for this once."""
    kept = ("ollama", "k")

    def found(options: Source = NONE, configured: Source = NONE, **environ: str) -> tuple[Any, ...]:
        asked = config.target(options, configured, kept=kept, environ=environ)
        return asked.provider.name, asked.model

    assert found() == found(OPENAI_API_KEY=KEY) == ("ollama", "k")
    assert found((None, "x")) == ("ollama", "x")
    assert found(NONE, ("vllm", None)) == ("vllm", None)
    assert found(G4F_PROVIDER="vllm") == ("vllm", None)
    assert found(G4F_MODEL="vllm:e") == ("vllm", "e")
    assert found(G4F_API_BASE=HERE) == ("here.example", None)
    assert found(G4F_API_BASE=HERE, G4F_MODEL="e") == ("here.example", "e")


def test_two_providers_at_once_are_refused() -> None:
    """Which of them is meant, nobody can know."""
    with pytest.raises(UsageError, match="two providers are named, 'openai' and 'ollama'") as one:
        target(("openai", "ollama:x"))
    assert "-p openai" in one.value.hint
    assert "-m ollama:MODEL" in one.value.hint


def test_an_unknown_provider_is_named_only_when_it_would_be_asked() -> None:
    """A slip in an old variable must not stop a cell that names another."""
    with pytest.raises(ProviderNotFoundError, match="'olama'"):
        target(G4F_PROVIDER="olama")
    with pytest.raises(ProviderNotFoundError, match="'olama'"):
        target(("olama", None))
    environ = {"G4F_PROVIDER": "olama", "G4F_API_KEY": KEY, "G4F_API_BASE": HERE}
    found = target(("demo", None), **environ)
    assert (found.provider, found.api_key, found.api_base) == (Demo, None, None)


# --- keys and addresses ----------------------------------------------------------------------


def key(*sources: Source, **environ: str) -> str | None:
    """Return the key that is sent along."""
    return target(*sources, G4F_API_KEY=KEY, **environ).api_key


def test_the_key_goes_to_whom_the_environment_names_beside_it() -> None:
    """That is what it was set for, however the provider is named in the end."""
    assert key(G4F_PROVIDER="openai") == KEY
    assert key(G4F_PROVIDER=HERE) == KEY
    assert key(G4F_API_BASE=HERE) == KEY
    assert key(G4F_MODEL="openai:gpt-4o") == KEY
    assert key(("openai", None), G4F_PROVIDER="OpenAI") == KEY
    assert key(NONE, (HERE + "/", None), G4F_API_BASE=HERE) == KEY
    assert key((None, "vllm:x"), G4F_MODEL="vllm:y") == KEY
    assert key(G4F_PROVIDER="openai", OPENAI_API_KEY="other") == KEY


@pytest.mark.parametrize("name", [*provider_names()[1:], THERE])
@pytest.mark.parametrize(
    "environ",
    [
        {"G4F_PROVIDER": "openai"},
        {"G4F_PROVIDER": HERE},
        {"G4F_API_BASE": HERE},
        {"G4F_MODEL": "openai:gpt-4o"},
        {"G4F_PROVIDER": "openai", "G4F_API_BASE": THERE},
        {"G4F_PROVIDER": "misspelt"},
    ],
)
def test_the_key_goes_to_nobody_else(name: str, environ: dict[str, str]) -> None:
    """A key for one service in the log of another is a key to be revoked."""
    assert key((name, None), **environ) is None
    assert key(NONE, (name, None), **environ) is None
    assert target((name, None), **environ).api_base is None


def test_a_key_beside_which_nobody_is_named_goes_to_whom_the_person_names() -> None:
    """``-p URL`` has no other way to get one; a provider's own key comes first."""
    assert key((HERE, None)) == KEY
    assert key(NONE, ("openai", None)) == KEY
    assert key(("openai", None), OPENAI_API_KEY="own") is None
    assert key((None, "vllm:x")) == KEY


def test_a_key_beside_which_nobody_is_named_goes_to_nobody_who_was_merely_found() -> None:
    """What happens to listen on a port of this machine may be anybody's."""
    assert key() is None
    assert key((None, "x")) is None
    assert key(OPENAI_API_KEY="own") is None


def test_the_address_goes_with_the_provider_named_beside_it() -> None:
    """A gateway speaks for one service; the others keep their own address."""
    environ = {"G4F_PROVIDER": "openai", "G4F_API_BASE": HERE}
    assert target(**environ).api_base == HERE
    assert target(("openai", None), **environ).api_base == HERE
    assert target(G4F_MODEL="ollama:x", G4F_API_BASE=HERE).api_base == HERE
    assert target(("ollama", None), **environ).api_base is None


def test_the_key_really_arrives_there_and_only_there(byte_server: StartServer) -> None:
    """Asserted on the bytes of requests: that is where a key leaks."""
    mine, other = byte_server(stream_script(["hi"])), byte_server(stream_script(["ho"]))
    environ = {"G4F_API_BASE": f"{mine.url}/v1", "G4F_API_KEY": KEY}
    for options in (NONE, (f"{mine.url}/v1", None), (f"{other.url}/v1", None)):
        found = target(options, **environ)
        assert hear(found.provider, "m", HELLO, **found.params()).error is None
    sent = [request.headers.get("authorization") for request in mine.requests]
    assert sent == [f"Bearer {KEY}"] * 2
    assert "authorization" not in other.requests[0].headers


def test_keys_and_passwords_are_in_no_repr() -> None:
    """A target in a traceback or a log would give them away."""
    proxy = "http://me:secret@proxy.example"
    shown = repr(target((HERE, "m"), G4F_API_KEY=KEY, G4F_PROXY=proxy))
    assert KEY not in shown
    assert "secret" not in shown


# --- the rest --------------------------------------------------------------------------------


def test_settings_become_parameters_that_every_provider_takes() -> None:
    """What was not said is left to the provider."""
    environ = {"G4F_API_KEY": KEY, "G4F_API_BASE": HERE, "G4F_PROXY": "http://p:1"}
    assert target(**environ, G4F_TIMEOUT="7").params() == {
        "api_key": KEY,
        "api_base": HERE,
        "proxy": "http://p:1",
        "timeout": 7.0,
    }
    assert target(("demo", None)).params() == {}


def test_one_word_says_who_is_asked() -> None:
    """``%chat`` alone shows it."""
    assert target(("ollama", "llama3.2:3b")).name == "ollama:llama3.2:3b"
    assert target(("openai", None)).name == f"openai:{OpenaiChat.default_model}"
    assert target(("ollama", None)).name == "ollama"
    assert target((HERE, None)).provider is get_provider(HERE)


def test_a_proxy_that_is_given_wins_over_the_environment() -> None:
    """It is for this session."""
    environ = {"G4F_PROXY": "http://p:1"}
    given = config.target(("demo", None), proxy="http://q:1", environ=environ)
    assert given.params() == {"proxy": "http://q:1"}


def test_an_option_wins_over_the_time_limit_of_the_environment() -> None:
    """It is for this call; a bad variable does not matter then."""
    bad = {"G4F_TIMEOUT": "soon"}
    assert config.target(("demo", None), NONE, timeout_s=3.0, environ=bad).timeout_s == 3.0
    assert target(("demo", None), G4F_TIMEOUT="2.5").timeout_s == 2.5
    assert target(("demo", None)).timeout_s is None


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "60s", " ", "1,5"])
def test_a_time_limit_that_is_no_number_of_seconds_is_named(value: str) -> None:
    """It would otherwise wait for ever, or not at all."""
    with pytest.raises(UsageError, match="G4F_TIMEOUT is") as caught:
        target(("demo", None), G4F_TIMEOUT=value)
    assert repr(value) in str(caught.value)


def test_the_environment_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """``%env`` in a cell counts from the next cell on."""
    monkeypatch.setenv("G4F_PROVIDER", "vllm")
    assert config.target(NONE, NONE).provider.name == "vllm"
