"""Answers that have a type of the notebook, in a real kernel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.byteserver import (
    DONE,
    END,
    Exchange,
    chunked,
    delta,
    event,
    finish,
    json_reply,
    sse_head,
)
from support.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.byteserver import ByteServer
    from support.cell_run import CellRun

TYPES = """
from dataclasses import dataclass
from typing import TypedDict
from pydantic import BaseModel

@dataclass
class Fox:
    name: str
    age: int

class Hare(TypedDict):
    name: str

class Owl(BaseModel):
    name: str

badger = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
"""
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
FITS, MISFIT = '{"name": "Reynard", "age": 7}', '{"name": "Reynard", "age": "seven"}'


@pytest.fixture(scope="module")
def chat() -> Iterator[Kernel]:
    """A kernel with the extension loaded, and types."""
    with Kernel() as running:
        assert running.run("%load_ext g4f_magic").error is None
        assert running.run(TYPES).error is None
        yield running


class Service:
    """Says one text after the other; refuses the kinds of response_format named."""

    def __init__(self, *texts: str, refuses: tuple[str, ...] = ()) -> None:
        self.texts = list(texts)
        self.refuses = refuses

    def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        kind = exchange.request.json.get("response_format", {}).get("type")
        if kind in self.refuses:
            message = f"Invalid parameter: 'response_format' of type '{kind}' is not supported."
            exchange.send(json_reply(400, {"error": {"message": message}}))
        else:
            text = self.texts.pop(0)
            usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
            end = finish() + event({"choices": [], "usage": usage}) + DONE
            exchange.send(sse_head() + chunked(delta(text) + end) + END)


def ask(chat: Kernel, server: ByteServer, options: str = "--schema Fox") -> CellRun:
    """Asks from a cell; the answer is bound to ``answer``."""
    line = f"%%chat --new -p {server.url}/v1 -m m -o answer {options}"
    return chat.run(f"{line}\nA fox")


def sent(server: ByteServer) -> list[dict[str, Any]]:
    """The bodies of the requests."""
    return [request.json for request in server.requests]


def test_the_answer_is_an_object_of_the_type(
    chat: Kernel, byte_server: Callable[..., ByteServer]
) -> None:
    """What goes on with an answer wants attributes, not text."""
    server = byte_server(Service(FITS))
    run = ask(chat, server)
    assert run.error is None
    assert chat.value("answer.parsed == Fox('Reynard', 7)")
    assert run.outputs[0]["data"]["application/json"] == {"name": "Reynard", "age": 7}
    (body,) = sent(server)
    asked = body["response_format"]["json_schema"]
    assert body["response_format"]["type"] == "json_schema"
    assert (asked["name"], asked["strict"]) == ("Fox", True)
    assert asked["schema"]["properties"]["age"] == {"type": "integer"}
    assert body["messages"] == [{"role": "user", "content": "A fox"}]


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("Hare", "{'name': 'Reynard'}"),
        ("Owl", "Owl(name='Reynard')"),
        ("badger", "{'name': 'Reynard'}"),
    ],
)
def test_all_kinds_of_types_work(
    chat: Kernel, byte_server: Callable[..., ByteServer], name: str, parsed: str
) -> None:
    """People use what they know, and have a schema from elsewhere."""
    server = byte_server(Service('{"name": "Reynard"}'))
    assert ask(chat, server, f"--schema {name} -f text").error is None
    assert chat.value(f"answer.parsed == {parsed}")


def test_a_service_without_schemas_is_asked_in_words(
    chat: Kernel, byte_server: Callable[..., ByteServer]
) -> None:
    """Most local servers and half of the others refuse the field."""
    server = byte_server(Service(FITS, refuses=("json_schema",)))
    run = ask(chat, server, "--schema Fox -s Short.")
    assert run.error is None
    assert chat.value("answer.parsed.age") == 7
    assert "asked in words: the service takes no schema" in run.markdown
    body = sent(server)[-1]
    assert body["response_format"] == {"type": "json_object"}
    assert body["messages"][0]["content"].startswith("Short.\n\nAnswer with JSON alone")
    assert '"age": {"type": "integer"}' in body["messages"][0]["content"]


def test_other_refusals_are_errors(chat: Kernel, byte_server: Callable[..., ByteServer]) -> None:
    """A spent budget is not to be asked about twice."""
    reply = json_reply(400, {"error": {"message": "no such model"}})
    server = byte_server(lambda exchange: exchange.send(reply))
    error = ask(chat, server).error
    assert error is not None
    assert "no such model" in error.evalue
    assert len(server.requests) == 1


def test_an_answer_that_does_not_fit_is_asked_for_once_more(
    chat: Kernel, byte_server: Callable[..., ByteServer]
) -> None:
    """Told what is wrong, a model nearly always repairs it."""
    server = byte_server(Service(MISFIT, FITS))
    run = ask(chat, server)
    assert run.error is None
    assert chat.value("answer.parsed.age") == 7
    misfit = 'age must be of type integer, not "seven"'
    told = f"This does not fit Fox, so it is asked for once more: {misfit}"
    assert told in "".join(m.content.get("text", "") for m in run.messages if m.kind == "stream")
    assert chat.value("(answer.usage.tokens_in, answer.usage.tokens_out)") == (20, 10)
    first, second = sent(server)
    assert second["response_format"] == first["response_format"]
    assert second["messages"][:2] == [
        *first["messages"],
        {"role": "assistant", "content": MISFIT},
    ]
    assert misfit in second["messages"][2]["content"]


@pytest.mark.parametrize("form", ["json", "markdown"])
@pytest.mark.parametrize("is_whole_cell", [True, False])
def test_only_the_answer_that_fits_stays(
    chat: Kernel, byte_server: Callable[..., ByteServer], form: str, *, is_whole_cell: bool
) -> None:
    """Two answers below each other leave it to the reader to find out which one counts."""
    server = byte_server(Service(MISFIT, FITS))
    line = f"--new -p {server.url}/v1 -m m --schema Fox -f {form}"
    run = chat.run(f"%%chat {line}\nA fox" if is_whole_cell else f"x = 1\n%chat {line} A fox")
    assert run.error is None
    shown = [output["data"] for output in run.outputs if "data" in output]
    assert len(shown) == (2 if form == "json" else 1)
    assert "seven" not in json.dumps(shown)
    assert "20 in, 10 out · asked twice: the first answer did not fit" in run.markdown
    assert is_whole_cell is not bool(run.text)


MUTE = """
from g4f_magic.messages import Sent
from g4f_magic.providers import OpenaiTemplate

class Mute(OpenaiTemplate):
    name, api_base, default_model = "mute", "{url}/v1", "m"

    @classmethod
    async def create_async_generator(cls, *args, **params):
        async for event in super().create_async_generator(*args, **params):
            if not isinstance(event, Sent):
                yield event
"""


def test_a_repair_shows_the_pictures_of_the_prompt_again(
    chat: Kernel, byte_server: Callable[..., ByteServer], tmp_path: Path
) -> None:
    """A provider of somebody else need not tell what it sent; the model must still see it."""
    server = byte_server(Service("Hello.", MISFIT, FITS))
    info = tmp_path / "mute-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mute\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[g4f_magic.providers]\nmute = mute:Mute\n")
    (tmp_path / "mute.py").write_text(MUTE.replace("{url}", server.url))
    chat.run(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from g4f_magic.providers.plugins import plugins; plugins.cache_clear()\n"
        f"fox = __import__('base64').b64decode({PIXEL!r})"
    )
    assert chat.run("%chat -p mute --new Hi").error is None
    run = chat.run("%chat -p mute --schema Fox Name {{ fox }}")
    assert run.error is None
    _, first, second = sent(server)
    assert len(first["messages"]) == 3
    assert first["messages"][2]["content"][1]["type"] == "image_url"
    assert second["messages"][:3] == first["messages"]


def test_the_conversation_goes_on_with_the_one_that_fits(
    chat: Kernel, byte_server: Callable[..., ByteServer]
) -> None:
    """The repair is ours, and no turn of the conversation."""
    server = byte_server(Service(MISFIT, FITS, "Yes."))
    ask(chat, server)
    chat.run(f"%chat -p {server.url}/v1 -m m Sure?")
    said = [message["content"] for message in sent(server)[-1]["messages"]]
    assert said == ["A fox", FITS, "Sure?"]


def test_two_misfits_are_an_error_that_keeps_the_text(
    chat: Kernel, byte_server: Callable[..., ByteServer]
) -> None:
    """Run All stops, and what the model wrote is there to be looked at."""
    server = byte_server(Service(MISFIT, "Sorry, no."))
    run = ask(chat, server)
    assert run.error is not None
    assert run.error.evalue.startswith("the answer does not fit Fox, nor did the one before: ")
    assert len(run.error.traceback) == 2
    assert chat.value("answer.text") == "Sorry, no."
    assert chat.value("answer.parsed") is None
    assert len(sent(server)) == 2


def test_an_error_of_the_second_request_is_told(
    chat: Kernel, byte_server: Callable[..., ByteServer]
) -> None:
    """What is wrong then is the service, not the answer."""
    replies = [
        sse_head() + chunked(delta(MISFIT) + finish() + DONE) + END,
        json_reply(400, {"error": {"message": "out of order"}}),
    ]
    run = ask(chat, byte_server(lambda exchange: exchange.send(replies.pop(0))))
    assert run.error is not None
    assert "out of order" in run.error.evalue
    assert "seven" in run.markdown
    assert chat.value("answer.text") == MISFIT


def test_a_cached_answer_is_an_object_too(
    chat: Kernel, byte_server: Callable[..., ByteServer]
) -> None:
    """Asked again for nothing, the notebook has to come out the same."""
    server = byte_server(Service(FITS))
    for _ in range(2):
        assert ask(chat, server, "--schema Fox --cache").error is None
        assert chat.value("answer.parsed.name") == "Reynard"
    assert chat.value("answer.cached")


def test_a_slip_costs_no_request(chat: Kernel, byte_server: Callable[..., ByteServer]) -> None:
    """A wrong name is told before anything is sent."""
    server = byte_server(Service())
    error = ask(chat, server, "--schema Wolf").error
    assert error is not None
    assert error.evalue == "--schema Wolf: there is no 'Wolf' in the notebook"
    error = ask(chat, server, "-m n --schema Fox").error
    assert error is not None
    assert error.evalue.startswith("--schema is for one answer")
    assert server.requests == []


def test_the_demo_answers_with_a_type(chat: Kernel) -> None:
    """Schemas are learnt without a key."""
    assert chat.run("%chat --alone -p demo --schema Fox -o answer Reynard is 7").error is None
    assert chat.value("(answer.parsed.name, answer.parsed.age)") == ("Reynard", 7)
    assert json.loads(chat.value("answer.text")) == {"name": "Reynard", "age": 7}
