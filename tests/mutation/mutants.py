"""Small faults for a module's source, one at a time: what a test suite ought to notice.

Owns the operators. A fault changes the tree that it was found in, so each is applied in a process of its own; the
lines of the source stay where they are. Left alone: docstrings, annotations (but for `Annotated[…]`, which pydantic
obeys), decorators, `__all__`, `__slots__`, `Literal[…]`, and the wording of what is raised.

    comparison   < and <=, > and >=, == and !=, is and is not, in and not in
    logic        and for or; an operand left out; `not` left out; a condition that is always true, or never
    arithmetic   + and -, * and /, | and &, << and >>, ** for *, min and max, any and all
    constant     a number plus one; True and False; a text with XX in front
    display      an element left out of a tuple, set, list or dictionary; of a `match`, a case
    statement    a call, an assignment to an attribute or item, a `raise`, `del`, `continue` or `break` left out
    call         a keyword argument left out
    return       None instead of a value
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Mutant", "mutants"]

_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.Pow: ast.Mult,
}
_COUNTERPARTS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_DECLARATIONS = frozenset({"__all__", "__slots__"})
_SHOWN = 110

_Change: TypeAlias = Callable[[], None]
_Site: TypeAlias = tuple[ast.AST, str, _Change]


@dataclass(frozen=True)
class Mutant:
    """One fault that a tree can be given.

    Attributes:
        line: Line of the source.
        lines: Those of the statement that has it.
        what: The fault in words.
        function: Where it is inside of a function's body: line and qualified name of that function (of the outermost
            one). None if it takes effect when the module is imported.
        is_constant: It is in a module's constant that functions alone use.
        change: Changes the tree, for good.
    """

    line: int
    lines: range
    what: str
    function: tuple[int, str] | None
    is_constant: bool
    change: Callable[[], None]

    @property
    def is_warm(self) -> bool:
        """It can be tried without importing anything anew."""
        return self.function is not None or self.is_constant


def mutants(tree: ast.Module) -> list[Mutant]:
    """Every fault of a module, in the order of a walk through its tree. Only one of them may be applied to it."""
    used = set(_used_at_import(tree))
    found = []
    for statement in tree.body:
        if _is_silent(statement):
            continue
        is_constant = isinstance(statement, ast.Assign | ast.AnnAssign) and not used & _names(statement)
        for living, function, lines in _living(statement, ()):
            for node, what, change in (*_of_expression(living), *_of_statement(living), *_of_body(living)):
                here = range(node.lineno, (node.end_lineno or 0) + 1) if isinstance(node, ast.stmt) else lines
                found.append(Mutant(getattr(node, "lineno", lines.start), here, what, function, is_constant, change))
    return found


def _used_at_import(tree: ast.Module) -> Iterator[str]:
    """Names that class bodies, defaults of arguments and decorators use."""
    pending: list[ast.AST] = [node for node in tree.body if not isinstance(node, ast.Assign | ast.AnnAssign)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name):
            yield node.id
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            pending += [node.args, *node.decorator_list]
        else:
            pending += ast.iter_child_nodes(node)


def _names(statement: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _living(
    node: ast.AST, path: tuple[str, ...], function: tuple[int, str] | None = None, lines: range = range(0)
) -> Iterator[tuple[ast.AST, tuple[int, str] | None, range]]:
    """The nodes that do something, the function that they stand in (a function stands in itself), and the statement."""
    if isinstance(node, ast.stmt):
        lines = range(node.lineno, (node.end_lineno or 0) + 1)
    outer = function
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and function is None:
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        function = (first, ".".join((*path, node.name)))
    elif isinstance(node, ast.ClassDef):
        path = (*path, node.name)
    yield node, function, lines
    for name, value in ast.iter_fields(node):
        if name in {"decorator_list", "returns"} or (name == "annotation" and not _is_call_of(value, "Annotated")):
            continue
        # Defaults of arguments take effect where the function is defined.
        where = outer if name == "args" else function
        children = value if isinstance(value, list) else [value]
        if _is_call_of(node, "Annotated") and isinstance(value, ast.Tuple):
            children = value.elts  # without one of them it would be no type
        for child in children:
            if isinstance(child, ast.AST) and not _is_silent(child):
                yield from _living(child, path, where, lines)


def _is_silent(node: ast.AST) -> bool:
    match node:
        case ast.Expr(ast.Constant(str())) | ast.Raise() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Assign([ast.Name(name)]):
            return name in _DECLARATIONS
        case ast.AnnAssign(annotation=ast.Name("TypeAlias")):
            return True
        case _:
            return _is_call_of(node, "Literal")


def _is_call_of(node: object, name: str) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == name


# Expressions


def _of_expression(node: ast.AST) -> Iterator[_Site]:
    match node:
        case ast.Compare(ops=ops):
            for index, op in enumerate(ops):
                yield node, f"{_text(node)}: {_name(op)} swapped", _item(ops, index, _swapped(op))
        case ast.BoolOp(op, values):
            yield node, f"{_text(node)}: {_name(op)} swapped", _field(node, "op", _swapped(op))
            for index, value in enumerate(values):
                rest = values[1 - index] if len(values) == 2 else None
                change = _without(values, index) if rest is None else _turned_into(node, rest)
                yield node, f"{_text(node)}: without {_text(value)}", change
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _SWAPPED:
            yield node, f"{_text(node)}: {_name(op)} swapped", _field(node, "op", _swapped(op))
        case ast.UnaryOp(ast.Not(), operand):
            yield node, f"{_text(node)}: without not", _turned_into(node, operand)
        case ast.IfExp(test, body, orelse):
            yield node, f"{_text(node)}: always", _turned_into(node, body)
            yield node, f"{_text(node)}: never", _turned_into(node, orelse)
            yield from _of_test(test)
        case ast.comprehension(ifs=ifs):
            for index, test in enumerate(ifs):
                yield test, f"for … if {_text(test)}: without the condition", _without(ifs, index)
        case ast.Constant(bool(value)):
            yield node, f"{value}: flipped", _field(node, "value", not value)
        case ast.Constant(int(value) | float(value)):
            yield node, f"{value}: plus one", _field(node, "value", value + 1)
        case ast.Constant(str(value)) if value:
            words = value.lstrip() or value
            changed = f"{value.removesuffix(words)}XX{words}"
            yield node, f"{words[:_SHOWN]!r}: XX in front", _field(node, "value", changed)
        case ast.Tuple(elements, ast.Load()) | ast.Set(elements) | ast.List(elements, ast.Load()):
            if len(elements) > 1:
                for index, element in enumerate(elements):
                    yield element, f"without the element {_text(element)}", _without(elements, index)
        case ast.Dict(keys, values) if len(keys) > 1:
            for index, key in enumerate(keys):
                yield values[index], f"without the entry {_text(key) if key else '**'}", _without(keys, index, values)
        case ast.Call(function, keywords=keywords):
            if isinstance(function, ast.Name) and function.id in _COUNTERPARTS:
                other = _COUNTERPARTS[function.id]
                yield node, f"{_text(node)}: {function.id} is {other}", _field(function, "id", other)
            for index, keyword in enumerate(keywords):
                if keyword.arg is not None:
                    yield node, f"{_text(node)}: without {_text(keyword)}", _without(keywords, index)


def _of_test(test: ast.expr) -> Iterator[_Site]:
    """Faults of what is read as a condition, which the other operators do not make of it already."""
    if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
        yield test, f"if {_text(test)}: negated", _turned_into(test, ast.UnaryOp(ast.Not(), _copy(test)))


# Statements


def _of_statement(node: ast.AST) -> Iterator[_Site]:
    match node:
        case ast.If(test):
            yield node, f"if {_text(test)}: always", _field(node, "test", ast.Constant(value=True))
            yield node, f"if {_text(test)}: never", _field(node, "test", ast.Constant(value=False))
        case ast.While(test):
            yield node, f"while {_text(test)}: never", _field(node, "test", ast.Constant(value=False))
        case ast.Return(value) if value is not None and not isinstance(value, ast.Constant):
            yield node, f"{_text(node)}: None", _field(node, "value", ast.Constant(value=None))
        case ast.Match(cases=cases) if len(cases) > 1:
            for index, case in enumerate(cases):
                yield case.pattern, f"without case {_text(case.pattern)}", _without(cases, index)


def _of_body(node: ast.AST) -> Iterator[_Site]:
    for body in (getattr(node, "body", None), getattr(node, "orelse", None), getattr(node, "finalbody", None)):
        if isinstance(body, list):
            for index, statement in enumerate(body):
                if _can_be_left_out(statement):
                    yield statement, f"without {_text(statement)}", _item(body, index, ast.Pass())


def _can_be_left_out(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(ast.Call()) | ast.AugAssign() | ast.Raise() | ast.Delete() | ast.Continue() | ast.Break():
            return True
        case ast.Assign([ast.Attribute() | ast.Subscript() | ast.Tuple()]):
            return True
        case _:
            return False


# Changes


def _field(node: ast.AST, name: str, value: object) -> _Change:
    return lambda: setattr(node, name, value)


def _item(items: list[ast.AST] | list[ast.stmt] | list[ast.cmpop], index: int, value: ast.AST) -> _Change:
    def change() -> None:
        items[index] = value  # type: ignore[call-overload]

    return change


def _without(items: list[Any], index: int, others: list[Any] | None = None) -> _Change:
    def change() -> None:
        del items[index]
        if others is not None:
            del others[index]

    return change


def _turned_into(node: ast.AST, other: ast.AST) -> _Change:
    """Puts `other` in the place of `node`, whoever holds it."""

    def change() -> None:
        node.__class__ = type(other)
        node.__dict__.update(other.__dict__)

    return change


def _copy(node: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(node), mode="eval").body


def _swapped(op: ast.AST) -> ast.AST:
    return _SWAPPED[type(op)]()


def _name(op: ast.AST) -> str:
    return type(op).__name__.lower()


def _text(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
