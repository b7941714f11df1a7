"""Settings that were kept come back as they were, and nobody's file is spoilt."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from g4f_magic.errors import StoreError
from g4f_magic.settings.settings_file import default_path, read_settings, write_settings

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="."), min_size=1)
TABLE = st.sampled_from(["alias", "system"])


@given(st.dictionaries(st.one_of(NAME, st.builds("{}.{}".format, TABLE, TEXT)), TEXT))
@example({"b": "1", "alias.fast": "groq:x", "system.v1.2": 'a "b"\n\\ \x7f \t🦊', "a": ""})
def test_every_text_comes_back(values: dict[str, str]) -> None:
    """A system prompt may be a page of LaTeX in any language."""
    tables = {key.partition(".")[0] for key in values if "." in key}
    values = {key: value for key, value in values.items() if key not in tables}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "new", "config.toml")
        write_settings(path, values)
        assert read_settings(path) == values


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    """A computer is often shared, and prompts are private."""
    path = tmp_path / "new" / "config.toml"
    write_settings(path, {"model": "x"})
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [entry.name for entry in path.parent.iterdir()] == ["config.toml"]


def test_a_file_may_be_written_by_hand(tmp_path: Path) -> None:
    """It is TOML, as one knows it from other tools."""
    path = tmp_path / "config.toml"
    path.write_text(
        "cache = true  # always\npreview_rows = 5\n[alias]\nfast = 'groq:x'\n"
        '[system]\nlong = """\nOne.\nTwo."""\n'
    )
    assert read_settings(path) == {
        "cache": "on",
        "preview_rows": "5",
        "alias.fast": "groq:x",
        "system.long": "One.\nTwo.",
    }


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"model = ", "Invalid value"),
        (b"\xff\xfe", "utf-8"),
        (b"model = [1]", "model is neither a text"),
        (b"[alias.deep]\nx = 1", "alias.deep is neither a text"),
        (b"model = 2020-01-01", "model is neither a text"),
        (b"model = " + b"[" * 5000, "recursion|nested"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    """Who wrote it can correct it; settings that are silently gone are looked for elsewhere."""
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=reason) as caught:
        read_settings(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """A folder in its place, or a file in the place of the folder."""
    with pytest.raises(StoreError, match="Is a directory"):
        read_settings(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be kept"):
        write_settings(tmp_path / "file" / "config.toml", {})
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(StoreError, match="cannot be kept"):
        write_settings(tmp_path / "config.toml", {})
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["config.toml", "file"]


def test_the_file_is_where_settings_of_programs_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """``G4F_HOME`` moves all that is kept."""
    monkeypatch.setenv("G4F_HOME", "~/here")
    assert default_path() == Path.home() / "here" / "config.toml"
    monkeypatch.delenv("G4F_HOME")
    assert default_path().parts[-2:] == ("g4f_magic", "config.toml")
