"""The machine, the package versions and the commit of a measurement."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lookahead_ray.hardware.cpu import usable_cores

PACKAGES = (
    "lookahead-ray",
    "torch",
    "transformers",
    "trl",
    "accelerate",
    "deepspeed",
    "ray",
    "datasets",
    "peft",
    "optuna",
    "pyarrow",
    "duckdb",
    "plotly",
)
CHECKOUT = Path(__file__).parent.parent


def machine() -> dict[str, Any]:
    """Return processor, cores, memory, system, and the current load."""
    info = _cpuinfo()
    flags = set(info.get("flags", "").split())
    return {
        "cpu_model": info.get("model name") or platform.processor() or "unknown",
        "cpu_family_model": f"{info.get('cpu family', '?')}/{info.get('model', '?')}",
        "bf16_units": sorted(flags & {"amx_bf16", "avx512_bf16"}),
        "cores": usable_cores(),
        "memory_gib": round(_memory_bytes() / 2**30, 1),
        "system": platform.platform(),
        "load_average_1min": os.getloadavg()[0],
        "niceness": os.nice(0),
    }


def versions() -> dict[str, str | None]:
    """Return the versions of Python and the measured packages; None for a package that is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def git() -> dict[str, Any]:
    """Return the commit of the checkout and whether it has changes; None outside a checkout."""
    status = _git("status", "--porcelain")
    return {"commit": _git("rev-parse", "HEAD"), "dirty": None if status is None else bool(status)}


def _git(*arguments: str) -> str | None:
    program = shutil.which("git")
    if program is None:
        return None
    done = subprocess.run(  # noqa: S603  # fixed arguments
        [program, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    first = path.read_text(encoding="utf-8").partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
