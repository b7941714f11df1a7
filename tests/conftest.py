"""Fixtures for all tests: a clean environment, kernels, servers and a Lab."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from support.api_schema import check_request, path_of
from support.byteserver import ByteServer
from support.environment import is_foreign
from support.faults import Fault
from support.kernel import Kernel
from support.notebook import Notebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser
    from support.byteserver import Exchange
    from support.lab import Lab
    from support.lab_page import LabPage


# Time limits of single examples measure the machine.
settings.register_profile("patient", deadline=None)
settings.register_profile(
    "long",
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "2000")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("patient")

# What a shell starts in the background ignores the signal that many tests send.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def clean_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key, proxy or setting of this machine, and no writing into the user's home."""
    for name in [name for name in os.environ if is_foreign(name)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("G4F_HOME", str(tmp_path / "g4f-home"))


@pytest.fixture
def byte_server(
    request: pytest.FixtureRequest,
) -> Iterator[Callable[[Callable[[Exchange], None]], ByteServer]]:
    """Starts a `ByteServer` for a script; all are closed after the test.

    What they were asked must be as OpenAI's description of its API has it, except
    in tests marked `odd_request`.
    """
    servers: list[ByteServer] = []
    with contextlib.ExitStack() as stack:

        def start(script: Callable[[Exchange], None]) -> ByteServer:
            servers.append(stack.enter_context(ByteServer(script)))
            return servers[-1]

        yield start
    if not request.node.get_closest_marker("odd_request"):
        for asked in (asked for server in servers for asked in server.requests):
            if asked.method == "POST" and (path := path_of(asked.path)) and asked.body:
                check_request(path, asked.json)


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    """A fresh kernel process for one test."""
    with Kernel() as fresh:
        yield fresh


@pytest.fixture(scope="module")
def shared_kernel() -> Iterator[Kernel]:
    """A kernel process for the tests of one module; they see each other's names."""
    with Kernel() as shared:
        yield shared


@pytest.fixture
def notebook(
    shared_kernel: Kernel,
    tmp_path: Path,
    byte_server: Callable[[Callable[[Exchange], None]], ByteServer],
) -> Notebook:
    """A notebook with an empty data folder, in the kernel of the module."""
    return Notebook(shared_kernel, tmp_path, byte_server)


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> Iterator[Fault]:
    """The row of docs/faults.md that the test is, which must compare it with a cell."""
    marker = request.node.get_closest_marker("fault")
    row = Fault(*marker.args, **marker.kwargs)
    yield row
    assert row.is_compared


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A JupyterLab server for the tests of one module."""
    from support.lab import Lab  # noqa: PLC0415 - only where a page is tested

    with Lab() as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A chromium for the tests of one module."""
    from support.lab_page import chromium  # noqa: PLC0415 - playwright is slow to import

    with chromium() as running:
        yield running


@pytest.fixture
def lab_page(lab: Lab, browser: Browser) -> Iterator[LabPage]:
    """An empty page; ``lab.write_notebook`` and ``lab_page.open`` fill it."""
    from support.lab_page import LabPage  # noqa: PLC0415 - playwright is slow to import

    with LabPage(lab, browser) as page:
        yield page
