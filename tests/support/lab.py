"""A real JupyterLab server with settings, data and kernels of its own."""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.environment import clean_environment, free_port, need
from support.process import Process, answers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

NO_NEWS = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
#: All cells stay in the page (no virtual scrolling), so that locators find them.
SETTINGS: dict[str, dict[str, Any]] = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


class Lab:
    """A running JupyterLab; notebooks live in ``root``.

    ``env`` reaches the kernels, added to the cleaned environment; ``settings``
    are user settings by plugin id (``"@jupyterlab/x-extension/plugin"``).
    """

    def __init__(
        self,
        root: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True)
        self.home = Path(self._folder.name)
        self.root = Path(root) if root is not None else self.home / "root"
        self.settings = SETTINGS | {name: dict(value) for name, value in (settings or {}).items()}
        self.env = clean_environment() | self._folders() | dict(env or {})
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Lab:
        """Starts the server and returns when it answers."""
        if importlib.util.find_spec("jupyterlab") is None:
            need("jupyterlab", "the pages under test are its notebooks")
        self._write_files()
        self._process = Process(self._command(), self.env, self.root)
        self._process.wait_until(lambda: answers(f"{self.url}/api/status"), 60)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the server with its kernels."""
        self._process.stop()
        self._folder.cleanup()

    @property
    def log(self) -> str:
        """What the server has written so far."""
        return "\n".join(self._process.lines)

    def write_notebook(self, path: str, cells: Sequence[str]) -> Path:
        """Writes a notebook of code cells into ``root``."""
        notebook = {
            "cells": [code_cell(f"cell-{number}", source) for number, source in enumerate(cells)],
            "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(notebook))
        return target

    def read_notebook(self, path: str) -> dict[str, Any]:
        """The notebook as it is on disk; save the page before."""
        notebook: dict[str, Any] = json.loads((self.root / path).read_text())
        return notebook

    def _folders(self) -> dict[str, str]:
        names = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
            "G4F_HOME": "g4f",
        }
        # Without PREFER_ENV_PATH=0 a virtual environment's kernelspec would win over ours.
        own = {"JUPYTER_PREFER_ENV_PATH": "0", "JUPYTER_PLATFORM_DIRS": "1"}
        return {name: str(self.home / folder) for name, folder in names.items()} | own

    def _write_files(self) -> None:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        kernel = {"argv": argv, "display_name": "Python 3", "language": "python"}
        files: dict[str, Any] = {
            "config/labconfig/page_config.json": NO_NEWS,
            "data/kernels/python3/kernel.json": kernel,
        }
        for plugin, values in self.settings.items():
            files[f"settings/{plugin}.jupyterlab-settings"] = values
        for name, content in files.items():
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content))
        self.root.mkdir(parents=True, exist_ok=True)

    def _command(self) -> list[str]:
        options = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": self.port,
            "ServerApp.port_retries": 0,
            "ServerApp.root_dir": self.root,
            "ServerApp.allow_root": True,
            "ServerApp.open_browser": False,
            "ServerApp.terminals_enabled": False,
            "IdentityProvider.token": "",
            "PasswordIdentityProvider.hashed_password": "",
            "LabApp.collaborative": False,
            "LabApp.expose_app_in_browser": True,
            "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
            "LanguageServerManager.autodetect": False,
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        return [sys.executable, "-m", "jupyterlab", "--no-browser", *arguments]


def code_cell(cell_id: str, source: str) -> dict[str, Any]:
    """A code cell of nbformat 4.5 that has not run."""
    empty: dict[str, Any] = {"execution_count": None, "outputs": [], "metadata": {}}
    return {"cell_type": "code", "id": cell_id, "source": source, **empty}
