"""Arithmetic that people write into nodes: numbers, names, operators and a few functions, and nothing else."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from nodes.types import NodeError

Number = int | float

_LONGEST = 2000
_LARGEST_BITS = 4096
_OPERATORS: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitXor: operator.xor,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.LShift: lambda a, b: _bounded(a, b.bit_length() if b < 0 else b, operator.lshift, a, b),
    ast.RShift: operator.rshift,
    ast.Pow: lambda a, b: _bounded(a, abs(b), operator.pow, a, b),
}
_SIGNS: Mapping[type[ast.AST], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
}
_COMPARISONS: Mapping[type[ast.AST], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "round": round,
    "abs": abs,
    "int": int,
    "float": float,
    "sum": lambda *numbers: sum(numbers),
    "floor": math.floor,
    "ceil": math.ceil,
    "sqrt": math.sqrt,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "log": math.log,
    "exp": math.exp,
    "pow": _OPERATORS[ast.Pow],
}


def _bounded(base: Any, times: Any, work: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """What grows faster than anything else, while it stays a number of a reasonable length."""
    if isinstance(base, int) and isinstance(times, int) and max(base.bit_length(), 1) * times > _LARGEST_BITS:
        raise OverflowError("the result is too large")
    found = work(a, b)
    if isinstance(found, complex):
        raise ValueError("the result is no real number")
    return found


def evaluated(text: str, names: Mapping[str, Number]) -> Number:
    """What an expression comes to, given what its names stand for (`a`, or `a.width`).

    Raises NodeError saying what is wrong with the expression.
    """
    if len(text) > _LONGEST:
        raise NodeError(f"An expression of {len(text)} characters is too long; at most {_LONGEST} are read.")
    try:
        found = _value(ast.parse(text.strip(), mode="eval").body, names)
    except SyntaxError:
        raise NodeError(f"{text!r} is no arithmetic expression.") from None
    except (ArithmeticError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise NodeError(f"{text!r} cannot be computed: {error}.") from None
    if isinstance(found, bool):
        return int(found)
    if not isinstance(found, int | float):
        raise NodeError(f"{text!r} comes to no number.")
    return found


def _value(tree: ast.AST, names: Mapping[str, Number]) -> Any:
    match tree:
        case ast.Constant(value=bool() | int() | float() as value):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Attribute(value=ast.Name(id=name), attr=part) if f"{name}.{part}" in names:
            return names[f"{name}.{part}"]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, names), _value(right, names))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
            return _SIGNS[type(op)](_value(operand, names))
        case ast.BoolOp(op=op, values=values):
            whole = all if isinstance(op, ast.And) else any
            return int(whole(_value(value, names) for value in values))
        case ast.Compare(left=left, ops=ops, comparators=others):
            values = [_value(each, names) for each in (left, *others)]
            pairs = zip(values, ops, values[1:], strict=False)
            return int(all(_COMPARISONS[type(op)](a, b) for a, op, b in pairs))
        case ast.IfExp(test=test, body=body, orelse=otherwise):
            return _value(body if _value(test, names) else otherwise, names)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_value(each, names) for each in arguments))
        case ast.Name(id=name):
            known = ", ".join(sorted(names)) or "none"
            raise NodeError(f"{name!r} stands for nothing in this expression; there are {known}.")
        case _:
            raise NodeError(f"{ast.unparse(tree)!r} is none of the arithmetic that can be computed here.")
