"""What strangers write is read or refused: inputs that once did harm, and whatever is like them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzz_targets import CORPUS, TARGETS

if TYPE_CHECKING:
    from pathlib import Path

FILES = sorted(path for path in CORPUS.glob("*/*") if path.is_file())
SEEDS = {
    name: [path.read_bytes() for path in FILES if path.parent.name == name] for name in TARGETS
}
ODD = (
    *(
        b"\r",
        b"\n",
        b"\r\n",
        b"\n\n",
        b"\t",
        b" ",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xe2\x80\xa8",
    ),
    *(b"data: ", b'{"', b"{", b"}", b"[", b"]", b"null", b"-1", b"1e999", b"NaN", b'"\\ud83d"'),
    *(b"```", b"~~~", b"> ", b"- ", b"1. ", b"    ", b"|", b"$$", b"<div>", b"---", b"[a]: /b"),
    *(b"{{", b"}}", b"--", b"-m ", b"'", b'"', b"\\", b"=", b"#", b":"),
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once_is_found_no_more(path: Path) -> None:
    """What did harm once is the first to do it again."""
    TARGETS[path.parent.name](path.read_bytes())


def test_each_reader_has_something_to_begin_with() -> None:
    """Without an input that makes sense, only the first branch of a reader is tried."""
    assert all(SEEDS.values())
    assert {path.parent.name for path in FILES} <= TARGETS.keys()


@st.composite
def like(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Draw a seed that was cut, joined, repeated and overwritten in a few places."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 20)))
        other = draw(st.sampled_from(seeds))
        at = draw(st.integers(0, len(other)))
        middle = draw(
            st.sampled_from(ODD)
            | st.binary(max_size=4)
            | st.just(data[start:end] * 2)
            | st.just(other[at : at + draw(st.integers(0, 40))])
        )
        data = data[:start] + middle + data[end:]
    return data[:2000]


@pytest.mark.parametrize("target", TARGETS)
@given(st.data())
def test_what_is_like_it_is_read_or_refused(target: str, data: st.DataObject) -> None:
    """Files are edited, networks cut, and servers are of every kind."""
    TARGETS[target](data.draw(like(SEEDS[target])))
