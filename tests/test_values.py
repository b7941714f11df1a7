"""Values of the notebook as text for a model: compact, with every cut stated."""

from __future__ import annotations

import array
import itertools
import json
import subprocess
import sys
import tracemalloc
import typing
from collections import Counter, OrderedDict, UserList, defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from g4f_magic.messages import Answer, Image
from g4f_magic.prompts.frames import LONGEST
from g4f_magic.prompts.values import shown

FRAME = {"city": ["Rome", "Oslo", "Bonn"], "heat": [31.5, 18.0, 22.25]}


@dataclass
class Run:
    """A value as notebooks hold them."""

    name: str
    losses: list[float]
    key: str = field(default="secret", repr=False)


@dataclass
class Terse:
    """A dataclass that says itself how to be shown."""

    items: list[int]

    def __repr__(self) -> str:
        """Say little."""
        return "<Terse>"


class Point(typing.NamedTuple):
    """A tuple with names."""

    x: int
    y: object


def test_texts_and_answers_are_read_as_they_are() -> None:
    """``{{ _ }}`` after an answer means what it says, not how many characters it has."""
    assert shown("a {{ b }}\n" * 5000) == "a {{ b }}\n" * 5000
    assert shown(Answer("The text.", model="m", provider="p")) == "The text."


@pytest.mark.parametrize(
    "value",
    [
        *(None, 1, 1.5, True, b"x", [], (), (1,), {}, set(), frozenset(), {1}, frozenset({1})),
        *([1, "a", [b"x"]], {"a": {1: (2, 3)}}, {1: 2}.keys(), {1: 2}.values(), {1: 2}.items()),
        *(deque([1]), deque(), OrderedDict(), Counter("aab"), UserList([1]), range(3), Point(1, 2)),
        *(Run("a", [1.0]), Terse([1]), Run, Image(url="https://x.example/a.png"), array.array("i")),
    ],
)
def test_what_is_short_is_shown_as_python_shows_it(value: Any) -> None:
    """People check a prompt against what the notebook shows."""
    assert shown(value) == repr(value)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=20,
    )
)
def test_any_small_data_is_shown_as_python_shows_it(value: Any) -> None:
    """Data that a model reads wrongly is worse than none."""
    assert shown([value]) == repr([value])


MANY = list(range(5000))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (MANY, "[0, 1, 2, … 4997 more]"),
        (tuple(MANY), "(0, 1, 2, … 4997 more)"),
        (set(MANY), "{0, 1, 2, … 4997 more}"),
        (deque(MANY), "deque([0, 1, 2, … 4997 more])"),
        (array.array("i", MANY), "array([0, 1, 2, … 4997 more])"),
        (dict.fromkeys(MANY), "{0: None, 1: None, 2: None, … 4997 more}"),
        (dict.fromkeys(MANY).keys(), "dict_keys([0, 1, 2, … 4997 more])"),
        (defaultdict(int, {i: i for i in MANY}), "defaultdict({0: 0, 1: 1, 2: 2, … 4997 more})"),
        (Counter([*MANY, 7]), "Counter({7: 2, 0: 1, 1: 1, … 4997 more})"),
        (Run("a", [0.5] * 5000), "Run(name='a', losses=[0.5, 0.5, 0.5, … 4997 more])"),
        (Point(1, MANY), "Point(x=1, y=[0, 1, 2, … 4997 more])"),
        ({"a": MANY, "b": 1}, "{'a': [0, 1, 2, … 4997 more], 'b': 1}"),
        (b"x" * 5000, repr(b"x" * LONGEST) + "… 1000 more bytes"),
        (["x" * 5000], "['" + "x" * 200 + "'… 4800 more characters]"),
    ],
)
def test_of_what_is_long_there_is_the_start_and_how_much_is_missing(
    value: Any, expected: str
) -> None:
    """A model that takes the start for all of it counts wrongly."""
    assert shown(value, rows=3) == expected


def test_the_start_has_as_many_items_as_the_setting_says() -> None:
    """Who has long rows wants fewer of them."""
    assert shown(MANY).count(",") == 10
    assert shown(MANY, rows=0) == "[… 5000 more]"


def test_a_long_text_of_a_strange_object_is_cut() -> None:
    """Some classes print all that they hold."""
    text = shown(type("Long", (), {"__repr__": lambda _: "y" * 5000})())
    assert text == "y" * LONGEST + "… 1000 more characters"


def test_values_inside_themselves_and_deep_ones_end() -> None:
    """A graph of objects must not hang the cell."""
    around: list[Any] = [1]
    around.append({"again": around})
    assert shown(around) == "[1, {'again': [...]}]"
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert shown(deep) == "[[[[[… 1 more]]]]]"


class Counted:
    """Counts how often one of its kind is shown."""

    shown = 0

    def __repr__(self) -> str:
        """Count."""
        Counted.shown += 1
        return "x" * 50


@pytest.mark.parametrize("kind", [list, tuple, deque, lambda items: dict(enumerate(items))])
def test_what_is_left_out_is_never_rendered(kind: Any) -> None:
    """A list that fills the memory would be rendered for minutes, only to be cut."""
    Counted.shown = 0
    shown(kind(itertools.repeat(Counted(), 100_000)))
    assert Counted.shown < 200


@given(st.integers(1, 40), st.integers(1, 6))
def test_nested_values_stay_within_the_length(width: int, depth: int) -> None:
    """Ten of ten of ten of ten are 10,000: each level cut alone is not enough."""
    value: Any = "text" * 20
    for _ in range(depth):
        value = [value] * width
    assert len(shown(value)) < LONGEST + 1000


def test_what_a_value_raises_comes_out() -> None:
    """The prompt names the expression; swallowed here, the model would be sent nonsense."""
    broken = type("Broken", (), {"__repr__": lambda _: 1 / 0})()
    with pytest.raises(ZeroDivisionError):
        shown({"a": [broken]})


@pytest.mark.parametrize("library", [pd, pl])
def test_a_frame_is_a_table_with_its_size_and_types(library: Any) -> None:
    """Without the shape a model takes ten rows for all, without types dates for words."""
    frame = library.DataFrame(FRAME)
    kinds = [str(kind) for kind in frame.dtypes]
    assert shown(frame) == (
        "DataFrame of 3 rows × 2 columns\n\n| city | heat |\n| --- | --- |\n| Rome | 31.5 |\n"
        f"| Oslo | 18.0 |\n| Bonn | 22.25 |\n\nTypes: city {kinds[0]}, heat {kinds[1]}"
    )
    head, _, table = shown(frame, rows=2).partition("\n\n")
    assert head == "DataFrame of 3 rows × 2 columns, of which the first 2 rows are shown"
    assert "Oslo" in table
    assert "Bonn" not in table


@pytest.mark.parametrize("library", [pd, pl])
def test_a_wide_and_long_frame_says_both_cuts(library: Any) -> None:
    """A thousand columns cost more than the answer."""
    text = shown(library.DataFrame({f"c{i}": range(50) for i in range(100)}))
    assert text.startswith("DataFrame of 50 rows × 100 columns, of which the first 10 rows and 30 ")
    assert "| c29 |" in text
    assert "c30" not in text


def test_an_index_that_means_something_is_shown() -> None:
    """After ``groupby`` the groups stand there."""
    frame = pd.DataFrame(FRAME)
    assert "| city | heat |\n| --- | --- |\n| Rome | 31.5 |" in shown(frame.set_index("city"))
    assert "|  | city | heat |\n| --- | --- | --- |\n| 2 | Bonn |" in shown(frame.iloc[2:])
    both = frame.set_index(["city", "heat"]).assign(n=1)
    assert "| city, heat | n |\n| --- | --- |\n| ('Rome', 31.5) | 1 |" in shown(both)


def test_an_index_with_gaps_and_a_name_of_nought_are_shown() -> None:
    """Which rows are left says the index; the first column of a file without a head is 0."""
    frame = pd.DataFrame({0: range(6)})
    assert "|  | 0 |\n| --- | --- |\n| 0 | 0 |\n| 3 | 3 |" in shown(frame[::3])
    assert "| 0 |\n| --- |\n| 0 |\n| 1 |" in shown(frame[0])


def test_a_column_with_a_page_for_a_name_is_told_in_short() -> None:
    """A file read with the wrong separator has such ones, and they would all be sent."""
    told = shown(pd.DataFrame({"a\nb" * 100_000: [1]}))
    assert len(told) < 1000
    assert told.splitlines()[-1].startswith("Types: a<br>ba<br>b")


@pytest.mark.parametrize(
    "value",
    [
        pl.Series(["1"], dtype=pl.Enum(map(str, range(5000)))),
        pl.Series(["1"], dtype=pl.Enum(map(str, range(5000)))).to_frame(),
        np.zeros(1, [(f"field{number}", int) for number in range(3000)]),
    ],
)
def test_a_type_of_thousands_of_names_is_told_in_short(value: Any) -> None:
    """All categories would be sent beside the one row that has them."""
    assert len(shown(value)) < 5000


def test_cells_keep_to_their_place() -> None:
    """A line break or a bar in a cell would shift all that follow."""
    odd = pd.DataFrame({"a|b": ["x\r\ny|z", ["l"] * 5000, "w" * 500, np.zeros(5000)]})
    *_, first, second, third, fourth, _, _ = shown(odd).split("\n")
    assert first == "| x<br>y\\|z |"
    assert second == "| ['l', 'l', 'l', 'l', 'l', 'l', ...] |"
    assert third == f"| {'w' * 200}… |"
    assert fourth == "| <ndarray of shape (5000,)> |"


def test_empty_frames_are_told_too() -> None:
    """A filter that let nothing pass is an answer."""
    assert shown(pd.DataFrame(FRAME).iloc[:0]).startswith("DataFrame of 0 rows × 2 columns\n\n| ci")
    assert shown(pd.DataFrame(index=range(5))) == "DataFrame of 5 rows × 0 columns"


def test_series_are_tables_of_one_column() -> None:
    """``df["heat"]`` is what one shows most."""
    heat = pd.Series(FRAME["heat"], name="heat")
    text = "Series of 3 values, float64, of which the first 1 values are shown\n\n| heat |\n| --- |"
    assert shown(heat, rows=1) == f"{text}\n| 31.5 |"
    assert "| city | heat |\n| --- | --- |\n| Rome | 31.5 |" in shown(
        pd.DataFrame(FRAME).set_index("city")["heat"]
    )
    assert shown(pl.Series([1])) == "Series of 1 values, Int64\n\n| value |\n| --- |\n| 1 |"


def test_arrays_tell_shape_and_type() -> None:
    """A model asked about an array first needs to know how large it is."""
    assert shown(np.arange(6).reshape(2, 3)) == (
        "ndarray of shape (2, 3), int64:\n[[0, 1, 2],\n [3, 4, 5]]"
    )
    text = shown(np.zeros((4, 1000, 1000), "uint8"))
    assert text.startswith("ndarray of shape (4, 1000, 1000), uint8, of which [0] is shown; ... s")
    assert len(text) < 1000
    assert shown(np.zeros((2,) * 30)).count("0.") == 4
    assert shown(np.array(["w" * 5000])).endswith("more characters")


def test_an_array_stays_small_whatever_numpy_was_told() -> None:
    """Many notebooks begin with ``np.set_printoptions(threshold=sys.maxsize)``."""
    with np.printoptions(threshold=sys.maxsize):
        assert len(shown(np.zeros((1000, 1000)))) < 1000


def test_data_inside_other_values_is_named_or_shown_plainly() -> None:
    """``np.float64(0.5)`` a thousand times over is mostly noise."""
    value = {"df": pd.DataFrame(FRAME), "big": np.zeros(500), "few": np.array([1, 2])}
    assert shown(value) == (
        "{'df': <DataFrame of shape (3, 2)>, 'big': <ndarray of shape (500,)>, "
        "'few': array([1, 2])}"
    )
    assert shown([np.float64(0.5), np.int8(3)]) == "[0.5, 3]"
    assert shown(pd.DataFrame(FRAME)["heat"].mean()) == "23.916666666666668"


@pytest.mark.parametrize("library", [pd, pl])
def test_ten_million_rows_are_never_rendered(library: Any) -> None:
    """A frame that fills the memory once must not do so twice."""
    frame = library.DataFrame({"n": np.zeros(10_000_000)})
    tracemalloc.start()
    text = shown(frame)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 1_000_000
    assert text.startswith("DataFrame of 10000000 rows × 1 columns, of which the first 10 rows")
    assert text.count("| 0.0 |") == 10


def test_a_subclass_of_a_frame_is_one() -> None:
    """GeoDataFrames and the like are frames."""
    assert shown(type("Own", (pd.DataFrame,), {})(FRAME)).startswith("Own of 3 rows × 2 columns\n")


def test_nothing_is_imported_to_show_a_value() -> None:
    """``{{ x }}`` must not cost the second that pandas takes to load."""
    program = (
        "import json, sys\nfrom g4f_magic.prompts.prompt import expand_parts\n"
        "expand_parts('{{ x }}', lambda _: [1, {2: 3}])\nprint(json.dumps(list(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(run.stdout))
    assert "g4f_magic.prompts.values" in loaded
    heavy = {"numpy", "pandas", "polars", "PIL", "matplotlib", "plotly", "altair", "httpx", "anyio"}
    assert loaded.isdisjoint(heavy)
