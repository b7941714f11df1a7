"""Where things are; importing it lets a script find the test harness and the package."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "benchmarks"
PEERS = ROOT / "build" / "peers"

sys.path.insert(0, str(ROOT / "tests"))
sys.path.append(str(ROOT))  # last, so that an installed package is the one that is measured


def peer_python(peer: str, *others: str) -> Path | None:
    """The interpreter of an environment with the peer; ``None`` where it cannot be had."""
    folder = PEERS / peer.replace("==", "-")
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    ready = folder / ".ready"
    if not ready.exists():
        venv.create(folder, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "-qq", *others, peer]
        if subprocess.run(command, check=False).returncode:
            print(f"{peer} cannot be installed: measuring without it", file=sys.stderr)
            return None
        ready.touch()
    return python
