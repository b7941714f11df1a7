"""Finds the messages of our errors, with their hints, in the source of the package."""  # noqa: INP001  # part of a script

from __future__ import annotations

import ast
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

HOLE = "…"  # what is only known when it happens
# Functions that find the words of an error which another one raises.
RAISED_ELSEWHERE = dict.fromkeys(
    ("_http_trouble", "_proxy_trouble", "_tls_trouble"), "NetworkError"
)
_TRIMMED = frozenset({"lstrip", "rstrip", "strip"})
_MOST = 12  # wordings of one message
_DEFINED = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEEPEST = 8  # of names, which may lead in circles


@dataclass(frozen=True, slots=True, order=True)
class Message:
    """An error as a cell shows it: its class, what it says, and what to do, if it says that."""

    error: str
    text: str
    hint: str


def messages(folder: Path, errors: Collection[str]) -> list[Message]:
    """Return what errors of these classes say, sorted; all modules of the folder are read.

    A class made of one of them stands under that one's name. One whose words cannot be read
    there, such as those of another error, says ``HOLE``.
    """
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.py"))]
    constants = {name: value for tree in trees for name, value in _assigned(tree.body)}
    del constants["VERSION"]
    made_of = {name: base for tree in trees for name, base in _derived(tree, errors)}
    errors = {*errors, *made_of}
    found: set[Message] = set()
    for tree in trees:
        own = constants | dict(_assigned(tree.body))
        functions = [one for one in ast.walk(tree) if isinstance(one, _DEFINED)]
        for node in functions:
            rows = [own | row for row in _rows(node, own)] or [own]
            said = {one for row in rows for one in _Function(node, row).messages(errors)}
            if said and all(one.text == HOLE for one in said):  # its callers have the words
                given = [own | dict(_given(node, call)) for call in _calls_of(node.name, tree)]
                said = {
                    one for each in given for one in _Function(node, each).messages(errors)
                } or said
            found |= said
    return sorted({replace(one, error=made_of.get(one.error, one.error)) for one in found})


def _derived(tree: ast.AST, errors: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the classes that are made of an error which has its own place, with its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name not in errors:
            bases = [one.id for one in node.bases if isinstance(one, ast.Name)]
            yield from ((node.name, base) for base in bases if base in errors)


def _calls_of(name: str, tree: ast.AST) -> Iterator[ast.Call]:
    calls = (one for one in ast.walk(tree) if isinstance(one, ast.Call))
    return (one for one in calls if _called(one) == name)


def _given(
    node: ast.FunctionDef | ast.AsyncFunctionDef, call: ast.Call
) -> Iterator[tuple[str, ast.expr]]:
    """Yield the parameters of a function with what a call gives for them."""
    names = [one.arg for one in node.args.args]
    yield from zip(reversed(names), reversed(node.args.defaults), strict=False)
    yield from zip(names, call.args, strict=False)
    yield from ((one.arg, one.value) for one in call.keywords if one.arg)


def _rows(node: ast.AST, constants: dict[str, ast.expr]) -> Iterator[dict[str, ast.expr]]:
    """Yield what names stand for that a function looks up in a table, for each of its rows."""
    for found in (one for one in ast.walk(node) if isinstance(one, ast.Assign)):
        names, call = found.targets[0], found.value
        if isinstance(names, ast.Tuple) and isinstance(call, ast.Call) and _called(call) == "get":
            table = constants.get(ast.unparse(call.func).partition(".")[0])
            given = [*table.values, call.args[1]] if isinstance(table, ast.Dict) else []
            for value in given:
                row = value.args[1] if isinstance(value, ast.Call) else value  # dict.fromkeys
                row = constants[row.id] if isinstance(row, ast.Name) else row
                yield dict(_pairs(names, row))


def _assigned(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that statements of a block give to values."""
    for statement in body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                yield from _pairs(target, statement.value)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, its_value in zip(target.elts, value.elts, strict=True):
            yield from _pairs(one, its_value)


class _Function:
    """The errors that one function makes."""

    def __init__(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, constants: dict[str, ast.expr]
    ) -> None:
        self._name = node.name
        self._constants = constants
        self._blocks = list(_blocks(node))
        self._calls = [one for one in ast.walk(node) if isinstance(one, ast.Call)]
        self._returns = node.returns

    def messages(self, errors: Collection[str]) -> Iterator[Message]:
        """Yield what the errors made here say, each with the hint that belongs to it."""
        made = [(one, _called(one)) for one in self._calls if _called(one) in errors]
        if not made and self._name in RAISED_ELSEWHERE:
            yield from self._returned(RAISED_ELSEWHERE[self._name])
        returned = ast.unparse(self._returns) if self._returns else ""
        if not made and returned in errors and any(_called(c) == "kind" for c in self._calls):
            made = [(one, returned) for one in self._calls if _called(one) == "kind"]
        for call, error in made:
            yield from self._of_call(call, error)

    def _of_call(self, call: ast.Call, error: str) -> Iterator[Message]:
        hint = next((one.value for one in call.keywords if one.arg == "hint"), None)
        first = call.args[0] if call.args else None
        if isinstance(first, ast.Name) and first.id not in self._constants:
            yield from self._said(error, first.id, hint, call.lineno)
        elif first is not None:
            yield from _each(error, self._texts(first), self._hint(hint, []))

    def _returned(self, error: str) -> Iterator[Message]:
        """Yield the pairs of message and hint that the function returns."""
        for block in self._blocks:
            last = block[-1]
            if not (isinstance(last, ast.Return) and isinstance(last.value, ast.Tuple)):
                continue
            text, hint = last.value.elts
            if isinstance(text, ast.Name) and text.id not in self._constants:
                yield from self._said(error, text.id, hint, last.lineno)
            else:
                yield from _each(error, self._texts(text), self._hint(hint, block))

    def _said(self, error: str, name: str, hint: ast.expr | None, before: int) -> Iterator[Message]:
        """Yield what a name may stand for in a line, the nearest first."""
        giving = self._reaching(name, before)
        for block in giving:
            value = dict(_assigned(block))[name]
            yield from _each(error, self._texts(value), self._hint(hint, block))
        if not giving:
            yield Message(error, HOLE, self._hint(hint, []))

    def _reaching(self, name: str, before: int) -> list[list[ast.stmt]]:
        """Return the blocks that give the name a value which may reach a line."""
        giving = [block for block in self._blocks if name in dict(_assigned(block))]
        around = [b for b in giving if b[0].lineno <= before <= (b[-1].end_lineno or 0)]
        if not around:
            return [block for block in giving if block[0].lineno < before]
        nearest = around[-1]
        first, last = nearest[0].lineno, before
        inside = [b for b in giving if first <= b[0].lineno < last and b is not nearest]
        return [nearest, *(b for b in inside if not _leaves(b))]

    def _hint(self, given: ast.expr | None, block: list[ast.stmt]) -> str:
        """Return the hint given with a message, the longest if there are several."""
        if isinstance(given, ast.Name) and given.id not in self._constants:
            around = (dict(_assigned(one)).get(given.id) for one in (block, self._blocks[0]))
            given = next((one for one in around if one is not None), given)
        return max(self._texts(given), key=len) if given is not None else ""

    def _texts(self, node: ast.expr, depth: int = 0) -> list[str]:
        """Return what an expression may read as, with a hole for what is not written there."""
        texts = [HOLE]
        if depth > _DEEPEST:
            pass
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts = [node.value]
        elif isinstance(node, ast.JoinedStr):
            texts = self._joined([self._texts(part, depth + 1) for part in node.values])
        elif isinstance(node, ast.FormattedValue):
            quoted = node.conversion == ord("r")
            texts = [f"'{HOLE}'"] if quoted else self._texts(node.value, depth + 1)
        elif isinstance(node, ast.IfExp):
            texts = [*self._texts(node.body, depth + 1), *self._texts(node.orelse, depth + 1)]
        elif isinstance(node, ast.BinOp):
            texts = self._sum(node, depth)
        elif isinstance(node, ast.Name):
            texts = self._named(node.id, depth)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            is_trimmed = node.func.attr in _TRIMMED
            texts = self._texts(node.func.value, depth + 1) if is_trimmed else texts
        return texts

    def _named(self, name: str, depth: int) -> list[str]:
        here = [value for block in self._blocks for one, value in _assigned(block) if one == name]
        found = here or ([self._constants[name]] if name in self._constants else [])
        texts = [text for value in found for text in self._texts(value, depth + 1)]
        return [text for text in texts if text] or [HOLE]

    def _sum(self, node: ast.BinOp, depth: int) -> list[str]:
        left = self._texts(node.left, depth + 1)
        if isinstance(node.op, ast.Add):
            return self._joined([left, self._texts(node.right, depth + 1)])
        return left if isinstance(node.op, ast.Mult) else [HOLE]

    @staticmethod
    def _joined(parts: list[list[str]]) -> list[str]:
        return ["".join(one) for one in itertools.islice(itertools.product(*parts), _MOST)]


def _each(error: str, texts: Iterable[str], hint: str) -> Iterator[Message]:
    for text in texts:
        is_told = any(map(str.isalpha, text))
        yield Message(error, _tidy(text) if is_told else HOLE, _tidy(hint))


def _tidy(text: str) -> str:
    """Return a text in one line, with one hole for several beside each other."""
    line = " ".join(text.split())
    for several in (f"{HOLE}{HOLE}", f"{HOLE} {HOLE}"):
        while several in line:
            line = line.replace(several, HOLE)
    return line


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _leaves(block: list[ast.stmt]) -> bool:
    """Tell whether what stands in a block is not gone on from."""
    return isinstance(block[-1], ast.Raise | ast.Return)


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """Yield the blocks of a function, outer ones first, but not those of functions in it."""
    for field in ("body", "orelse", "finalbody"):
        block = getattr(node, field, None)
        if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
            yield block
            for inner in block:
                if not isinstance(inner, _DEFINED):
                    yield from _blocks(inner)
    for handler in getattr(node, "handlers", ()):
        yield from _blocks(handler)
