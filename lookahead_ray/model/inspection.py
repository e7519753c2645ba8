"""Import Transformers in a third of the time, in a process that inspects models and runs none.

Most of the time in which Transformers' model classes are imported goes into what is needed only where a model
runs: PyTorch's compiler, which their decorators call, its distributed tensors, Accelerate, and SciPy for the
losses of image models. Configurations, tokenizers and models on the meta device do without them.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

MODULES = (
    "transformers.models.auto.tokenization_auto",
    "transformers.models.auto.modeling_auto",
    "transformers.modeling_layers",
    "transformers.generation.utils",
)
"""What model classes import. Their own modules are imported later, as always."""

NOT_NEEDED = ("accelerate", "scipy", "trio")
"""Packages without which Transformers and what it imports do, if they do not find them."""

COMPILER = "torch._dynamo"


def import_for_inspection() -> None:
    """Import Transformers so that this process can build and inspect models, but not run them.

    Nothing changes if it is imported already, or can't be imported in this way.
    """
    if "transformers" in sys.modules or COMPILER in sys.modules:
        return
    before = set(sys.modules)
    try:
        with _without_execution(), _models_read_once():
            for name in MODULES:
                import_module(name)
    except Exception:  # other versions of Transformers or PyTorch; whole, it is imported where it is needed
        for name in set(sys.modules) - before:
            if name.partition(".")[0] == "transformers":
                del sys.modules[name]


@contextmanager
def _without_execution() -> Iterator[None]:
    """Hide what only execution needs; the compiler is replaced by one that leaves functions as they are."""
    import torch

    transform = f"{COMPILER}._trace_wrapped_higher_order_op"
    replaced: dict[str, Any] = {name: None for name in NOT_NEEDED if name not in sys.modules}
    replaced |= {name: _Compiler(name) for name in (COMPILER, transform)}
    is_available = torch.distributed.is_available
    sys.modules.update(replaced)
    torch.distributed.is_available = lambda: False
    try:
        yield
    finally:
        torch.distributed.is_available = is_available
        vars(torch.distributed)["__getattr__"] = _distributed_module
        for name in replaced:
            del sys.modules[name]


def _distributed_module(name: str) -> ModuleType:
    """Import a module of `torch.distributed`, for packages such as peft that leave this to Transformers."""
    try:
        return import_module(f"torch.distributed.{name}")
    except ModuleNotFoundError as error:
        raise AttributeError(name) from error


@contextmanager
def _models_read_once() -> Iterator[None]:
    """Have the names of model classes read once from Transformers' source files, which it does twice."""
    import_utils: Any = import_module("transformers.utils.import_utils")
    read, prefix = import_utils.define_import_structure, "models."
    place = Path(import_utils.__file__).parents[1] / "models"
    names = read(place, prefix="models")  # kept since `transformers` was imported

    def kept(file: str | Path, **options: Any) -> Any:
        if options or Path(file).parent != place:
            return read(file, **options)
        return {
            backends: {
                name.removeprefix(prefix): found for name, found in modules.items() if name.startswith(prefix)
            }
            for backends, modules in names.items()
        }

    import_utils.define_import_structure = kept
    try:
        yield
    finally:
        import_utils.define_import_structure = read


class _Compiler(ModuleType):
    """A module all of whose functions are decorators that change nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []  # a package without modules

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _unchanged


def _unchanged(function: Any = None, *arguments: Any, **options: Any) -> Any:
    return _unchanged if function is None else function
