"""The package's layers, from the imports of all its modules."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "lookahead_ray"
DIRECTION = (
    "config",
    "stats",
    "hardware",
    "model",
    "data",
    "preview",
    "method",
    "merge",
    "train",
    "evaluate",
    "trial",
    "objective",
)
ALLOWED: dict[str, set[str]] = {
    **{package: set(DIRECTION[: place + 1]) for place, package in enumerate(DIRECTION)},
    "sweep": {*DIRECTION, "sweep"},  # an entrypoint passes it the store as a sink
    "align": {*DIRECTION, "align"} - {"preview"},
    "presentation": {*DIRECTION, "sweep", "store", "presentation"},
    "entrypoints": {*DIRECTION, "sweep", "store", "align", "presentation", "entrypoints"},
    "cli": {*DIRECTION, "sweep", "store", "align", "cli", "presentation", "entrypoints"},
}
TOP = {"disk_cache", "errors", "filesystem", "log_capture", "sanitize", "shipped_files"}
STORE_IMPORTS = {"lookahead_ray.trial.record", "lookahead_ray.errors", "lookahead_ray.filesystem"}
MODULES = sorted(path.relative_to(ROOT.parent) for path in ROOT.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Yield the package's own modules that `path` imports, at its top or inside a function."""
    for node in ast.walk(ast.parse((ROOT.parent / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == ROOT.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            if node.module and node.module.split(".")[0] == ROOT.name:
                for alias in node.names:  # `from lookahead_ray.data import gsm8k` imports a module
                    is_module = (ROOT.parent / node.module.replace(".", "/") / f"{alias.name}.py").is_file()
                    bare = node.module == ROOT.name
                    yield f"{node.module}.{alias.name}" if is_module or bare else node.module


def test_every_package_has_a_layer() -> None:
    packages = {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()}
    assert packages == {*ALLOWED, "store"}
    assert {path.stem for path in ROOT.glob("*.py")} == {"__init__", *TOP}


@pytest.mark.parametrize("path", [path for path in MODULES if len(path.parts) > 2], ids=str)
def test_a_module_imports_from_its_own_package_and_from_the_left(path: Path) -> None:
    package = path.parts[1]
    for name in imports(path):
        target = name.split(".")[1]
        if package == "store":
            assert target == "store" or name in STORE_IMPORTS, f"{path} imports {name}"
        elif target not in TOP and name != f"{ROOT.name}.__version__":
            assert target in ALLOWED[package], f"{path} imports {name}"


@pytest.mark.parametrize("path", [path for path in MODULES if len(path.parts) == 2], ids=str)
def test_the_top_imports_only_the_top(path: Path) -> None:
    assert {name.split(".")[1] for name in imports(path)} <= TOP
