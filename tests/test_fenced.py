"""Code, JSON and HTML found in what a model wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from g4f_magic.fenced import Block, CellCode, cell_code, fenced_blocks, html_in, json_in


def test_blocks_are_found_in_lists_and_with_other_fences() -> None:
    """Models put code below the steps of a list, where it is indented."""
    text = "1. Do\n   ```python\n   if x:\n       y()\n   ```\n2. Or\n\n~~~ Bash -e\nls\n~~~~\n"
    assert fenced_blocks(text) == [Block("python", "if x:\n    y()\n"), Block("bash", "ls\n")]


def test_a_fence_inside_code_ends_nothing() -> None:
    """A function whose docstring shows an example would otherwise lose its end."""
    code = 'def f():\n    """\n    ```\n    f()\n    ```\n    """\n'
    assert fenced_blocks(f"```python\n{code}```") == [Block("python", code)]
    assert fenced_blocks("````\n```\nx\n```\n````") == [Block("", "```\nx\n```\n")]


def test_code_that_was_cut_off_is_none() -> None:
    """Half a program is not to stand in a cell as if it were whole."""
    assert fenced_blocks("```python\nwhile True:") == []
    assert fenced_blocks("say ```x``` here") == []


@given(st.text(alphabet="`~ab \n\r", max_size=60))
def test_any_text_has_blocks_or_none(text: str) -> None:
    """Whatever a model writes, showing it does not fail."""
    for block in fenced_blocks(text):
        assert isinstance(cell_code(f"```\n{block.code}```").code, str)


def test_blocks_of_one_language_become_one_cell() -> None:
    """Explained in steps, a program is wanted as a whole, without what it prints."""
    text = "```python\na = 1\n```\nthen\n```py\nprint(a)\n```\nprints\n```\n1\n```\n```sql\nx\n```"
    assert cell_code(text) == CellCode("a = 1\n\nprint(a)", "python", ("sql",))
    assert cell_code("```text\nno code\n```") == CellCode()
    assert cell_code("```\nprint(1)\n```").code == "print(1)"


def test_other_languages_get_their_cell_magic() -> None:
    """A shell script in a Python cell would be a syntax error."""
    assert cell_code("```shell\nls\n```") == CellCode("%%bash\nls", "bash")
    assert cell_code("```rust\nfn main() {}\n```") == CellCode("fn main() {}", "rust")


def test_json_is_found_behind_other_blocks() -> None:
    """A model that shows its code first still has answered."""
    assert json_in('```python\nx = {}\n```\n```json\n{"a": 1}\n```') == {"a": 1}
    with pytest.raises(ValueError, match="Expecting value"):
        json_in("```python\nx = 1\n```")
    with pytest.raises(ValueError, match="nested too deeply"):
        json_in("[" * 1_000_000)


def test_html_is_found_bare_and_fenced() -> None:
    """Models write a page either way."""
    assert html_in("Here:\n```html\n<p>1</p>\n```\n```svg\n<svg/>\n```") == "<p>1</p>\n\n<svg/>\n"
    assert html_in("<!DOCTYPE html><p>x") == "<!DOCTYPE html><p>x"
    assert html_in("```\n<div>x</div>\n```") == "<div>x</div>\n"
    assert html_in("1 < 2 and a <- b") == ""
