"""Where things are; importing it lets a script find the test harness and the package."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "benchmarks"
PEERS = ROOT / "build" / "peers"
PIP = ("-m", "pip", "install", "--quiet", "--retries", "2", "--disable-pip-version-check")
INSTALL_TIMEOUT_S = 600.0

sys.path.insert(0, str(ROOT / "tests"))
sys.path.append(str(ROOT))  # last, so that an installed package is the one that is measured


class CannotBeHadError(Exception):
    """A peer is not here and cannot be fetched; the text says why."""


def peer_python(*requirements: str) -> Path:
    """The interpreter of an environment with the peer (named first) and this kernel.

    It is made where it is missing or was made of other things; `CannotBeHadError`
    where that fails.
    """
    wanted = [*requirements, f"ipykernel=={version('ipykernel')}", "psutil"]
    folder = PEERS / re.sub(r"\[.*\]", "", requirements[0]).replace("==", "-")
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    ready = folder / ".ready"
    if not ready.exists() or ready.read_text().split() != wanted:
        print(f"making {folder.relative_to(ROOT)} …", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True, clear=True)
        command = [str(python), *PIP, *wanted]
        done = subprocess.run(
            command, stderr=subprocess.PIPE, text=True, timeout=INSTALL_TIMEOUT_S, check=False
        )
        if done.returncode:
            reason = f"pip: {(done.stderr.splitlines() or ['failed'])[-1]}"
            raise CannotBeHadError(reason)
        ready.write_text("\n".join(wanted))
    return python
