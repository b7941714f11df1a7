"""The type and the size of a picture, told by its first bytes."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from g4f_magic.errors import UsageError
from g4f_magic.image_bytes import SVG, media_type, pixels
from g4f_magic.messages import Image

if TYPE_CHECKING:
    from pathlib import Path

# Of 300 by 5 pixels, the JPEG of 5 by 300; written by Pillow 13.
PICTURES = {
    "png": (
        "iVBORw0KGgoAAAANSUhEUgAAASwAAAAFCAIAAABwy0ZoAAAALUlEQVR4nO3TMQEAIAzAMEDI/EtBFjJ6kCjo"
        "031nFtA5dQD8zoQQMyHETAixB0iqAQ5wnC+BAAAAAElFTkSuQmCC"
    ),
    "gif": (
        "R0lGODdhLAEFAIAAAAAAAAAAACwAAAAALAEFAAAIQQABCBxIsKDBgwgTKlzIsKHDhxAjSpxIsaLFixgzatzI"
        "saPHjyBDihxJsqTJkyhTqlzJsqXLlzBjypxJs6bNhwEBADs="
    ),
    "jpeg": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/4QAWRXhpZgAASUkqAAgAAAAAAAAAAAD/2wBDAFA3PEY8MlBGQUZaVVBf"
        "eMiCeG5uePWvuZHI////////////////////////////////////////////////////2wBDAVVaWnhpeOuC"
        "guv/////////////////////////////////////////////////////////////////////////wgARCAEs"
        "AAUDASIAAhEBAxEB/8QA"
    ),
    "webp": (
        "UklGRlIAAABXRUJQVlA4IEYAAADwAwCdASosAQUAPm02mUmkIyKhIagAgA2JaQB2AAAbZ70kCBAgQHwAAP7w"
        "OEP/4ta3C0sP//tLP/qWf/Us/xhJUIAAAAAA"
    ),
    "webp, lossless": "UklGRh4AAABXRUJQVlA4TBEAAAAvKwEBAAdQjyLXo/+BiOh/AAA=",
    "webp, extended": (
        "UklGRnYAAABXRUJQVlA4WAoAAAAQAAAAKwEABAAAQUxQSAoAAAABB1CyiAhERP8DVlA4IEYAAADwAwCdASos"
        "AQUAPm02mUmkIyKhIagAgA2JaQB2AAAbZ70kCBAgQHwAAP7wOEP/4ta3C0sP//tLP/qWf/Us/xhJUIAAAAAA"
    ),
}
DECODED = {name: base64.b64decode(text) for name, text in PICTURES.items()}


@pytest.mark.parametrize("name", DECODED)
def test_type_and_size_are_read_as_the_encoder_wrote_them(name: str) -> None:
    """A picture shown at a wrong size is distorted."""
    data = DECODED[name]
    assert media_type(data) == f"image/{name.partition(',')[0]}"
    assert pixels(data) == ((5, 300) if name == "jpeg" else (300, 5))


def test_fill_bytes_before_a_segment_of_a_jpeg_are_skipped() -> None:
    """Cameras write them."""
    data = DECODED["jpeg"]
    assert pixels(data[:2] + b"\xff\xff" + data[2:]) == (5, 300)


@pytest.mark.parametrize(
    ("drawing", "size"),
    [
        ('<svg width="300" height="5">', (300, 5)),
        ("<svg viewBox='0 0 7 7'\n height = '5.4px' width='300px'/>", (300, 5)),
        ('<svg viewBox="0 0 300 5" width="100%" height="5em">', (300, 5)),
        ('<svg viewBox="-1,-1,300.2,5" width="3">', (300, 5)),
        ("\ufeff  <?xml version='1.0'?>\n<!-- <svg > --><svg width='3' height='5'>", (3, 5)),
        ("<!DOCTYPE svg [ <!ENTITY a 'b'> ]><svg width='3' height='5'>", (3, 5)),
        ("<svg>", None),
        ("<svg stroke-width='3' line-height='5'>", None),
        ("<svg width='0' height='5'>", None),
        ("<svg viewBox='0 0 1.2.3 5'>", None),
        (f"<svg viewBox='0 0 {'9' * 400} 5'>", None),
        ("<svg width='3", None),
    ],
)
def test_a_drawing_says_its_size_in_its_first_tag(
    drawing: str, size: tuple[int, int] | None
) -> None:
    """Drawings come in any unit, and with anything before their first tag."""
    assert media_type(drawing.encode()) == SVG
    assert pixels(drawing.encode()) == size


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE html><html><svg width='3' height='5'>",
        "<svgs>",
        "say <svg>",
        "<!--" * 1000,
        "<!-- " + "-->" * 1000,
        "",
    ],
)
def test_what_only_contains_a_drawing_is_none(text: str) -> None:
    """A page of an error would be shown as a broken picture."""
    assert media_type(text.encode()) == ""
    assert pixels(text.encode()) is None


@given(st.sampled_from(sorted(DECODED)), st.integers(0, 400), st.binary(max_size=30))
def test_broken_pictures_have_a_size_or_none(name: str, cut: int, rest: bytes) -> None:
    """A download that broke off must not break the cell as well."""
    size = pixels(DECODED[name][:cut] + rest)
    assert size is None or min(size) > 0


def test_a_picture_is_saved_under_the_name_given(tmp_path: Path) -> None:
    """``answer.images[0].save("fox")`` is all one types."""
    image = Image(DECODED["jpeg"], "image/jpeg")
    assert image.save(tmp_path / "fox") == tmp_path / "fox.jpg"
    assert image.save(f"{tmp_path}/fox.JPEG") == tmp_path / "fox.JPEG"
    assert image.save(f"{tmp_path}/fox.jpg").read_bytes() == DECODED["jpeg"]
    assert (image.width, image.height) == (5, 300)
    assert repr(image) == f"Image(image/jpeg, 5×300, {len(image.data)} bytes)"


@pytest.mark.parametrize("name", ["nowhere/fox", "", "a\0b"])
def test_a_path_that_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    """A slip in a path gets one line."""
    with pytest.raises(UsageError, match="cannot be saved as"):
        Image(DECODED["png"], "image/png").save(tmp_path / name if name else "")


def test_an_address_cannot_be_saved(tmp_path: Path) -> None:
    """An empty file would look like success; the reason is what one needs."""
    image = Image(url="https://x.example/a.png", trouble="it is too large")
    assert (image.width, image.height) == (None, None)
    with pytest.raises(UsageError, match=r"only its address 'https://x\.example/a\.png'") as got:
        image.save(tmp_path / "fox")
    assert got.value.hint == "it is too large"
