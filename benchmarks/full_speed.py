"""What a long answer costs that comes as fast as a server can send it."""

from __future__ import annotations

import sys

import places  # noqa: F401  # before the harness
from answer_text import SIZE_BYTES, answer_text
from cells import bare_cell, cell_id, chat_cell, run, set_up
from figures import Figure, main
from service import Service
from support.kernel import Kernel

LIMIT_S = 0.4
LIMIT_RATIO = 3


def measure(*, quick: bool) -> list[Figure]:
    """Seconds from sending the cell to its end, and the bytes it published."""
    ours: list[float] = []
    bare: list[float] = []
    joined: list[float] = []
    sizes: list[float] = []
    with Service("full") as service, Kernel() as kernel:
        set_up(kernel)
        chat = chat_cell(service.base_url, "--new", "-o", "answer")
        for number in range(6 if quick else 12):
            done = run(kernel, chat, cell_id(number))
            if not number:
                assert kernel.value("answer.text") == answer_text()
            seconds = [
                run(kernel, bare_cell(service.base_url, reader)).duration_s
                for reader in ("count_bytes", "join_text")
            ]
            if number:  # the first round warms up
                ours.append(done.duration_s)
                sizes.append(done.iopub_bytes / SIZE_BYTES)
                bare.append(seconds[0])
                joined.append(seconds[1])
    later = [one - other for one, other in zip(ours, bare, strict=True)]
    return [
        Figure("32 KB at full speed, the cell", "s", ours, bare, "bare httpx, bytes only"),
        Figure("… the same", "s", ours, joined, "bare httpx, lines and JSON"),
        Figure("… longer than the bare client, bytes only", "s", later, limit=LIMIT_S),
        Figure("… published bytes / answer bytes", "×", sizes, limit=LIMIT_RATIO, judged="worst"),
    ]


if __name__ == "__main__":
    sys.exit(main(measure))
