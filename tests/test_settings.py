"""What `%g4f_config` sets for a session, and what it says of each setting."""

from __future__ import annotations

import pytest

from g4f_magic.errors import UsageError
from g4f_magic.settings import Setting, Settings


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


@pytest.mark.parametrize(
    ("assignment", "said", "hint"),
    [
        ("cahce=on", "no setting 'cahce'", "did you mean 'cache'?"),
        ("zzz=1", "no setting 'zzz'", "There are provider"),
        ("cache=yes", "cache cannot be 'yes'", "on or off"),
        ("replay=fast", "replay cannot be 'fast'", "instant or live"),
    ],
)
def test_a_slip_changes_nothing_and_is_named(assignment: str, said: str, hint: str) -> None:
    """A misspelt setting would be looked for in the answers."""
    settings = Settings()
    with pytest.raises(UsageError, match=said) as caught:
        settings.assign(assignment)
    assert hint in caught.value.hint
    assert sources(settings, "cache", "replay") == {
        "cache": ("off", "default"),
        "replay": ("instant", "default"),
    }
