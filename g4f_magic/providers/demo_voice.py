"""What the demo says: answers made by plain rules from the messages it was sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..image_bytes import pixels
from .demo_sums import solved
from .pictures import data_in

NOTICE = (
    "This is the built-in demo, **not a language model**. For real answers set `OPENAI_API_KEY` "
    "and use `%%chat -p openai`, or run [Ollama](https://ollama.com) and use `%%chat -p ollama`."
)

SHORT_NOTICE = "*Demo, not a language model:*"

FAULTS: Mapping[str, tuple[str, str]] = {
    "401": (r"\b401\b", "status 401: the key is wrong"),
    "429": (r"\b429\b", "status 429 with `retry-after: 1`, every time"),
    "500": (r"\b500\b", "status 500: the server failed"),
    "cutoff": (r"\bcut[- ]?off\b|\bno[- ]finish\b", "a clean end, but no `finish_reason`"),
    "cut": (r"\bcut\b", "half an answer, then the connection breaks"),
    "html": (r"\bhtml\b", "a login page where an answer should be"),
    "in-stream": (r"\bin[- ]stream\b", "half an answer, then an error inside the stream"),
    "stall": (r"\bslow\b|\bstall\b", "the beginning of an answer, then nothing"),
}
"""Name of a fault → the pattern that asks for it, and what happens."""

_QUOTE_CHARACTERS = 300
_RULE_CHARACTERS = 200  # longer prompts are documents, not questions to the demo
_MOST_WORDS = 8
_REPEAT = r"\brepeat (?:your|the|that) (?:last |previous )?(?:answer|reply)\b"
_AGAIN = "Here is my last answer again:\n\n"
_TOKEN = re.compile(r"\s*(?:\w{1,24}|[^\w\s])|\s+")


@dataclass(frozen=True, slots=True)
class Heard:
    """A conversation as the demo understands it; the last of ``prompts`` is to be answered."""

    system: str
    prompts: tuple[str, ...]
    answers: tuple[str, ...]
    attached: str

    @property
    def prompt(self) -> str:
        """The prompt to answer, empty if there is none."""
        return self.prompts[-1] if self.prompts else ""


def hear(messages: Sequence[Mapping[str, Any]]) -> Heard:
    """Return what was said by whom."""
    said = [(str(m.get("role")), _text_of(m.get("content"))) for m in messages]
    asked = [m.get("content") for m in messages if m.get("role") == "user"]
    return Heard(
        system="\n".join(text for role, text in said if role in {"system", "developer"}).strip(),
        prompts=tuple(text for role, text in said if role == "user"),
        answers=tuple(text for role, text in said if role == "assistant" and text.strip()),
        attached=_attached_to(asked[-1]) if asked else "",
    )


def answer(heard: Heard) -> str:
    """Return the demo's answer, in Markdown; the same for the same conversation."""
    if again := _again(heard):
        return again
    parts = [f"Hello! {NOTICE}" if _is_greeting(heard.prompt) else NOTICE]
    if heard.system:
        note = "Your system prompt, which a real model would follow:"
        parts.append(f"{note}\n\n{_quoted(heard.system)}")
    parts.append(_answer_by_rule(heard) or _description(heard))
    return "\n\n".join(parts)


def brief(heard: Heard) -> str:
    """Return an answer in a line, with code where that was asked for."""
    p_value = f"{_P_VALUE_IN_SHORT}\n\n{_P_VALUE_CODE}"
    return _in_short(heard, "**{.exact}**", p_value, _sketch(heard))


def hasty(heard: Heard) -> str:
    """Return the first thing that comes to mind: of a sum no more than one digit."""
    guess = f"It reads like {_kind(heard.prompt)}."
    return _in_short(heard, "about **{.rounded}**", _P_VALUE_IN_SHORT, guess)


def detailed(heard: Heard) -> str:
    """Return the answer, all that can be said of the prompt, and the plan behind both."""
    if again := _again(heard):
        return again
    parts = [answer(heard)]
    if _answer_by_rule(heard):
        parts.append(_description(heard))
    if _longest_words(heard.prompt):
        parts.append(f"## Its longest words\n\n{_word_table(heard.prompt)}")
    steps = [f"{number}. {thought}" for number, thought in enumerate(_thoughts(heard), 1)]
    return "\n\n".join([*parts, "## My plan was\n\n" + "\n".join(steps)])


def plan(heard: Heard) -> str:
    """Return what the demo thinks before it answers: four sentences."""
    return " ".join(_thoughts(heard))


def fault_in(prompt: str) -> str:
    """Return the name of the fault that the prompt asks for, or an empty string."""
    return next(
        (f for f, (sign, _) in FAULTS.items() if re.search(sign, prompt, re.IGNORECASE)), ""
    )


def faults_explained() -> str:
    """Return the list of faults that can be asked for, in Markdown."""
    rows = [f"- `{name}`: {effect}" for name, (_, effect) in FAULTS.items()]
    lead = "`demo-error` fails on demand. Put one of these words into the prompt:"
    return "\n\n".join([NOTICE, lead, "\n".join(rows)])


def tokens_of(text: str) -> list[str]:
    """Cut a text into words and punctuation marks; joined they are the text again."""
    return _TOKEN.findall(text)


def tokens_in(messages: Sequence[Mapping[str, Any]]) -> int:
    """Count the tokens of what was sent; pictures count nothing."""
    return sum(len(tokens_of(_text_of(m.get("content")))) for m in messages)


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    texts = [part.get("text") for part in _parts(content) if part.get("type") == "text"]
    return "\n".join(text for text in texts if isinstance(text, str))


def _parts(content: Any) -> list[Mapping[str, Any]]:
    parts = content if isinstance(content, list) else []
    return [part for part in parts if isinstance(part, Mapping)]


def _attached_to(content: Any) -> str:
    """Return ``1 picture (image/png, 12.3 KB)`` and the like, empty if there is nothing."""
    pictures = [
        _picture(p.get("image_url")) for p in _parts(content) if p.get("type") == "image_url"
    ]
    others = [
        str(p.get("type")) for p in _parts(content) if p.get("type") not in {"text", "image_url"}
    ]
    counted = []
    if pictures:
        counted.append(f"{_counted(len(pictures), 'picture')} ({'; '.join(pictures)})")
    if others:
        counted.append(f"{_counted(len(others), 'other attachment')} ({', '.join(others)})")
    return " and ".join(counted)


def _picture(source: Any) -> str:
    url = str(source.get("url") if isinstance(source, Mapping) else source)
    if not url.startswith("data:"):
        return "by its address"
    kind, data = re.split("[;,]", url.removeprefix("data:"))[0], data_in(url)
    sides = "×".join(map(str, pixels(data) or ()))
    size = f"{len(data) / 1000:.1f} KB" if len(data) >= 1000 else f"{len(data)} bytes"  # noqa: PLR2004
    return ", ".join(filter(None, (kind or "unknown type", sides, size)))


def _thoughts(heard: Heard) -> list[str]:
    words = _counted(len(heard.prompt.split()), "word")
    how = "one of my rules covers it" if _answer_by_rule(heard) else "no rule of mine covers it"
    then = "say what the rule gives" if _answer_by_rule(heard) else "describe the prompt itself"
    return [
        f"This is turn {len(heard.prompts)}, and the prompt has {words}.",
        f"It reads like {_kind(heard.prompt)}, and {how}.",
        f"I am a demo and cannot know more, so I will {then}.",
        "First I must say plainly that no language model is at work.",
    ]


def _again(heard: Heard) -> str:
    """Return the last answer once more if that is asked for, and there is one."""
    if not (heard.answers and _asks(_REPEAT, heard)):
        return ""
    return _AGAIN + heard.answers[-1].removeprefix(_AGAIN)


def _in_short(heard: Heard, calculated: str, p_value: str, otherwise: str) -> str:
    """Return one of these after a few words of warning; ``calculated`` takes a `Sum`."""
    if again := _again(heard):
        return again
    result = solved(heard.prompt)
    if result and result.value is not None:
        said = calculated.format(result)
    elif _p_value(heard):
        said = p_value
    else:
        said = _answer_by_rule(heard) or otherwise
    return f"{SHORT_NOTICE} {said}"


def _answer_by_rule(heard: Heard) -> str:
    if len(heard.prompt) > _RULE_CHARACTERS:
        return ""
    if _asks(_REPEAT, heard):
        return "There is no answer to repeat in this conversation yet."
    rules = (_name, _asked_before, _how_many, _p_value, _sum)
    return next((text for rule in rules if (text := rule(heard))), "")


def _asks(pattern: str, heard: Heard) -> bool:
    return len(heard.prompt) <= _RULE_CHARACTERS and bool(
        re.search(pattern, heard.prompt, re.IGNORECASE)
    )


_CAPITALISED = r"[^\W\d_a-z][\w'\u2019-]*"
_NAMINGS = (
    re.compile(
        rf"\b(?i:my name is|my name['\u2019]s) (?!not\b)([^\W\d_][\w'\u2019-]*(?: {_CAPITALISED})*)"
    ),
    re.compile(rf"\bI(?: am|['\u2019]m) ({_CAPITALISED}(?: {_CAPITALISED})*)"),
)
_MY_NAME = (
    r"\b(?:what(?: is|['\u2019]s)|know|remember|tell me) my name\b"
    r"|\bwhat my name is\b|\bmy name was\b|\bwho am i\b"
)


def _name(heard: Heard) -> str:
    if not _asks(_MY_NAME, heard):
        return ""
    for naming in _NAMINGS:
        for prompt in reversed(heard.prompts):
            if match := naming.search(prompt):
                return f"Your name is **{match[1]}**: you wrote “{match[0]}”."
    return "You have not told me your name in this conversation."


def _asked_before(heard: Heard) -> str:
    said = (
        r"\bwhat (?:did i (?:just )?(?:ask|say|write)|was my [\w ]*(?:question|prompt|message))\b"
    )
    if not _asks(said, heard):
        return ""
    is_first = _asks(r"\bfirst\b", heard)
    if not is_first and not _asks(r"\b(?:before|last|just|earlier|previous(?:ly)?)\b", heard):
        return ""
    if len(heard.prompts) == 1:
        return "Nothing yet: this is the first prompt of this conversation."
    which, prompt = ("first", heard.prompts[0]) if is_first else ("last", heard.prompts[-2])
    return f"Your {which} prompt{'' if is_first else ' before this one'} was:\n\n{_quoted(prompt)}"


def _how_many(heard: Heard) -> str:
    if not _asks(r"\bhow many (?:questions|prompts|messages|things) (?:did|have) i\b", heard):
        return ""
    before = _counted(len(heard.prompts) - 1, "prompt")
    return f"You sent {before} before this one, which is number {len(heard.prompts)}."


_P_VALUE_CODE = (
    "```python\nfrom math import comb; print(sum(comb(10, k) for k in (9, 10)) / 2**10)\n```"
)
_P_VALUE_IN_SHORT = (
    "If nothing but chance were at work, how often would you see something at least this odd? "
    "That share is the **p-value**."
)


def _p_value(heard: Heard) -> str:
    if not _asks(r"\bp[- ]?values?\b", heard):
        return ""
    return (
        "## A p-value, for a ten-year-old\n\n"
        "Your friend says her coin is an ordinary one. She throws it ten times and gets heads nine "
        "times. Hm! So you ask: *if the coin were ordinary, how often would I see something at "
        "least this odd?* The answer to that question is the **p-value**.\n\n"
        "- A small p-value: an ordinary coin hardly ever does this, so you begin to doubt it.\n"
        "- A large one: ordinary coins do this all the time, so there is nothing to explain.\n\n"
        "It does *not* say how likely it is that the coin is ordinary.\n\n"
        "$$p = P(\\text{9 or more heads} \\mid \\text{ordinary coin}) = \\frac{10 + 1}{2^{10}} "
        "\\approx 0.011$$\n\n"
        f"{_P_VALUE_CODE}"
    )


def _sum(heard: Heard) -> str:
    result = solved(heard.prompt)
    if result is None:
        return ""
    if result.value is None:
        return "That divides by zero, so it has no value."
    return f"`{result.formula}` = **{result.exact}**"


_CODE = """\
```python
from collections import Counter

prompt = {}
words = prompt.split()
print(len(words), "words:", Counter(words).most_common(3))
```"""


def _description(heard: Heard) -> str:
    """Return an answer that shows every kind of Markdown and says only true things."""
    prompt = heard.prompt
    cut = "  # its beginning" if len(prompt) > _QUOTE_CHARACTERS else ""
    seen = f"You wrote, with {heard.attached}:" if heard.attached else "You wrote:"
    quoted = f"{prompt[:_QUOTE_CHARACTERS]!r}{cut}"
    formula = rf"\bar{{\ell}} = \frac{{1}}{{n}} \sum_i \ell_i = {_fraction(prompt)}"
    sections = [
        f"{seen}\n\n{_quoted(prompt)}",
        f"## Your prompt, taken apart\n\n{_remarks(heard)}",
        _table(heard),
        f"This code counts its words:\n\n{_CODE.format(quoted)}",
        f"Mean length of a word, punctuation included:\n\n$${formula}$$",
    ]
    return "\n\n".join(sections)


def _sketch(heard: Heard) -> str:
    attached = f", with {heard.attached}" if heard.attached else ""
    longest = "".join(
        f"; the longest is `{word[:40]}`" for word in _longest_words(heard.prompt)[:1]
    )
    count = _counted(len(heard.prompt.split()), "word")
    return f"You sent {_kind(heard.prompt)} of {count}{attached}{longest}."


def _word_table(prompt: str) -> str:
    lines = [f"| `{word[:40]}` | {len(word)} |" for word in _longest_words(prompt)]
    return "\n".join(["| word | characters |", "| --- | ---: |", *lines])


def _longest_words(prompt: str) -> list[str]:
    """Return a few words of a prompt, the longest first, those alike as they stand there."""
    words = dict.fromkeys(re.findall(r"\w+", prompt))
    return sorted(words, key=len, reverse=True)[:_MOST_WORDS]


def _fraction(prompt: str) -> str:
    words = prompt.split()
    letters, count = sum(map(len, words)), max(len(words), 1)
    return rf"\frac{{{letters}}}{{{count}}} \approx {letters / count:.2f}"


def _remarks(heard: Heard) -> str:
    longest = _longest_words(heard.prompt)[:1]
    remarks = [f"It reads like {_kind(heard.prompt)}."]
    if longest:
        remarks.append(f"Its longest word is `{longest[0][:40]}`.")
    remarks += [
        "I remember this conversation: ask me `what did I ask first?`",
        "I can calculate: ask me `what is 12 * 7?`",
        "Other models of mine: `demo-slow`, `demo-reasoning`, `demo-image` and `demo-error`.",
    ]
    return "\n".join(f"- {remark}" for remark in remarks)


def _table(heard: Heard) -> str:
    rows = {
        "words": len(heard.prompt.split()),
        "characters": len(heard.prompt),
        "turn of this conversation": len(heard.prompts),
        "system prompt": "set" if heard.system else "not set",
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["| fact | value |", "| --- | ---: |", *lines])


def _quoted(text: str) -> str:
    """Return the text as a block quote, cut where it gets long."""
    text = re.sub(r"\r\n?", "\n", text.strip()) or "(nothing)"
    if len(text) > _QUOTE_CHARACTERS:
        text = text[:_QUOTE_CHARACTERS].rstrip() + " …"
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def _kind(prompt: str) -> str:
    if _is_greeting(prompt):
        return "a greeting"
    return "a question" if prompt.rstrip().endswith("?") else "a request"


def _is_greeting(prompt: str) -> bool:
    return bool(re.match(r"\s*(?:hello|hi|hey|good (?:morning|evening))\b", prompt, re.IGNORECASE))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
