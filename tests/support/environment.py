"""The surroundings of a test: a clean environment and the parts it needs."""

from __future__ import annotations

import fnmatch
import importlib.util
import os
import random
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Variables (upper case) that would change what the package does on one machine only.
FOREIGN = (
    "OPENAI_*",
    "G4F_*",
    "*_API_KEY",
    "*PROXY*",
    "HF_TOKEN",
    "GITHUB_TOKEN",
    "OLLAMA_HOST",
    "JPY_*",
    "SSL_CERT_*",
)


def is_foreign(name: str) -> bool:
    """True for a variable that no test may inherit."""
    return any(fnmatch.fnmatchcase(name.upper(), pattern) for pattern in FOREIGN)


def clean_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """A copy of the environment without keys, proxies and our own settings.

    ``PYTHONPATH`` names the folder from which this process would import the
    package, so that a kernel runs the same code as the tests.
    """
    source = os.environ if environ is None else environ
    cleaned = {name: value for name, value in source.items() if not is_foreign(name)}
    spec = importlib.util.find_spec("g4f_magic")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent.parent
        if folder.name != "site-packages":
            paths = [str(folder), *filter(None, [cleaned.get("PYTHONPATH")])]
            cleaned["PYTHONPATH"] = os.pathsep.join(paths)
    return cleaned


def need(part: str, reason: str) -> NoReturn:
    """Skips the test for want of ``part``; under CI it fails instead."""
    message = f"{part} is needed: {reason}"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def find_program(part: str, *names: str, reason: str) -> str:
    """The path of the first of ``names`` that is installed; see `need`."""
    for name in names:
        path = shutil.which(name)
        if path is not None:
            return path
    need(part, reason)


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens (a dead one, until used)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def quiet_ports(count: int) -> list[int]:
    """Free ports that no system gives to those who ask for any, as a restart leaves them free.

    Linux gives away 32768 to 60999, others 49152 to 65535.
    """
    draw = random.SystemRandom()  # hypothesis seeds the usual one alike in all workers
    found: list[int] = []
    while len(found) < count:
        port = draw.randrange(10_000, 32_768)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            if port not in found and probe.connect_ex(("127.0.0.1", port)):
                found.append(port)
    return found
