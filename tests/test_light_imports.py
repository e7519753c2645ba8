"""Configuration and store import nothing heavy: reading a space file or a table must not take seconds.

Nor does a running trial's process, as it is on a cluster's head, whose memory bounds the number of trials.
"""

import subprocess
import sys

import pytest

HEAVY = ("torch", "ray", "transformers", "deepspeed", "optuna")


@pytest.mark.parametrize("library", ["datasets", "pyarrow", "rouge_score", "regex", "huggingface_hub"])
def test_configuration_loads_no_library_for_data(library: str) -> None:
    code = f"import sys, lookahead_ray.config.load; print({library!r} in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    "module", ["lookahead_ray.config.load", "lookahead_ray.store", "lookahead_ray.preview"]
)
def test_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "[]\n"


def test_a_running_trials_process_holds_no_torch() -> None:
    code = f"import sys, lookahead_ray.trial.trainable; print([n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "['ray']\n"
