"""The bar with a Stop button over an answer that grows, where a click on it can arrive.

A kernel works off one message after the other, and a click is a message. It arrives while a
cell runs only where the front end sends those of widgets to a subshell (JupyterLab 4.4 and
later with ipykernel 7). That shows as soon as a first widget is there: then, and only then,
the front end asks the kernel for one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .footer import small

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from ipywidgets import Button, Widget

_HEIGHT = "36px"  # of a line of JupyterLab's Markdown, so that nothing moves at the end


class StopBar:
    """Says who answers, beside a button; one row that goes away with the answer's drawing."""

    def __init__(self, header: str, stop: Callable[[], None]) -> None:
        from ipywidgets import HTML, HBox, Layout

        button = stop_button("Stop", "this answer", stop)
        row = Layout(height=_HEIGHT, align_items="flex-start", justify_content="space-between")
        above_text = Layout(flex="1 1 0", min_width="0", margin="-3px 0 0")
        self._name = HTML(small(header), layout=above_text)
        self._row = HBox([self._name, button], layout=row)

    def show(self, publisher: DisplayPublisher) -> None:
        """Put the bar below what the cell shows so far."""
        publisher.publish(view_of(self._row))

    def name(self, header: str) -> None:
        """Say who answers."""
        self._name.value = small(header)

    def close(self) -> None:
        """Let the front end forget the bar."""
        forget(*self._row.children, self._row)


class ClickProbe:
    """Finds out whether clicks arrive while a cell runs."""

    def __init__(self, shell: InteractiveShell) -> None:
        kernel = getattr(shell, "kernel", None)
        thread = getattr(kernel, "shell_channel_thread", None)  # of ipykernel 7
        self._subshells: Any = getattr(thread, "manager", None)
        self._widget: Widget | None = None

    def start(self) -> None:
        """Show the front end a first widget, which no one sees; it answers within a moment."""
        if self._subshells is None or self._widget is not None:
            return
        with suppress(ImportError):
            import ipywidgets

            if not ipywidgets.__version__.startswith("7."):  # which JupyterLab 4 cannot show
                self._widget = ipywidgets.Button()

    @property
    def has_answered(self) -> bool:
        """Whether the front end has asked for a subshell since."""
        return self._widget is not None and bool(self._subshells.list_subshell())

    def close(self) -> None:
        """Take the widget back."""
        if self._widget is not None:
            self._widget.close()
            self._widget = None


def stop_button(name: str, what: str, stop: Callable[[], None]) -> Button:
    """Return a button that stops something while a cell runs."""
    from ipywidgets import Button, Layout

    button = Button(
        description=name,
        icon="stop",
        tooltip=f"Stop {what} and keep what has arrived",
        layout=Layout(width="auto", height="26px"),
    )
    button.on_click(lambda _: stop())
    _answer_by_subshell(button)
    return button


def view_of(widget: Any) -> dict[str, Any]:
    """Return what shows a widget where there are any; it leaves nothing in text."""
    view = {"model_id": widget.model_id, "version_major": 2, "version_minor": 0}
    return {"application/vnd.jupyter.widget-view+json": view, "text/plain": ""}


def forget(*widgets: Any) -> None:
    """Let the front end forget widgets, with their layouts and styles."""
    for widget in widgets:
        for part in (widget.layout, getattr(widget, "style", None), widget):
            if part is not None:
                part.close()


def _answer_by_subshell(widget: Widget) -> None:
    """Leave clicks in the subshell that the front end sent them to.

    ipykernel 7.4 passes them on to the shell that wrote to the widget last: the busy one.
    """
    if hasattr(widget.comm, "_reply_subshell_for"):
        widget.comm._reply_subshell_for = lambda _data, default: default  # noqa: SLF001
