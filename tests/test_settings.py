"""What `%g4f_config` sets for a session, and what it says of each setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.kernel import Kernel

from g4f_magic.cell.options import split_words
from g4f_magic.errors import StoreError, UsageError
from g4f_magic.settings.settings import KEYS, Setting, Settings
from g4f_magic.settings.settings_file import default_path

if TYPE_CHECKING:
    from support.cell_run import CellRun


def sources(settings: Settings, *words: str, **environ: str) -> dict[str, tuple[str, str]]:
    """Value and source by key, with a model in IPython's configuration."""
    told: list[Setting] = settings.told(list(words), {"model": "configured"}, environ)
    return {setting.key: (setting.value, setting.source) for setting in told}


def test_each_setting_says_where_it_comes_from() -> None:
    """Without that nobody finds out why another model answers."""
    settings = Settings()
    settings.assign("provider=groq")
    told = sources(settings, G4F_MODEL="variable", G4F_PROVIDER="variable")
    assert told["provider"] == ("groq", "this session")
    assert told["model"] == ("configured", "IPython's configuration")
    assert told["cache"] == ("off", "default")
    settings.assign("provider=")
    assert sources(settings, "provider", G4F_PROVIDER="v") == {"provider": ("v", "G4F_PROVIDER")}


def test_a_key_is_only_said_to_be_set() -> None:
    """Outputs are saved and sent around."""
    assert sources(Settings(), G4F_API_KEY="sk-secret")["G4F_API_KEY"][0] == "set"
    assert sources(Settings())["G4F_API_KEY"][0] == "not set"
    told = sources(Settings(), GROQ_API_KEY="gsk-secret", G4F_API_BASE="http://me:pw@here/v1")
    assert told["GROQ_API_KEY"] == ("set", "environment")
    assert told["G4F_API_BASE"] == ("http://…@here/v1", "environment")
    assert "OPENAI_API_KEY" not in told


def test_all_settings_stand_in_columns() -> None:
    """The eye cannot go down a list of values that begin anywhere."""
    lines = Settings().configure([], {}, is_kept=False)
    begins = {len(line) - len(line.split(maxsplit=1)[1]) for line in lines}
    assert len(lines) > len(KEYS)
    assert len(begins) == 1


@pytest.mark.parametrize(
    ("assignment", "said", "hint"),
    [
        ("cahce=on", "no setting 'cahce'", "did you mean 'cache'?"),
        ("zzz=1", "no setting 'zzz'", "There are provider"),
        ("alais.fast=x", "no setting 'alais.fast'", "did you mean 'alias.fast'?"),
        ("alias.=x", "no setting 'alias.'", "alias.NAME"),
        ("alias.a:b=x", "no setting 'alias.a:b'", "alias.NAME"),
        ("cache=yes", "cache cannot be 'yes'", "on or off"),
        ("preview_rows=0", "preview_rows cannot be '0'", "a whole number from 1 to 100,000"),
        ("max_rounds=2.5", "max_rounds cannot be '2.5'", "a whole number from 1 to 1,000"),
        ("timeout=-1", "timeout cannot be '-1'", "a number from 0.001 to 86,400"),
        ("timeout=nan", "timeout cannot be 'nan'", "a number"),
        ("replay=fast", "replay cannot be 'fast'", "instant or live"),
    ],
)
def test_a_slip_changes_nothing_and_is_named(assignment: str, said: str, hint: str) -> None:
    """A misspelt setting would be looked for in the answers."""
    settings = Settings()
    with pytest.raises(UsageError, match=said) as caught:
        settings.assign("provider=groq", assignment)
    assert hint in caught.value.hint
    assert sources(settings) == sources(Settings())


def test_the_first_source_that_says_anything_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is nearer to the cell is what was meant."""
    monkeypatch.setenv("G4F_PROXY", "http://variable")
    kept = Settings()
    kept.assign("proxy=http://kept", "model=kept", "provider=groq", "preview_rows=3")
    kept.save()
    settings = Settings()
    assert settings.kept_choice() == ("groq", "kept")
    assert settings.choice() == ("", "")
    assert sources(settings, "model", "proxy", "provider", G4F_PROXY="http://v") == {
        "model": ("configured", "IPython's configuration"),
        "proxy": ("http://v", "G4F_PROXY"),
        "provider": ("groq", "settings file"),
    }
    assert settings.number("preview_rows", {"preview_rows": 4}) == 4
    assert settings.number("preview_rows", {"preview_rows": None}) == 3
    settings.assign("preview_rows=5", "model=mine")
    assert settings.number("preview_rows", {"preview_rows": 4}) == 5
    assert settings.choice() == ("", "mine")
    assert settings.get("cache", {"cache": True}) == "on"
    assert settings.get("cache", {"cache": False}) == "off"
    assert Settings().number("timeout") == 60


def test_a_value_that_cannot_be_is_named_with_its_source() -> None:
    """It was not typed in this cell, nor in this notebook."""
    with pytest.raises(UsageError, match="timeout in G4F_TIMEOUT cannot be 'soon'"):
        Settings().number("timeout", {}, {"G4F_TIMEOUT": "soon"})
    with pytest.raises(UsageError, match="max_rounds in IPython's configuration cannot be '0'"):
        Settings().number("max_rounds", {"max_rounds": 0})


def test_models_and_system_prompts_have_names() -> None:
    """A name is typed faster than ``groq:llama-3.1-8b-instant``."""
    settings = Settings()
    settings.assign("alias.fast=groq:x", "alias.v1.2=y", "system.brief=Be brief.")
    assert settings.family("alias") == {"fast": "groq:x", "v1.2": "y"}
    assert settings.family("system") == {"brief": "Be brief."}
    settings.save()
    settings.assign("alias.fast=groq:z")
    assert settings.family("alias")["fast"] == "groq:z"
    assert sources(settings)["alias.v1.2"] == ("y", "this session")
    assert sources(Settings())["system.brief"] == ("Be brief.", "settings file")


def test_only_what_is_named_is_kept() -> None:
    """Trying a model for an hour changes nothing for tomorrow."""
    settings = Settings()
    settings.assign("model=tried", "alias.fast=groq:x")
    assert settings.save(["alias.fast"]) == default_path()
    assert Settings().kept_choice() == ("", "")
    settings.save()
    assert Settings().kept_choice() == ("", "tried")
    Settings().save(["model"])
    assert Settings().kept_choice() == ("", "tried")
    settings.assign("alias.fast=")
    settings.save(["alias.fast"])
    assert Settings().family("alias") == {}
    assert Settings().kept_choice() == ("", "tried")


@pytest.mark.parametrize(
    "key", ["openai_api_key", "GROQ_API_KEY", "api_key", "HF_TOKEN", "key", "my.password"]
)
def test_a_key_is_refused(key: str) -> None:
    """In a notebook or a plain file it would be sent around."""
    with pytest.raises(UsageError, match="keys are neither shown nor kept") as caught:
        Settings().assign(f"{key}=sk-0123456789abcdef0123")
    assert "before Jupyter starts" in caught.value.hint
    assert "sk-" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    "assignment",
    ["proxy=http://me:secret@proxy.example", "system.x=My key is sk-secret-0123456789abcdef"],
)
def test_a_secret_in_a_value_is_neither_shown_nor_kept(assignment: str) -> None:
    """An address may have a password in it; for this session that is fine."""
    settings = Settings()
    settings.assign(assignment)
    assert "secret" not in str(settings.told([], {}, {}))
    with pytest.raises(UsageError, match="a key or a password in it"):
        settings.save()
    assert not default_path().exists()


@pytest.mark.parametrize(
    ("content", "said", "understood"),
    [
        ("model = ", "are not used: ", ""),
        ('model = "x"\nmodle = "y"', "there is no setting 'modle'", "x"),
        ('model = "x"\ncache = "yes"', "cache cannot be 'yes'", "x"),
    ],
)
def test_a_file_that_is_not_understood_is_said_once_and_left_alone(
    content: str, said: str, understood: str
) -> None:
    """It may be one of a newer version, or have cost somebody an hour."""
    path = default_path()
    path.parent.mkdir()
    path.write_text(content)
    settings = Settings()
    assert settings.kept_choice() == ("", understood)
    (line,) = settings.news()
    assert said in line
    assert str(path) in line
    assert settings.news() == []
    settings.assign("model=z")
    with pytest.raises(StoreError, match="nothing was kept") as caught:
        settings.save()
    assert str(path) in str(caught.value)
    assert path.read_text() == content


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cache=on  replay=live", ["cache=on", "replay=live"]),
        ('system.a="It\'s so."', ["system.a=It's so."]),
        ("system.a='two  words' model", ["system.a=two  words", "model"]),
        ("system.a=don't model=a'b'c", ["system.a=don't", "model=a'b'c"]),
        ('"model=two words"', ["model=two words"]),
        ('model=""', ["model="]),
        ("model='a=b c'", ["model=a=b c"]),
    ],
)
def test_a_value_may_stand_in_quotes(line: str, words: list[str]) -> None:
    """A system prompt has spaces and apostrophes in it."""
    assert split_words(f"{line} --save") == (["--save"], words)


# --- in a notebook ---------------------------------------------------------------------------


def test_what_was_kept_is_there_in_the_next_kernel(kernel: Kernel) -> None:
    """Nobody types the name of a model twice."""
    kernel.run("%load_ext g4f_magic")
    kept = printed(kernel.run('%g4f_config alias.slow=demo:demo-slow system.b="Say {x}." --save'))
    assert kept[-1].startswith("Kept in ")
    kernel.restart()
    kernel.run("%load_ext g4f_magic")
    kernel.run("%chat -m slow -s b -o answer Hello")
    assert kernel.value("answer.model") == "demo-slow"
    system = {"role": "system", "content": "Say {x}."}
    assert kernel.value("answer.request['messages'][0]") == system
    assert [line.split()[0] for line in printed(kernel.run("%g4f_config"))] == [
        *KEYS,
        "alias.slow",
        "system.b",
        "G4F_API_KEY",
    ]


def test_every_setting_may_stand_in_the_configuration_of_ipython(kernel: Kernel) -> None:
    """``c.ChatMagics.model`` and all others, for a whole profile."""
    kernel.run("%load_ext g4f_magic")
    for key, value in (("model", "'demo:demo-slow'"), ("cache", True), ("preview_rows", 5)):
        kernel.run(f"%config ChatMagics.{key} = {value}")
    told = printed(kernel.run("%g4f_config model cache preview_rows"))
    assert [line.split()[:2] for line in told] == [
        ["model", "demo:demo-slow"],
        ["cache", "on"],
        ["preview_rows", "5"],
    ]
    assert all(line.endswith("IPython's configuration") for line in told)


def test_a_damaged_file_stops_no_answer(kernel: Kernel) -> None:
    """It is said in one line where it can be read."""
    kernel.run("%load_ext g4f_magic")
    folder = kernel.home / "g4f"
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text("model = ")
    run = kernel.run("%chat -p demo Hello")
    assert run.error is None
    said = "".join(output["text"] for output in run.outputs if output.get("name") == "stderr")
    assert said.count("config.toml") == 1


def test_a_verbose_traceback_of_a_slip_shows_no_secret() -> None:
    """It prints what variables hold, and is sent to whoever is asked for help."""
    secrets = {"OPENAI_API_KEY": "sk-canary-0123456789abcdef", "G4F_PROXY": "http://me:canary@p:1"}
    with Kernel(env=secrets) as kernel:
        kernel.run("%load_ext g4f_magic")
        kernel.run("%xmode Verbose")
        for line in (
            "%g4f_config modle=x",
            "%g4f_config cache=x",
            "%g4f_config modle",
            "%chat -p no x",
        ):
            run = kernel.run(line)
            assert run.error is not None, line
            assert len(run.error.traceback) > 2, "this was to be verbose"
            assert "canary" not in str(run.error), line


def printed(run: CellRun) -> list[str]:
    """Return the lines that a cell has printed."""
    assert run.error is None, run.error
    return "".join(str(output["text"]) for output in run.outputs).splitlines()
