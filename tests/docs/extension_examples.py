"""The examples of docs/extending.md: their parts, and the package with them."""

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "extending.md"
SECTIONS = re.findall(r"^## (.*)$", re.sub(r"```.*?```", "", PAGE.read_text("utf-8"), flags=re.DOTALL), re.M)


class Example(NamedTuple):
    """One section: the new file, and the change of a registry."""

    path: str
    code: str
    registry: str
    changes: list[str]

    @property
    def added(self) -> list[str]:
        """Return the lines that the registry gains: the import and the entry."""
        return [line[1:] for line in self.changes if line.startswith("+")]

    @property
    def name(self) -> str:
        """Return the name that the entry registers."""
        return self.added[1].split('"')[1]

    def changed_registry(self) -> str:
        """Return the registry's source with the import first, and the entry after the line shown above it."""
        source = (ROOT / self.registry).read_text("utf-8")
        imported, shown, entry = self.changes
        line = shown.removeprefix(" ")
        assert (imported[0], shown[0], entry[0]) == ("+", " ", "+")
        assert source.splitlines().count(line) == 1, f"{self.registry} has no line {line!r}"
        source = source.replace(f"\n{line}\n", f"\n{line}\n{entry[1:]}\n")
        return source.replace("\nfrom lookahead_ray.", f"\n{imported[1:]}\nfrom lookahead_ray.", 1)


def example(code: str, diff: str) -> Example:
    """Return the example of a section's two blocks."""
    path, registry = code.splitlines()[0], diff.splitlines()[0]
    assert path.startswith("# lookahead_ray/")
    assert registry.startswith("--- lookahead_ray/")
    return Example(path.removeprefix("# "), code, registry.removeprefix("--- "), diff.splitlines()[1:])


EXAMPLES = [example(*pair) for pair in zip(blocks(PAGE, "python"), blocks(PAGE, "diff"), strict=True)]


def module_name(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def registry_of(example: Example) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the registry's dictionary, and that of the changed source, which is executed."""
    changed = ModuleType(module_name(example.registry))
    exec(compile(example.changed_registry(), example.registry, "exec"), changed.__dict__)
    ((name, content),) = (
        (name, value)
        for name, value in vars(changed).items()
        if isinstance(value, dict) and example.name in value
    )
    return getattr(importlib.import_module(changed.__name__), name), content


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """Add each example's file to its package, and give the registries the content of the changed ones.

    The files are in `folder`, which each package searches after its own.
    """
    with ExitStack() as stack:
        for each in EXAMPLES:
            file = folder / each.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(each.code, encoding="utf-8")
            package = importlib.import_module(module_name(str(Path(each.path).parent)))
            package.__path__.append(str(file.parent))
            importlib.invalidate_caches()
            registry, content = registry_of(each)
            stack.callback(_remove, each, package, str(file.parent), registry, dict(registry))
            registry.clear()
            registry.update(content)
        yield


def _remove(
    example: Example, package: ModuleType, folder: str, registry: dict[str, Any], content: dict[str, Any]
) -> None:
    registry.clear()
    registry.update(content)
    package.__path__.remove(folder)
    del sys.modules[module_name(example.path)]
    delattr(package, Path(example.path).stem)
