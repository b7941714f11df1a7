"""Feeds the readers of `support.fuzz_targets` with bytes that reach new code, for so many seconds.

``python tests/fuzz.py SECONDS [TARGET …]`` begins with `tests/corpus` and leaves what it has
learnt in `build/fuzz`, for the next run. What fails is there, too, as ``TARGET/crash-…``: put
it into the corpus under a name that says what it is, and the ordinary tests have it.
Coverage leads the way by atheris, which has wheels for some versions of Python only.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import atheris

HERE = Path(__file__).parent
LEARNT = HERE.parent / "build" / "fuzz"


def fuzz(name: str, seconds: int) -> None:
    """Feed one target in this process, which ends with it."""
    with atheris.instrument_imports(include=["g4f_magic"]):
        from support.fuzz_targets import CORPUS, TARGETS  # noqa: PLC0415  # while it is watched

    folder = LEARNT / name
    folder.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_total_time={seconds}", "-max_len=1000", "-timeout=60", "-verbosity=0"]
    folders = [str(folder / "inputs"), str(CORPUS / name)]
    Path(folders[0]).mkdir(exist_ok=True)
    arguments = [sys.argv[0], *limits, f"-artifact_prefix={folder}/", *folders]
    atheris.Setup(arguments, TARGETS[name], enable_python_coverage=True)
    atheris.Fuzz()


def main() -> int:
    """Feed all targets that are named, or all there are, one after the other."""
    _, seconds, *names = sys.argv
    if len(names) == 1:
        fuzz(names[0], int(seconds))
    names = names or sorted(path.name for path in (HERE / "corpus").iterdir())
    each = max(1, int(seconds) // len(names))
    failed = [
        name
        for name in names
        if subprocess.run([sys.executable, __file__, str(each), name], check=False).returncode
    ]
    sys.stdout.write(f"failed: {', '.join(failed) or 'none'}; see {LEARNT}\n")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
