"""The command line of the benchmarks."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from benchmarks import (
    commit,
    driver,
    generation,
    generation_search,
    generation_settings,
    limits,
    preview,
    training,
    training_search,
    training_settings,
    trial_cost,
)
from benchmarks.__main__ import main
from benchmarks.common import (
    BenchmarkError,
)
from tests.benchmarks.machine_limits import machine_limits


def test_settings_come_back_from_json() -> None:
    for settings in (
        training_settings.QUICK,
        generation_settings.QUICK,
        trial_cost.QUICK,
        preview.QUICK,
        driver.QUICK,
        commit.QUICK,
    ):
        assert replace(settings, **json.loads(json.dumps(vars(settings)))) == settings


Command = Callable[..., tuple[Result, list[tuple[str, str]], dict[str, Any]]]
"""Arguments -> output, (variant, precision) of each measurement, the JSON file."""


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run the command line over a measurement that measures nothing; the plain peers are faster in bf16."""
    requests: list[tuple[str, str]] = []

    def measure(worker: str, variant: str, settings: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        if worker == "limits":
            return asdict(machine_limits())
        requests.append((variant, settings["precision"]))
        fast = "bf16" if variant.startswith(("trl", "plain")) else "fp32"
        pace = 200.0 if settings["precision"] == fast else 100.0
        if worker == "trial":
            raise BenchmarkError("nothing measured")
        return {"tokens_per_second": pace, "flops_per_second": 40.1e9, "identical": 4, "prompts": 4}

    def run(*arguments: str) -> tuple[Result, list[tuple[str, str]], dict[str, Any]]:
        requests.clear()
        app = typer.Typer()
        app.command()(main)
        result = CliRunner().invoke(app, ["--quick", "--out", str(tmp_path), *arguments])
        (path,) = tmp_path.glob("*.json")
        content = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
        return result, list(requests), content

    for module in (limits, training, training_search, generation, generation_search, trial_cost):
        monkeypatch.setattr(module, "measure", measure)
    found = SimpleNamespace(util=SimpleNamespace(find_spec=lambda name: object()))
    monkeypatch.setattr(training, "importlib", found)  # TRL may not be installed
    return run


@pytest.mark.parametrize("name", ["training", "generation", "trial"])
@pytest.mark.parametrize(("requested", "used"), [("auto", "fp32"), ("fp32", "fp32"), ("bf16", "bf16")])
def test_all_variants_get_the_same_precision(command: Command, name: str, requested: str, used: str) -> None:
    result, requests, content = command("--only", name, "--precision", requested)
    lines = result.output.splitlines()
    assert lines[0].startswith("machine  ")
    assert lines[1].startswith("peak     bf16 84.2 GFLOP/s, fp32 160 GFLOP/s (2 threads, 2048³): " + used)
    assert {precision for variant, precision in requests if variant != generation.IDENTITY} == {used}
    found = content["machine"]["limits"]
    assert (found["bf16_flops_per_second"], found["fp32_flops_per_second"]) == (84.2e9, 160.4e9)
    assert (found["precision"], found["precision_reason"]) == ("fp32", "bf16 is slow here")
    assert (content["settings"]["precision"], content["settings"][name]["precision"]) == (requested, used)


def test_share_of_peak_names_the_precision(command: Command) -> None:
    for precision, share in (("fp32", 0.25), ("bf16", 40.1 / 84.2)):
        _, _, content = command("--only", "training", "--precision", precision)
        (benchmark,) = content["benchmarks"]
        keys = {f"{name}_share_of_{precision}_peak" for name in training.RANKS}
        assert set(benchmark["extra"]) - {"trl_best"} == keys
        assert [benchmark["extra"][key] for key in keys] == [pytest.approx(share)] * len(keys)


@pytest.mark.parametrize("name", ["training", "generation"])
def test_both_compares_each_variant_in_its_faster_precision(command: Command, name: str) -> None:
    result, requests, content = command("--only", name, "--precision", "both")
    assert result.exit_code == 0, result.output
    (benchmark,) = content["benchmarks"]
    used = {each["variant"]: each["precision"] for each in benchmark["series"]}
    ours = {variant for variant in used if variant.startswith("ours")}
    peers = {variant for variant in used if variant.startswith(("trl", "plain", "generate"))}
    assert {used[variant] for variant in ours} == {"fp32"}
    assert {used[variant] for variant in peers} == {"bf16"}
    for variant in used:
        measured = "plain_best" if variant == "generate_best" else variant  # by the same code
        assert {precision for each, precision in requests if each == measured} == {"bf16", "fp32"}
    slower = {each["variant"]: each["precision"] for each in benchmark["extra"]["slower_precision"]}
    assert all({used[variant], slower[variant]} == {"bf16", "fp32"} for variant in used)
    ratios = {(ratio["ours"], ratio["peer"]): ratio["values"] for ratio in benchmark["ratios"]}
    assert ratios
    assert all(values == [1.0] for values in ratios.values())  # 200 over 200, not over 100
    assert "compared in bf16 (200.0; fp32 100.0)" in result.output
    assert "compared in fp32 (200.0; bf16 100.0)" in result.output


def test_trials_run_in_the_precision_of_auto_when_both_are_measured(command: Command) -> None:
    _, requests, _ = command("--only", "trial", "--precision", "both")
    assert {precision for _, precision in requests} == {"fp32"}


def test_command_line_imports_no_torch() -> None:
    code = (
        "import sys, benchmarks.__main__; sys.exit(bool({'torch', 'ray', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
