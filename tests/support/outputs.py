"""What a front end shows in the end of the messages that a cell sent."""

from __future__ import annotations

import copy
from typing import Any

Output = dict[str, Any]


class Outputs:
    """The outputs of one cell, folded as JupyterLab does, in nbformat's shape.

    Carriage returns in streams and `ipywidgets.Output` are not interpreted.
    """

    def __init__(self) -> None:
        self._outputs: list[Output] = []
        self._display_ids: list[str | None] = []
        self._clear_at_next = False

    @property
    def shown(self) -> list[Output]:
        """A copy, so that it can be kept while the cell runs on."""
        return copy.deepcopy(self._outputs)

    def apply(self, kind: str, content: dict[str, Any]) -> None:
        """Takes one iopub message in; other kinds than outputs change nothing."""
        if kind == "clear_output":
            if content.get("wait"):
                self._clear_at_next = True
            else:
                self._clear()
        elif kind == "stream":
            self._stream(content)
        elif kind in {"display_data", "execute_result", "error"}:
            self._append(self._as_output(kind, content), display_id(content))

    def update(self, content: dict[str, Any]) -> None:
        """Replaces every output that bears the display id of ``content``."""
        for output, known in zip(self._outputs, self._display_ids, strict=True):
            if known is not None and known == display_id(content):
                output["data"] = content["data"]
                output["metadata"] = content.get("metadata", {})

    def _clear(self) -> None:
        self._outputs.clear()
        self._display_ids.clear()
        self._clear_at_next = False

    def _append(self, output: Output, display_id: str | None) -> None:
        if self._clear_at_next:
            self._clear()
        self._outputs.append(output)
        self._display_ids.append(display_id)

    def _stream(self, content: dict[str, Any]) -> None:
        if self._clear_at_next:
            self._clear()
        last = self._outputs[-1] if self._outputs else {}
        if last.get("output_type") == "stream" and last["name"] == content["name"]:
            last["text"] += content["text"]
        else:
            name, text = content["name"], content["text"]
            self._append({"output_type": "stream", "name": name, "text": text}, None)

    def _as_output(self, kind: str, content: dict[str, Any]) -> Output:
        names = ("ename", "evalue", "traceback") if kind == "error" else ("data", "metadata")
        output = {"output_type": kind, **{name: content[name] for name in names}}
        if kind == "execute_result":
            output["execution_count"] = content["execution_count"]
        return output


def display_id(content: dict[str, Any]) -> str | None:
    """The display id a message carries, if any."""
    name: str | None = content.get("transient", {}).get("display_id")
    return name
