import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import typer
from pydantic import TypeAdapter
from rich.console import Console
from typer.testing import CliRunner, Result

from benchmarks import commit, driver, generation, limits, machine, preview, processes, training, trial_cost
from benchmarks.__main__ import main
from benchmarks.child import WORKERS
from benchmarks.common import (
    Benchmark,
    BenchmarkError,
    Summary,
    Variant,
    in_turn,
    make_ratios,
    make_series,
    print_benchmark,
    repeat,
    summarise,
    to_json,
    write_json,
)
from benchmarks.limits import Limits, RequestedPrecision
from benchmarks.training_peers import _Counting, training_arguments
from benchmarks.training_rows import Clock
from benchmarks.trial_worker import tiny_sweep

OURS, PEER = Variant("ours", "our loop"), Variant("peer", "their loop")


def benchmark() -> Benchmark:
    series = [
        make_series(OURS, [{"pace": 300}, {"pace": 200}, {"pace": 330}], "pace"),
        make_series(PEER, [{"pace": 150}, {"pace": 50}, {"pace": 300.0}], "pace"),
    ]
    ratios = make_ratios(series, [("ours", "peer")])
    return Benchmark("training", "tokens/s", True, tuple(series), ratios, {"share": 0.5, "more": {"a": 1}})


def trial(**changes: Any) -> dict[str, Any]:
    row = {
        "trial_id": "seed",
        "role": "seed",
        "strategy": "none",
        "status": "completed",
        "error": None,
        "workers": 2,
        "zero_stage": None,
        "seconds_total": 60.0,
        "seconds_train": 0.0,
        "seconds_evaluate": 10.0,
        "result_sha256": "same",
    }
    return row | changes


def test_summary() -> None:
    assert summarise([4, 1, 2]) == Summary(2, 1, 4, 1.5)
    assert summarise([3.0]) == Summary(3.0, 3.0, 3.0, 0.0)
    assert summarise([0.0, 0.0]).spread == 0.0


def test_ratios_are_formed_within_repetitions() -> None:
    (ratio,) = benchmark().ratios
    assert ratio.values == (2.0, 4.0, 1.1)
    assert ratio.summary == summarise([2.0, 4.0, 1.1])


def test_variants_take_turns() -> None:
    assert in_turn([OURS, PEER], 0) == [OURS, PEER]
    assert in_turn([OURS, PEER], 1) == [PEER, OURS]
    calls: list[tuple[str, int]] = []

    def measure(variant: Variant, repetition: int) -> dict[str, Any]:
        calls.append((variant.name, repetition))
        return {"pace": 1.0}

    raw = repeat([OURS, PEER], 2, measure)
    assert calls == [("ours", 0), ("peer", 0), ("peer", 1), ("ours", 1)]
    assert raw[OURS] == [
        {"repetition": 0, "place": 0, "pace": 1.0},
        {"repetition": 1, "place": 1, "pace": 1.0},
    ]


def test_table_shows_figures_and_ratios() -> None:
    text = io.StringIO()
    print_benchmark(Console(file=text, width=110), benchmark())
    lines = text.getvalue().splitlines()
    assert any(all(cell in line for cell in ("our loop", "300.0", "200.0", "330.0", "43%")) for line in lines)
    assert any(all(cell in line for cell in ("our loop", "2.00", "1.10", "4.00", "their")) for line in lines)
    assert "share: 0.5" in lines


def test_json_schema(tmp_path: Path) -> None:
    facts = {
        "date": "2025-01-01T00:00:00+00:00",
        "machine": machine.machine(),
        "versions": machine.versions(),
    }
    content = to_json(
        [benchmark()], {"trial": "it broke"}, **facts, git=machine.git(), settings={"repetitions": 3}
    )
    path = tmp_path / "new" / "results.json"
    write_json(path, content)
    read = json.loads(path.read_text(encoding="utf-8"))
    assert set(read) == {
        "schema_version",
        "date",
        "git",
        "machine",
        "versions",
        "settings",
        "benchmarks",
        "errors",
    }
    assert read["schema_version"] == 2
    assert {"cpu_model", "cores", "load_average_1min"} <= set(read["machine"])
    assert {"python", "torch", "trl"} <= set(read["versions"])
    assert set(read["git"]) == {"commit", "dirty"}
    assert read["errors"] == {"trial": "it broke"}
    restored = TypeAdapter(tuple[Benchmark, ...]).validate_json(json.dumps(read["benchmarks"]), strict=True)
    assert restored == (benchmark(),)


def test_json_refuses_nan_and_infinity(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", {"value": float("nan")})


@pytest.mark.parametrize("module", [training, generation, preview])
def test_ratios_name_variants(module: Any) -> None:
    names = {variant.name for variant in module.VARIANTS}
    assert len(names) == len(module.VARIANTS)
    assert {name for pair in module.PAIRS for name in pair} == names


def test_fixed_cost_of_trials() -> None:
    rows = [
        trial(),
        trial(trial_id="vanilla", role="vanilla", seconds_train=5.0, seconds_total=40.0),
        trial(trial_id="search-001", role="search", seconds_train=10.0, seconds_total=50.0),
    ]
    apart = [{**row, "seconds_total": row["seconds_total"] + 10.0} for row in rows]
    apart[2]["result_sha256"] = "other"
    said: list[str] = []
    sweeps = ({"trials": part, "seconds_sweep": 170.0} for part in (rows, apart))
    result = trial_cost.summarise_trials(*sweeps, said.append)
    first, later, nested = result.series
    assert (first.values, later.values) == ((50.0,), (25.0, 30.0))
    assert nested.values == (35.0, 40.0)
    assert result.extra == {
        "seconds_sweep": 170.0,
        "seconds_outside_trials": 20.0,
        "searched_per_hour": 72.0,
        "searched_per_hour_nested": 60.0,
        "share_identical_to_the_last_bit": pytest.approx(2 / 3),
    }
    assert [row["trial_id"] for row in later.raw] == ["vanilla", "search-001"]
    assert len(said) == 6


def test_a_failed_trial_has_no_cost() -> None:
    with pytest.raises(BenchmarkError, match="seed failed: no memory"):
        trial_cost.fixed_cost(trial(status="failed", error="no memory", seconds_train=None))


def idle(**changes: Any) -> dict[str, Any]:
    raw = {
        "seconds_sweep": 9.0,
        "finished_at_s": [1.0, 3.0, 4.0],
        "memory_mib": [[100.0, 60.0], [120.0, 60.0], [130.0, 65.0]],
        "commit_s": [0.1, 0.2, 0.3],
        "trials": 3,
        "lost": [],
        "doubled": [],
        "mixed_up": [],
    }
    return raw | changes


def test_cost_of_the_driver() -> None:
    said: list[str] = []
    result = driver.summarise_driver(idle(), said.append)
    (series,) = result.series
    assert series.values == (2.0, 1.0)
    assert (result.extra["trials"], result.extra["seconds_a_commit_median"]) == (3, 0.2)
    many = [[100.0 + index, 50.0] for index in range(300)]
    long = idle(memory_mib=many, finished_at_s=list(range(300)), trials=300)
    assert driver.summarise_driver(long, said.append).extra["memory_growth_mib"] == 200.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lost": ["a", "b"]}, "2 trials lost: a, b"),
        ({"doubled": ["a"]}, "1 trials doubled: a"),
        ({"mixed_up": ["a"]}, "1 trials mixed up: a"),
        ({"trials": 4}, "3 trials ended, the tables hold 4"),
    ],
)
def test_a_driver_that_loses_trials_fails(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BenchmarkError, match=said):
        driver.summarise_driver(idle(**changes))


@pytest.mark.slow
def test_a_driver_of_12_trials_loses_none(tmp_path: Path) -> None:
    result = driver.run(driver.DriverSettings(trials=12), tmp_path, print)
    assert result.extra["trials"] == 14


def test_space_of_the_trial_benchmark_loads() -> None:
    settings = trial_cost.TrialSettings()
    sweep = tiny_sweep({**vars(settings), "trials": 5, "precision": "fp32"})
    config = sweep.reference()
    assert (sweep.search.trials, sweep.search.max_concurrent) == (5, 1)
    assert config.resources == (settings.workers, 1.0, 0.0)
    assert (config.training.precision, config.task.train_examples) == ("fp32", settings.train_examples)
    assert config.safety[0].harmful_prompts == config.safety[0].benign_prompts == settings.safety_prompts
    assert config.evaluation.task_new_tokens == settings.new_tokens


def test_generated_tokens_count_up_to_the_end_token() -> None:
    ends = frozenset({2, 9})
    assert generation.until_end([5, 6, 9, 2, 2], ends) == [5, 6]
    assert generation.until_end([5, 6], ends) == [5, 6]
    assert generation.counted_tokens([5, 6], 8) == 3
    assert generation.counted_tokens([5] * 8, 8) == 8


def test_clock_leaves_the_first_step_out() -> None:
    clock = Clock()
    for _ in range(3):
        clock.step_ended()
    raw = clock.raw([1000, 10, 20], [500, 5, 6], 1.5)
    assert (raw["tokens"], raw["answer_tokens"], raw["steps"]) == (30, 11, 2)
    assert raw["tokens_per_second"] == pytest.approx(30 / raw["seconds"])
    assert sum(raw["step_seconds"]) == pytest.approx(raw["seconds"])
    with pytest.raises(ValueError, match="each of 3 steps, got 2"):
        clock.raw([1, 2], [1, 2], 1.5)


def test_collator_counts_without_padding() -> None:
    batches = [
        {"attention_mask": np.array([[1, 1, 0]]), "labels": np.array([[-100, 7, -100]])},
        {"attention_mask": np.array([[1, 1, 1]]), "labels": np.array([[-100, 7, 8]])},
    ]
    counting = _Counting(lambda rows: batches[len(rows)])
    for rows in ([], ["row"], ["row"], []):
        counting(rows)
    assert counting.by_step("tokens", 2) == [5, 5]
    assert counting.by_step("answer_tokens", 4) == [6]


def test_environments_stay_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "7")
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    (alone,) = processes.environments(0, None)
    assert not {"RANK", "OMP_NUM_THREADS"} & set(alone)
    assert (alone["CUDA_VISIBLE_DEVICES"], alone["ACCELERATE_USE_CPU"]) == ("", "true")
    ranks = processes.environments(2, 1)
    assert [environment["RANK"] for environment in ranks] == ["0", "1"]
    assert ranks[0]["MASTER_PORT"] == ranks[1]["MASTER_PORT"]
    assert ranks[0]["OMP_NUM_THREADS"] == "1"


def test_a_failed_process_is_reported(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    with pytest.raises(BenchmarkError, match=r"(?s)no such worker, v: process 0 ended with code 1.*KeyError"):
        processes.measure("no such worker", "v", {}, log, threads=1)
    assert "KeyError" in log.read_text()


def test_workers_are_there() -> None:
    assert all(find_spec(module) for module in WORKERS.values())


def test_settings_come_back_from_json() -> None:
    for settings in (
        training.QUICK,
        generation.QUICK,
        trial_cost.QUICK,
        preview.QUICK,
        driver.QUICK,
        commit.QUICK,
    ):
        assert replace(settings, **json.loads(json.dumps(vars(settings)))) == settings


def machine_limits(**changes: Any) -> Limits:
    found = Limits(
        device="cpu",
        gpu_name=None,
        threads=2,
        edge=2048,
        bf16_flops_per_second=84.2e9,
        fp32_flops_per_second=160.4e9,
        copied_bytes_per_second=1e10,
        precision="fp32",
        precision_reason="bf16 is slow here",
    )
    return replace(found, **changes)


GPU = {
    "device": "cuda",
    "gpu_name": "NVIDIA H200",
    "edge": 8192,
    "bf16_flops_per_second": 712.3e12,
    "fp32_flops_per_second": 50.7e12,
    "precision": "bf16",
}


@pytest.mark.parametrize(
    ("changes", "requested", "line"),
    [
        ({}, "auto", "bf16 84.2 GFLOP/s, fp32 160 GFLOP/s (2 threads, 2048³): fp32 chosen"),
        ({}, "bf16", "(2 threads, 2048³): bf16 as --precision says (auto: fp32)"),
        ({}, "both", "(2 threads, 2048³): both are measured (auto: fp32)"),
        (GPU, "auto", "bf16 712 TFLOP/s, fp32 50.7 TFLOP/s (NVIDIA H200, 8192³): bf16 chosen"),
    ],
)
def test_peaks_and_the_chosen_precision_as_lines(changes: dict[str, Any], requested: str, line: str) -> None:
    here = {"cpu_model": "A CPU", "cores": 2, "bf16_units": ["avx512_bf16"], "load_average_1min": 0.25}
    machine_line, peak, reason = limits.describe(
        here, machine_limits(**changes), RequestedPrecision(requested)
    )
    assert machine_line == "machine  A CPU, 2 cores, avx512_bf16; load average 0.2"
    assert peak.startswith("peak     bf16 ")
    assert peak.endswith(line)
    assert reason == "reason   bf16 is slow here"


def test_limits_are_measured_and_choose_as_auto_does() -> None:
    import torch

    from benchmarks import limits_worker
    from lookahead_ray.hardware.precision import local_precision, measure_matmul

    threads = torch.get_num_threads()
    try:
        found = Limits(**limits_worker.measure("limits", asdict(limits.TINY)))
    finally:
        torch.set_num_threads(threads)
    assert (found.device, found.gpu_name, found.edge) == ("cpu", None, limits.TINY.edge)
    assert min(*found.peaks.values(), found.copied_bytes_per_second) > 0
    assert (found.precision, found.precision_reason) == (
        local_precision("cpu"),
        measure_matmul("cpu").reason(),
    )


def test_both_measures_each_variant_twice_and_auto_is_refused() -> None:
    assert limits.in_precisions([OURS, PEER], "fp32") == [
        replace(OURS, precision="fp32"),
        replace(PEER, precision="fp32"),
    ]
    both = limits.in_precisions([OURS], "both")
    assert [variant.title for variant in both] == ["our loop, bf16", "our loop, fp32"]
    with pytest.raises(ValueError, match="one of bf16, fp32, both, got auto"):
        limits.in_precisions([OURS], "auto")


def test_peers_train_in_the_chosen_precision() -> None:
    for precision in ("bf16", "fp32"):
        settings = replace(training.QUICK, precision=precision)
        for peer in training.PEERS:
            assert training_arguments(peer.name, settings, "out")["bf16"] is (precision == "bf16")


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

    for module in (limits, training, generation, trial_cost):
        monkeypatch.setattr(module, "measure", measure)
    found = SimpleNamespace(util=SimpleNamespace(find_spec=lambda name: object()))
    monkeypatch.setattr(training, "importlib", found)  # TRL may not be installed
    return run


@pytest.mark.parametrize("name", ["training", "generation", "trial"])
@pytest.mark.parametrize(("asked", "used"), [("auto", "fp32"), ("fp32", "fp32"), ("bf16", "bf16")])
def test_ours_and_peers_get_the_same_precision(command: Command, name: str, asked: str, used: str) -> None:
    result, requests, content = command("--only", name, "--precision", asked)
    lines = result.output.splitlines()
    assert lines[0].startswith("machine  ")
    assert lines[1].startswith("peak     bf16 84.2 GFLOP/s, fp32 160 GFLOP/s (2 threads, 2048³): " + used)
    assert {precision for variant, precision in requests if variant != generation.IDENTITY} == {used}
    found = content["machine"]["limits"]
    assert (found["bf16_flops_per_second"], found["fp32_flops_per_second"]) == (84.2e9, 160.4e9)
    assert (found["precision"], found["precision_reason"]) == ("fp32", "bf16 is slow here")
    assert (content["settings"]["precision"], content["settings"][name]["precision"]) == (asked, used)


def test_share_of_peak_names_the_precision(command: Command) -> None:
    for precision, share in (("fp32", 0.25), ("bf16", 40.1 / 84.2)):
        _, _, content = command("--only", "training", "--precision", precision)
        (benchmark,) = content["benchmarks"]
        keys = {f"{name}_share_of_{precision}_peak" for name in training.RANKS}
        assert set(benchmark["extra"]) == keys
        assert [benchmark["extra"][key] for key in keys] == [pytest.approx(share)] * len(keys)


@pytest.mark.parametrize("name", ["training", "generation"])
def test_both_compares_each_variant_in_its_faster_precision(command: Command, name: str) -> None:
    result, requests, content = command("--only", name, "--precision", "both")
    assert result.exit_code == 0, result.output
    (benchmark,) = content["benchmarks"]
    used = {each["variant"]: each["precision"] for each in benchmark["series"]}
    ours = {variant for variant in used if variant.startswith("ours")}
    peers = {variant for variant in used if variant.startswith(("trl", "plain"))}
    assert {used[variant] for variant in ours} == {"fp32"}
    assert {used[variant] for variant in peers} == {"bf16"}
    for variant in used:
        assert {precision for each, precision in requests if each == variant} == {"bf16", "fp32"}
    slower = {each["variant"]: each["precision"] for each in benchmark["extra"]["slower_precision"]}
    assert all({used[variant], slower[variant]} == {"bf16", "fp32"} for variant in used)
    ratios = {(ratio["ours"], ratio["peer"]): ratio["values"] for ratio in benchmark["ratios"]}
    assert ratios
    assert all(values == [1.0] for values in ratios.values())  # 200 over 200, not over 100
    assert "compared in bf16 (200.0; fp32 100.0)" in result.output
    assert "compared in fp32 (200.0; bf16 100.0)" in result.output


def test_trials_run_in_what_auto_takes_where_both_are_asked_for(command: Command) -> None:
    _, requests, _ = command("--only", "trial", "--precision", "both")
    assert {precision for _, precision in requests} == {"fp32"}


def test_command_line_imports_no_torch() -> None:
    code = (
        "import sys, benchmarks.__main__; sys.exit(bool({'torch', 'ray', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
