"""The script for one GPU: its stages on the CPU, its time limits, and its summary."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu
from benchmarks.gpu import STAGES, Stage
from benchmarks.gpu_stages.generation import bandwidth_bound
from benchmarks.gpu_stages.models import architecture, random_prompts, random_rows, training_costs
from benchmarks.gpu_stages.settings import MODELS, StageSettings
from benchmarks.gpu_stages.summary import summarise
from lookahead_ray.model.meta_weights import build_without_weights

TINY = StageSettings("tiny", "cpu")


def test_flops_of_7b_are_six_for_each_weight_and_token_and_the_attentions() -> None:
    costs, shape = training_costs("7b"), MODELS["7b"]
    layer = 4 * shape.hidden**2 + 3 * shape.hidden * shape.inner
    assert costs.token == 6 * shape.layers * layer
    assert costs.pair == 12 * shape.layers * shape.hidden
    assert costs.logit == 6 * shape.hidden * shape.vocabulary


def test_rows_have_the_lengths_of_gsm8k_and_are_the_same_each_time() -> None:
    rows = random_rows(StageSettings("7b", "cuda"), 1024)
    assert 200 < sum(row.length for row in rows) / len(rows) < 215
    assert max(row.length for row in rows) <= 512
    assert rows == random_rows(StageSettings("7b", "cuda"), 1024)
    prompts, limits = random_prompts(TINY)
    assert len(prompts) == len(limits)
    assert min(limits) > 0


def test_the_bound_of_one_sequence_reads_all_weights_for_each_token() -> None:
    model = build_without_weights(architecture(MODELS["tiny"]))
    weights = 2 * model.num_parameters()
    # no cache yet: the only token is read from the prompt of no tokens
    assert bandwidth_bound(model, [()], [1], 1, 1e9) == pytest.approx(1e9 / weights)
    assert bandwidth_bound(model, [()] * 4, [1] * 4, 4, 1e9) == pytest.approx(4e9 / weights)
    assert bandwidth_bound(model, [()], [1], 1, None) is None


def lines_of(monkeypatch: pytest.MonkeyPatch, code: str, stages: list[Stage], seconds: float) -> list[Any]:
    """Run `stages`, each of which is the Python `code` with the file of the lines in `sys.argv[2]`."""
    start = gpu.subprocess.Popen

    def fake(command: list[str], **options: Any) -> Any:
        return start([sys.executable, "-c", code, *command[3:]], **options)

    monkeypatch.setattr(gpu.subprocess, "Popen", fake)
    return list(gpu.run(stages, dry=False, seconds=seconds))


@pytest.mark.slow
def test_a_stage_that_hangs_or_fails_keeps_its_lines_and_costs_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = """
import sys, time
open(sys.argv[2], "a").write('{"tokens_per_second": 1.0}\\n')
if sys.argv[1] == "hangs": time.sleep(60)
if sys.argv[1] == "fails": sys.exit("no memory")
"""
    stages = [Stage("a", "hangs", 2), Stage("b", "fails", 30), Stage("c", "works", 30)]
    lines = lines_of(monkeypatch, code, stages, 60)[1:]
    assert [line["stage"] for line in lines] == ["a", "a", "b", "b", "c", "c"]
    assert all(line["tokens_per_second"] == 1.0 for line in lines[::2])
    assert lines[1]["error"] == "no end after 2 s"
    assert (lines[3]["error"], lines[3]["log"]) == ("ended with code 1", ["no memory"])
    assert "error" not in lines[5]


def test_stages_without_time_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = lines_of(monkeypatch, "", list(STAGES), 1)[1:]
    assert [(line["stage"], line["skipped"]) for line in lines] == [
        (stage.name, "no time is left") for stage in STAGES
    ]


def test_the_summary_compares_the_best_of_both_sides() -> None:
    def line(stage: str, speed: float, **more: Any) -> dict[str, Any]:
        return {"stage": stage, "tokens_per_second": speed, **more}

    found = list(
        summarise(
            [
                line("train_7b_width", 10.0, way="padded"),
                line("train_7b_width", 30.0, way="packed", share_of_measured_peak=0.4),
                line("train_7b_width_trl", 20.0, peer="TRL", tried={"rows": "padding_free"}),
                line("train_7b_width_trl_defaults", 5.0, peer="TRL", tried="defaults"),
                {"stage": "train_7b_width_trl_flash", "peer": "TRL", "unavailable": "flash_attn"},
                line("generate_135m", 7.0, ours="slots"),
            ]
        )
    )
    assert [each["what"] for each in found] == ["training at 7B width", "generation of 135M"]
    assert (found[0]["ratio"], found[0]["ratio_to_defaults"]) == (1.5, 6.0)
    assert (found[0]["ours"]["way"], found[0]["share_of_measured_peak"]) == ("packed", 0.4)
    assert "best_peer" not in found[1]


@pytest.mark.slow
@pytest.mark.long
def test_all_stages_run_on_the_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "gpu.jsonl"
    assert gpu.main(["--dry-run", "--out", str(out)]) == 0
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert {line["stage"] for line in lines} == {"versions", "summary", *(stage.name for stage in STAGES)}
    assert not [line for line in lines if {"error", "problem", "out_of_memory"} & set(line)]
    (equal,) = [line for line in lines if "same_tokens_in_fp32" in line]
    assert set(equal["same_tokens_in_fp32"].values()) == {equal["prompts"]}
    (again,) = [line for line in lines if "bitwise_reproducible" in line]
    assert again["bitwise_reproducible"]
    (ratio, *_) = [line["ratio"] for line in lines if line["stage"] == "summary"]
    assert ratio > 0
    assert capsys.readouterr().out.splitlines() == out.read_text(encoding="utf-8").splitlines()
