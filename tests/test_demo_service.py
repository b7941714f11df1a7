"""The demo speaks the bytes of a real service, tells the truth, and fails as asked."""

from __future__ import annotations

import ast
import asyncio
import base64
import contextlib
import inspect
import io
import json
import re
import selectors
import struct
import sys
import zlib
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from g4f_magic.providers import demo_models, demo_service, demo_sums, demo_voice
from g4f_magic.providers.demo_models import CHAT_MODELS, MODELS, NOTES
from g4f_magic.providers.demo_service import draw, serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from g4f_magic.service import ServiceReply

T = TypeVar("T")
HELLO = [{"role": "user", "content": "Hello"}]
README_PROMPT = (
    "Explain a p-value to a ten-year-old. Then give one line of Python that computes one."
)


class SkippingSelector(selectors.DefaultSelector):
    """Waits for nothing but threads: time that was to pass has passed at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Add the waiting time to ``now`` instead of waiting."""
        self.now += max(0.0, timeout or 0.0)
        return super().select(None if timeout is None else 0)


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is its selector's, so that slow answers cost nothing."""

    def __init__(self) -> None:
        self.clock = SkippingSelector()
        super().__init__(self.clock)

    def time(self) -> float:
        """Return the seconds that would have passed."""
        return self.clock.now


def run(work: Callable[[], Awaitable[T]]) -> tuple[T, float]:
    """Return the result, and the seconds it would have taken."""
    loop = SkippingLoop()
    try:
        return loop.run_until_complete(work()), loop.time()
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


class Got:
    """One reply, read to its end, or to where it broke."""

    def __init__(self, reply: ServiceReply) -> None:
        self.status, self.headers = reply.status, reply.headers
        self.frames: list[bytes] = []
        self.broke: BaseException | None = None
        self.after_s = 0.0

    @property
    def body(self) -> bytes:
        """All bytes that came."""
        return b"".join(self.frames)

    @property
    def json(self) -> dict[str, Any]:
        """The body of a reply that is not streamed."""
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value

    @property
    def events(self) -> list[Any]:
        """The events of a streamed reply, ``[DONE]`` as a string."""
        data = [frame.removeprefix(b"data: ").removesuffix(b"\n\n") for frame in self.frames]
        return [d.decode() if d == b"[DONE]" else json.loads(d) for d in data]

    def deltas(self, field: str = "content") -> list[str]:
        """All pieces of one field of the deltas, the role's empty text left out."""
        choices = [e["choices"][0] for e in self.events if e != "[DONE]" and e.get("choices")]
        return [c["delta"][field] for c in choices if c["delta"].get(field)]

    @property
    def finish_reasons(self) -> list[str]:
        """What was said about the end."""
        choices = [e["choices"][0] for e in self.events if e != "[DONE]" and e.get("choices")]
        return [c["finish_reason"] for c in choices if c["finish_reason"]]


def fetch(method: str, path: str, body: bytes = b"", patience_s: float = 1e6) -> Got:
    """Send one request and read what comes until the end, a break, or patience is over."""

    async def work() -> Got:
        reply = await serve(method, path, {}, body)
        got = Got(reply)
        try:
            while True:
                got.frames.append(await asyncio.wait_for(anext(reply.chunks), patience_s))
        except StopAsyncIteration:
            pass
        except (ConnectionResetError, asyncio.TimeoutError) as error:  # differs on 3.10
            got.broke = error
        return got

    got, got_after_s = run(work)
    got.after_s = got_after_s
    return got


def post(path: str, **request: Any) -> Got:
    """Post a request as JSON."""
    return fetch("POST", path, json.dumps(request).encode())


def chat(messages: Any = HELLO, model: str = "demo", **more: Any) -> Got:
    """Ask for a chat completion."""
    return post("/v1/chat/completions", model=model, messages=messages, **more)


def said(*contents: Any, system: str | None = None, model: str = "demo") -> str:
    """Return the answer to a conversation of prompts and answers by turns."""
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": c} for i, c in enumerate(contents)]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    got = chat(messages, model)
    assert got.status == 200, got.body
    text = got.json["choices"][0]["message"]["content"]
    assert isinstance(text, str)
    return text


def fault(prompt: str, *, stream: bool = True) -> Got:
    """Ask demo-error, and wait a minute at most for each piece."""
    messages = [{"role": "user", "content": prompt}]
    request = {"model": "demo-error", "messages": messages, "stream": stream}
    return fetch("POST", "/v1/chat/completions", json.dumps(request).encode(), 60)


# --- the shape of answers


def test_the_stream_has_the_order_of_openais() -> None:
    """Every client could trip over a demo that frames its answer in its own way."""
    got = chat(stream=True, stream_options={"include_usage": True})
    assert got.headers["content-type"].startswith("text/event-stream")
    first, *middle, finish, usage, done = got.events
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert all(set(event["choices"][0]["delta"]) == {"content"} for event in middle)
    assert (finish["choices"][0]["delta"], finish["choices"][0]["finish_reason"]) == ({}, "stop")
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] > usage["usage"]["prompt_tokens"] == 1
    assert done == "[DONE]"
    assert {event["object"] for event in got.events[:-1]} == {"chat.completion.chunk"}


def test_usage_is_streamed_only_when_asked_for() -> None:
    """A card must cope with no usage; the demo has to be able to show that."""
    assert b"usage" not in chat(stream=True).body
    assert b"usage" not in chat(stream=True, stream_options={"include_usage": False}).body


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_a_whole_answer_says_what_the_stream_says(model: str) -> None:
    """Somebody who turns streaming off would get another answer or other figures."""
    whole = chat(model=model).json
    streamed = chat(model=model, stream=True, stream_options={"include_usage": True})
    message = whole["choices"][0]["message"]
    assert message["content"] == "".join(streamed.deltas())
    assert message.get("reasoning_content", "") == "".join(streamed.deltas("reasoning_content"))
    assert whole["usage"] == streamed.events[-2]["usage"]
    assert whole["id"] == streamed.events[0]["id"]
    assert (whole["object"], whole["model"]) == ("chat.completion", model)


def test_the_same_request_gives_the_same_bytes() -> None:
    """Documentation that is run as a test would change at every build."""
    assert chat(stream=True).frames == chat(stream=True).frames
    assert (
        chat(stream=True, temperature=2, top_p=0.1, seed=4, tools=[]).body == chat(stream=True).body
    )
    other = chat([{"role": "user", "content": "Hello!"}])
    assert other.json["id"] != chat().json["id"]


def test_usage_counts_the_deltas() -> None:
    """Tokens a second on the card would be wrong."""
    got = chat(stream=True, stream_options={"include_usage": True})
    usage = got.events[-2]["usage"]
    assert usage["completion_tokens"] == len(got.deltas())
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_reasoning_comes_before_the_answer_and_is_counted() -> None:
    """The fold for reasoning could not be tried without a key."""
    got = chat(model="demo-reasoning", stream=True, stream_options={"include_usage": True})
    thoughts = got.deltas("reasoning_content")
    assert 3 <= "".join(thoughts).count(". ") + 1 <= 5
    kinds = [next(iter(e["choices"][0]["delta"]), "") for e in got.events[1:-3]]
    assert kinds == sorted(kinds, reverse=True)
    usage = got.events[-2]["usage"]
    assert usage["completion_tokens_details"] == {"reasoning_tokens": len(thoughts)}
    assert usage["completion_tokens"] == len(thoughts) + len(got.deltas())


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_each_model_keeps_its_pace(model: str) -> None:
    """A demo of streaming that arrives at once, or never, shows nothing."""
    got, speaker = chat(model=model, stream=True), CHAT_MODELS[model]
    expected_s = speaker.first_token_s + (len(got.frames) - 1) / speaker.tokens_per_s
    assert got.after_s == pytest.approx(expected_s)


def test_the_voices_differ_in_speed_and_patience() -> None:
    """All columns of a comparison would show the same figures."""
    voices = [model for model in CHAT_MODELS.values() if model.say is not demo_voice.answer]
    assert len({model.tokens_per_s for model in voices}) == len(voices)
    assert len({model.first_token_s for model in voices}) > 2


def test_demo_slow_says_the_same_as_demo() -> None:
    """Comparing the two would show a difference that is not one of speed."""
    assert chat(model="demo-slow", stream=True).deltas() == chat(stream=True).deltas()


@pytest.mark.parametrize("prompt", ["Hello", README_PROMPT, "what is 12 * 7?", "", "\ud800"])
def test_each_voice_answers_in_its_own_way(prompt: str) -> None:
    """Nothing could be compared, and the list would promise what is not so."""
    hasty, brief, plain, detailed = (
        said(prompt, model=model) for model in ("demo-hasty", "demo-brief", "demo", "demo-detailed")
    )
    assert max(len(hasty), len(brief)) < len(plain)
    assert detailed.startswith(f"{plain}\n")
    assert len({hasty, brief, plain, detailed}) == 4
    assert all("not a language model" in text for text in (hasty, brief, plain, detailed))


@pytest.mark.parametrize(
    ("prompt", "exact", "rounded"),
    [
        ("what is 12 * 7?", "84", "80"),
        ("1 / 3", "0.333333333333", "0.3"),
        ("-7 * 130", "-910", "-900"),
        ("2 ** 60", "1152921504606846976", "1000000000000000000"),
        ("1000 ** 100 * 1000 ** 100", "1" + 600 * "0", "1" + 600 * "0"),
    ],
)
def test_one_voice_is_sometimes_wrong(prompt: str, exact: str, rounded: str) -> None:
    """A score that is the same for all models judges nothing."""
    assert said(prompt, model="demo-brief").endswith(f" **{exact}**")
    assert said(prompt, model="demo-hasty").endswith(f" about **{rounded}**")


def test_only_the_hasty_voice_forgets_the_code() -> None:
    """That an answer has code could not be scored, and the README's first example is asked most."""
    texts = {model: said(README_PROMPT, model=model) for model in ("demo-hasty", "demo-brief")}
    assert {model: "```python" in text for model, text in texts.items()} == {
        "demo-hasty": False,
        "demo-brief": True,
    }
    assert "1 picture (by its address)" in said(
        [{"type": "image_url", "image_url": {"url": "https://x.org/a.png"}}], model="demo-brief"
    )


@given(st.text())
def test_tokens_are_words_and_lose_nothing(text: str) -> None:
    """A character that falls between two tokens would be missing from answers."""
    assert "".join(demo_voice.tokens_of(text)) == text
    assert demo_voice.tokens_of("Hello, world") == ["Hello", ",", " world"]


# --- the options that count


def test_max_tokens_ends_the_answer_and_says_so() -> None:
    """`--max-tokens` would seem not to work."""
    got = chat(stream=True, max_tokens=3)
    assert got.deltas() == ["Hello", "!", " This"]
    assert got.finish_reasons == ["length"]
    assert chat(max_completion_tokens=2).json["usage"]["completion_tokens"] == 2
    assert chat(max_tokens=100_000).json["choices"][0]["finish_reason"] == "stop"
    assert chat(max_tokens=None).json["choices"][0]["finish_reason"] == "stop"


def test_max_tokens_may_be_used_up_by_reasoning() -> None:
    """Real services answer nothing then, which surprises people; here it can be seen."""
    got = chat(model="demo-reasoning", stream=True, max_tokens=5)
    assert (len(got.deltas("reasoning_content")), got.deltas()) == (5, [])
    assert got.finish_reasons == ["length"]


@pytest.mark.parametrize(
    "stop", ["built-in", ["nowhere", "language", "built-in"], ["", "built-in"]]
)
def test_stop_ends_the_answer_before_the_first_mark(stop: object) -> None:
    """`--stop` would seem not to work."""
    got = chat(stop=stop).json["choices"][0]
    assert got["message"]["content"] == "Hello! This is the "
    assert got["finish_reason"] == "stop"


# --- what it says


def test_it_says_at_once_that_it_is_no_model_and_where_to_get_one() -> None:
    """A newcomer would take canned text for the abilities of a model."""
    for prompt in ("Hello", README_PROMPT, "what is 1 + 1?", "what did I ask first?"):
        start = said(prompt)[:200]
        assert "built-in demo, **not a language model**" in start
        assert all(word in start for word in ("OPENAI_API_KEY", "%%chat -p openai", "Ollama"))


def test_an_answer_shows_every_kind_of_markdown() -> None:
    """The demo could not show whether rendering works."""
    text = said("Compare red foxes with grey foxes")
    for sign in ("> Compare red", "\n## ", "\n- ", "\n| words | 6 |", "\n```python\n", "\n$$"):
        assert sign in text


@pytest.mark.parametrize(
    "prompt",
    ["Hello", 'it\'s "quoted"\n```\nfence\n```\n{x} {{ y }} \\n', "", "é 🦊 \ud800", "a b " * 999],
)
def test_the_code_in_an_answer_runs(prompt: str) -> None:
    """The first thing a newcomer copies into a cell would fail."""
    code = re.search(r"^```python\n(.*?)\n```$", said(prompt), re.DOTALL | re.MULTILINE)
    assert code
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code[1], {})  # noqa: S102  # that it runs is the claim
    if len(prompt) <= 300:
        assert printed.getvalue().startswith(f"{len(prompt.split())} words")


def test_a_long_prompt_is_quoted_in_part() -> None:
    """An attached table of a megabyte would come back in whole."""
    text = said("word " * 10_000)
    assert len(text) < 3000
    assert " …\n" in text
    assert "| words | 10000 |" in text


def test_a_quoted_prompt_stays_inside_its_quote() -> None:
    """Lines of the prompt would pass for lines of the answer."""
    assert "> one\n> # two\n>\n> ```\n" in said("one\r\n# two\r\n\n```\nthree")


def test_a_system_prompt_is_mentioned() -> None:
    """One could not see whether `--system` reached the service."""
    text = said("Hello", system="Talk like\na pirate")
    assert "> Talk like\n> a pirate" in text
    assert "| system prompt | set |" in text
    assert "| system prompt | not set |" in said("Hello")


def test_the_readme_example_is_answered_with_one_line_of_python() -> None:
    """The first example of the README would disappoint."""
    text = said(README_PROMPT)
    code = re.search(r"```python\n([^\n]+)\n```", text)
    assert code
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code[1], {})  # noqa: S102
    assert float(printed.getvalue()) == 11 / 1024
    assert "0.011" in text


@pytest.mark.parametrize(
    ("prompt", "result"),
    [
        ("what is 12 * 7?", "84"),
        ("What's 2^10?", "1024"),
        ("calculate (1 + 2) × 3 − 4", "5"),
        ("0.1 + 0.2 =", "0.3"),
        ("-7 // 2", "-4"),
        ("how much is 7 % 4?", "3"),
    ],
)
def test_sums_are_calculated(prompt: str, result: str) -> None:
    """A demo that is asked for 12 * 7 would look broken."""
    assert said(prompt).endswith(f"= **{result}**")


@pytest.mark.parametrize(
    "prompt", ["9**9**9", "2 ** 5000", "(-8) ** 0.5", "1 +* 2", "2024", "(1)(2)", "...", "-(...)",
               "7 / (2", "10 ** 100 / 0.1 ** 99 / 0.1 ** 99 / 0.1 ** 99", "1, 2"]
)  # fmt: skip
def test_what_is_no_easy_sum_is_an_ordinary_prompt(prompt: str) -> None:
    """One line of digits could stop the kernel for minutes, or crash the demo."""
    assert "## Your prompt, taken apart" in said(prompt)


def test_division_by_zero_has_an_answer() -> None:
    """The demo would fail with a stack."""
    assert "divides by zero" in said("what is 1 / 0?")


# --- what it remembers


def test_it_remembers_what_was_asked() -> None:
    """The conversation could not be shown to work without a key."""
    talk = ("Red foxes?", "A.", "Blue\nwhales?", "B.")
    assert said(*talk, "What did I ask first?").endswith("> Red foxes?")
    assert said(*talk, "what did I ask before?").endswith("> Blue\n> whales?")
    assert said(*talk, "What was my previous question?").endswith("> Blue\n> whales?")
    assert "first prompt of this conversation" in said("what did I just ask?")
    assert "## Your prompt" in said(*talk, "what did I ask?")
    assert "| turn of this conversation | 3 |" in said(*talk, "More.")


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("Hi, my name is ada.", "ada"),
        ("My name's Ada Lovelace and I count", "Ada Lovelace"),
        ("I am Élodie, by the way", "Élodie"),
        ("I'm tired. My name is O’Neill", "O’Neill"),
    ],
)
def test_it_remembers_a_name(told: str, name: str) -> None:
    """The usual test of memory would fail."""
    for question in ("What is my name?", "Do you remember my name?", "Who am I?"):
        assert f"Your name is **{name}**" in said(told, "Hello.", question)


@pytest.mark.parametrize("told", ["I am tired", "My name is not Bob", "Hello", "Say: my name"])
def test_it_makes_no_name_up(told: str) -> None:
    """The demo would call people Tired."""
    assert "not told me your name" in said(told, "Hello.", "What's my name?")


def test_the_latest_name_counts() -> None:
    """A correction would be ignored."""
    talk = ("my name is Ada", "A.", "no, my name is Grace", "B.", "What is my name?")
    assert "**Grace**" in said(*talk)


def test_it_counts_the_prompts() -> None:
    """The count is how people check that a re-run cell replaced its turn."""
    assert "1 prompt before this one, which is number 2" in said(
        "Hello", "A.", "How many questions did I ask?"
    )
    assert "0 prompts before this one" in said("How many questions have I asked?")


def test_it_repeats_its_last_answer_once() -> None:
    """Repeating a repetition would pile up introductions."""
    for model in ("demo", "demo-brief", "demo-hasty", "demo-detailed"):
        again = said("Hello", "# Answer\n", "Repeat your last answer, please", model=model)
        assert again == "Here is my last answer again:\n\n# Answer\n"
        assert said("Hello", again, "repeat your last answer", model=model) == again
        assert "no answer to repeat" in said("repeat your last answer", model=model)


def test_a_long_document_is_no_question_to_the_demo() -> None:
    """A pasted text that contains such a phrase would get a silly answer."""
    assert "## Your prompt" in said("what did I ask first? " + "text " * 60)


# --- what is attached


def test_pictures_are_mentioned_with_type_and_size() -> None:
    """One could not see whether `--attach` reached the service."""
    picture = base64.b64encode(bytes(12_300)).decode()
    parts: list[Any] = [
        {"type": "text", "text": "Look"},
        {"type": "text", "text": "here"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
    ]
    assert "with 1 picture (image/png, 12.3 KB):\n\n> Look\n> here\n" in said(parts)
    parts += [{"type": "image_url", "image_url": {"url": "https://x.org/a.png"}}, {"type": "file"}]
    expected = "with 2 pictures (image/png, 12.3 KB; by its address) and 1 other attachment (file):"
    assert expected in said(parts)
    assert "(image/gif, 3 bytes)" in said(
        [{"type": "image_url", "image_url": "data:image/gif;base64,AAAA"}]
    )


@pytest.mark.parametrize("content", [None, "", [], ["text"], 7])
def test_a_message_without_text_is_answered(content: object) -> None:
    """Messages of tools have no text; the demo would crash on them."""
    assert "> (nothing)" in said(content)


def test_a_conversation_without_a_prompt_is_answered() -> None:
    """A system prompt alone is legal, if odd."""
    got = chat([{"role": "system", "content": "Be brief"}])
    assert got.status == 200


# --- the faults


@pytest.mark.parametrize(
    ("prompt", "status", "code"),
    [
        ("401", 401, "invalid_api_key"),
        ("429", 429, "rate_limit_exceeded"),
        ("a 500!", 500, "server_error"),
    ],
)
def test_statuses_come_when_asked_for(prompt: str, status: int, code: str) -> None:
    """How errors look in a cell could not be tried without breaking something."""
    got = fault(prompt)
    assert (got.status, got.json["error"]["code"]) == (status, code)
    assert got.headers.get("retry-after") == ("1" if status == 429 else None)


def test_a_cut_connection_breaks_in_the_middle() -> None:
    """What a cell keeps of a broken answer could not be shown."""
    got = fault("cut it")
    assert isinstance(got.broke, ConnectionResetError)
    assert 0 < len(got.deltas()) < len(fault("help").deltas())
    assert got.finish_reasons == []
    whole = fault("cut it", stream=False)
    assert isinstance(whole.broke, ConnectionResetError)
    assert whole.body.startswith(b'{"id"')


@pytest.mark.parametrize("prompt", ["cutoff", "cut-off", "no finish"])
def test_a_cutoff_ends_without_saying_so(prompt: str) -> None:
    """The note that an answer was never finished could not be shown."""
    got = fault(prompt)
    assert got.broke is None
    assert got.deltas() == fault("help").deltas()
    assert (got.finish_reasons, got.events[-1] == "[DONE]") == ([], False)
    assert fault(prompt, stream=False).json["choices"][0]["finish_reason"] is None


def test_an_error_in_the_stream_follows_half_an_answer() -> None:
    """Some services fail with status 200; the demo has to be able to."""
    got = fault("in-stream")
    *answer, error = got.events
    assert answer[-1]["choices"][0]["delta"]["content"]
    assert error["error"]["code"] == "server_error"
    assert "error" in fault("in-stream", stream=False).json


def test_a_login_page_may_come_instead() -> None:
    """What people behind a hotel's network see could not be shown."""
    got = fault("html")
    assert (got.status, got.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<title>Log in</title>" in got.body


@pytest.mark.parametrize("prompt", ["slow", "stall"])
def test_a_stalled_answer_begins_and_then_waits(prompt: str) -> None:
    """Stop and the timeout could not be tried."""
    got = fault(prompt)
    assert isinstance(got.broke, asyncio.TimeoutError)
    assert [event["choices"][0]["delta"]["role"] for event in got.events] == ["assistant"]
    assert fault(prompt, stream=False).frames == []


def test_without_a_fault_demo_error_explains_the_faults() -> None:
    """Nobody would find the words to use."""
    text = "".join(fault("help").deltas())
    assert all(f"`{name}`" in text for name in demo_voice.FAULTS)
    assert demo_voice.NOTICE in text


def test_only_the_latest_prompt_names_a_fault() -> None:
    """After one failure the whole conversation would be broken."""
    talk = [*HELLO, {"role": "assistant", "content": "cut"}, {"role": "user", "content": "help"}]
    assert chat([{"role": "user", "content": "401"}, *talk], "demo-error").status == 200


# --- listing and refusals


def test_the_listing_names_every_model_and_marks_the_one_for_pictures() -> None:
    """`%g4f_models` would miss a model, or chat with the one that draws."""
    data = fetch("GET", "/v1/models").json["data"]
    assert [entry["id"] for entry in data] == list(MODELS)
    assert all({"id", "object", "owned_by"} <= set(entry) for entry in data)
    assert [entry["id"] for entry in data if entry.get("type") == "image"] == ["demo-image"]
    reasoning = [entry["id"] for entry in data if entry.get("supports_reasoning")]
    assert reasoning == ["demo-reasoning"]
    assert set(NOTES) == set(MODELS)


@pytest.mark.parametrize(
    "route", ["GET /v1/files", "POST /v1/models", "GET /", "DELETE /v1/models"]
)
def test_other_routes_are_not_found(route: str) -> None:
    """A wrong base URL would look like an answer."""
    method, path = route.split()
    got = fetch(method, path)
    assert got.status == 404
    assert set(got.json["error"]) == {"message", "type", "param", "code"}


def test_a_route_may_have_a_query_and_a_slash() -> None:
    """Clients add both."""
    assert fetch("get", "/v1/models/?limit=3").status == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b"{}", b"[" * 100_000])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/images/generations"])
def test_a_bad_body_is_refused(path: str, body: bytes) -> None:
    """A mistake in a client would look like a crash of the demo."""
    got = fetch("POST", path, body)
    assert (got.status, got.json["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    "wrong",
    [{"messages": []}, {"messages": "Hello"}, {"messages": ["Hello"]}, {"max_tokens": 0},
     {"max_tokens": "9"}, {"stop": 3}, {"stop": [3]}, {"model": None}, {"model": "demo-image"}],
)  # fmt: skip
def test_a_wrong_field_is_refused(wrong: dict[str, Any]) -> None:
    """A wrong option would be swallowed in silence."""
    assert (
        post("/v1/chat/completions", **({"model": "demo", "messages": HELLO} | wrong)).status == 400
    )


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/images/generations"])
@pytest.mark.parametrize("model", ["gpt-4o", ["demo"]])
def test_an_unknown_model_is_answered_with_those_there_are(path: str, model: object) -> None:
    """A misspelt model would leave one guessing."""
    got = post(path, model=model, messages=HELLO, prompt="A red fox")
    assert (got.status, got.json["error"]["code"]) == (404, "model_not_found")
    assert all(name in got.json["error"]["message"] for name in MODELS)


# --- pictures


def pixels(png: bytes) -> tuple[int, int, bytes]:
    """Return width, height and the unpacked rows; every checksum is checked."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, chunks = 8, {}
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        content, check = png[at + 8 : at + 8 + size], png[at + 8 + size : at + 12 + size]
        assert zlib.crc32(kind + content) == struct.unpack(">I", check)[0]
        chunks[kind] = content
        at += 12 + size
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [8, 2, 0, 0, 0]
    return width, height, zlib.decompress(chunks[b"IDAT"])


def pictures(**request: Any) -> list[bytes]:
    """Ask for pictures and return their bytes."""
    got = post("/v1/images/generations", prompt="A red fox", **request)
    assert got.status == 200, got.body
    return [base64.b64decode(entry["b64_json"]) for entry in got.json["data"]]


@pytest.mark.parametrize("size", [None, "auto", "512x512", "1024x1024", "1x1", "3x200", "300x20"])
def test_a_picture_has_the_size_asked_for(size: str | None) -> None:
    """`--size` would seem not to work, or the picture not to open."""
    wanted = size if size and "x" in size else "512x512"
    (picture,) = pictures(size=size, model="demo-image")
    width, height, rows = pixels(picture)
    assert f"{width}x{height}" == wanted
    assert len(rows) == height * (1 + 3 * width)
    assert set(rows[:: 1 + 3 * width]) == {0}


def test_pictures_differ_by_prompt_number_and_seed_alone() -> None:
    """Every picture would look the same, or no two runs alike."""
    three = pictures(n=3, size="64x64")
    assert len(set(three)) == 3
    assert pictures(n=3, size="64x64") == three
    assert pictures(size="64x64", seed=1) != pictures(size="64x64")
    assert draw("a", 64, 64) != draw("b", 64, 64)


def test_a_picture_may_come_as_an_address() -> None:
    """`response_format="url"` is what many scripts ask for."""
    got = post("/v1/images/generations", prompt="x", size="8x8", response_format="url")
    assert got.json["data"][0]["url"].startswith("data:image/png;base64,iVBOR")


@pytest.mark.parametrize(
    "wrong",
    [{"size": "2000x20"}, {"size": "big"}, {"size": "0x5"}, {"size": [1]}, {"n": 0}, {"n": 99},
     {"n": "2"}, {"prompt": " "}, {"prompt": None}, {"model": "demo"}],
)  # fmt: skip
def test_a_wrong_wish_for_a_picture_is_refused(wrong: dict[str, Any]) -> None:
    """A wrong option would be swallowed, or take minutes."""
    assert post("/v1/images/generations", **({"prompt": "x"} | wrong)).status == 400


def test_the_demo_needs_nothing_but_the_standard_library() -> None:
    """Loading the extension would become slow, or the demo need the network."""
    for module in (demo_models, demo_service, demo_sums, demo_voice):
        nodes = list(ast.walk(ast.parse(inspect.getsource(module))))
        names = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
        names |= {str(n.module) for n in nodes if isinstance(n, ast.ImportFrom) and not n.level}
        foreign = {name for name in names if name.split(".")[0] not in sys.stdlib_module_names}
        assert foreign <= {"g4f_magic.service"}
        assert not names & {"socket", "ssl", "http.client", "urllib.request"}
