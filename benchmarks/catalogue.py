"""How soon `%g4f_models` lists what there is: from ten providers, two of which hang, and again."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import places  # noqa: F401  # before the harness
from cells import run
from figures import Figure, main
from support.byteserver import ByteServer, json_reply, reply
from support.kernel import Kernel

if TYPE_CHECKING:
    from support.byteserver import Exchange, Script

GOOD, HANGING = 7, 2  # and one that answers with a page
WITHIN_S = 2
LIMIT_LATE_MS = 500
LIMIT_WARM_MS = 100
MANY = 2000
KEY = "sk-benchmark"


def measure(*, quick: bool) -> list[Figure]:
    """Milliseconds from sending a cell."""
    rounds = 5 if quick else 15
    with ExitStack() as stack:
        many = stack.enter_context(ByteServer(listing(MANY)))
        scripts = [*[listing(MANY // GOOD)] * GOOD, *[hang] * HANGING, page]
        servers = [stack.enter_context(ByteServer(script)) for script in scripts]
        ten = f"%g4f_models -p {','.join(server.url for server in servers)} --timeout {WITHIN_S}"
        env = {"OPENAI_BASE_URL": many.url, "OPENAI_API_KEY": KEY}
        kernel = stack.enter_context(Kernel(env))
        run(kernel, "%load_ext g4f_magic")
        late = [listed_ms(kernel, f"{ten} --refresh", servers) for _ in range(rounds // 3)]
        bare = [run(kernel, "pass").duration_s * 1000 for _ in range(rounds)]
        asked = [shown_ms(kernel, "%g4f_models --refresh") for _ in range(rounds)]
        warm = [shown_ms(kernel, "%g4f_models") for _ in range(rounds)]
        first = []
        for _ in range(3 if quick else 7):
            kernel.restart()
            run(kernel, "%load_ext g4f_magic")
            time.sleep(2)  # as long as one types; the warm-up has run
            first.append(shown_ms(kernel, "%g4f_models"))
        assert len(many.requests) == rounds, "the cache was not used"
    of = f"%g4f_models with {MANY:,} models"
    return [
        Figure(
            f"ten providers, {HANGING} hang, 1 sends a page: later than their {WITHIN_S} s",
            "ms",
            late,
            limit=LIMIT_LATE_MS,
        ),
        Figure(f"{of}, asked anew", "ms", asked),
        Figure("… from the cache", "ms", warm, bare, "empty cell", limit=LIMIT_WARM_MS),
        Figure("… from the cache, first cell of a kernel", "ms", first),
    ]


def listing(count: int) -> Script:
    """Lists as many models, with all that a listing may say."""
    models = [
        {
            "id": f"maker-{number % 50}/model-{number}",
            "context_length": 131072,
            "pricing": {"prompt": "0.00000015", "completion": "0.0000006"},
            "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
            "supported_parameters": ["tools", "reasoning"],
        }
        for number in range(count)
    ]
    answer = json_reply(200, {"data": models})
    return lambda exchange: exchange.send(answer)


def hang(exchange: Exchange) -> None:
    """Takes the request, and says nothing."""
    exchange.wait(threading.Event())


def page(exchange: Exchange) -> None:
    """Answers as the login of a hotel's network does."""
    exchange.send(reply(200, b"<html><title>Log in</title></html>", "text/html"))


def listed_ms(kernel: Kernel, line: str, servers: list[ByteServer]) -> float:
    """Until all is listed, without the time that those that hang were given."""
    done = run(kernel, line)
    assert done.result is not None
    told = done.result["text/plain"]
    for server in servers[GOOD : GOOD + HANGING]:
        assert f"{server.url}: did not answer within {WITHIN_S} s" in told, told
    assert f"{servers[-1].url}: " in told, told
    assert kernel.value("len(_)") == MANY // GOOD * GOOD
    return (done.duration_s - WITHIN_S) * 1000


def shown_ms(kernel: Kernel, line: str) -> float:
    """Until the table of all models is here."""
    done = run(kernel, line)
    assert kernel.value("sum(model.provider == 'openai' for model in _)") == MANY
    return done.duration_s * 1000


if __name__ == "__main__":
    sys.exit(main(measure))
