"""Other packages bring providers, which are read when asked for and can break nothing."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import stream_script
from support.environment import clean_environment
from support.events import hear

from g4f_magic.errors import ProviderNotFoundError
from g4f_magic.providers import (
    OpenaiChat,
    OpenaiTemplate,
    broken_plugins,
    get_provider,
    provider_names,
)
from g4f_magic.providers.plugins import GROUP, plugins
from g4f_magic.providers.registry import chosen_by_key, is_provider_name
from g4f_magic.settings import config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.events import StartServer

EXAMPLE = Path(__file__).with_name("plugin_example")
USABLE, BROKEN = {"acme", "acme-twin"}, {"broken", "gone", "nobody"}


def install(site: Path) -> None:
    """Put the example into a folder of packages, as pip would."""
    facts = site / "acme_g4f-1.0.dist-info"
    facts.mkdir(parents=True)
    for name in ("METADATA", "entry_points.txt"):
        shutil.copy(EXAMPLE / name, facts)
    for module in EXAMPLE.glob("*.py"):
        shutil.copy(module, site)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example is installed for this test, and forgotten after it."""
    site = tmp_path / "site"
    install(site)
    monkeypatch.syspath_prepend(site)
    plugins.cache_clear()
    yield site
    plugins.cache_clear()
    for name in ("acme_g4f", "acme_broken"):
        sys.modules.pop(name, None)


def in_a_new_process(program: str, site: Path) -> Any:
    """Return what a program says in JSON, in a process where the example is installed."""
    environ = clean_environment()
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(site), environ.get("PYTHONPATH")]))
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import json, sys\n{program}"],
        env=environ,
        cwd=site,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


# --- in a process of its own -----------------------------------------------------------------


def test_an_installed_plugin_is_found_by_its_name(tmp_path: Path) -> None:
    """``pip install`` and ``-p acme`` is all that a person does."""
    install(tmp_path / "site")
    program = (
        "from g4f_magic.providers import get_provider, provider_names, broken_plugins\n"
        "acme = get_provider('ACME')\n"
        "said = [acme.name, acme.default_model, get_provider('acme') is acme, provider_names(),\n"
        "        broken_plugins()]\n"
        "print(json.dumps(said))"
    )
    name, model, is_same, names, broken = in_a_new_process(program, tmp_path / "site")
    assert (name, model, is_same) == ("acme", "acme-large", True)
    assert set(names) >= USABLE | BROKEN
    assert set(broken) == BROKEN | {"openai"}


def test_nothing_is_looked_for_before_it_is_needed(tmp_path: Path) -> None:
    """An environment of hundreds of packages takes a while to look through."""
    install(tmp_path / "site")
    program = (
        "from g4f_magic.providers import get_provider, plugins as _\n"
        "from g4f_magic.providers.plugins import plugins\n"
        "from g4f_magic.settings import config\n"
        "import g4f_magic.magics\n"
        "get_provider('openai'), get_provider('ollama'), get_provider('http://x.example/v1')\n"
        "config.split_model('openai:gpt-4o'), config.split_model('gpt-4o')\n"
        "config.target(('groq', 'm'), (None, None), environ={})\n"
        "config.target((None, None), (None, None), environ={'OPENAI_API_KEY': 'k'})\n"
        "quiet = plugins.cache_info().misses\n"
        "config.split_model('llama3.2:3b'), config.split_model('qwen3:8b')\n"
        "said = [quiet, plugins.cache_info().misses,\n"
        "        [name for name in sys.modules if name.startswith('acme')]]\n"
        "print(json.dumps(said))"
    )
    assert in_a_new_process(program, tmp_path / "site") == [0, 1, []]


# --- what a plugin is ------------------------------------------------------------------------


@pytest.mark.usefixtures("installed")
def test_a_plugin_answers_like_any_provider(
    byte_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its own key, by its own name, as a prefix of a model too."""
    monkeypatch.setenv("ACME_API_KEY", "acme-key-0123456789")
    server = byte_server(stream_script(["hi"]))
    found = config.target((None, "acme:small"), (None, None), environ={})
    assert (found.provider, found.model) == (get_provider("acme"), "small")
    assert hear(found.provider, found.model, api_base=server.url).text == "hi"
    assert server.requests[0].headers["authorization"] == "Bearer acme-key-0123456789"
    assert isinstance(found.provider, type)
    assert issubclass(found.provider, OpenaiTemplate)


@pytest.mark.usefixtures("installed")
def test_a_plugin_comes_last_and_never_in_place_of_a_built_in_one() -> None:
    """A package must not put itself between a person and OpenAI, nor take a key as a call."""
    names = provider_names()
    assert set(names[-len(USABLE | BROKEN) :]) == USABLE | BROKEN
    assert len(set(names)) == len(names)
    assert get_provider("openai") is OpenaiChat
    assert "is never asked" in broken_plugins()["openai"]
    assert "acme" not in {provider.name for provider in chosen_by_key()}
    environ = {"ACME_API_KEY": "k", "GROQ_API_KEY": "k"}
    assert config.target((None, None), (None, None), environ=environ).provider.name == "groq"


@pytest.mark.usefixtures("installed")
def test_entry_points_of_other_groups_are_not_ours() -> None:
    """Every package has some."""
    assert not is_provider_name("elsewhere")
    assert is_provider_name("Acme-Twin")


@pytest.mark.usefixtures("installed")
def test_a_misspelt_plugin_is_suggested() -> None:
    """As the built-in ones are."""
    with pytest.raises(ProviderNotFoundError) as caught:
        get_provider("acmee")
    assert "did you mean 'acme'?" in caught.value.hint


# --- what is broken --------------------------------------------------------------------------


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken", "ModuleNotFoundError: No module named 'acme_of_yesterday'"),
        ("gone", "AttributeError: module 'acme_g4f' has no attribute 'Gone'"),
        ("nobody", "acme_g4f:NO_PROVIDER is no provider"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_named_with_its_error(name: str, reason: str) -> None:
    """Who installed it can tell its author; nobody else notices."""
    with pytest.raises(ProviderNotFoundError) as caught:
        get_provider(name.upper())
    assert str(caught.value) == f"the plugin {name!r} of 'acme-g4f' cannot be used: {reason}"
    assert "'acme-g4f'" in caught.value.hint
    broken = broken_plugins()
    assert broken[name] == str(caught.value)
    assert USABLE.isdisjoint(broken)


def test_the_error_of_a_plugin_is_one_short_line_without_keys(installed: Path) -> None:
    """It stands on a card and in a list."""
    bad = "raise SystemError('no\\n\\nway: sk-secret-0123456789 ' + 'x' * 1000)"
    (installed / "acme_broken.py").write_text(bad)
    said = broken_plugins()["broken"]
    assert "SystemError: no way: … xxx" in said
    assert "secret" not in said
    assert "\n" not in said
    assert len(said) < 400


def test_an_error_without_words_is_named_by_its_kind(installed: Path) -> None:
    """``assert`` says nothing."""
    (installed / "acme_broken.py").write_text("raise AssertionError")
    assert broken_plugins()["broken"].endswith("cannot be used: AssertionError")


def test_a_plugin_that_was_repaired_is_usable_at_once(installed: Path) -> None:
    """What was missing may have come with ``%pip`` in the cell before."""
    assert "broken" in broken_plugins()
    (installed / "acme_of_yesterday.py").write_text("")
    (installed / "acme_broken.py").write_text("from acme_g4f import Acme as Broken")
    importlib.invalidate_caches()
    assert "broken" not in broken_plugins()
    assert get_provider("broken") is get_provider("acme")
    sys.modules.pop("acme_of_yesterday", None)


def test_a_plugin_installed_a_moment_ago_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``%pip install`` needs no restart of the kernel."""
    with pytest.raises(ProviderNotFoundError, match="no provider is called 'acme'"):
        get_provider("acme")
    install(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    try:
        assert get_provider("acme").default_model == "acme-large"
    finally:
        plugins.cache_clear()
        sys.modules.pop("acme_g4f", None)


def test_a_plugin_of_no_package_is_named_by_its_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Entry points can be made without a package, too."""
    entry = importlib.metadata.EntryPoint("stray", "acme_nowhere:Stray", GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry] * bool(group))
    plugins.cache_clear()
    try:
        with pytest.raises(ProviderNotFoundError, match="the plugin 'stray' of 'acme_nowhere'"):
            get_provider("stray")
    finally:
        plugins.cache_clear()
