"""Prompts to several models at the same time, and what they answered."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ..display.compare import LiveColumns, Unseen, execution, follow_all, shell_here
from ..errors import UsageError
from ..models.listing_cache import ListingCache, default_path
from ..models.prices import cost_of
from ..portal import Interrupts, refuse_on_the_loop
from ..secret import veiled_address
from ..settings.config import split_model
from ..shaping import plain_messages
from .comparison import Comparison, ComparisonStopped
from .gather import Asking
from .grid import CONCURRENCY, Grid, Targets
from .judge import FunctionJudge, ModelJudge
from .tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..call import Call
    from ..shaping import MessageLike
    from .gather import Running
    from .judge import Judge
    from .tasks import Outcome, Prompt

__all__ = ["Asked", "Comparison", "ComparisonStopped", "compare", "parse_models"]

# What says who is asked, and how to get there: a key in a name would be shown above its column.
_NO_FIELDS = frozenset(
    {
        *("api_base", "api_endpoint", "api_key", "headers", "impersonate", "proxy"),
        *("extra_data", "extra_parameters", "keep", "media", "messages", "model"),
        *("prompt", "provider", "stream"),
    }
)
_WAY = ("max_answer_mb", "max_retries", "proxy", "timeout")  # what decides no answer


@dataclass(frozen=True, slots=True)
class Asked:
    """A model as somebody named it, and the fields of the request for it alone."""

    label: str
    model: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def compare(  # noqa: PLR0913  # what is asked, of whom, how often, and what becomes of it
    prompts: str | Iterable[str | MessageLike | Iterable[MessageLike]],
    models: str | Iterable[str],
    *,
    system: str | None = None,
    provider: str | None = None,
    concurrency: int = CONCURRENCY,
    repeat: int = 1,
    cache: bool = True,
    judge: str | Callable[..., Any] | None = None,
    engine: Any = None,
    **params: Any,
) -> Comparison:
    """Ask several models the same at the same time, and return all that they say.

    Each of ``models`` is a model or ``provider:model``, where ``?temperature=0&seed=1`` may
    follow with fields of the request for it alone; ``params`` are for all. Those that name no
    provider are asked of ``provider``, a name or a base URL. In a notebook the answers to one
    prompt are shown while they grow. One that fails leaves the others alone.

    ``prompts`` may also be many, texts or lists of messages, such as a column of a DataFrame,
    and each may be asked ``repeat`` times. Then at most ``concurrency`` requests to one
    service are open, a service that asks to wait is left alone for as long, and whole answers
    are kept: the same call asks only for the rest, unless ``cache`` is off.

    ``judge`` scores the answers: a function of ``(answer)`` or ``(prompt, answer)``, or a model,
    asked for 0 to 10. ``engine``, a client of a dask cluster, lets its workers ask, with the keys
    that are here. Raises ``UsageError``, with nothing sent, and ``ComparisonStopped``.
    """
    refuse_on_the_loop()
    _refuse_no_fields(set(params) - {"proxy"})
    asked = parse_models([models] if isinstance(models, str) else models)
    listed, is_one = _prompts(prompts)
    _refuse_counts(concurrency=concurrency, repeat=repeat)
    way = {name: params.pop(name) for name in _WAY if name in params}
    begin = Grid if engine is None else _on_cluster(engine)
    asking = Asking(way, concurrency, shell_here(), is_cached=cache, begin=begin)
    templates = [_template(one, provider, system, params) for one in asked]
    scorer = None if judge is None else _judge(judge, provider)
    if is_one and repeat == 1 and engine is None:
        tasks = [replace(template, prompt=listed[0]) for template in templates]
        outcomes, stopped, drawn_in = _beside(tasks, asking)
    else:
        outcomes, stopped = _grid(listed, templates, repeat, asking)
        drawn_in = None
    if scorer is not None and stopped is None:
        outcomes, is_stopped = scorer.judged(outcomes, asking)
        stopped = " before all was judged" if is_stopped else None
    if stopped is not None:
        raise ComparisonStopped(Comparison(outcomes, drawn_in=drawn_in), stopped)
    return Comparison(outcomes, drawn_in=drawn_in)


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
    except (ValueError, RecursionError):
        return key, value


def _refuse_no_fields(names: Iterable[str]) -> None:
    """Raise ``UsageError`` for what cannot be said of a single request, its value unseen."""
    refused = sorted(_NO_FIELDS.intersection(names))
    if refused:
        message = f"{refused[0]!r} is no field of a request that a comparison can set"
        raise UsageError(message, hint="keys come from the environment")


def _refuse_counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            message = f"{name} cannot be {count!r}"
            raise UsageError(message, hint="it is a whole number from 1 on")


def _prompts(
    given: str | Iterable[str | MessageLike | Iterable[MessageLike]],
) -> tuple[list[Prompt], bool]:
    """Return the prompts, and whether what was given is a single one."""
    if isinstance(given, str):
        return [given], True
    if isinstance(given, Mapping) or hasattr(given, "iterrows"):
        message = f"a {type(given).__name__} is neither a prompt nor a list of prompts"
        raise UsageError(message, hint="name the column that has the prompts: df['question']")
    listed: list[Any] = list(given)
    if not listed:
        message = "there is no prompt to ask"
        raise UsageError(message)
    if all(_is_message(one) for one in listed):
        return [plain_messages(listed)], True
    return [_prompt(number, one) for number, one in enumerate(listed)], False


def _prompt(number: int, given: Any) -> Prompt:
    if isinstance(given, str):
        return str(given)  # NumPy's texts would travel with NumPy
    if isinstance(given, (list, tuple)) and given and all(map(_is_message, given)):
        return plain_messages(given)
    message = f"prompt {number} is {given!r:.40}, neither a text nor messages"
    raise UsageError(message, hint="leave out what is empty: df['question'].dropna()")


def _is_message(given: Any) -> bool:
    return isinstance(given, Mapping) or hasattr(given, "role")


def _template(
    one: Asked, provider: str | None, system: str | None, params: Mapping[str, Any]
) -> Task:
    """Return what is asked of a model, but for the prompt."""
    if not isinstance(provider, str | None):
        message = f"a {type(provider).__name__} is no name of a provider, and no base URL"
        raise UsageError(message, hint="a class or an object is taken by Client(provider=…)")
    named = None if split_model(one.model)[0] else provider
    return Task(
        0,
        "",
        label=one.label,
        model=one.model,
        provider=veiled_address(named) if named else named,
        system=system or "",
        fields={**params, **one.fields},
    )


def _judge(judge: str | Callable[..., Any], provider: str | None) -> Judge:
    """Return the judge; raises ``UsageError`` for one that cannot be asked."""
    if not isinstance(judge, str):
        return FunctionJudge(judge)
    template = _template(parse_models([judge])[0], provider, None, {})
    Targets().of(template)
    return ModelJudge(template)


def _on_cluster(client: Any) -> Callable[..., Running]:
    from .engine import on_cluster  # only for those who have one

    return on_cluster(client)


def _beside(tasks: Sequence[Task], asking: Asking) -> tuple[list[Outcome], str | None, int | None]:
    """Ask one prompt, with the answers shown as they grow.

    Returns them, how far it came if it was stopped, and the input that has shown them.
    """
    is_live = hasattr(asking.shell, "kernel")
    with Interrupts() as stop:
        calls = _start(tasks, asking.way)
        view = LiveColumns(asking.shell.display_pub) if is_live else Unseen()
        columns = follow_all(calls, view, stop, ListingCache(default_path()).prices)
    outcomes = [
        replace(task.outcome(column.answer, column.error), cost=column.cost)
        for task, column in zip(tasks, columns, strict=True)
    ]
    return outcomes, "" if stop.arrived else None, execution() if is_live else None


def _start(tasks: Sequence[Task], way: Mapping[str, Any]) -> dict[str, Call]:
    """Send the messages to all models; return the calls under way by label."""
    from ..call import start_call

    targets = Targets()
    known = [(targets.of(task), task) for task in tasks]
    return {
        task.label: start_call(
            to.provider, to.model, task.messages(), **{**to.params(), **way, **task.fields}
        )
        for to, task in known
    }


def _grid(
    prompts: Sequence[Prompt], templates: Sequence[Task], repeat: int, asking: Asking
) -> tuple[list[Outcome], str | None]:
    """Ask many prompts; return what came in the order of the tasks, and how far it was stopped."""
    tasks = [
        replace(template, number=number, prompt=prompt, repeat=time)
        for number, prompt in enumerate(prompts)
        for template in templates
        for time in range(1, repeat + 1)
    ]
    with Interrupts() as stop:
        outcomes = asking.gather(tasks, stop)
    places = {template.label: place for place, template in enumerate(templates)}
    outcomes.sort(key=lambda one: (one.number, places[one.label], one.repeat))
    prices = ListingCache(default_path()).prices()
    priced = [replace(one, cost=cost_of(one.answer, prices)) for one in outcomes]
    done = sum(one.answer.state != "interrupted" for one in priced)
    if not stop.arrived or done == len(tasks):
        return priced, None
    goes_on = "; the same call goes on from there" if asking.is_cached else ""
    return priced, f" after {done:,} of {len(tasks):,}{goes_on}"


class _Callable(ModuleType):
    """The function under the name of its module: ``from g4f_magic import compare``."""

    __call__ = staticmethod(compare)


sys.modules[__name__].__class__ = _Callable
