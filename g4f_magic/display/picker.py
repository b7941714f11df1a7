"""The picker of models: search, look, try one, use it from here on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..errors import G4FError
from . import footer
from .models import ModelList
from .stop import view_of
from .table import Table, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..call import Call
    from ..models.model_info import ModelInfo

    TryModel = Callable[[ModelInfo], Call]
    UseModel = Callable[[ModelInfo], None]

TRY_PROMPT = "Say hello in one short sentence."

_MOST_OPTIONS = 200  # of a list that is sent anew with every letter typed
_WIDE = "32em"
# JupyterLab's command mode takes the arrows and Enter from lists and buttons, unless the very
# element with the focus bears this mark (4.6): an arrow would go on to the next cell.
_OWN_KEYS = """
document.currentScript?.closest(".jp-OutputArea")?.addEventListener(
  "focusin", event => { event.target.dataset.lmSuppressShortcuts = "true"; });
"""


class Picker:
    """Widgets over a list of models; each handler returns at once.

    ``try_model`` sends ``TRY_PROMPT`` to a model and may raise ``G4FError``; ``use_model``
    makes it the default. Handlers may run in the thread of a subshell.
    """

    def __init__(self, models: ModelList, try_model: TryModel, use_model: UseModel) -> None:
        from ipywidgets import HTML, Button, HBox, Layout, Select, Text, VBox

        self._models = models
        self._try_model = try_model
        self._use_model = use_model
        self._trial: Call | None = None
        self._search = Text(placeholder="search", layout=Layout(width=_WIDE))
        self._count = HTML()
        self._list = Select(options=[], rows=10, layout=Layout(width=_WIDE))
        self._details = HTML()
        self._try = Button(description="Try", icon="play", tooltip="Ask it for one sentence")
        self._use = Button(description="Use", icon="check", tooltip="Ask it by default")
        self._said = HTML()
        buttons = HBox([self._try, self._use])
        chosen = VBox([self._details, buttons, self._said])
        found = VBox([HBox([self._search, self._count]), self._list])
        self._box = HBox([found, chosen], layout=Layout(flex_flow="row wrap"))
        self._narrow()
        self._search.observe(lambda _: self._narrow(), names="value")
        self._list.observe(lambda _: self._describe(), names="value")
        self._try.on_click(lambda _: self._start_trial())
        self._use.on_click(lambda _: self._make_default())

    def _ipython_display_(self) -> None:
        """Show the widgets; a front end that has none shows how to do it by hand."""
        from IPython.display import display

        display(view_of(self._box) | {"text/plain": by_hand(self._models)}, raw=True)
        display({"text/html": f"<script>{_OWN_KEYS}</script>", "text/plain": ""}, raw=True)

    def _narrow(self) -> None:
        """List the models with all the words that are typed."""
        found = [model for model in self._models if model.matches(self._search.value)]
        shown = found[:_MOST_OPTIONS]
        options = [(one_line(f"{model.provider}:{model.name}"), model) for model in shown]
        chosen = self._list.value
        self._list.options = options
        self._list.value = chosen if chosen in shown else next(iter(shown), None)
        more = f", the first {_MOST_OPTIONS} listed" if len(found) > _MOST_OPTIONS else ""
        self._count.value = _lines(f"{len(found):,} of {len(self._models):,}{more}")
        self._describe()

    def _describe(self) -> None:
        model: ModelInfo | None = self._list.value
        can_try = model is not None and "text" in model.can
        self._try.disabled, self._use.disabled = not can_try, model is None
        self._details.value = "" if model is None else ModelList((model,)).table().html()

    def _start_trial(self) -> None:
        model: ModelInfo | None = self._list.value
        if model is None:
            return
        if self._trial is not None:
            self._trial.cancel()
        try:
            self._trial = trial = self._try_model(model)
        except G4FError as error:
            self._say(str(error), error.hint)
            return
        self._say(f"{model.name} is asked …")
        threading.Thread(target=self._show_trial, args=(trial,), daemon=True).start()

    def _show_trial(self, trial: Call) -> None:
        """Wait for the end of a trial and show it, unless another one was begun meanwhile."""
        trial.finished.wait()
        if trial is not self._trial:
            return
        answer, failure = trial.answer, trial.failure
        hint = failure.hint if isinstance(failure, G4FError) else ""
        figures = filter(None, (footer.header(answer), footer.footer(answer)))
        self._say(answer.text, str(failure or ""), hint, " · ".join(figures))

    def _make_default(self) -> None:
        model: ModelInfo | None = self._list.value
        if model is None:
            return
        self._use_model(model)
        self._say(f"The default is now {model.provider}:{model.name}.")

    def _say(self, *lines: str) -> None:
        self._said.value = _lines(*lines)


def by_hand(models: ModelList) -> str:
    """Return the models, and how to choose one where there are no widgets."""
    example = models[0].settings if models else "model=PROVIDER:NAME"
    told = f"The picker needs a notebook with widgets. By hand: %g4f_config {one_line(example)}"
    return f"{models}\n{told}"


def _lines(*texts: str) -> str:
    return Table((), (), tuple(filter(None, texts))).html()
