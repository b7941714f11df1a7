"""Questions asked in one line: people end them in a question mark."""

from __future__ import annotations

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from g4f_magic.cell.question import Question


@pytest.fixture
def manager() -> TransformerManager:
    """IPython's rewriting of cells, as the extension leaves it."""
    manager = TransformerManager()
    manager.token_transformers.append(Question)
    return manager


@pytest.mark.parametrize(
    "prompt",
    [
        "What is a p-value?",
        "Why?",
        "Really??",
        "-m demo What is x[0].y?",
        "What's this, and that?",
        'Who said "no"?',
        "Was ist für Dich π?",
        "Is {{ x }} more than 3?",
        "(is it?",
        "a b c\t?",
    ],
)
@pytest.mark.parametrize("before", ["", "    ", "answer = "])
def test_a_question_reaches_the_model(
    manager: TransformerManager, before: str, prompt: str
) -> None:
    """IPython would look for help on the last word and say that it is not found."""
    code = (
        f"if 1:\n    0\n{before}%chat {prompt}\n"
        if before == "    "
        else f"{before}%chat {prompt}\n"
    )
    call = f"{before}get_ipython().run_line_magic('chat', {prompt!r})\n"
    assert manager.transform_cell(code).endswith(call)


@pytest.mark.parametrize("line", ["%chat?", "%chat??", "%%chat?", "len?", "%pwd?", "x = 3; x?"])
def test_help_stays_help(manager: TransformerManager, line: str) -> None:
    """The question mark is how one asks IPython for help."""
    assert manager.transform_cell(line) == TransformerManager().transform_cell(line)


@pytest.mark.parametrize("cell", ['"""\n%chat What?\n"""\n', "%%chat\n%chat What?\n", "a = 5\n"])
def test_what_is_no_line_of_its_own_is_left_alone(manager: TransformerManager, cell: str) -> None:
    """Strings and the bodies of cells are somebody's text."""
    assert manager.transform_cell(cell) == TransformerManager().transform_cell(cell)
