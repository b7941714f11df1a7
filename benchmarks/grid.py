"""A grid of many prompts and models against a bare httpx loop that asks as much at a time.

As a script with ``ask`` it is one of the two, in a process of its own.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import places  # before the harness
from figures import Figure, main
from service import Service
from support.environment import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

MODELS = ("small", "medium", "large")
CONCURRENCY = 8
TOKENS = 12
#: Tokens a second of each answer: those of 20 ms, and as fast as the service is.
PACES = {"20 ms": 600, "no wait": 10**9}
FIRST = 100
LIMIT_RATIO = 1.3
LIMIT_GROWTH_MB = 8  # 5,700 answers with their figures; their requests would be as much again


def measure(*, quick: bool) -> list[Figure]:
    """Seconds of both in turn, then the memory of the grid."""
    prompts, rounds = (200, 2) if quick else (2000, 3)
    figures: list[Figure] = []
    for pace, rate in PACES.items():
        found: dict[str, list[dict[str, float]]] = {"ours": [], "no cache": [], "bare": []}
        with Service("paced", rate, TOKENS) as service:
            for _ in range(rounds):
                for who, samples in found.items():
                    samples.append(asked(who, service.base_url, prompts))
        name = f"{prompts:,} prompts × {len(MODELS)} models, {pace} each"
        figures += compared(name, found, LIMIT_RATIO if pace == "20 ms" else None)
        if pace == "20 ms":
            figures += memory(found["ours"])
    return figures


def compared(
    name: str, found: dict[str, list[dict[str, float]]], limit: float | None
) -> list[Figure]:
    """The time and the work of both."""
    took = {who: [one["seconds"] for one in samples] for who, samples in found.items()}
    work = {who: [one["cpu_s"] for one in samples] for who, samples in found.items()}
    ratios = [ours / bare for ours, bare in zip(took["ours"], took["bare"], strict=True)]
    bare = "bare httpx"
    return [
        Figure(name, "s", took["ours"], took["bare"], bare),
        Figure("… without the cache", "s", took["no cache"], took["bare"], bare),
        Figure("… / bare httpx", "×", ratios, limit=limit),
        Figure("… CPU time", "s", work["ours"], work["bare"], bare),
        Figure("… CPU time without the cache", "s", work["no cache"], work["bare"], bare),
    ]


def memory(samples: list[dict[str, float]]) -> list[Figure]:
    """What the process holds when it has begun, and with all answers."""
    first, end = ([one[name] for one in samples] for name in ("first_mb", "end_mb"))
    grown = [after - before for before, after in zip(first, end, strict=True)]
    return [
        Figure(f"… memory after {FIRST} prompts", "MB", first),
        Figure("… at the end", "MB", end),
        Figure("… grown in between", "MB", grown, limit=LIMIT_GROWTH_MB),
    ]


def asked(who: str, url: str, prompts: int) -> dict[str, float]:
    """What one of them takes, in a process of its own."""
    with tempfile.TemporaryDirectory() as home:
        environment = clean_environment() | {"G4F_HOME": home}
        environment["PYTHONPATH"] = os.pathsep.join([str(places.HERE), *sys.path])
        command = [sys.executable, str(Path(__file__)), "ask", who, url, str(prompts)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def ask(who: str, url: str, prompts: int) -> dict[str, float]:
    """Ask all of it and tell the seconds; of the grid the memory, too."""
    texts = [f"Question {number}?" for number in range(prompts)]
    if who == "bare":
        return asyncio.run(ask_bare(url, texts))
    from g4f_magic.compare import compare  # noqa: PLC0415  # the other process measures httpx alone

    is_cached = who == "ours"
    compare([f"Warm-up {text}" for text in texts[:FIRST]], MODELS, provider=url, cache=is_cached)
    first_mb = memory_mb()
    started = time.perf_counter(), time.process_time()
    comparison = compare(texts, MODELS, provider=url, cache=is_cached)
    took = since(*started)
    assert [answer.state for answer in comparison] == ["complete"] * prompts * len(MODELS)
    return {**took, "first_mb": first_mb, "end_mb": memory_mb()}


def since(started: float, used: float) -> dict[str, float]:
    """The seconds that have gone by, and those that a processor worked for this process."""
    return {"seconds": time.perf_counter() - started, "cpu_s": time.process_time() - used}


async def ask_bare(url: str, texts: list[str]) -> dict[str, float]:
    """What a loop takes that does nothing but ask and join the texts."""
    import httpx  # noqa: PLC0415  # as above

    async with httpx.AsyncClient(timeout=60) as client:

        async def one(model: str, text: str) -> str:
            messages = [{"role": "user", "content": text}]
            options = {"stream": True, "stream_options": {"include_usage": True}}
            body = {"model": model, "messages": messages, **options}
            said = []
            async with client.stream("POST", f"{url}/chat/completions", json=body) as reply:
                async for line in reply.aiter_lines():
                    if line.startswith("data: {"):
                        said += [c["delta"].get("content") for c in json.loads(line[6:])["choices"]]
            return "".join(filter(None, said))

        async def work(asked: Iterator[tuple[str, str]], answers: list[Any]) -> None:
            for model, text in asked:
                answers.append(await one(model, text))

        for some in (texts[:FIRST], texts):
            answers: list[str] = []
            asked = ((model, text) for text in some for model in MODELS)
            started = time.perf_counter(), time.process_time()
            await asyncio.gather(*(work(asked, answers) for _ in range(CONCURRENCY)))
            assert len(answers) == len(some) * len(MODELS)
        return since(*started)


def memory_mb() -> float:
    """What this process holds, in megabytes."""
    import psutil  # noqa: PLC0415  # as above

    gc.collect()
    return float(psutil.Process().memory_info().rss / 1e6)


if __name__ == "__main__":
    if sys.argv[1:2] == ["ask"]:
        print(json.dumps(ask(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
    else:
        sys.exit(main(measure))
