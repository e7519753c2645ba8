"""Import Transformers in a third of the time, in a process that inspects models and runs none.

Most of the time in which Transformers' model classes are imported goes into what is needed only where a model
runs: PyTorch's compiler, which their decorators call, its distributed tensors, Accelerate, and SciPy for the
losses of image models. Configurations, tokenizers and models on the meta device do without them.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

MODULES = (
    "transformers.models.auto.tokenization_auto",
    "transformers.models.auto.modeling_auto",
    "transformers.modeling_layers",
    "transformers.generation.utils",
)
"""What model classes import. Their own modules are imported later, as always."""

NOT_NEEDED = ("accelerate", "scipy")
"""Packages without which Transformers imports, if it does not find them."""

COMPILER = "torch._dynamo"


def import_for_inspection() -> None:
    """Import Transformers so that this process can build and inspect models, but not run them.

    Nothing changes if it is imported already, or can't be imported in this way.
    """
    if "transformers" in sys.modules or COMPILER in sys.modules:
        return
    before = set(sys.modules)
    try:
        with _without_execution():
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
        for name in replaced:
            del sys.modules[name]


class _Compiler(ModuleType):
    """A module all of whose functions are decorators that change nothing."""

    __path__ = ()  # of a package without modules

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _unchanged


def _unchanged(function: Any = None, *arguments: Any, **options: Any) -> Any:
    return _unchanged if function is None else function
