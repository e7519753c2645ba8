"""A public name means one thing in the whole package, so that readers can search for it."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import lookahead_ray

PACKAGE = Path(lookahead_ray.__file__).parent
REPEATED = {
    "rejudge": "a command and the function that it runs",
    "stop": "a command and the function that it runs",
    "submit": "a command and the function that it runs",
    "train": "a command, and the training loop that it ends in",
    "Fidelity": "an option of a command, as the enumeration that typer needs, and the configuration's type",
    "examples": "what a task module makes of the rows of its data",
    "main": "what runs when a module is executed",
    "prepare": "the data part of a method, one in each module of a method",
}
"""Names that several modules define on purpose, and what they mean in all of them."""


def trees() -> dict[str, ast.Module]:
    """Return dotted name -> syntax tree of each module of the package."""
    return {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): ast.parse(path.read_text("utf-8"))
        for path in PACKAGE.rglob("*.py")
    }


def assigned_names(node: ast.stmt) -> Iterator[str]:
    """Yield the names that an assignment binds; nothing for other statements."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))


def modules_of_names() -> dict[str, set[str]]:
    """Return public name -> modules that define it at the top.

    Functions and classes count always, constants and type aliases if another module imports them.
    """
    modules = trees()
    imported = {
        (node.module, alias.name)
        for tree in modules.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    found: dict[str, set[str]] = defaultdict(set)
    for module, tree in modules.items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found[node.name].add(module)
            for name in assigned_names(node):
                if (module, name) in imported:
                    found[name].add(module)
    return {name: where for name, where in found.items() if not name.startswith("_")}


def test_public_names_are_unique() -> None:
    repeated = {name: sorted(where) for name, where in modules_of_names().items() if len(where) > 1}
    assert {name: where for name, where in repeated.items() if name not in REPEATED} == {}


def test_every_exception_is_in_use() -> None:
    found = modules_of_names()
    assert [name for name in REPEATED if len(found.get(name, ())) < 2] == []
