"""Break one function on purpose, by changing its syntax tree.

An edit names what it changes by attributes, constants and functions, not by the text of the source. It raises
`MutationError` unless it applies exactly once, so a renamed variable never turns a broken copy into an intact one.
"""

import ast
import inspect
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from types import FunctionType
from typing import Any, cast

OPERATORS: dict[str, type[ast.cmpop]] = {"<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE}
"""The comparison operators that `compare` replaces."""
Replacement = Callable[[ast.AST, "Parameters"], ast.AST | None]
"""Return the new node for a node that an edit changes, None for all others."""


class MutationError(ValueError):
    """Raised when an edit does not apply to its function exactly once."""


@dataclass(frozen=True)
class Edit:
    """A change of a function. `change` makes it in place and returns how often it applied."""

    description: str
    change: Callable[[ast.FunctionDef], int]

    def apply(self, function: ast.FunctionDef) -> None:
        """Change the function in place. Raise MutationError if the edit does not apply exactly once."""
        count = self.change(function)
        if count != 1:
            raise MutationError(f"{function.name}: “{self.description}” applies {count} times, not once")
        ast.fix_missing_locations(function)


class Parameters(dict[str, str]):
    """The names of a function's parameters by their annotation, for the `{Annotation}` in an expression."""

    def __init__(self, function: ast.FunctionDef) -> None:
        parameters = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        annotations = [ast.unparse(parameter.annotation) if parameter.annotation else "" for parameter in parameters]
        counts = Counter(annotations)
        super().__init__(
            (annotation, parameter.arg)
            for annotation, parameter in zip(annotations, parameters, strict=True)
            if counts[annotation] == 1
        )

    def __missing__(self, annotation: str) -> str:
        raise MutationError(f"exactly one parameter must be annotated with {annotation}")

    def parse(self, expression: str) -> ast.expr:
        """Parse an expression whose `{Annotation}` stands for the parameter with this annotation."""
        return ast.parse(expression.format_map(self), mode="eval").body


class _Rewriter(ast.NodeTransformer):
    """Replaces the outermost nodes that an edit changes, and counts them."""

    def __init__(self, replacement: Replacement, parameters: Parameters) -> None:
        self.replacement, self.parameters, self.count = replacement, parameters, 0

    def visit(self, node: ast.AST) -> Any:
        new = self.replacement(node, self.parameters)
        if new is None:
            return self.generic_visit(node)
        self.count += 1
        return new


def _replace(description: str, replacement: Replacement) -> Edit:
    def change(function: ast.FunctionDef) -> int:
        rewriter = _Rewriter(replacement, Parameters(function))
        function.body = [rewriter.visit(statement) for statement in function.body]
        return rewriter.count

    return Edit(description, change)


def drop(*names: str) -> Edit:
    """Drop the operand of `&`, `|`, `and` or `or` that mentions all these names."""

    def replacement(node: ast.AST, _: Parameters) -> ast.AST | None:
        operands = _operands(node)
        matching = _only_match(operands, names)
        rest = [operand for operand in operands if operand is not matching]
        return _chain(node, rest) if matching else None

    return _replace(f"drop the condition on {' and '.join(names)}", replacement)


def never(*names: str) -> Edit:
    """Make the test of an `if`, or the operand of `and` or `or`, that mentions all these names always false."""

    def replacement(node: ast.AST, _: Parameters) -> ast.AST | None:
        if isinstance(node, ast.If) and _mentions(node.test, names):
            return ast.If(ast.Constant(value=False), node.body, node.orelse)
        operands = _operands(node) if isinstance(node, ast.BoolOp) else []
        matching = _only_match(operands, names)
        false = ast.Constant(value=False)
        return _chain(node, [false if operand is matching else operand for operand in operands]) if matching else None

    return _replace(f"the test of {' and '.join(names)} is never true", replacement)


def compare(name: str, operator: str, new: str) -> Edit:
    """Replace the operator of the comparison that mentions this name."""

    def replacement(node: ast.AST, _: Parameters) -> ast.AST | None:
        if not (isinstance(node, ast.Compare) and isinstance(node.ops[0], OPERATORS[operator])):
            return None
        return ast.Compare(node.left, [OPERATORS[new]()], node.comparators) if _mentions(node, [name]) else None

    return _replace(f"{new} for {operator} in the comparison of {name}", replacement)


def subtract_nothing(name: str) -> Edit:
    """Replace `x - name` by `x`."""

    def replacement(node: ast.AST, _: Parameters) -> ast.AST | None:
        subtracts = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and _is(node.right, name)
        return cast("ast.BinOp", node).left if subtracts else None

    return _replace(f"do not subtract {name}", replacement)


def call(function: str, expression: str) -> Edit:
    """Replace the call of a function by an expression."""

    def replacement(node: ast.AST, parameters: Parameters) -> ast.AST | None:
        return parameters.parse(expression) if isinstance(node, ast.Call) and _is(node.func, function) else None

    return _replace(f"{expression} instead of {function}()", replacement)


def argument(function: str, position: int, expression: str) -> Edit:
    """Replace one positional argument of the call of a function, counted from 0."""

    def replacement(node: ast.AST, parameters: Parameters) -> ast.AST | None:
        if not (isinstance(node, ast.Call) and _is(node.func, function)):
            return None
        arguments = [*node.args]
        arguments[position] = parameters.parse(expression)
        return ast.Call(node.func, arguments, node.keywords)

    return _replace(f"{function}() is given {expression} as argument {position}", replacement)


def return_instead(expression: str) -> Edit:
    """Replace what the last statement of the function returns."""

    def change(function: ast.FunctionDef) -> int:
        parameters = Parameters(function)
        if not isinstance(function.body[-1], ast.Return):
            return 0
        function.body[-1] = ast.Return(parameters.parse(expression))
        return 1

    return Edit(f"return {expression}", change)


def rebind(parameter: str, expression: str) -> Edit:
    """Give a parameter another value before the first statement."""

    def change(function: ast.FunctionDef) -> int:
        arguments = ast.walk(function.args)
        if not any(isinstance(argument, ast.arg) and argument.arg == parameter for argument in arguments):
            return 0
        function.body.insert(0, ast.Assign([ast.Name(parameter, ast.Store())], Parameters(function).parse(expression)))
        return 1

    return Edit(f"{parameter} = {expression}", change)


def mutate(function: FunctionType, edits: Sequence[Edit]) -> FunctionType:
    """Return a copy of a function with these edits. Raise MutationError if one does not apply exactly once."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    _edit(tree, function.__name__, edits)
    namespace: dict[str, Any] = {}
    code = compile(tree, f"<broken {function.__name__}>", "exec")
    exec(code, function.__globals__, namespace)  # noqa: S102  # the service's own code with one change
    return cast("FunctionType", namespace[function.__name__])


def mutate_source(source: str, function: str, edits: Sequence[Edit]) -> str:
    """Return the source of a module with these edits in one of its functions. Raise MutationError as `mutate` does."""
    tree = ast.parse(source)
    _edit(tree, function, edits)
    return ast.unparse(tree)


def _edit(module: ast.Module, name: str, edits: Sequence[Edit]) -> None:
    for function in module.body:
        if isinstance(function, ast.FunctionDef) and function.name == name:
            for edit in edits:
                edit.apply(function)
            return
    raise MutationError(f"there is no function {name}")


def _operands(node: ast.AST) -> list[ast.expr]:
    """Return all operands of a chain of `&`, `|`, `and` or `or`; none for another node."""
    if isinstance(node, ast.BoolOp):
        return node.values
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr)):
        return []
    nested = isinstance(node.left, ast.BinOp) and isinstance(node.left.op, type(node.op))
    return [*(_operands(node.left) if nested else [node.left]), node.right]


def _chain(node: ast.AST, operands: Sequence[ast.expr]) -> ast.expr:
    """Join operands by the operator of a chain."""
    first, *others = operands
    if isinstance(node, ast.BoolOp):
        return ast.BoolOp(node.op, [*operands]) if others else first
    operator = cast("ast.BinOp", node).op
    return reduce(lambda left, right: ast.BinOp(left, operator, right), others, first)


def _is(node: ast.AST, name: str) -> bool:
    """Return whether a node is this name or attribute, however it is reached: `self.until` is `until` too."""
    return isinstance(node, ast.Name | ast.Attribute) and f".{ast.unparse(node)}".endswith(f".{name}")


def _only_match(operands: Sequence[ast.expr], names: Sequence[str]) -> ast.expr | None:
    """Return the operand that mentions all these names. Raise MutationError if there are several."""
    matching = [operand for operand in operands if _mentions(operand, names)]
    if len(matching) > 1:
        raise MutationError(f"the condition on {' and '.join(names)} applies {len(matching)} times, not once")
    return matching[0] if matching else None


def _mentions(node: ast.AST, names: Sequence[str]) -> bool:
    return all(any(_is(part, name) for part in ast.walk(node)) for name in names)
