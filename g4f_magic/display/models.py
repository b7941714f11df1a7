"""What `%g4f_models` shows: a table that sorts and filters itself where scripts run."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, overload

from ..errors import UsageError
from ..models.model_info import ModelInfo
from .listing import Displayed
from .table import Cell, Table, one_line

if TYPE_CHECKING:
    from ..models.model_info import Listing

_MOST_ROWS = 100
_MOST_IN_PAGE = 5000  # that the page can search: about half a megabyte
_UNKNOWN = "–"
_HEADINGS = ("model", "provider", "can", "context", "$ per 1M in", "out", "key")
_NUMBERS = (3, 4, 5)  # the columns of them
_MINUTE_S = 60

# Never holds data: that is read as JSON, and put into the page as text. MathJax reads no
# formula across the border of an element, therefore the <span>s (see table.py).
_SCRIPT = """
(() => {
  const here = document.currentScript;
  const root = here && here.closest("[data-g4f-models]");
  const table = root && root.querySelector("table");
  if (!table || root.querySelector("input")) return;
  const {rows, most, numbers} = JSON.parse(
    root.querySelector("script[type='application/json']").textContent);
  const texts = rows.map(row => row.join(" ").toLowerCase());
  const heads = [...table.tHead.rows[0].cells];
  const search = document.createElement("input");
  const count = document.createElement("span");
  let order = null, sign = 1;

  const amount = text => parseFloat(text.replace(/,/g, ""));
  const compare = (a, b) => {
    const x = rows[a][order], y = rows[b][order];
    if (!numbers.includes(order)) return sign * x.localeCompare(y, "en", {numeric: true});
    const p = amount(x), q = amount(y);
    if (isNaN(p) || isNaN(q)) return isNaN(p) - isNaN(q);
    return sign * (p - q);
  };
  const cellOf = (text, column) => {
    const cell = document.createElement("td");
    cell.dir = "auto";
    cell.style.textAlign = numbers.includes(column) ? "right" : "left";
    for (const part of text.split(/([$\\\\])/)) {
      const span = document.createElement("span");
      span.textContent = part;
      cell.append(span);
    }
    return cell;
  };
  const draw = () => {
    const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
    const found = [...rows.keys()].filter(n => words.every(word => texts[n].includes(word)));
    if (order !== null) found.sort((a, b) => compare(a, b) || a - b);
    const shown = found.slice(0, most).map(n => {
      const row = document.createElement("tr");
      row.append(...rows[n].map(cellOf));
      return row;
    });
    table.tBodies[0].replaceChildren(...shown);
    count.textContent = ` ${found.length} of ${rows.length}` +
      (found.length > most ? `, the first ${most} shown` : "");
  };
  heads.forEach((head, column) => {
    head.tabIndex = 0;
    head.dataset.lmSuppressShortcuts = "true";  // or JupyterLab takes the keys, too
    head.style.cursor = "pointer";
    head.title = "sort";
    const sort = () => {
      sign = order === column ? -sign : 1;
      order = column;
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      draw();
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", event => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); }
    });
  });
  search.type = "search";
  search.placeholder = "filter";
  search.setAttribute("aria-label", "filter models");
  search.addEventListener("input", draw);
  const bar = document.createElement("div");
  bar.append(search, count);
  root.prepend(bar);
  const more = root.querySelector("[data-g4f-more]");
  if (more) more.remove();
})();
"""


@dataclass(frozen=True, slots=True)
class ModelList(Displayed, Sequence[ModelInfo]):
    """Models that can be asked, and what their providers said; ``as_of`` is in s since 1970."""

    models: tuple[ModelInfo, ...]
    listings: tuple[Listing, ...] = ()
    as_of: float = 0.0

    @classmethod
    def of(
        cls,
        listings: Sequence[Listing],
        *,
        words: str = "",
        can: Sequence[str] = (),
        is_free: bool = False,
    ) -> ModelList:
        """Return the models with all the words and abilities; with ``is_free`` those that are."""
        models = (
            model
            for listing in listings
            for model in listing.models
            if model.matches(words) and set(can) <= set(model.can)
        )
        found = tuple(model for model in models if model.is_free or not is_free)
        return cls(found, tuple(listings), time.time())

    def __len__(self) -> int:
        """Return how many there are, shown or not."""
        return len(self.models)

    @overload
    def __getitem__(self, index: int) -> ModelInfo: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ModelInfo, ...]: ...
    def __getitem__(self, index: Any) -> Any:
        """Return one of them, or a part of the list."""
        return self.models[index]

    def __repr__(self) -> str:
        """Say how many there are: all of them would fill pages."""
        return f"<ModelList of {len(self):,} models>"

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame, one row for each model.

        Raises ``UsageError`` where pandas is not installed.
        """
        try:
            pandas = importlib.import_module("pandas")
        except ImportError as error:
            message = "a DataFrame needs pandas, which is not installed"
            raise UsageError(message, hint="%pip install pandas") from error
        columns = [field.name for field in fields(ModelInfo)]
        return pandas.DataFrame([asdict(model) for model in self.models], columns=columns)

    def to_json(self) -> str:
        """Return the models as JSON, an object for each."""
        return json.dumps([asdict(model) for model in self.models], indent=1)

    def table(self) -> Table:
        """Return the first of them as a table."""
        headings = (*_HEADINGS, "note") if _has_notes(self.models) else _HEADINGS
        return Table(headings, tuple(map(_cells, _rows(self.models, _MOST_ROWS))))

    def bundle(self) -> dict[str, str]:
        """Return the table; the page can search in more of it than it shows."""
        more = len(self) - _MOST_ROWS
        narrow = f"… and {more:,} more: words after %g4f_models narrow it"
        beyond = Table((), (), (narrow,) if more > 0 else ())
        notes = Table((), (), tuple(self._notes()))
        page = [
            self.table().html(),
            f"<div data-g4f-more>{beyond.html()}</div>",
            *(_scripts(_rows(self.models, _MOST_IN_PAGE)) if self.models else ()),
            notes.html(),
        ]
        lines = [part.plain() for part in (self.table(), beyond, notes)]
        return {
            "text/html": "\n".join(["<div data-g4f-models>", *page, "</div>"]),
            "text/plain": "\n".join(filter(None, lines)),
        }

    def _notes(self) -> list[str]:
        """Return what is to be said about providers: those that did not answer come first."""
        notes = [] if self.models else ["No model is listed that has all of this."]
        for one in self.listings:
            if one.state in {"failed", "slow"}:
                known = "; these are the models known without it" if one.models else ""
                notes.append(f"{one.provider}: {one.trouble}{known}")
        told = (
            ("no key", "To be asked after setting a key (%env NAME=…): "),
            ("not asked", "Answers without a key, when named with -p: "),
            ("not running", "Not running on this computer: "),
        )
        for state, start in told:
            names = [_name_and_variable(one) for one in self.listings if one.state == state]
            notes += [start + ", ".join(names)] if names else []
        asked_at = (one.asked_at for one in self.listings if one.asked_at)
        age_s = self.as_of - min(asked_at, default=self.as_of)
        if age_s >= 1:
            age = f"{age_s // _MINUTE_S:.0f} min" if age_s >= _MINUTE_S else f"{age_s:.0f} s"
            notes.append(f"From the cache, up to {age} old; --refresh asks again.")
        return notes


def _name_and_variable(listing: Listing) -> str:
    needs = f" ({listing.key_env})" if listing.state == "no key" and listing.key_env else ""
    return listing.provider + needs


def _has_notes(models: Sequence[ModelInfo]) -> bool:
    """Tell whether a column of notes would be a full one."""
    return all(model.note for model in models)


def _rows(models: Sequence[ModelInfo], most: int) -> list[tuple[str, ...]]:
    if _has_notes(models):
        return [(*_row(model), model.note) for model in models[:most]]
    return [_row(model) for model in models[:most]]


def _row(model: ModelInfo) -> tuple[str, ...]:
    return (
        model.name,
        model.provider,
        ", ".join(model.can) or _UNKNOWN,
        _UNKNOWN if model.context_length is None else f"{model.context_length:,}",
        _price(model.price_in),
        _price(model.price_out),
        "set" if model.has_key else "none needed",
    )


def _cells(row: Sequence[str]) -> tuple[Cell, ...]:
    return tuple(Cell(text, is_number=n in _NUMBERS) for n, text in enumerate(row))


def _price(dollars: float | None) -> str:
    return _UNKNOWN if dollars is None else f"{dollars:,.6f}".rstrip("0").rstrip(".")


def _scripts(rows: Sequence[Sequence[str]]) -> tuple[str, str]:
    """Return the rows for the script as JSON in which nothing ends an element, and the script."""
    told = {
        "rows": [[one_line(text) for text in row] for row in rows],
        "most": _MOST_ROWS,
        "numbers": _NUMBERS,
    }
    data = json.dumps(told, separators=(",", ":"))
    for character in "<>&$":
        data = data.replace(character, f"\\u{ord(character):04x}")
    return (
        f'<script type="application/json">{data}</script>',
        f"<script>{_SCRIPT}</script>",
    )
