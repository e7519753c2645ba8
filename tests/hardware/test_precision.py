"""The chosen number format, on this CPU and on emulated ones."""

import os
import subprocess
import sys

import pytest
import torch

from lookahead_ray.errors import ConfigError
from lookahead_ray.hardware import precision
from lookahead_ray.hardware.precision import MatmulSpeed, measure_matmul, torch_dtype

WITHOUT_BF16 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
"""Environment variables that make a CPU multiply bf16 as one with AVX2 only: slowly."""


def chosen(environment: dict[str, str]) -> list[str]:
    """Return the precision and the relative speed of bf16 products, in a process with `environment`."""
    script = (
        "from lookahead_ray.hardware.precision import measure_matmul\n"
        "found = measure_matmul('cpu')\nprint(found.precision, found.bf16_gain)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.split()


def test_a_cpu_without_bf16_instructions_gets_fp32() -> None:
    name, gain = chosen(WITHOUT_BF16)
    assert name == "fp32"
    assert float(gain) < 0.5


def test_the_choice_here_follows_the_measurement() -> None:
    found = measure_matmul("cpu")
    assert found.bf16 is not None
    assert found.fp32 is not None
    assert (found.precision == "bf16") == (found.bf16 >= precision.LEAST_GAIN * found.fp32)
    assert "bf16" in found.reason()


@pytest.mark.parametrize(
    ("bf16_ms", "expected"), [(0.5, "bf16"), (0.99, "fp32"), (1.0, "fp32"), (9.0, "fp32")]
)
def test_bf16_is_taken_where_it_is_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, bf16_ms: float, expected: str
) -> None:
    seconds = {torch.float32: 1e-3, torch.bfloat16: bf16_ms * 1e-3}
    monkeypatch.setattr(precision, "_seconds", seconds.__getitem__)
    found = measure_matmul.__wrapped__("cpu")
    assert found.precision == expected
    assert found.bf16_gain == pytest.approx(1 / bf16_ms)


def test_one_disturbed_product_does_not_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    fp32 = iter([50e-3, 1e-3, 1e-3, 1e-3])
    monkeypatch.setattr(precision, "_seconds", lambda dtype: next(fp32) if dtype == torch.float32 else 5e-3)
    assert measure_matmul.__wrapped__("cpu").precision == "fp32"


@pytest.mark.parametrize(("supported", "expected"), [(True, "bf16"), (False, "fp32")])
def test_a_gpus_choice_follows_its_hardware(
    monkeypatch: pytest.MonkeyPatch, supported: bool, expected: str
) -> None:
    asked: list[bool] = []

    def is_bf16_supported(including_emulation: bool = True) -> bool:
        asked.append(including_emulation)
        return supported

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    found = measure_matmul.__wrapped__("cuda")
    assert (found, asked) == (MatmulSpeed("cuda", None, None, expected), [False])  # type: ignore[arg-type]


def test_an_unresolved_precision_is_no_dtype() -> None:
    assert (torch_dtype("bf16"), torch_dtype("fp32")) == (torch.bfloat16, torch.float32)
    with pytest.raises(ConfigError, match=r"training\.precision: auto must be resolved"):
        torch_dtype("auto")
