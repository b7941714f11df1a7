"""Sums that the demo is asked for: found in a prompt, and calculated without running it."""

from __future__ import annotations

import ast
import math
import operator
import re
from decimal import Context
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_ARITHMETIC = re.compile(
    r"(?:what(?: is|['\u2019]s)|how much is|calculate|compute)?[ :]*"
    r"([-+*/%^\u00d7\u00f7\u2212(). 0-9]{3,80})[ =?]*",
    re.IGNORECASE,
)
_LARGEST_BASE, _LARGEST_EXPONENT = 1000, 100  # nobody shall wait for 9**9**9
_ASCII_SIGNS = str.maketrans({"\u00d7": "*", "\u00f7": "/", "\u2212": "-", "^": "**"})


class Sum(NamedTuple):
    """A formula and its value, which is None where it divides by zero."""

    formula: str
    value: int | float | None

    @property
    def exact(self) -> str:
        """The value with as many digits as are sure."""
        return f"{self.value:.12g}" if isinstance(self.value, float) else str(self.value)

    @property
    def rounded(self) -> str:
        """The value with one digit, and zeros."""
        return f"{Context(prec=1).create_decimal(self.exact):f}"


def solved(prompt: str) -> Sum | None:
    """Return the sum that a prompt asks for, if it is an easy one."""
    match = _ARITHMETIC.fullmatch(prompt.strip().rstrip(".!"))
    if not match:
        return None
    formula = match[1].strip()
    try:
        tree = ast.parse(formula.translate(_ASCII_SIGNS), mode="eval").body
        value = None if isinstance(tree, ast.Constant) else _value(tree)
    except ZeroDivisionError:
        return Sum(formula, None)
    except (SyntaxError, ArithmeticError, ValueError):
        return None
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return Sum(formula, value)


def _value(node: ast.AST) -> int | float:
    """Calculate a formula of numbers; anything else, or too large a power, is a ValueError."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner)
        case ast.BinOp(left=first, op=sign, right=second) if type(sign) in _OPERATORS:
            left, right = _value(first), _value(second)
        case _:
            raise ValueError(ast.dump(node))
    is_large = abs(left) > _LARGEST_BASE or abs(right) > _LARGEST_EXPONENT
    if isinstance(sign, ast.Pow) and (is_large or (left < 0 and right % 1)):
        raise ValueError(right)
    result: int | float = _OPERATORS[type(sign)](left, right)
    return result
