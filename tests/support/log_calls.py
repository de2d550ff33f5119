"""What the code logs, read from its source: which events, at which levels, with which fields."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True)
class Logged:
    """One call."""

    where: str
    event: str
    levels: frozenset[str]
    fields: frozenset[str]


def logged(root: Path) -> Iterator[Logged]:
    """All of them but the demo's. ValueError for one that this cannot read."""
    for path in sorted(root.rglob("*.py")):
        if "demo" in path.relative_to(root).parts:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        chosen = {
            target.id: _levels(assigned.value)
            for assigned in ast.walk(tree)
            if isinstance(assigned, ast.Assign)
            for target in assigned.targets
            if isinstance(target, ast.Name) and _levels(assigned.value)
        }
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            levels = _levels(call.func) or (chosen.get(call.func.id) if isinstance(call.func, ast.Name) else None)
            if levels:
                yield from _read(call, levels, f"{path.name}:{call.lineno}", tree)


def _levels(node: ast.AST) -> frozenset[str]:
    """`_log.info`, or `_log.info if … else _log.warning`."""
    if isinstance(node, ast.IfExp):
        return _levels(node.body) | _levels(node.orelse)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "_log":
        return frozenset({node.attr} & set(LEVELS))
    return frozenset()


def _read(call: ast.Call, levels: frozenset[str], where: str, tree: ast.AST) -> Iterator[Logged]:
    fields = frozenset(keyword.arg for keyword in call.keywords if keyword.arg is not None)
    if any(keyword.arg is None for keyword in call.keywords):
        raise ValueError(f"{where}: the names of fields are written where they are logged")
    match call.args:
        case [ast.Constant(value=str(event))]:
            yield Logged(where, event, levels, fields)
        case [ast.Name(id=name)]:  # the parameter of a function, whose callers say which event it is
            events = list(_said_for(name, tree))
            if not events:
                raise ValueError(f"{where}: nobody says what {name} is")
            for event in events:
                yield Logged(where, event, levels, fields)
        case _:
            raise ValueError(f"{where}: an event is a constant, its data are in keys")


def _said_for(parameter: str, tree: ast.AST) -> Iterator[str]:
    for function in ast.walk(tree):
        if not isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef):
            continue
        names = [argument.arg for argument in function.args.args]
        if parameter not in names:
            continue
        place = names.index(parameter)
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == function.name:
                given = call.args[place]
                if isinstance(given, ast.Constant) and isinstance(given.value, str):
                    yield given.value
