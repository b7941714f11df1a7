"""What several models answered: values to look at, to count with and to keep."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, overload

from ..display.columns import bundle, metadata
from ..display.compare import execution
from ..display.footer import tokens_a_second
from ..display.plot import Plot
from ..display.rows import overview
from ..display.summary import summarized
from ..errors import UsageError
from ..prompts.conversation import best_of
from .results import load, save
from .tasks import Outcome

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ..display.summary import Summary
    from ..messages import Answer, Compared


class Comparison(Sequence["Answer"]):
    """The answers of several models, in the order in which prompts and models were named.

    ``columns`` has with each answer what its model was called and the error that ended it; to
    several prompts, or repeats of one, they are a grid. ``on_keep`` is told the answer that
    `keep` chooses; ``drawn_in`` is the number of the input that has shown the answers already.
    Neither goes along when a comparison is pickled.
    """

    def __init__(
        self,
        columns: Iterable[Compared],
        kept: int | None = None,
        *,
        on_keep: Callable[[Answer], None] | None = None,
        drawn_in: int | None = None,
    ) -> None:
        self.columns: tuple[Compared, ...] = tuple(columns)
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
        return tuple(dict.fromkeys(column.label for column in self.columns))

    @property
    def is_grid(self) -> bool:
        """Whether there is more to it than answers to one prompt beside each other."""
        return any(one.number or one.repeat > 1 for one in self._outcomes())

    @property
    def kept(self) -> Answer | None:
        """The answer that a conversation goes on with, if any."""
        return best_of(self.answers) if self._kept is None else self.answers[self._kept]

    def keep(self, model: str) -> None:
        """Let the conversation go on with the answer of this model, which is then `kept`.

        Raises ``UsageError`` for a name that is not that of one model here, and where there
        is no text to go on with. So does a grid: a conversation has one prompt at a time.
        """
        if self.is_grid:
            message = "a conversation cannot go on with the answers to many prompts"
            raise UsageError(message, hint="compare models on one prompt to keep an answer")
        number = self._number_of(model)
        answer = self.answers[number]
        if not answer.text:
            message = f"{self.columns[number].label!r} has said nothing to go on with"
            raise UsageError(message, hint=f"others are {', '.join(self.models)}")
        if self._on_keep is not None:
            self._on_keep(answer)
        self._kept = number

    def rows(self) -> list[dict[str, Any]]:
        """Return the answers with their figures, each as a dict; None where nothing is known."""
        return [_row(outcome) for outcome in self._outcomes()]

    def summary(self) -> Summary:
        """Return how often, how fast and at what cost each model answered, as a table."""
        return summarized(self._outcomes())

    def plot(self) -> Plot:
        """Return how long the models took, as a picture for a notebook; ``.svg`` is its text."""
        return Plot(self.summary().figures)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write all answers to a file as JSON Lines, in place of what is there; return where.

        No key is in it. Raises ``UsageError`` where it cannot be written.
        """
        return save(self._outcomes(), self._kept, path)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Comparison:
        """Return what was saved; raises ``UsageError`` with the line that cannot be read."""
        return Comparison(*load(path))

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

    def _outcomes(self) -> list[Outcome]:
        return [one if isinstance(one, Outcome) else _outcome(one) for one in self.columns]

    def __len__(self) -> int:
        """Return how many answers there are."""
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
        """Return what a terminal shows: all answers and their figures, of a grid the first."""
        return self._bundle()["text/plain"]

    def __repr__(self) -> str:
        """Stay short: who was asked, and how many answered."""
        whole = sum(answer.state == "complete" for answer in self.answers)
        return f"<Comparison of {', '.join(self.models)}: {whole:,} of {len(self):,} complete>"

    def _ipython_display_(self) -> None:
        """Show nothing as the result of the cell that has just shown the answers."""
        drawn_in, self._drawn_in = self._drawn_in, None
        if drawn_in is None or drawn_in != execution():
            raise NotImplementedError  # and IPython shows the bundle

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, str], dict[str, Any]]:
        del include, exclude
        return self._bundle(), {} if self.is_grid else metadata(self.columns, self._kept_label())

    def _bundle(self) -> dict[str, str]:
        if self.is_grid:
            return overview(self._outcomes())
        return bundle(self.columns, kept=self._kept_label())

    def _kept_label(self) -> str | None:
        """Return what the model is called whose answer a conversation goes on with."""
        if self._on_keep is None and self._kept is None:
            return None
        return next((one.label for one in self.columns if one.answer is self.kept), None)


class ComparisonStopped(KeyboardInterrupt):  # a person's wish, not a failure
    """The comparison was interrupted; ``comparison`` has what had arrived."""

    def __init__(self, comparison: Comparison, how_far: str = "") -> None:
        super().__init__(f"Stopped{how_far}; .comparison of this has what had arrived.")
        self.comparison = comparison

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def _outcome(column: Compared) -> Outcome:
    return Outcome(column.label, column.answer, column.error, column.cost)


def _row(outcome: Outcome) -> dict[str, Any]:
    answer, usage = outcome.answer, outcome.answer.usage
    return {
        "number": outcome.number,
        "prompt": outcome.prompt,
        "model": outcome.label,
        "provider": answer.provider,
        "repeat": outcome.repeat,
        "text": answer.text,
        "state": answer.state,
        "finish_reason": answer.finish_reason,
        "error": outcome.error or None,
        "first_token_s": answer.first_token_s,
        "elapsed_s": answer.elapsed_s,
        "tokens_per_s": tokens_a_second(answer),
        "tokens_in": usage.tokens_in if usage else None,
        "tokens_out": usage.tokens_out if usage else None,
        "cost": outcome.cost,
        "cached": answer.cached,
        "score": outcome.score,
        "judge_error": outcome.judge_error or None,
        "characters": len(answer.text),
    }
