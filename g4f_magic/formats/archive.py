"""The project's own JSON: all that is known of a conversation, but for the requests."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast, get_args

from ..messages import Answer, CallOutcome, Compared, Image, State, ToolCall, Usage
from ..parts import Attachment, Kind
from ..prompts.conversation import Conversation, Turn

if TYPE_CHECKING:
    from ..parts import Part
    from .reading import Node

FORMAT = 1

_BLANK = Answer()
_MOST_ATTEMPTS = 1_000_000
# Of an answer's other fields, ``request`` repeats all that was said before, at every turn,
# ``parsed`` belongs to the notebook's types, and the others are of use only to its card.
_PLAIN = (
    "reasoning",
    "finish_reason",
    "model",
    "provider",
    "elapsed_s",
    "first_token_s",
    "cached",
    "attempt",
)


def write(conversation: Conversation) -> str:
    """Return the conversation as a JSON text, indented."""
    turns = [turn_record(turn) for turn in conversation.turns]
    document = {"g4f_magic": FORMAT, "name": conversation.name, "turns": turns}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def read(document: Node) -> Conversation:
    """Return the conversation that ``write`` wrote."""
    version = document["g4f_magic"]
    if version.value != FORMAT or isinstance(version.value, bool):
        version.refuse(f"is {str(version.value)[:40]}, and only format {FORMAT} is known")
    turns = document["turns"]
    if turns.value is None:
        document.refuse("has no 'turns'")
    return Conversation(document["name"].text(), [turn_from(turn) for turn in turns.each()])


def turn_record(turn: Turn) -> dict[str, Any]:
    """Return a turn as JSON has it, without its cell, which belongs to one notebook."""
    record: dict[str, Any] = {"prompt": turn.prompt}
    if turn.system is not None:
        record["system"] = turn.system
    if turn.starts_afresh:
        record["starts_afresh"] = True
    if turn.parts:
        record["parts"] = [_part_record(part) for part in turn.parts]
    if turn.answer is not None:
        record["answer"] = whole_record(turn.answer)
    if turn.compared:
        record["compared"] = [_compared_record(one) for one in turn.compared]
    return record


def turn_from(node: Node) -> Turn:
    """Return the turn of a record."""
    if node["prompt"].value is None:
        node.refuse("has no 'prompt'")
    answer = node["answer"]
    return Turn(
        node["prompt"].text(),
        system=node["system"].text_or_none(),
        starts_afresh=node["starts_afresh"].flag(),
        answer=None if answer.value is None else answer_from(answer),
        compared=tuple(_compared_from(one) for one in node["compared"].each()),
        parts=tuple(_part_from(part) for part in node["parts"].each()),
    )


def _part_record(part: Part) -> dict[str, str]:
    if isinstance(part, str):
        return {"text": part}
    texts = {
        "kind": part.kind,
        "media_type": part.media_type,
        "name": part.name,
        "note": part.note,
        "data": base64.b64encode(part.data).decode(),
    }
    return {name: text for name, text in texts.items() if text}


def _part_from(node: Node) -> Part:
    if node["text"].value is not None:
        return node["text"].text()
    kind = cast("Kind", node["kind"].one_of(get_args(Kind), ""))
    names = (node[name].text() for name in ("media_type", "name", "note"))
    part = Attachment(kind, _data_of(node), *names)
    if not part.can_be_sent:
        node.refuse("is nothing that can be sent")
    return part


def _compared_record(one: Compared) -> dict[str, Any]:
    record = {"label": one.label, "answer": whole_record(one.answer)}
    return record | {"error": one.error} if one.error else record


def _compared_from(node: Node) -> Compared:
    return Compared(node["label"].text(), answer_from(node["answer"]), node["error"].text())


def whole_record(answer: Answer) -> dict[str, Any]:
    """Return an answer as JSON has it, with its pictures."""
    record = answer_record(answer)
    if answer.images:
        record["images"] = [image_record(one) for one in answer.images]
    return record


def answer_record(answer: Answer) -> dict[str, Any]:
    """Return an answer as JSON has it, without its pictures."""
    record: dict[str, Any] = {"text": answer.text, "state": ended(answer.state)}
    for name in _PLAIN:
        if getattr(answer, name) != getattr(_BLANK, name):
            record[name] = getattr(answer, name)
    if answer.tool_calls:
        record["tool_calls"] = [_call_record(call) for call in answer.tool_calls]
    if answer.usage is not None:
        # What a server counted may be no number, which JSON cannot say.
        raw = json.loads(json.dumps(answer.usage.raw), parse_constant=lambda _: None)
        sides = {"tokens_in": answer.usage.tokens_in, "tokens_out": answer.usage.tokens_out}
        record["usage"] = {**sides, "raw": raw}
    return record


def answer_from(node: Node) -> Answer:
    """Return the answer of a record; what it does not say is as in a blank one."""
    attempt = node["attempt"].count_or_none()
    if attempt is not None and not 0 < attempt < _MOST_ATTEMPTS:
        node["attempt"].refuse("is no number of requests")
    return Answer(
        text=node["text"].text(),
        reasoning=node["reasoning"].text(),
        images=tuple(image_from(image) for image in node["images"].each()),
        tool_calls=tuple(_call_from(call) for call in node["tool_calls"].each()),
        usage=None if node["usage"].value is None else usage_from(node["usage"]),
        finish_reason=node["finish_reason"].text_or_none(),
        model=node["model"].text(),
        provider=node["provider"].text(),
        elapsed_s=node["elapsed_s"].seconds_or_none() or 0.0,
        first_token_s=node["first_token_s"].seconds_or_none(),
        state=ended(cast("State", node["state"].one_of(get_args(State), _BLANK.state))),
        cached=node["cached"].flag(),
        attempt=_BLANK.attempt if attempt is None else attempt,
    )


def usage_from(node: Node) -> Usage:
    """Return the token counts of a record."""
    sides = (node["tokens_in"].count_or_none(), node["tokens_out"].count_or_none())
    return Usage(*sides, node["raw"].object())


def image_record(image: Image) -> dict[str, str]:
    """Return a picture as JSON has it: its bytes in base64, or its address."""
    texts = {
        "media_type": image.media_type,
        "data": base64.b64encode(image.data).decode(),
        "url": image.url,
        "revised_prompt": image.revised_prompt,
        "trouble": image.trouble,
    }
    return {name: text for name, text in texts.items() if text}


def image_from(node: Node) -> Image:
    """Return the picture of a record."""
    texts = (node[name].text() for name in ("media_type", "url", "revised_prompt", "trouble"))
    return Image(_data_of(node), *texts)


def _data_of(node: Node) -> bytes:
    try:
        return base64.b64decode("".join(node["data"].lines().split()), validate=True)
    except (binascii.Error, ValueError):  # the latter for what is not ASCII
        node["data"].refuse("is not base64")


def _call_record(call: ToolCall) -> dict[str, Any]:
    """Return a call as JSON has it, without what only its own turn needs."""
    return {name: value for name, value in asdict(call).items() if name != "extra"}


def _call_from(node: Node) -> ToolCall:
    return ToolCall(
        id=node["id"].text(),
        name=node["name"].text(),
        arguments=node["arguments"].text(),
        after=node["after"].count_or_none() or 0,
        result=node["result"].text(),
        outcome=cast("CallOutcome", node["outcome"].one_of(get_args(CallOutcome), "")),
    )


def ended(state: State) -> State:
    """Return the state for a file, in which nothing goes on."""
    return "interrupted" if state == "streaming" else state
