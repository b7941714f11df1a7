"""One prompt to several models at the same time, and what they answered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, overload
from urllib.parse import unquote

from .config import split_model, target
from .display.columns import Column, bundle, metadata
from .display.compare import LiveColumns, Unseen, execution, follow_all, shell_here
from .display.footer import tokens_a_second
from .errors import UsageError
from .portal import Interrupts, refuse_on_the_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .call import Call
    from .messages import Answer
    from .shaping import MessageLike

# What says who is asked, and how to get there: a key in a name would be shown above its column.
_NO_FIELDS = frozenset(
    {
        *("api_base", "api_endpoint", "api_key", "headers", "impersonate", "proxy"),
        *("extra_data", "extra_parameters", "keep", "media", "messages", "model"),
        *("prompt", "provider", "stream"),
    }
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A model as somebody named it, and the fields of the request for it alone."""

    label: str
    model: str
    fields: Mapping[str, Any] = field(default_factory=dict)


class Comparison(Sequence["Answer"]):
    """The answers of several models to one prompt, in the order in which they were named.

    ``columns`` has with each answer what its model was called and the error that ended it.
    ``on_keep`` is told the answer that `keep` chooses; ``drawn_in`` is the number of the input
    that has shown the answers already. Neither goes along when a comparison is pickled.
    """

    def __init__(
        self,
        columns: Iterable[Column],
        kept: int | None = None,
        *,
        on_keep: Callable[[Answer], None] | None = None,
        drawn_in: int | None = None,
    ) -> None:
        self.columns = tuple(columns)
        self._kept = kept
        self._on_keep = on_keep
        self._drawn_in = drawn_in

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The answers, whole or not."""
        return tuple(column.answer for column in self.columns)

    @property
    def models(self) -> tuple[str, ...]:
        """What the models are called here."""
        return tuple(column.label for column in self.columns)

    @property
    def kept(self) -> Answer | None:
        """The answer that a conversation goes on with, if any."""
        return best_of(self.answers) if self._kept is None else self.answers[self._kept]

    def keep(self, model: str) -> Answer:
        """Let the conversation go on with the answer of this model, and return it.

        Raises ``UsageError`` for a name that is not that of one model here, and where there
        is no text to go on with.
        """
        number = self._number_of(model)
        answer = self.answers[number]
        if not answer.text:
            message = f"{self.models[number]!r} has said nothing to go on with"
            raise UsageError(message, hint=f"others are {', '.join(self.models)}")
        if self._on_keep is not None:
            self._on_keep(answer)
        self._kept = number
        return answer

    def rows(self) -> list[dict[str, Any]]:
        """Return the answers with their figures, each as a dict; None where nothing is known."""
        return [_row(column) for column in self.columns]

    def to_dataframe(self) -> Any:
        """Return the rows as a pandas DataFrame; raises ``UsageError`` without pandas."""
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            message = "pandas is not installed, which has the tables"
            hint = "%pip install pandas, or take .rows()"
            raise UsageError(message, hint=hint) from error
        return pandas.DataFrame(self.rows())

    def _number_of(self, model: str) -> int:
        if model in self.models:
            return self.models.index(model)
        named = [
            number
            for number, answer in enumerate(self.answers)
            if model in {answer.model, answer.source}
        ]
        if len(named) != 1:
            message = f"{'several answers are' if named else 'no answer is'} by {model!r}"
            raise UsageError(message, hint=f"there are {', '.join(self.models)}")
        return named[0]

    def __len__(self) -> int:
        """Return how many models were asked."""
        return len(self.columns)

    @overload
    def __getitem__(self, index: int) -> Answer: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Answer, ...]: ...
    def __getitem__(self, index: int | slice) -> Answer | tuple[Answer, ...]:
        """Return an answer by its place."""
        return self.answers[index]

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave behind what belongs to this process."""
        return Comparison, (self.columns, self._kept)

    def __str__(self) -> str:
        """Return the answers one under the other, and their figures."""
        return bundle(self.columns)["text/plain"]

    def __repr__(self) -> str:
        """Stay short: who was asked, and how many answered."""
        whole = sum(answer.state == "complete" for answer in self.answers)
        return f"<Comparison of {', '.join(self.models)}: {whole} of {len(self)} complete>"

    def _ipython_display_(self) -> None:
        """Show nothing as the result of the cell that has just shown the answers."""
        drawn_in, self._drawn_in = self._drawn_in, None
        if drawn_in is None or drawn_in != execution():
            raise NotImplementedError  # and IPython shows the bundle

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, str], dict[str, Any]]:
        del include, exclude
        return bundle(self.columns), metadata(self.columns)


class ComparisonStopped(KeyboardInterrupt):  # a person's wish, not a failure
    """The comparison was interrupted; ``comparison`` has what had arrived."""

    def __init__(self, comparison: Comparison) -> None:
        super().__init__("Stopped; .comparison of this has what had arrived.")
        self.comparison = comparison

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def compare(
    prompt: str | Sequence[MessageLike],
    models: Iterable[str],
    *,
    system: str | None = None,
    provider: str | None = None,
    **params: Any,
) -> Comparison:
    """Ask several models the same at the same time, and return all that they say.

    Each of ``models`` is a model or ``provider:model``, where ``?temperature=0&seed=1`` may
    follow with fields of the request for it alone; ``params`` are for all. Those that name no
    provider are asked of ``provider``, a name or a base URL. In a notebook the answers are
    shown while they grow. One that fails leaves the others alone, and is known by its state.
    Raises ``UsageError`` for names that cannot be used, and ``ComparisonStopped``.
    """
    refuse_on_the_loop()
    _refuse_no_fields(set(params) - {"proxy"})
    asked = parse_models(models)
    with Interrupts() as stop:
        calls = _start(asked, _messages(prompt, system), provider, params)
        shell = shell_here()
        is_live = hasattr(shell, "kernel")
        view = LiveColumns(shell.display_pub) if is_live else Unseen()
        columns = follow_all(calls, view, stop)
    comparison = Comparison(columns, drawn_in=execution() if is_live else None)
    if stop.arrived:
        raise ComparisonStopped(comparison)
    return comparison


def best_of(answers: Sequence[Answer]) -> Answer | None:
    """Return what a conversation goes on with: the first whole answer, else some text."""
    whole = (answer for answer in answers if answer.state == "complete")
    return next(whole, None) or next((answer for answer in answers if answer.text), None)


def parse_models(named: Iterable[str]) -> list[Asked]:
    """Return models from ``name`` or ``name?key=value&…``; a value is JSON, else text as it is.

    A name that comes again gets a number. Raises ``UsageError``.
    """
    asked: dict[str, Asked] = {}
    for given in named:
        name, mark, rest = given.partition("?")
        fields = dict(_field(part, name) for part in rest.split("&")) if mark else {}
        _refuse_no_fields(fields)
        if not name:
            message = f"{given!r} names no model"
            raise UsageError(message, hint="one looks like gpt-4o-mini or openai:gpt-4o-mini")
        label, number = given, 1
        while label in asked:
            number += 1
            label = f"{given} ({number})"
        asked[label] = Asked(label, name, fields)
    if not asked:
        message = "no model is named to compare"
        raise UsageError(message, hint="name two or more")
    return list(asked.values())


def _field(part: str, name: str) -> tuple[str, Any]:
    key, equals, value = (unquote(piece) for piece in part.partition("="))
    if not (key and equals):
        message = f"after the question mark of {name!r} stands no KEY=VALUE"
        raise UsageError(message, hint=f"for example {name}?temperature=0&seed=1")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _refuse_no_fields(names: Iterable[str]) -> None:
    """Raise ``UsageError`` for what cannot be said of a single request, its value unseen."""
    refused = sorted(_NO_FIELDS.intersection(names))
    if refused:
        message = f"{refused[0]!r} is no field of a request that a comparison can set"
        raise UsageError(message, hint="keys come from the environment")


def _messages(prompt: str | Sequence[MessageLike], system: str | None) -> list[Any]:
    from .shaping import plain_messages

    said = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    before = [{"role": "system", "content": system}] if system else []
    return [*before, *plain_messages(said)]


def _start(
    asked: Sequence[Asked], messages: list[Any], provider: str | None, params: Mapping[str, Any]
) -> dict[str, Call]:
    """Send the messages to all models; return the calls under way by label."""
    from .call import start_call

    named = (provider if not split_model(one.model)[0] else None for one in asked)
    targets = [target((name, one.model)) for name, one in zip(named, asked, strict=True)]
    return {
        one.label: start_call(
            to.provider, to.model, messages, **{**to.params(), **params, **one.fields}
        )
        for one, to in zip(asked, targets, strict=True)
    }


def _row(column: Column) -> dict[str, Any]:
    answer, usage = column.answer, column.answer.usage
    return {
        "model": column.label,
        "provider": answer.provider,
        "text": answer.text,
        "state": answer.state,
        "finish_reason": answer.finish_reason,
        "error": column.error or None,
        "first_token_s": answer.first_token_s,
        "elapsed_s": answer.elapsed_s,
        "tokens_per_s": tokens_a_second(answer),
        "tokens_in": usage.tokens_in if usage else None,
        "tokens_out": usage.tokens_out if usage else None,
        "characters": len(answer.text),
    }
