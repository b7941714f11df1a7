"""All providers are asked at once for their models, and none can hold up or hide the others."""

from __future__ import annotations

import json
import stat
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import json_reply, reply, sse_head
from support.environment import free_port

from g4f_magic.display.models import ModelList
from g4f_magic.models.catalogue import Source, listings
from g4f_magic.models.listing_cache import ListingCache, default_path
from g4f_magic.models.model_info import ModelInfo
from g4f_magic.providers import Demo, OpenaiChat, OpenaiTemplate, RetryProvider, get_provider
from g4f_magic.providers.plugins import plugins

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from support.byteserver import Exchange
    from support.events import StartServer

    from g4f_magic.messages import Event
    from g4f_magic.models.model_info import Listing
    from g4f_magic.providers import Provider

KEY = "sk-0123456789abcdef"


def lists(*models: Any) -> Callable[[Exchange], None]:
    """A script of a service that lists these models."""
    data = [{"id": model} if isinstance(model, str) else model for model in models]
    return lambda exchange: exchange.send(json_reply(200, {"data": data}))


def hang(exchange: Exchange) -> None:
    """A script of a service that takes the request and says nothing."""
    exchange.wait(threading.Event())


def drip(exchange: Exchange) -> None:
    """A script of a service that never ends its listing, and never pauses for long."""
    exchange.send(sse_head("application/json"))
    while exchange.sleep(0.01):
        exchange.send(b"1\r\n \r\n")


@pytest.fixture
def cache(tmp_path: Path) -> ListingCache:
    """A cache in which nothing is yet."""
    return ListingCache(tmp_path / "models.json")


def named(service: str, url: str, **fields: Any) -> type[OpenaiTemplate]:
    """A provider as a plugin would define it."""
    return type(service, (OpenaiTemplate,), {"name": service, "api_base": url, **fields})


def ask(*providers: Provider, cache: ListingCache, **options: Any) -> dict[str, Listing]:
    """What these providers list, by the name of each."""
    first = Source(RetryProvider(providers))
    found = listings(first, cache, alone=True, **options)
    return {provider.name: one for provider, one in zip(providers, found, strict=True)}


def names(listing: Listing) -> list[str]:
    """The names of the models."""
    return [model.name for model in listing.models]


def test_the_dead_and_the_slow_do_not_delay_the_others(
    byte_server: StartServer, cache: ListingCache
) -> None:
    """One provider with a bad day would otherwise cost everybody the list."""
    hangs = threading.Event()

    def good(exchange: Exchange) -> None:
        exchange.wait(hangs)  # which sets in only if both are asked at the same time
        lists("b", "a")(exchange)

    def hanging(exchange: Exchange) -> None:
        hangs.set()
        hang(exchange)

    scripts: dict[str, Callable[[Exchange], None]] = {
        "good": good,
        "hanging": hanging,
        "dripping": drip,
        "page": lambda exchange: exchange.send(
            reply(200, b"<html><title>Log in</title></html>", "text/html")
        ),
        "refusing": lambda exchange: exchange.send(
            json_reply(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}})
        ),
        "failing": lambda exchange: exchange.send(json_reply(500, {"error": "down"})),
    }
    servers = {name: byte_server(script) for name, script in scripts.items()}
    providers = [named(name, f"{server.url}/v1") for name, server in servers.items()]
    gone = named("gone", f"http://127.0.0.1:{free_port()}/v1")
    found = ask(*providers, gone, cache=cache, within_s=2.0)
    assert names(found["good"]) == ["a", "b"]
    assert {name: one.state for name, one in found.items()} == {
        "good": "listed",
        "hanging": "slow",
        "dripping": "slow",
        "page": "failed",
        "refusing": "failed",
        "failing": "failed",
        "gone": "failed",
    }
    assert found["hanging"].trouble == "did not answer within 2 s"
    assert "Log in" in found["page"].trouble
    assert "401" in found["refusing"].trouble
    assert "cannot be reached" in found["gone"].trouble
    assert KEY not in repr(found)
    assert "From the cache" not in str(ModelList.of(list(found.values())))
    assert [len(server.requests) for server in servers.values()] == [1] * len(servers)


def test_a_listing_is_asked_for_once_an_hour(byte_server: StartServer, cache: ListingCache) -> None:
    """Asking every time would make the list as slow as the slowest provider."""
    server = byte_server(lists({"id": "m", "context_length": 8, "pricing": {"input": 1.5}}))
    provider = named("service", server.url)
    first = ask(provider, cache=cache)["service"]
    assert ask(provider, cache=cache)["service"] == first
    assert len(server.requests) == 1
    first = ask(provider, cache=cache, refresh=True)["service"]
    assert len(server.requests) == 2
    (kept,) = cache.recall(first.asked_at + 3599).values()
    assert kept == first
    assert cache.recall(first.asked_at + 3601) == {}
    assert cache.recall(first.asked_at - 60) == {}


def test_a_provider_that_hangs_does_so_once_a_minute(
    byte_server: StartServer, cache: ListingCache
) -> None:
    """The list would come late at every look, for as long as the provider hangs."""
    server = byte_server(hang)
    provider = named("hanging", server.url)
    first = ask(provider, cache=cache, within_s=0.2)["hanging"]
    assert ask(provider, cache=cache, within_s=0.2)["hanging"] == first
    assert len(server.requests) == 1
    assert cache.recall(first.asked_at + 61) == {}


def test_a_provider_that_failed_is_asked_again(
    byte_server: StartServer, cache: ListingCache
) -> None:
    """Who starts the server or corrects the key wants to see it at once."""
    server = byte_server(lambda exchange: exchange.send(json_reply(403, {"error": "no"})))
    provider = named("service", server.url)
    assert ask(provider, cache=cache)["service"].state == "failed"
    server.script = lists("m")
    assert names(ask(provider, cache=cache)["service"]) == ["m"]


def test_another_key_is_another_question(
    byte_server: StartServer, cache: ListingCache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The models of one account would be shown for the other."""
    server = byte_server(lists("m"))
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (model,) = ask(OpenaiChat, cache=cache)["openai"].models
    assert model.has_key
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}-2")
    ask(OpenaiChat, cache=cache)
    assert [request.headers["authorization"] for request in server.requests] == [
        f"Bearer {KEY}",
        f"Bearer {KEY}-2",
    ]
    assert KEY not in (tmp_path / "models.json").read_text()


def test_the_cache_is_private_and_whole(
    byte_server: StartServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Others on the machine learn nothing from it, and no half file is left."""
    monkeypatch.setenv("G4F_HOME", str(tmp_path / "home"))
    server = byte_server(lists("m"))
    ask(named("service", server.url), cache=ListingCache(default_path()))
    (file,) = (tmp_path / "home").iterdir()
    assert file == default_path()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    monkeypatch.delenv("G4F_HOME")
    assert default_path().parts[-2:] == ("g4f_magic", "models.json")


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b"null",
        b'{"version": 0}',
        b'{"version": 1, "listings": [1]}',
        b'{"version": 1, "listings": {"a": 1}}',
        b'{"version": 1, "listings": {"a": {"provider": 7, "models": [], "state": "listed"}}}',
        b'{"version": 1, "listings": {"a": {"provider": "p", "models": [{"name": 1}]}}}',
        b'{"version": 1, "listings": {"a": {"provider": "p", "models": [{"can": 1}]}}}',
        b'{"version": 1, "listings": {"a": {"provider": "p", "models": [], "asked_at": "now"}}}',
    ],
)
def test_a_damaged_cache_is_no_cache(
    damage: bytes, byte_server: StartServer, tmp_path: Path
) -> None:
    """A file cut short by a full disk must not take the list away."""
    file = tmp_path / "models.json"
    file.write_bytes(damage)
    server = byte_server(lists("m"))
    provider = named("service", server.url)
    for _ in range(2):
        assert names(ask(provider, cache=ListingCache(file))["service"]) == ["m"]
    assert len(server.requests) == 1
    assert json.loads(file.read_text())["version"] == 1


def test_a_cache_that_cannot_be_written_is_done_without(
    byte_server: StartServer, tmp_path: Path
) -> None:
    """The home of a container is often read-only."""
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.json").mkdir()
    server = byte_server(lists("m"))
    for path in (tmp_path / "file" / "models.json", tmp_path / "folder.json"):
        cache = ListingCache(path)
        assert names(ask(named("service", server.url), cache=cache)["service"]) == ["m"]
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder.json"}


def everything(cache: ListingCache, first: Provider = Demo) -> dict[str, Listing]:
    """What all providers list that have a name."""
    return {one.provider: one for one in listings(Source(first), cache, within_s=5)}


def test_without_a_key_the_variable_is_named(
    cache: ListingCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has no key yet learns where one goes; nobody is asked without."""
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{free_port()}")
    found = everything(cache)
    assert found["groq"].state == "no key"
    assert found["groq"].key_env == "GROQ_API_KEY"
    assert found["ovhcloud"].state == "not asked"
    assert found["ollama"].state == "not running"
    assert found["aichat"].models == ()
    assert all(model.is_free and not model.has_key for model in found["demo"].models)


def test_a_local_server_is_looked_at_each_time(
    byte_server: StartServer, cache: ListingCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that was pulled a moment ago must be in the list."""
    server = byte_server(lists("llama3.2:3b", "gpt-oss:120b-cloud"))
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    cloud, local = everything(cache)["ollama"].models
    assert (local.name, local.is_free, local.settings) == (
        "llama3.2:3b",
        True,
        "model=ollama:llama3.2:3b",
    )
    assert not cloud.is_free
    server.script = lists("new")
    assert names(everything(cache)["ollama"]) == ["new"]
    # What listens there may be something else altogether.
    server.script = lambda exchange: exchange.send(json_reply(404, {"detail": "Not Found"}))
    assert everything(cache)["ollama"].state == "not running"
    assert "404" in ask(get_provider("ollama"), cache=cache)["ollama"].trouble


def test_an_address_is_shown_without_the_login_in_it(
    byte_server: StartServer, cache: ListingCache
) -> None:
    """The table is saved with the notebook, and so would be the password."""
    server = byte_server(lists("m"))
    url = server.url.replace("://", "://me:secret@")
    (model,) = everything(cache, get_provider(url))[server.url].models
    assert model.provider == server.url
    assert model.settings == f"provider={server.url} model=m"
    assert "secret" not in repr(cache.recall(0))


def test_what_a_service_does_not_list_is_known_from_its_documentation(
    byte_server: StartServer, cache: ListingCache
) -> None:
    """Perplexity lists nothing, and can be asked all the same."""
    server = byte_server(lambda exchange: exchange.send(json_reply(404, {"error": "no"})))
    found = ask(named("service", server.url, fallback_models=("b", "a")), cache=cache)["service"]
    assert (found.state, names(found)) == ("failed", ["a", "b"])
    assert "404" in found.trouble


class Plain:
    """A provider of a stranger's without a listing that says more than names."""

    name = "plain"
    default_model = ""
    image_models = ("paint",)

    @staticmethod
    def get_models(*_: Any) -> list[str]:
        """Some names."""
        return ["write", "paint"]

    @staticmethod
    async def create_async_generator(*_: Any, **__: Any) -> AsyncGenerator[Event, None]:
        """A word."""
        yield "hello"


class Faulty(Plain):
    """One that raises what nobody expects."""

    name = "faulty"

    @staticmethod
    def get_models(*_: Any) -> list[str]:
        """A bug."""
        message = f"no such thing: {KEY}"
        raise LookupError(message)


def test_a_plugin_needs_no_more_than_names(cache: ListingCache) -> None:
    """And one with a bug in it is shown with it, not raised."""
    found = ask(Plain(), Faulty(), cache=cache)
    assert [(model.name, model.can) for model in found["plain"].models] == [
        ("write", ("text",)),
        ("paint", ("images",)),
    ]
    assert found["faulty"].trouble == "LookupError: no such thing: …"


def test_a_plugin_that_cannot_be_imported_is_named(
    cache: ListingCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or its user would look for the mistake where there is none."""
    facts = tmp_path / "site" / "broken_g4f-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-g4f\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[g4f_magic.providers]\nbroken = no_such_module:P\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    plugins.cache_clear()
    try:
        found = everything(cache)
    finally:
        sys.path.remove(str(tmp_path / "site"))
        plugins.cache_clear()
    assert found["broken"].state == "failed"
    assert "'broken-g4f' cannot be used: ModuleNotFoundError" in found["broken"].trouble
    assert "From the cache" not in str(ModelList.of(list(found.values())))


def test_the_demo_tells_its_models_apart(cache: ListingCache) -> None:
    """Whom to compare could only be found out by trying."""
    models = {model.name: model for model in ask(Demo, cache=cache)["demo"].models}
    assert "short" in models["demo-brief"].note
    assert len({model.note for model in models.values()}) == len(models)
    assert models["demo-reasoning"].can == ("text", "reasoning")


@pytest.mark.parametrize(
    ("model", "typed"),
    [
        (ModelInfo("p", "my model"), '"model=p:my model"'),
        (ModelInfo("p", '12" model'), "'model=p:12\" model'"),
        (ModelInfo("http://h/v1", "my model"), 'provider=http://h/v1 "model=my model"'),
    ],
)
def test_what_to_type_is_quoted_where_a_name_has_blanks(model: ModelInfo, typed: str) -> None:
    """Copied from the page, half of the name would be set."""
    assert model.settings == typed


def test_words_find_a_model_by_name_provider_and_ability() -> None:
    """One remembers a piece of the name at best."""
    model = ModelInfo("groq", "openai/gpt-oss-120b", ("text", "tools"))
    assert all(map(model.matches, ("", "GPT groq", "120b tools", "groq:openai")))
    assert not model.matches("gpt vision")
