"""Error replies of every shape become one safe line that says what to do."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chat_bytes import dump

from g4f_magic.providers.refusals import is_hopeless, nonsense, redacted, refusal

if TYPE_CHECKING:
    from g4f_magic.errors import ResponseError

PAGE = b"<!DOCTYPE html>\n<html><head><TITLE lang=en>502 &amp; out</TITLE></head><p>dumped</html>"


def refused(body: bytes, status: int = 400, **facts: Any) -> ResponseError:
    """Return the error for a reply with this body."""
    return refusal(status, body, provider="p", **facts)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "bad", "type": "t", "code": 400}}, "bad"),
        ({"error": {"message": "", "code": "model_not_found"}}, "model_not_found"),
        ({"error": {"message": None, "code": 404}}, "404"),
        ({"error": {"type": "overloaded_error"}}, "overloaded_error"),
        ({"error": {"code": None}}, ""),
        ({"error": "bad"}, "bad"),
        ({"error": ["bad", {"message": "worse"}, "", "third", "fourth"]}, "bad; worse"),
        ({"error": True, "message": "bad"}, "bad"),
        ([{"error": {"message": "bad"}}], "bad"),
        ({"detail": "bad"}, "bad"),
        ({"detail": [{"loc": ["body"], "msg": "field required"}]}, "field required"),
        ({"message": "bad", "object": "error"}, "bad"),
        ({"errors": [{"message": "bad"}]}, "bad"),
        ({"error_description": "bad"}, "bad"),
        ({"title": "bad", "status": 400}, "bad"),
        ("bad", "bad"),
        ({}, ""),
        (None, ""),
        (42, ""),
        ({"error": {"message": "a\n\tb\r\nc"}}, "a b c"),
    ],
)
def test_the_reason_is_found_in_every_shape(body: Any, said: str) -> None:
    """Without it a person sees a number and guesses."""
    for data in (dump(body), b"\xef\xbb\xbf\n" + dump(body)):
        assert str(refused(data)) == "p said 400 Bad Request" + (f": {said}" if said else "")


def test_plain_text_is_its_own_reason() -> None:
    """Proxies and small servers do not speak JSON."""
    assert str(refused(b"model is\n still loading")).endswith(": model is still loading")
    assert str(refused(b"")) == "p said 400 Bad Request"
    assert str(refused(b"caf\xe9")).endswith(": caf�")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (PAGE, ": 502 & out"),
        (b"\xef\xbb\xbf \r\n" + PAGE, ": 502 & out"),
        (b"<html><body>dumped</body></html>", ""),
        (b"<h1>dumped</h1>", ""),
        (b"<?xml version='1.0'?><Error><Code>dumped</Code></Error>", ""),
        (dump({"error": PAGE.decode()}), ": 502 & out"),
        (
            dump({"error": {"message": "upstream said " + PAGE.decode()}}),
            ": upstream said 502 & out",
        ),
        (b"Bad gateway: <html>dumped", ": Bad gateway:"),
    ],
)
def test_of_a_web_page_only_the_title_is_shown(body: bytes, said: str) -> None:
    """A page of markup in the output buries the status."""
    error = refused(body, 502)
    assert str(error) == "p said 502 Bad Gateway" + said
    assert "dumped" not in str(error)


def test_a_page_of_nothing_but_titles_is_read_once() -> None:
    """Looking for the end of each of them would hold up all threads of the kernel for minutes."""
    page = b"<html>" + b"<title>" * 500_000
    said = str(nonsense(200, page, provider="p", headers={}))
    assert said.endswith("web page instead of an answer")
    assert str(refused(page, 502)) == "p said 502 Bad Gateway"


def test_comparisons_are_not_taken_for_web_pages() -> None:
    """A sentence with a smaller-than sign would be cut."""
    assert "0 < top_p" in str(refused(dump({"error": "0 < top_p <= 1 <b>"})))


def test_a_long_reason_is_cut() -> None:
    """Some servers send the whole request back."""
    assert len(str(refused(b"x" * 100_000))) < 350


@given(st.text())
def test_what_is_shown_is_one_line_without_tricks(said: str) -> None:
    """Escape sequences recolour a terminal, and text that turns around lies."""
    for data in (dump_any(said), said.encode("utf-8", "replace")):
        shown = str(refused(data))
        kinds = {unicodedata.category(character) for character in shown}
        assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
        assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200f")


def dump_any(said: str) -> bytes:
    """Return an error with this message; single surrogates are escaped, as in JavaScript."""
    import json  # noqa: PLC0415  # only here

    return json.dumps({"error": {"message": said}}).encode()


@pytest.mark.parametrize(
    "odd", ["\x1b[31m", "\x00", "\x9b", "\u202e", "\u2066", "\u061c", "\ud83e", "\u2028"]
)
def test_control_characters_are_taken_out(odd: str) -> None:
    """Named one by one, as hypothesis rarely writes them."""
    assert odd not in str(refused(dump_any(f"a{odd}b")))


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-abc123_DEF",
        "sk-****************wxyz",
        "gsk_abcdef123",
        "hf_abcdefghij",
        "AIzaSyA-1234567",
        "nvapi-abcdefgh",
        "xai-abcdefgh",
        "ghp_0123456789ab",
        "Bearer eyJhbGciOi.J9",
    ],
)
def test_what_looks_like_a_key_is_never_shown(key: str) -> None:
    """Also somebody else's: of the proxy behind the service, say."""
    shown = str(refused(dump({"error": {"message": f"Incorrect key: {key}. See the page."}})))
    assert key not in shown
    assert key[-6:] not in shown
    assert "See the page" in shown


def test_the_keys_of_the_request_are_never_shown() -> None:
    """They may look like nothing at all, and stand where a long reason is cut."""
    secret = "0123456789"
    for filler in range(280, 305):
        error = refused(b"x" * filler + b" " + secret.encode(), secrets=[secret])
        assert secret[:4] not in str(error)
    assert redacted("a none b", ["none", "b"]) == "a … b"
    page = nonsense(
        200, b"<title>hi 0123456789</title>", provider="p", headers={}, secrets=[secret]
    )
    assert str(page) == "p sent a web page instead of an answer: hi …"


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (400, "p said 400 Bad Request: no"),
        (429, "p said 429 Too Many Requests: no"),
        (529, "p said 529 Overloaded: no"),
        (520, "p said 520: no"),
        (200, "p reported an error: no"),
    ],
)
def test_the_status_is_told_by_number_and_name(status: int, shown: str) -> None:
    """529 is Anthropic's and in no standard; 200 would look like a success."""
    assert str(refused(b"no", status)) == shown


def test_a_good_status_without_a_reason_is_no_answer() -> None:
    """``{"error": {}}`` says nothing; the line still says what happened."""
    assert str(refused(b"{}", 200)) == "p sent no answer"


@pytest.mark.parametrize(
    ("status", "body", "facts", "hint"),
    [
        (401, b"", {}, "check the key"),
        (401, b"", {"api_key_env": "P_API_KEY"}, "check the key in P_API_KEY"),
        (403, b"", {"api_key_env": "P_API_KEY"}, "check the key in P_API_KEY"),
        (404, b"", {}, "check the name of the model (-m) and the base URL (-p)"),
        (429, b"", {"retry_after_s": 1.2}, "try again in 2 s"),
        (503, b"", {"retry_after_s": 300.0}, "try again in 300 s"),
        (408, b"", {}, "try again later, or another provider (-p)"),
        (413, b"", {}, "--last N sends fewer turns"),
        (429, b"", {}, "try again later, or another provider (-p)"),
        (400, b"", {}, ""),
        (500, b"", {}, "try again later, or another provider (-p)"),
        (529, b"", {}, "try again later, or another provider (-p)"),
        (402, b"Payment Required", {}, "budget"),
        (429, b'{"error": {"code": "insufficient_quota"}}', {"retry_after_s": 1.0}, "budget"),
        (400, b"maximum context length is 8192 tokens", {}, "--new"),
        (400, b'{"error": {"code": "context_length_exceeded"}}', {}, "--new"),
        (400, b"the request exceeds the available context size", {}, "--new"),
        (500, b"Requested tokens exceed context window of 512", {}, "--new"),
        (400, b"Prompt is too long", {}, "--new"),
        (400, b"This model's maximum prompt length is 131072 but", {}, "--new"),
        (400, b"The input token count (3475108) exceeds the maximum", {}, "--new"),
        (400, b"Your request exceeded model token limit: 262144", {}, "--new"),
        (400, b"Range of input length should be [1, 30720]", {}, "--new"),
        (422, b"`inputs` tokens + `max_new_tokens` must be <= 8192", {}, "--new"),
        (422, b"`inputs` must have less than 4096 tokens. Given: 4545", {}, "--new"),
    ],
)
def test_the_hint_says_what_to_do(
    status: int, body: bytes, facts: dict[str, Any], hint: str
) -> None:
    """What helps depends on whose turn it is to act."""
    shown = refused(body, status, **facts).hint
    assert (hint in shown) if hint else (shown == "")


@pytest.mark.parametrize("header", ["x-request-id", "request-id", "cf-ray"])
def test_the_number_of_the_request_is_kept(header: str) -> None:
    """A service's support asks for it first."""
    error = refused(b"", headers={header: "7", "date": "today"}, retry_after_s=2.0)
    assert (error.request_id, error.retry_after_s, error.provider) == ("7", 2.0, "p")
    assert refused(b"", headers={"date": "today"}).request_id is None


def test_only_a_spent_budget_is_hopeless() -> None:
    """The minute's quota comes back by itself; money does not."""
    assert is_hopeless(429, b'{"code": "insufficient_quota"}')
    assert is_hopeless(402, b'{"error": {"message": "Insufficient credits"}}')
    assert is_hopeless(429, b"Your credit balance is too low")
    assert is_hopeless(429, b'{"code": "billing_hard_limit_reached"}')
    assert not is_hopeless(429, b"rate limit reached, slow down")
    assert not is_hopeless(500, b"billing service down")


@pytest.mark.parametrize(
    "said",
    [
        "Try again in 4.77s. Need more tokens? Upgrade at https://console.groq.com/settings/billing",
        "Limit: 3 / min. Visit https://platform.openai.com/account/billing to add a way to pay.",
        "You exceeded your quota, check your plan and billing details. Please retry in 34.07s.",
    ],
    ids=["groq", "openai", "gemini"],
)
def test_a_full_minute_is_no_spent_budget(said: str) -> None:
    """Free plans advertise the paid one; the request would succeed seconds later."""
    body = dump({"error": {"message": said, "code": "rate_limit_exceeded"}})
    assert not is_hopeless(429, body)
    assert refused(body, 429, retry_after_s=5.0).hint == "try again in 5 s"


def test_nonsense_names_the_type_and_size_that_came() -> None:
    """Both together mostly tell what was really asked."""

    def shown(body: bytes, content_type: str) -> str:
        return str(nonsense(200, body, provider="p", headers={"content-type": content_type}))

    picture = shown(b"12345", "image/png; x=\x1b[31m")
    assert picture == "p sent something that is no answer (image/png, 5 bytes)"
    assert "(no content type, 1 bytes)" in shown(b"1", "")
    assert "\x1b" not in shown(b"1", "a\x1b[31m")


def test_nonsense_that_gives_a_reason_is_quoted() -> None:
    """A gateway in front of a service may say what is wrong in words of its own."""
    secret = "0123456789"
    said = nonsense(
        202, dump({"detail": f"no {secret}"}), provider="p", headers={}, secrets=[secret]
    )
    assert str(said) == "p sent something that is no answer: no …"
    error = nonsense(204, b"", provider="p", headers={"x-request-id": "7"})
    assert (error.status, error.request_id) == (204, "7")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"error":' * 500 + b"1" + b"}" * 500])
def test_nesting_does_not_break_the_reader(body: bytes) -> None:
    """A hostile body must not become a stack trace."""
    assert str(refused(body)).startswith("p said 400 Bad Request")
