"""Changes a module in one place at a time, as a slip of the hand would, and compiles the result."""

import ast
from collections import Counter
from collections.abc import Iterator
from types import CodeType
from typing import Any, NamedTuple

_OPPOSITES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
}
_LEFT_ALONE = ("annotation", "returns", "bases", "ctx")
_DROPPED = ast.Raise | ast.If | ast.For | ast.Expr | ast.Assign


class Mutant(NamedTuple):
    """The module with one change, and the change in words: where, what it was, what it is."""

    change: str
    code: CodeType


def mutants_of(source: str, vocabulary: dict[str, list[str]]) -> Iterator[Mutant]:
    """Yield every mutant of a module.

    `vocabulary` names what is mistaken for each other: the members of an enum as `Enum.MEMBER`
    below the enum's name, plain names below whatever they have in common.
    """
    tree = ast.parse(source)
    seen: Counter[str] = Counter()
    for where, holder, at, old in _places(tree, "module"):
        for new in _slips(old, vocabulary):
            change = f"{where}: {_text(old)} -> {_text(new)}"
            seen[change] += 1
            number = f" ({seen[change]})" if seen[change] > 1 else ""
            _put(holder, at, new)
            code = compile(ast.fix_missing_locations(tree), "<mutant>", "exec")
            _put(holder, at, old)
            yield Mutant(change + number, code)


def _places(node: ast.AST, where: str) -> Iterator[tuple[str, Any, Any, ast.AST]]:
    """Yield each place of the tree: in which function, who holds it, under which name, and what."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        where = node.name
    for name, value in ast.iter_fields(node):
        if name in _LEFT_ALONE or isinstance(value, ast.Import | ast.ImportFrom):
            continue
        if isinstance(value, ast.AST):
            yield where, node, name, value
            yield from _places(value, where)
        elif isinstance(value, list):
            for number, each in enumerate(value):
                if isinstance(each, ast.AST) and not _is_text(each):
                    yield where, value, number, each
                    yield from _places(each, where)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _put(holder: Any, at: Any, node: ast.AST) -> None:  # noqa: ANN401 - a node or a list of nodes
    if isinstance(holder, list):
        holder[at] = node
    else:
        setattr(holder, at, node)


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())


def _slips(node: ast.AST, vocabulary: dict[str, list[str]]) -> Iterator[ast.AST]:
    if isinstance(node, _DROPPED):
        yield ast.Pass()
    match node:
        case ast.Return(value=value) if value is not None:
            yield from _other_returns(value)
        case ast.Constant(value=value):
            yield from _other_constants(value)
        case ast.Tuple(elts=members) | ast.Set(elts=members):
            yield from _other_members(node, members)
        case ast.Attribute() | ast.Name():
            yield from _other_names(node, vocabulary)
        case _:
            yield from _other_conditions(node)


def _other_conditions(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left=left, ops=[op], comparators=comparators):
            yield ast.Compare(left, [_OPPOSITES[type(op)]()], comparators)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            yield from (_joined(op, _without(values, n)) for n in range(len(values)))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.If(test=test, body=body, orelse=orelse):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.IfExp(body=body, orelse=orelse):
            yield from (body, orelse)


def _other_names(node: ast.AST, vocabulary: dict[str, list[str]]) -> Iterator[ast.AST]:
    match node:
        case ast.Attribute(value=ast.Name(id=kind), attr=name, ctx=context) if kind in vocabulary:
            for each in vocabulary[kind]:
                if each != name:
                    yield ast.Attribute(ast.Name(kind, ast.Load()), each, context)
        case ast.Name(id=name, ctx=ast.Load()):
            others = next((names for names in vocabulary.values() if name in names), [])
            yield from (ast.Name(each, ast.Load()) for each in others if each != name)


def _without(values: list[ast.expr], number: int) -> list[ast.expr]:
    return values[:number] + values[number + 1 :]


def _joined(op: ast.boolop, values: list[ast.expr]) -> ast.expr:
    return values[0] if len(values) == 1 else ast.BoolOp(op, values)


def _other_returns(value: ast.expr) -> Iterator[ast.AST]:
    if not (isinstance(value, ast.Constant) and value.value is None):
        yield ast.Return(ast.Constant(None))
    if isinstance(value, ast.Compare | ast.BoolOp | ast.UnaryOp):
        yield ast.Return(ast.UnaryOp(ast.Not(), value))
        yield ast.Return(ast.Constant(True))  # noqa: FBT003 - a value
        yield ast.Return(ast.Constant(False))  # noqa: FBT003 - a value


def _other_constants(value: object) -> Iterator[ast.AST]:
    match value:
        case bool():
            yield ast.Constant(not value)
        case int():
            yield ast.Constant(value + 1)
        case str():
            yield ast.Constant("")


def _other_members(node: ast.AST, members: list[ast.expr]) -> Iterator[ast.AST]:
    """Leave one out; where the order may matter, change two neighbours."""
    if isinstance(node, ast.Set):
        yield from (ast.Set(_without(members, n)) for n in range(len(members)))
    elif isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load):
        yield from (ast.Tuple(_without(members, n), node.ctx) for n in range(len(members)))
        for n in range(len(members) - 1):
            changed = [*members[:n], members[n + 1], members[n], *members[n + 2 :]]
            yield ast.Tuple(changed, node.ctx)
