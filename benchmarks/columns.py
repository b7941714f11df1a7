"""What four models beside each other cost, against one of them alone."""

from __future__ import annotations

import sys

import places  # noqa: F401  # before the harness
from answer_text import SIZE_BYTES, answer_text, tokens
from cells import cell_id, run
from figures import Figure, main
from paced import most_in_a_second
from service import Service
from support.kernel import Kernel

MODELS = ("a", "b", "c", "d")
RATE = 100
LIMIT_RATIO = 1.1
LIMIT_MESSAGES = 15
LIMIT_BYTES = 6


def measure(*, quick: bool) -> list[Figure]:
    """Ratios of durations, messages in a second, and bytes published."""
    seconds = 10 if quick else 30
    count = RATE * seconds
    text_bytes = len("".join(tokens(answer_text())[:count])) * len(MODELS)
    ratios: list[float] = []
    most: list[float] = []
    paced_sizes: list[float] = []
    full_sizes: list[float] = []
    with Kernel() as kernel:
        run(kernel, "%load_ext g4f_magic")
        with Service("paced", RATE, count) as service:
            for number in range(2 if quick else 3):
                slowest = run(kernel, asking(service, MODELS[:1]), timeout=seconds + 30).duration_s
                done = run(kernel, asking(service), cell_id(number), timeout=seconds + 30)
                ratios.append(done.duration_s / slowest)
                most.append(most_in_a_second([message.at for message in done.messages]))
                paced_sizes.append(done.iopub_bytes / text_bytes)
        with Service("full") as service:
            for number in range(3 if quick else 6):
                done = run(kernel, asking(service), cell_id(number))
                full_sizes.append(done.iopub_bytes / (SIZE_BYTES * len(MODELS)))
    name = f"four columns at {RATE} tokens/s for {seconds} s: the cell / that of one model"
    return [
        Figure(name, "×", ratios, limit=LIMIT_RATIO, judged="worst"),
        Figure("… most messages in one second", "", most, limit=LIMIT_MESSAGES, judged="worst"),
        Figure("… published bytes / bytes of the answers", "×", paced_sizes),
        Figure(
            "… the same at full speed, 4 × 32 KB",
            "×",
            full_sizes,
            limit=LIMIT_BYTES,
            judged="worst",
        ),
    ]


def asking(service: Service, models: tuple[str, ...] = MODELS) -> str:
    """A cell that asks these models of the local service."""
    named = " ".join(f"-m {model}" for model in models)
    return f"%%chat -p {service.base_url} {named} --alone\nGo on."


if __name__ == "__main__":
    sys.exit(main(measure))
