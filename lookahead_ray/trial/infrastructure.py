"""Exceptions of a rank that come from the infrastructure, told from those of its configuration.

They are classified where they are raised: the causes of an exception are lost when it is sent to another
process.
"""

import errno
import os
import platform
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from lookahead_ray.errors import (
    ConfigError,
    DataError,
    HubDataError,
    HubModelError,
    InfrastructureError,
    ModelError,
    StoreError,
)
from lookahead_ray.filesystem import is_url

TEXTS = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS))
"""Messages of the system that libraries quote in exceptions of their own, such as safetensors and torch."""
NETWORK_PACKAGES = frozenset(
    (
        *("aiobotocore", "aiohttp", "botocore", "gcsfs", "google", "s3fs"),
        *("httpcore", "httpcore2", "httpx", "httpx2", "requests", "urllib3"),
    )
)
"""Libraries whose exceptions are about requests; the preflight has tried the same requests before."""
MEMORY_OF_OTHERS = 0.05
"""Share of a GPU's memory that others hold from which on an exhausted memory is their fault."""
_SIZE = r"([\d.]+) (KiB|MiB|GiB|TiB|bytes)"
_TOTAL = re.compile(rf"total capacity of {_SIZE} of which {_SIZE} is free")
_OWN = re.compile(rf"this process has {_SIZE} memory in use")
_BYTES = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def is_of_infrastructure(error: BaseException) -> bool:
    """Return whether `error`, or an exception that led to it, is about a disk, the network or storage, or
    about the memory of a GPU that other processes hold."""
    return any(_is_one(cause) for cause in _chain(error))


def raise_classified(error: Exception, config: Mapping[str, Any] | None = None) -> NoReturn:
    """Raise `error`, as an `InfrastructureError` if it is one of the infrastructure.

    Args:
        config: the trial's configuration as JSON values. Its files existed when the sweep began, so data or a
            model that can't be used because one is missing are infrastructure too.
    """
    if isinstance(error, InfrastructureError):
        raise error
    if is_of_infrastructure(error):
        raise InfrastructureError(f"{type(error).__name__}: {error}") from error
    if isinstance(error, DataError | ModelError) and (path := missing_file(config or {})):
        where = platform.node()
        raise InfrastructureError(f"{type(error).__name__}: {error}; {where} has no {path}") from error
    raise error


def missing_file(config: Any) -> str | None:
    """Return a file or directory that a configuration names and this machine lacks; None if there is none.

    Only absolute paths and names with a suffix count: others may be models or data sets of the hub.
    """
    if isinstance(config, Mapping):
        for name, value in config.items():
            if isinstance(value, str) and (name == "path" or name.endswith("_path")):
                if _is_local(value) and not Path(value).exists():
                    return value
            elif found := missing_file(value):
                return found
    if isinstance(config, list | tuple):
        return next(filter(None, map(missing_file, config)), None)
    return None


def _is_local(path: str) -> bool:
    looks_local = path.startswith("/") or Path(path).suffix
    return bool(looks_local) and not is_url(path) and not any(sign in path for sign in "*?[")


def memory_of_others(message: str) -> float:
    """Return the share of a GPU's memory that other processes hold, from torch's message; 0 if unknown."""
    total, own = _TOTAL.search(message), _OWN.search(message)
    if total is None or own is None:
        return 0.0
    capacity, free, used = (
        float(number) * _BYTES[unit]
        for number, unit in (total.group(1, 2), total.group(3, 4), own.group(1, 2))
    )
    return max(0.0, (capacity - free - used) / capacity)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception and those it was raised from; a configuration's broken rule ends the chain."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ConfigError):
        yield cause
        cause = cause.__cause__


def _is_one(error: BaseException) -> bool:
    if isinstance(error, InfrastructureError | HubDataError | HubModelError | StoreError):
        return True
    if isinstance(error, ConnectionError | TimeoutError) or (isinstance(error, OSError) and error.errno):
        return True
    names = {kind.__name__ for kind in type(error).__mro__}
    if "OutOfMemoryError" in names:  # of torch, which this module does not import
        return memory_of_others(str(error)) >= MEMORY_OF_OTHERS
    packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return bool(packages & NETWORK_PACKAGES) or any(text in str(error) for text in TEXTS)
