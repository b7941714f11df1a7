"""Keys in a `.env` file reach the services, and nothing else changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from g4f_magic.errors import UsageError
from g4f_magic.settings.env_file import EnvFile, read_variables

if TYPE_CHECKING:
    from pathlib import Path

    from support.kernel import Kernel


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=sk-1", "sk-1"),
        ("  export A = sk-1  ", "sk-1"),
        ("A=two words # a comment", "two words"),
        ("A=a#b", "a#b"),
        ("A=a=b==", "a=b=="),
        ("A=# a comment", ""),
        ("A=", ""),
        ("A=''", ""),
        ("A='$x \\n # \"' # a comment", '$x \\n # "'),
        ('A="a \\"b\\"\\n\\\\ # $x"', 'a "b"\n\\ # $x'),
        ("A=it's", "it's"),
        ("\ufeffA=1\r", "1"),
    ],
)
def test_a_line_is_read_as_elsewhere(tmp_path: Path, line: str, value: str) -> None:
    """The file is there for other programs, too."""
    path = tmp_path / ".env"
    path.write_text(f"{line}\n\n# a comment\nB=2", encoding="utf-8", newline="")
    assert read_variables(path) == {"A": value, "B": "2"}


@pytest.mark.parametrize("line", ["sk-secret", "A B=sk-secret", 'A="sk-secret', "A='sk-secret' x"])
def test_a_line_that_cannot_be_read_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    """What stands there may be a key."""
    path = tmp_path / ".env"
    path.write_text(f"A=1\n{line}\n")
    with pytest.raises(
        UsageError, match=r"line 2 of env_file .*\.env' is not NAME=VALUE"
    ) as caught:
        read_variables(path)
    assert "secret" not in str(caught.value)


def test_what_is_set_already_stays_and_what_was_put_is_taken_back(tmp_path: Path) -> None:
    """A variable set by hand is for this once; another file is another set of keys."""
    (tmp_path / "one").write_text("A=1\nB=1\nC=1")
    (tmp_path / "two").write_text("C=2")
    environ = {"A": "0"}
    file = EnvFile(environ)
    file.use(str(tmp_path / "one"))
    assert environ == {"A": "0", "B": "1", "C": "1"}
    environ["B"] = "by hand"
    file.use(str(tmp_path / "two"))
    assert environ == {"A": "0", "B": "by hand", "C": "2"}
    (tmp_path / "two").write_text("C=3")
    file.use(str(tmp_path / "two"))
    assert environ["C"] == "3"
    file.use("")
    assert environ == {"A": "0", "B": "by hand"}


def test_a_file_that_cannot_be_read_is_named_and_changes_nothing(tmp_path: Path) -> None:
    """A slip in its name would look like a missing key."""
    environ: dict[str, str] = {}
    with pytest.raises(UsageError, match="nope' cannot be read: No such file") as caught:
        EnvFile(environ).use(str(tmp_path / "nope"))
    assert "env_file=" in caught.value.hint
    (tmp_path / "bytes").write_bytes(b"A=\xff")
    with pytest.raises(UsageError, match="no text in UTF-8"):
        EnvFile(environ).use(str(tmp_path / "bytes"))
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        EnvFile(environ).use("~nobody-of-that-name/.env")
    (tmp_path / "nul").write_bytes(b"# \0\nA=a\nB=b\0b")
    with pytest.raises(UsageError, match=r"line 3 of env_file .* is not NAME=VALUE"):
        EnvFile(environ).use(str(tmp_path / "nul"))
    assert environ == {}


def test_a_notebook_names_its_file(kernel: Kernel) -> None:
    """It is read only then: nobody's keys are picked up by chance."""
    (kernel.cwd / ".env").write_text("G4F_MODEL=demo:demo-slow\nG4F_API_KEY=sk-secret")
    kernel.run("%load_ext g4f_magic")
    assert "demo-slow" not in str(kernel.run("%chat").outputs)
    told = str(kernel.run("%g4f_config env_file=.env").outputs)
    assert kernel.run("%g4f_config env_file=.env").error is None
    assert "demo:demo-slow" in str(kernel.run("%chat").outputs)
    shown = str(kernel.run("%g4f_config").outputs)
    assert "demo:demo-slow       G4F_MODEL" in shown
    assert "secret" not in told + shown
    assert kernel.run("%g4f_config env_file=nope").error is not None
    kernel.run("%g4f_config env_file=")
    assert "demo-slow" not in str(kernel.run("%chat").outputs)
