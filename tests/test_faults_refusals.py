"""What a person sees when a service says no, sends one away, or has to be asked again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.byteserver import DONE, delta, event, finish, json_reply
from support.fault_notebook import ANSWER, KEY, PART, QUESTION, FaultNotebook, shown_meanwhile
from support.fault_rows import (
    HALF,
    TEXT,
    WHOLE,
    fault_row,
    in_turn,
    page,
    redirects,
    refuses,
    sends,
    stream,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.fault_rows import Script, StartServer
    from support.faults import Fault

row = partial(fault_row, "What a service refuses")


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultNotebook]:
    """A notebook for all rows of this module."""
    with FaultNotebook(tmp_path_factory.mktemp("notebook")) as running:
        yield running


REFUSALS = [
    row(
        "The key is wrong (401)",
        refuses(401, f"Incorrect API key provided: {KEY}", code="invalid_api_key"),
        "ResponseError: … said 401 Unauthorized: Incorrect API key provided: …",
        QUESTION,
    ),
    row(
        "The key may not do that (403)",
        refuses(403, "Country, region, or territory not supported"),
        "ResponseError: … said 403 Forbidden: Country, region, or territory not supported",
        QUESTION,
    ),
    row(
        "There is no such model (404)",
        refuses(404, "The model `m` does not exist", code="model_not_found"),
        "check the name of the model (-m) and the base URL (-p)",
        QUESTION,
    ),
    row(
        "The conversation is too long for the model (400)",
        refuses(400, "This model's maximum context length is 8192 tokens"),
        "the conversation is too long for this model: --last N sends fewer turns, --new none",
        QUESTION,
    ),
    row(
        "A gateway finds the request too large (413)",
        page(413, "413 Request Entity Too Large"),
        "the request is too large for it: --last N sends fewer turns, --new none",
        QUESTION,
    ),
    row(
        "The service gave up waiting (408)",
        refuses(408, "took too long"),
        "ResponseError: … said 408 Request Timeout: took too long",
        QUESTION,
    ),
    row(
        "Too many requests, and an hour to wait (429)",
        refuses(429, "Rate limit reached", ("Retry-After", "3600")),
        "try again in 3600 s",
        QUESTION,
    ),
    row(
        "Too many requests, and a `Retry-After` that makes no sense (429)",
        refuses(429, "Rate limit reached", ("Retry-After", "soon")),
        "ResponseError: … said 429 Too Many Requests: Rate limit reached",
        QUESTION,
    ),
    row(
        "The account's money is spent (429)",
        refuses(429, "You exceeded your current quota", code="insufficient_quota"),
        "the account's budget is used up; waiting does not help",
        QUESTION,
    ),
    row(
        "The service has an error of its own (500)",
        refuses(500, "The server had an error"),
        "ResponseError: … said 500 Internal Server Error: The server had an error",
        QUESTION,
    ),
    row(
        "A gateway answers with a web page (502)",
        page(502, "502 Bad Gateway"),
        "ResponseError: … said 502 Bad Gateway",
        QUESTION,
    ),
    row(
        "The service is down (503)",
        refuses(503, "down for maintenance"),
        "try again later, or another provider (-p)",
        QUESTION,
    ),
    row(
        "The service is overloaded (529)",
        refuses(529, "too many people"),
        "ResponseError: … said 529 Overloaded: too many people",
        QUESTION,
    ),
    row(
        "An error with status 200",
        sends(json_reply(200, {"error": {"message": "out of memory"}})),
        "ResponseError: … reported an error: out of memory",
        QUESTION,
    ),
    row(
        "An error in the middle of an answer",
        sends(stream(delta(HALF) + event({"error": {"message": "CUDA out of memory"}}) + DONE)),
        "ResponseError: … reported an error: CUDA out of memory",
        PART,
        HALF,
    ),
    row(
        "An event of the type `error` in the middle of an answer",
        sends(stream(delta(HALF) + b"event: error\ndata: overloaded\n\n")),
        "ResponseError: … reported an error: overloaded",
        PART,
        HALF,
    ),
    row(
        "The answer reaches its length limit",
        sends(stream(delta(HALF) + finish("length") + DONE)),
        "the answer reached its length limit; --max-tokens N raises it",
        ANSWER,
        HALF,
    ),
    row(
        "A redirect in a circle",
        redirects("/v1/chat/completions"),
        "ResponseError: … redirects in circles",
        QUESTION,
    ),
]


@pytest.mark.parametrize(("script", "text"), REFUSALS)
def test_a_refusal_is_told_in_a_line_or_two(
    fault: Fault, notebook: FaultNotebook, byte_server: StartServer, script: Script, text: str
) -> None:
    """Who is to act, and what to type, must not be buried in a stack or a page."""
    run = notebook.ask(byte_server(script).url)
    notebook.check(fault, run, text)
    assert len(str(run.error)) < 1_000


@pytest.mark.fault(
    "What a service refuses",
    "A redirect to another host",
    sees="ResponseError: … redirects to another place, http://localhost:…",
    keeps=QUESTION,
)
def test_a_key_does_not_go_along_to_another_host(
    fault: Fault, notebook: FaultNotebook, byte_server: StartServer
) -> None:
    """Whoever can answer in a service's name would otherwise collect keys."""
    thief = byte_server(sends(stream(WHOLE)))
    run = notebook.ask(byte_server(redirects(f"http://localhost:{thief.port}/v1")).url)
    notebook.check(fault, run)
    assert thief.connections == 0


BUSY_ONCE = [
    row(
        "Too many requests, and a moment to wait (429)",
        refuses(429, "slow down", ("Retry-After", "0.3")),
        "… said 429 Too Many Requests; again in 0.3 s",
        ANSWER,
        TEXT,
    ),
    row(
        "The service is down for a moment (503)",
        refuses(503, "restarting"),
        "… said 503 Service Unavailable; again in … s",
        ANSWER,
        TEXT,
    ),
]


@pytest.mark.parametrize(("script", "text"), BUSY_ONCE)
def test_a_service_that_is_busy_once_is_asked_again(
    fault: Fault, notebook: FaultNotebook, byte_server: StartServer, script: Script, text: str
) -> None:
    """Nobody wants to press the button again for that, and a silent pause looks like a hang."""
    server = byte_server(in_turn(script, sends(stream(WHOLE))))
    run = notebook.ask(server.url, "--retries 1")
    notebook.check(fault, run, text, shown_meanwhile(run))
    assert len(server.requests) == 2
