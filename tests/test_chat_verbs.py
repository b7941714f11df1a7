"""`%g4f_chats` finds, changes and moves the conversations of a notebook, and shows no markup."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter

from g4f_magic.cell.chat_verbs import VERBS, run
from g4f_magic.cell.options import split_words
from g4f_magic.display.listing import ConversationList, UsageTable
from g4f_magic.display.table import Cell, Table, one_line
from g4f_magic.errors import StoreError, UsageError
from g4f_magic.messages import Answer, Usage
from g4f_magic.models.listing_cache import ListingCache, default_path
from g4f_magic.models.model_info import Listing, ModelInfo
from g4f_magic.store.chats import Chats
from g4f_magic.store.keeper import Keeper
from g4f_magic.store.saved import SavedConversation, SavedTurn, Spent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.kernel import Kernel
    from support.lab import Lab
    from support.lab_page import LabPage

    from g4f_magic.display.listing import Displayed
    from g4f_magic.store.store import Store

NOTEBOOK = "/home/ada/Analysis.ipynb"
OTHER = "/home/ada/Other.ipynb"
CHAT_OPTIONS = {"-m": True, "--new": False}
HOSTILE = (
    "<img src=x onerror=canary(1)> $\\href{javascript:canary(1)}{x}$ \"'>&amp;\x1b[31m\u202e\n"
)


@pytest.fixture
def chats(tmp_path: Path) -> Iterator[Chats]:
    """The conversations of a notebook that has said nothing yet."""
    keeper = Keeper(tmp_path / "home" / "chats.db")
    yield Chats(keeper, NOTEBOOK)
    keeper.close()


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that cuts nothing."""
    monkeypatch.setenv("COLUMNS", "200")


def do(chats: Chats, line: str) -> Displayed:
    """What the magic returns for a line."""
    options, words = split_words(line)
    given = Namespace(**{name: f"--{name}" in options for name in ("all", "yes", "force")})
    return run(words, given, chats, CHAT_OPTIONS)


def listed(chats: Chats, line: str = "list") -> list[str]:
    """The names that a listing has, in its order."""
    found = do(chats, line)
    assert isinstance(found, ConversationList)
    return [one.name for one in found]


def refusal(chats: Chats, line: str) -> str:
    """Why a line is refused, with what to type instead."""
    with pytest.raises(UsageError) as caught:
        do(chats, line)
    return f"{caught.value} / {caught.value.hint}"


def chat(chats: Chats, prompt: str, name: str = "", **known: Any) -> None:
    """Say something and be answered, the prompt in capitals."""
    answer = Answer(text=prompt.upper(), request={"model": "m"}, provider="acme", **known)
    kept = chats.keeper.begin(chats.notebook, name or chats.current, SavedTurn(prompt=prompt))
    kept.finish(answer)


def mark(chats: Chats, system: str | None = None, *, starts_afresh: bool = False) -> None:
    """Set a system prompt, or start afresh, without saying anything."""
    turn = SavedTurn(prompt="", system=system, starts_afresh=starts_afresh)
    chats.keeper.begin(chats.notebook, chats.current, turn)


def said(chats: Chats, name: str) -> list[tuple[str, str]]:
    """The prompts and answers that are kept."""
    turns = chats.keeper.call(lambda store: store.turns(chats.notebook, name))
    return [(turn.prompt, turn.answer.text if turn.answer else "") for turn in turns]


def shown_by_ipython(value: object) -> dict[str, Any]:
    """What a front end gets when a value is the result of a cell."""
    bundle: dict[str, Any] = DisplayFormatter().format(value)[0]
    return bundle


def test_quoted_words_keep_their_spaces_and_are_no_options() -> None:
    """A conversation with two words in its name, or dashes before it, could not be named."""
    assert split_words("""rename 'my chat' "it's --all" --force""") == (
        ["--force"],
        ["rename", "my chat", "it's --all"],
    )
    assert split_words("""new "--all" """) == ([], ["new", "--all"])
    assert split_words('new ""') == ([], ["new", ""])
    assert split_words("  ") == ([], [])


def test_apostrophes_and_backslashes_are_literal() -> None:
    r"""An unclosed quote must not be a syntax error, nor C:\new lose its backslash."""
    assert split_words(r"export C:\new\don't.md") == ([], ["export", r"C:\new\don't.md"])
    assert split_words("""list "a 'b c"d""") == ([], ["list", '"a', "'b", 'c"d'])


@given(st.text())
def test_any_line_can_be_split(line: str) -> None:
    """A line from the clipboard must end in words, not in a stack."""
    options, words = split_words(line)
    assert sum(map(len, options + words)) <= len(line)


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_refuses_what_it_does_not_take(verb: str, chats: Chats) -> None:
    """A word too many must not be dropped in silence, nor `--yes` mean something elsewhere."""
    words = " ".join(["x"] * (VERBS[verb].most + 1))
    assert f"%g4f_chats {verb}" in refusal(chats, f"{verb} {words}")
    odd = "--yes" if verb != "delete" else "--force"
    assert f"{verb!r} takes no {odd}" in refusal(chats, f"{verb} {odd}")


def test_an_unknown_verb_names_the_nearest_and_all_others(chats: Chats) -> None:
    """One who mistypes a verb should not have to look it up."""
    refused = refusal(chats, "renmae a b")
    assert "did you mean 'rename'?" in refused
    assert "list, show, new, use, undo, fork" in refused
    assert "did you mean" not in refusal(chats, "xyzzy")


def test_the_list_shows_what_is_known_of_each(chats: Chats, wide: None) -> None:
    """One looks for a conversation by when it was, with whom, and how it began."""
    del wide
    chat(chats, "What is\na p-value?", model="m-1", usage=Usage(1200, 34, {}))
    chat(chats, "Draw a fox", "Füchse 狐")
    found = do(chats, "")
    assert isinstance(found, ConversationList)
    assert [one.name for one in found[:2]] == ["Füchse 狐", "main"]
    assert found[-1].first_words == "What is a p-value?"
    plain = shown_by_ipython(found)["text/plain"].split("\n")
    assert [re.split(r" {2,}", line.strip()) for line in plain] == [
        ["name", "turns", "last used", "model", "tokens in", "out", "first words"],
        ["Füchse 狐", "1", "just now", "–", "–", "–", "Draw a fox"],
        ["●", "main", "1", "just now", "m-1", "1,200", "34", "What is a p-value?"],
    ]
    assert str(found) == "\n".join(plain)


def test_an_empty_notebook_says_where_one_stands(chats: Chats) -> None:
    """An empty table would look like a failure."""
    bundle = do(chats, "").bundle()
    note = "The current conversation is 'main'; nothing is said in it yet."
    assert (bundle["text/plain"], len(listed(chats))) == (note, 0)
    assert "<table" not in bundle["text/html"]


def test_conversations_in_memory_are_said_to_end() -> None:
    """One who trusts that all is kept must learn before the restart that this is not."""
    chats = Chats(Keeper(None), "")
    chat(chats, "Hi")
    bundle = do(chats, "list").bundle()
    assert listed(chats) == ["main"]
    assert all("in memory only and end with the kernel" in text for text in bundle.values())
    chats.keeper.close()


def test_words_find_what_was_said_asked_or_named(chats: Chats) -> None:
    """Among many conversations the one about foxes is found by any word one remembers."""
    chat(chats, "Wie geht es Straße und Fuchs?", "a")
    chat(chats, "weather", "FOX-talk")
    chat(chats, "Fuchs", "c")
    assert listed(chats, "list fuchs STRASSE") == ["a"]
    assert listed(chats, "list fox") == ["FOX-talk"]
    assert listed(chats, "list 'fuchs?'") == ["a"]
    assert listed(chats, "list nowhere") == []
    assert "No conversation has all these words." in str(do(chats, "list nowhere"))


def test_all_notebooks_are_listed_by_name(chats: Chats, wide: None) -> None:
    """A conversation held in another notebook can be found from here."""
    del wide
    chat(chats, "Hi")
    chat(Chats(chats.keeper, OTHER), "Ho")
    assert listed(chats) == ["main"]
    table = str(do(chats, "--all"))
    assert re.search(rf"^   {OTHER} +main .*Ho$", table, re.MULTILINE)
    assert re.search(rf"^●  {NOTEBOOK} +main .*Hi$", table, re.MULTILINE)
    assert listed(chats, "list ho --all") == ["main"]


def test_a_thousand_conversations_show_the_hundred_last_used(chats: Chats) -> None:
    """A long list must not freeze the page; Python has all of it."""

    def fill(store: Store) -> None:
        for number in range(1000):
            store.begin(NOTEBOOK, f"c{number}", SavedTurn(prompt=f"p{number}", answer=Answer()))

    chats.keeper.call(fill)
    found = do(chats, "list")
    assert isinstance(found, ConversationList)
    assert (len(found), found[0].name) == (1000, "c999")
    assert found.bundle()["text/html"].count("<tr>") == 101
    assert "… and 900 more: words after list narrow it" in str(found)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (86399, "23 h ago"),
        (86400, "1 day ago"),
        (86400 * 6.9, "6 days ago"),
        (86400 * 7, "2026-01-02"),
    ],
)
def test_times_are_told_from_now_and_exactly(seconds: float, told: str) -> None:
    """A list says at a glance what is recent, and on hovering exactly when it was."""
    then = datetime(2026, 1, 2, 3, 4, 5).timestamp()  # noqa: DTZ001  # local time, as it is shown
    one = SavedConversation(NOTEBOOK, "main", then, 1, 0, 0, "m", "Hi")
    bundle = ConversationList((one,), ("", ""), as_of=then + seconds).bundle()
    assert told in bundle["text/plain"]
    assert re.search(rf'title="2026-01-02 03:04:05[+-]\d\d:\d\d"[^>]*>{told}<', bundle["text/html"])


def test_show_gives_the_conversation_to_read(chats: Chats) -> None:
    """What was said long ago can be read without its cells."""
    mark(chats, "Be brief")
    answer = Answer(text="Hello <b>there</b>", model="m-1", provider="acme")
    chats.keeper.begin(NOTEBOOK, "main", SavedTurn(prompt="Hi", cell_id="c1", answer=answer))
    bundle = shown_by_ipython(do(chats, "show"))
    markdown = bundle["text/markdown"]
    order = ("# `main`", "> Be brief", "## 1", "> Hi", "acme:m-1", "Hello", "is deleted, until")
    places = [markdown.index(part) for part in order]
    assert places == sorted(places)
    assert "<b>" not in markdown
    assert "no answer" not in markdown
    assert "## 1" in bundle["text/plain"]


def test_show_reads_another_conversation_by_name(chats: Chats) -> None:
    """One can look something up without leaving the conversation one is in."""
    chat(chats, "Hi", "side talk")
    assert "> Hi" in do(chats, "show 'side talk'").bundle()["text/markdown"]
    assert "until" not in do(chats, "show 'side talk'").bundle()["text/markdown"]
    assert str(do(chats, "show")) == "Nothing is said in 'main' yet."
    assert "did you mean 'side talk'?" in refusal(chats, "show side-talk")
    assert chats.current == "main"


def test_show_ends_a_long_conversation_with_its_last_turns(chats: Chats) -> None:
    """A conversation of years must not bring the page to a stop."""

    def fill(store: Store) -> None:
        for number in range(103):
            store.begin(NOTEBOOK, "main", SavedTurn(prompt=f"p{number}.", answer=Answer()))

    chats.keeper.call(fill)
    markdown = do(chats, "show").bundle()["text/markdown"]
    assert "p2." not in markdown
    assert "p3." in markdown
    assert markdown.endswith("*These are the last 100 of 103 turns; `export` has all.*")


def test_show_and_export_tell_what_was_set_without_being_said(chats: Chats, tmp_path: Path) -> None:
    """A system prompt set by itself belongs to the file, and is no turn without an answer."""
    mark(chats, "A")
    mark(chats, "", starts_afresh=True)
    mark(chats, "B")
    chat(chats, "Hi")
    mark(chats, starts_afresh=True)
    do(chats, f"export {tmp_path / 'a.jsonl'}")
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {
        "messages": [
            {"role": "system", "content": "B"},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "HI"},
        ]
    }
    assert do(chats, "show").bundle()["text/markdown"].count("## ") == 2


def test_new_begins_and_use_goes_back(chats: Chats) -> None:
    """One can put a question aside, and go on later where one was."""
    chat(chats, "Hi")
    assert str(do(chats, "new 'side talk'")) == "The next %%chat begins 'side talk'."
    assert "'side talk'; nothing is said in it yet" in str(do(chats, ""))
    assert str(do(chats, "use 'side talk'")).endswith("which has 0 turns.")
    chat(chats, "Ho")
    expected = "The next %%chat continues 'main', which has 1 turn."
    assert (str(do(chats, "use main")), chats.current) == (expected, "main")


def test_new_takes_no_name_that_is_there(chats: Chats) -> None:
    """A new conversation must not turn out to be an old one."""
    chat(chats, "Hi", "side talk")
    assert '%g4f_chats use "side talk"' in refusal(chats, "new 'side talk'")
    assert "is there already" in refusal(chats, "new main")
    assert "is no name" in refusal(chats, "new ' '")
    assert chats.current == "main"


def test_use_refuses_a_name_that_is_not_there(chats: Chats) -> None:
    """A slip of the pen must not begin a new conversation without its history."""
    chat(chats, "Hi", "draft")
    assert "did you mean 'draft'?" in refusal(chats, "use darft")
    assert chats.current == "main"
    assert str(do(chats, "use main")).endswith("'main', which has 0 turns.")


def test_undo_takes_the_last_turn_away_and_says_which(chats: Chats) -> None:
    """A bad turn must go without the rest, and one must see that it was the right one."""
    chat(chats, "first")
    chat(chats, "second\x1b[31m\n  one")
    assert str(do(chats, "undo")).endswith("'main' away: 'second\\x1b[31m one'")
    assert said(chats, "main") == [("first", "FIRST")]
    do(chats, "undo")
    assert "'main' has no turn to take away" in refusal(chats, "undo")


def test_undo_takes_back_what_was_set_without_being_said(chats: Chats) -> None:
    """A system prompt set by itself can be taken back as well."""
    chat(chats, "Hi")
    mark(chats, "Be brief")
    mark(chats, starts_afresh=True)
    assert str(do(chats, "undo")) == "Took the last fresh start of 'main' away."
    assert str(do(chats, "undo")) == "Took the last system prompt of 'main' away."
    assert said(chats, "main") == [("Hi", "HI")]


def test_a_fork_goes_on_by_itself(chats: Chats) -> None:
    """Trying another way must leave the conversation one has."""
    chat(chats, "Hi")
    do(chats, "fork other")
    chat(chats, "more")
    assert said(chats, "other") == [("Hi", "HI"), ("more", "MORE")]
    assert said(chats, "main") == [("Hi", "HI")]
    assert "is there already" in refusal(chats, "fork main")
    assert chats.current == "other"


def test_rename_changes_the_current_or_another_name(chats: Chats) -> None:
    """A conversation that grew important gets a name, and the next prompt still continues it."""
    chat(chats, "Hi")
    chat(chats, "Ho", "b")
    do(chats, "rename 'p values'")
    assert (chats.current, said(chats, "p values")) == ("p values", [("Hi", "HI")])
    assert str(do(chats, "rename b c")) == "'b' is now 'c'."
    assert chats.current == "p values"
    assert "is there already" in refusal(chats, "rename c 'p values'")
    assert "no conversation 'b'" in refusal(chats, "rename b d")
    assert sorted(listed(chats)) == ["c", "p values"]


def test_delete_asks_before_it_does(chats: Chats) -> None:
    """What is gone is gone: one sees what would go first."""
    chat(chats, "Hi", 'a "b')
    chat(chats, "Ho", 'a "b')
    refused = refusal(chats, "delete 'a \"b'")
    assert "with 2 turns for good" in refused
    command = refused.partition("%g4f_chats ")[2]
    assert listed(chats) == ['a "b']
    assert str(do(chats, command)) == "Deleted 'a \"b' with 2 turns."
    assert listed(chats) == []
    assert "no conversation 'c'" in refusal(chats, "delete c --yes")


def test_deleting_the_current_conversation_goes_back_to_main(chats: Chats) -> None:
    """The next prompt must not bring the deleted name back to life."""
    do(chats, "new draft")
    chat(chats, "Hi")
    assert "The current conversation is 'main'." in str(do(chats, "delete draft --yes"))
    assert chats.current == "main"


@pytest.mark.parametrize("kind", ["md", "json", "jsonl", "ipynb"])
def test_an_export_can_be_imported_again(kind: str, chats: Chats, tmp_path: Path) -> None:
    """A conversation can move to another notebook or machine, beside those that are there."""
    chat(chats, "Größe 狐?", model="m-1")
    chat(chats, "more")
    path = tmp_path / f"my main.{kind}"
    assert str(path) in str(do(chats, f'export "{path}"'))
    imported = str(do(chats, f'import "{path}"'))
    assert "imported with 2 turns" in imported
    assert chats.current != "main"
    assert said(chats, chats.current) == said(chats, "main")


def test_an_import_never_touches_what_is_there(chats: Chats, tmp_path: Path) -> None:
    """A file that bears the name of a conversation must not be mixed into it."""
    chat(chats, "Hi")
    do(chats, f"export {tmp_path / 'a.json'}")
    expected = "The next %%chat continues 'main-2' ('main' is taken), imported with 1 turn."
    assert str(do(chats, f"import {tmp_path / 'a.json'}")) == expected
    do(chats, f"import {tmp_path / 'a.json'}")
    assert sorted(listed(chats)) == ["main", "main-2", "main-3"]


def test_an_imported_name_can_be_typed(chats: Chats, tmp_path: Path) -> None:
    """Nobody could use or delete a conversation whose name has a line end in it."""
    chats.current = 'it\'s \n "odd"\x1b'
    chat(chats, "Hi")
    do(chats, f"export {tmp_path / 'a.md'}")
    do(chats, f"import {tmp_path / 'a.md'}")
    assert chats.current == "it's 'odd'\ufffd"
    do(chats, f'delete "{chats.current}" --yes')
    assert len(listed(chats)) == 1


def test_an_imported_prompt_without_answer_is_not_under_way(chats: Chats, tmp_path: Path) -> None:
    """Nobody will ever answer it; the list of what is under way must not wait for it."""
    (tmp_path / "a.json").write_text('[{"role": "user", "content": "Hi"}]')
    do(chats, f"import {tmp_path / 'a.json'}")
    turns = chats.keeper.call(lambda store: store.turns(NOTEBOOK, "a"))
    assert [turn.answer.state for turn in turns if turn.answer] == ["interrupted"]


WRONG_FILES = {
    "half a line": (
        "a.jsonl",
        '{"messages": [{"role": "user", "content": "Hi"}]}\n{"mess',
        "line 2",
    ),
    "no messages": ("a.json", '{"a": 1}', "no list of messages"),
    "an odd role": ("a.json", '[{"role": "user", "content": "a"},\n{"role": "x"}]', "'x'"),
    "a cut transcript": ("a.md", "<!-- g4f_magic: user -->\n\n> Hi\n", "some of it is missing"),
    "an empty file": ("a.md", "", "line 1"),
    "another kind": ("a.csv", "a,b", "does not end in"),
}


@pytest.mark.parametrize(("name", "text", "reason"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_wrong_file_is_refused_whole(
    name: str, text: str, reason: str, chats: Chats, tmp_path: Path
) -> None:
    """Half a conversation would be worse than none."""
    chat(chats, "Hi")
    (tmp_path / name).write_text(text)
    refused = refusal(chats, f"import {tmp_path / name}")
    assert name in refused
    assert reason in refused
    assert (listed(chats), chats.current, said(chats, "main")) == (["main"], "main", [("Hi", "HI")])


def test_an_export_replaces_a_file_only_by_force(chats: Chats, tmp_path: Path) -> None:
    """A file with the same name may be somebody's only copy."""
    path = tmp_path / "a.md"
    path.write_text("mine")
    assert "nothing to export" in refusal(chats, f"export {path}")
    chat(chats, "Hi")
    assert "is there already" in refusal(chats, f"export {path}")
    assert path.read_text() == "mine"
    do(chats, f"export {path} --force")
    assert "> Hi" in path.read_text()


def test_usage_adds_up_what_each_model_took(chats: Chats) -> None:
    """One sees which model the tokens went to, deleted turns included."""
    chat(chats, "a", model="big", usage=Usage(9000, 1000, {}))
    chat(chats, "b", model="small", usage=Usage(100, 25, {}))
    chat(chats, "c", model="small")
    do(chats, "undo")
    lines = str(do(chats, "usage")).split("\n")
    assert [re.split(r" {2,}", line) for line in lines] == [
        ["model", "requests", "tokens in", "out", "cost"],
        ["acme:big", "1", "9,000", "1,000", "–", "█" * 20],
        ["acme:small", "2", "100", "25", "–", "▎"],
        ["all", "3", "9,100", "1,025", "–"],
        ["1 of 3 requests came without a count of tokens"],
    ]


def test_usage_of_nothing_and_of_unknown_amounts() -> None:
    """A notebook that asked nobody, or whom nobody told a count, is no reason for a stack."""
    plain = str(UsageTable((Spent("acme", "", 2, 2, 0, 0),)))
    assert re.split(r"\s{2,}", plain.split("\n")[1]) == ["acme", "2", "–", "–", "–"]


def test_usage_costs_what_the_provider_lists(chats: Chats) -> None:
    """Tokens are no money; a price that nobody has told is not invented."""
    chat(chats, "a", model="big", usage=Usage(9000, 1000, {}))
    priced = ModelInfo("acme", "big", price_in=2.5, price_out=10.0)
    path = default_path()
    ListingCache(path).remember({"acme": Listing("acme", (priced,), asked_at=1.0)}, 1.0)
    assert "$0.0325" in str(do(chats, "usage"))
    chat(chats, "b", model="small", usage=Usage(100, 25, {}))
    lines = str(do(chats, "usage")).split("\n")
    assert [line.count("$") for line in lines] == [0, 1, 0, 0], "a sum without a part is none"


def test_usage_starts_with_nothing(chats: Chats) -> None:
    """A notebook that has not chatted yet has spent nothing, and says so."""
    assert str(do(chats, "usage")) == "This notebook has asked nobody yet."


def test_the_cache_is_cleared_and_conversations_stay(chats: Chats) -> None:
    """An answer that is out of date must be asked for anew, not be lost where it was given."""
    chat(chats, "Hi")
    chats.keeper.call(lambda store: store.cache.remember("key", Answer(text="HI")))
    assert "%g4f_chats cache clear" in refusal(chats, "cache empty")
    assert str(do(chats, "cache clear")).startswith("Forgot 1 cached answer;")
    assert str(do(chats, "cache clear")).startswith("Forgot 0 cached answers;")
    assert said(chats, "main") == [("Hi", "HI")]


def test_a_disk_that_fails_is_named(tmp_path: Path) -> None:
    """A folder that cannot be written must not look like a notebook without conversations."""
    (tmp_path / "home").write_text("no folder")
    keeper = Keeper(tmp_path / "home" / "chats.db")
    with pytest.raises(StoreError, match="home"):
        do(Chats(keeper, NOTEBOOK), "list")
    keeper.close()


@pytest.mark.parametrize("name", [HOSTILE, "\ud800", "--yes", "😀" * 100_000, "null\x00"])
def test_no_name_breaks_a_verb(name: str, chats: Chats) -> None:
    """Names come from files of strangers too: each can be listed, shown, changed, deleted."""
    chat(chats, name, name)
    chats.current = name
    for line in ("list", "show", "--all", "list zzz", "usage", "fork b", "undo"):
        for text in shown_by_ipython(do(chats, line)).values():
            text.encode()
            assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", text)
    assert max(map(len, str(do(chats, "list")).split("\n"))) < 160
    chats.current = name
    if "'" not in name:
        do(chats, f"delete '{name}' --yes")
        assert listed(chats) == ["b"]


def test_tables_hold_no_markup_of_strangers() -> None:
    """A file or a model must not bring scripts, links or formulas into the page."""
    page = Table((HOSTILE,), ((Cell(HOSTILE, title=HOSTILE),),), (HOSTILE,)).html()
    told = r' (?:dir="auto"|style="text-align:(?:left|right)"|title="[^"<>]*")'
    ours = rf"</?(?:table|thead|tbody|tr|p|span)>|<t[hd](?:{told})*>|</t[hd]>"
    left = re.sub(ours, "\0", page)
    assert not set(left) & set("<>")
    texts = left.split("\0")
    assert all(text in {"$", "\\"} for text in texts if re.search(r"[$\\]", text))


@given(st.text())
def test_a_line_stays_a_line(text: str) -> None:
    """A line end in a name would break the table in a terminal."""
    assert len(one_line(text).splitlines()) <= 1
    assert one_line(text).isprintable() or not text.isprintable()


def test_columns_align_whatever_is_in_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chinese, emoji and accents take other widths than letters, and long texts are cut."""
    monkeypatch.setenv("COLUMNS", "40")
    rows = [("狐狸", "1"), ("e\u0301a", "12,345"), ("fox", "0")]
    table = Table(
        ("name", "n", "words"),
        tuple((Cell(name), Cell(n, is_number=True), Cell("狐" * 50)) for name, n in rows),
    )
    assert table.plain() == "\n".join(
        [
            "name       n  words",
            f"狐狸       1  {'狐' * 12}…",
            f"e\u0301a    12,345  {'狐' * 12}…",
            f"fox        0  {'狐' * 12}…",
        ]
    )


def test_a_name_that_reads_from_the_right_stays_in_its_column() -> None:
    """Hebrew before a number would otherwise change places with it."""
    table = Table(("name", "n"), ((Cell("שם"), Cell("1", is_number=True)),))
    assert table.plain() == "name  n\nשם\u200e    1"


@pytest.mark.browser
def test_nothing_in_a_name_runs_in_a_page(lab: Lab, lab_page: LabPage) -> None:
    """JupyterLab trusts the table it shows, and looks for formulas in it."""
    payloads = [HOSTILE, r"\(\href{javascript:canary(1)}{x}\)", r"$$\href{https://a.example}{x}$$"]
    payloads += [
        r"\begin{align}\href{javascript:canary(1)}{x}\end{align}",
        "<script>canary(1)</script>",
    ]
    source = "\n".join(
        [
            "from g4f_magic.display.table import Cell, Table",
            f"cells = [Cell(text, title=text) for text in {payloads!r}]",
            "table = Table(('a',), tuple((cell,) for cell in cells), ('The end',))",
            "display(table.bundle(), raw=True)",
            "display({'text/html': '<p>A formula: $x$</p>'}, raw=True)",
        ]
    )
    lab_page.context.add_init_script("window.canary = n => console.debug(`canary ${n}`);")
    lab.write_notebook("names.ipynb", [source])
    lab_page.open("names.ipynb")
    lab_page.run(0)
    output = lab_page.output(0)
    output.locator("mjx-container").first.wait_for()  # formulas are drawn in order
    assert output.locator("mjx-container").count() == 1
    assert output.locator("a, img, script").count() == 0
    assert not [line for line in lab_page.console if "canary" in line]


def test_the_magic_returns_what_it_shows(kernel: Kernel) -> None:
    """The list is a table in the cell and a value in Python; its help lists the verbs."""
    kernel.run("%load_ext g4f_magic")
    assert kernel.run("%%chat\nHello").error is None
    shown = kernel.run("%g4f_chats list").result
    assert shown is not None
    assert "<table>" in shown["text/html"]
    kernel.run("found = %g4f_chats list 'hello'")
    assert kernel.value("found[0].first_words") == "Hello"
    magic = "get_ipython().magics_manager.magics['line']['g4f_chats']"
    assert "list [WORD ...] [--all]" in kernel.value(f"{magic}.__doc__")


def test_a_refused_line_is_an_error_of_two_lines(shared_kernel: Kernel) -> None:
    """*Run All* stops at a verb that cannot be done, and says what to type instead."""
    shared_kernel.run("%load_ext g4f_magic")
    for line in ("%g4f_chats lits", "%g4f_chats --foo", "%g4f_chats delete x"):
        error = shared_kernel.run(line).error
        assert error is not None
        assert len(error.traceback) == 2


def test_unloading_takes_the_magic_away(shared_kernel: Kernel) -> None:
    """What is unloaded must not answer any more."""
    shared_kernel.run("%reload_ext g4f_magic")
    shared_kernel.run("%unload_ext g4f_magic")
    assert shared_kernel.run("%g4f_chats").text.startswith("UsageError: Line magic function")
