"""DeepSpeed ZeRO-2 on one and two ranks: equal losses, and those of a plain loop."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from lookahead_ray.config.training import LoraConfig, TrainingConfig
from tests.toy import toy_model
from tests.train.reference import make_rows, train_plainly

pytestmark = pytest.mark.slow

MODULE = "tests.train.one_rank"
DISK = "{folder}"
# Two epochs of three steps, the last with three examples of four; two ranks accumulate twice, one rank four
# times, so that one rank has no example in each epoch's last step.
CONFIG = TrainingConfig(
    learning_rate=5e-3, epochs=2, batch_size=4, micro_batch_size=1, precision="fp32", weight_decay=0.1
)
LONGER = CONFIG.model_copy(
    update={"epochs": 7, "learning_rate": 1e-3, "micro_batch_tokens": 40, "max_length": 40}
)
VARIANTS = {
    "fp32": CONFIG,
    "bf16": CONFIG.model_copy(update={"precision": "bf16"}),
    "fp32, adapters": CONFIG.model_copy(update={"lora": LoraConfig(rank=4)}),
}


CONFIGS = {
    **VARIANTS,
    "fp32, tokens": LONGER,
    "fp32, compiled": CONFIG.model_copy(update={"compile": True}),
}


@cache
def run(
    variant: str,
    world_size: int,
    method: str = "vanilla",
    interrupted: str = "",
    phase: str = "both",
    kept: str = "",
) -> list[dict[str, Any]]:
    """Return the results of each rank, with a new cache, so that the seed model runs again.

    `interrupted`: it continues from a checkpoint at this kind of place, below a new folder.
    """
    with TemporaryDirectory() as folder:
        kept = kept or folder
        outs = [Path(folder, f"rank{rank}.json") for rank in range(world_size)]
        config = CONFIGS[variant].model_dump_json()
        processes = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    MODULE,
                    str(rank),
                    str(world_size),
                    f"{folder}/store",
                    str(out),
                    config,
                    method,
                    *filter(None, [interrupted.format(folder=kept)]),
                    *([phase] if interrupted else []),
                ],
                env={**os.environ, "LOOKAHEAD_RAY_CACHE": folder},
                cwd=Path(__file__).parents[2],
                stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
            )
            for rank, out in enumerate(outs)
        ]
        try:
            errors = [process.communicate(timeout=300)[1] for process in processes]
        finally:
            for process in processes:
                process.kill()
        codes = [process.returncode for process in processes]
        assert codes == [0] * world_size, "\n".join(
            f"code {code}: {error[-2000:]}" for code, error in zip(codes, errors, strict=True)
        )
        return [json.loads(out.read_text()) for out in outs if out.exists()]


@pytest.mark.parametrize("variant", VARIANTS)
def test_two_ranks_equal_one(variant: str) -> None:
    (alone,), (first, second) = run(variant, 1), run(variant, 2)
    assert (first["stage"], second["stage"], alone["stage"]) == (2, 2, 0 if variant == "fp32" else 2)
    assert first == second  # every rank gets the same steps and holds all weights
    assert len(alone["losses"]) == 6
    tolerance = 2e-2 if variant == "bf16" else 1e-4
    assert first["losses"] == pytest.approx(alone["losses"], rel=tolerance)
    assert first["grad_norms"] == pytest.approx(alone["grad_norms"], rel=10 * tolerance)
    assert first["checksum"] == pytest.approx(alone["checksum"], rel=10 * tolerance)
    assert alone["losses"][-1] < alone["losses"][0]
    assert alone["learning_rates"] == pytest.approx([5e-3 * (6 - step) / 6 for step in range(6)])
    assert alone["dtypes"] == ["torch.bfloat16" if variant == "bf16" else "torch.float32"]


def test_two_ranks_equal_one_and_a_plain_loop_over_20_steps_with_a_budget_of_tokens() -> None:
    (alone,), (first, second) = run("fp32, tokens", 1), run("fp32, tokens", 2)
    assert first == second
    expected = train_plainly(toy_model(), make_rows(11), LONGER, seed=0)
    assert len(expected) == 21
    assert alone["losses"] == pytest.approx(expected, rel=1e-4)
    assert first["losses"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.long
def test_compiled_layers_train_alike_on_one_and_two_ranks() -> None:
    (alone,), (first, second) = run("fp32, compiled", 1), run("fp32, compiled", 2)
    assert first == second
    assert alone["losses"] == pytest.approx(run("fp32", 1)[0]["losses"], rel=1e-5)
    assert first["losses"] == pytest.approx(alone["losses"], rel=1e-4)
    assert first["checksum"] == pytest.approx(alone["checksum"], rel=1e-3)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("world_size", [1, 2])
def test_training_from_a_checkpoint_equals_uninterrupted_training(variant: str, world_size: int) -> None:
    assert run(variant, world_size, interrupted=DISK) == run(variant, world_size)


def test_and_from_a_url_where_the_ranks_share_no_disk() -> None:
    assert run("fp32, adapters", 2, interrupted="file://{folder}") == run("fp32, adapters", 2)


@pytest.mark.parametrize(("variant", "place"), [("fp32", DISK), ("bf16", "file://{folder}")])
def test_one_rank_continues_from_two(variant: str, place: str, tmp_path: Path) -> None:
    run(variant, 2, interrupted=place, phase="save", kept=str(tmp_path))
    (alone,) = run(variant, 1, interrupted=place, phase="load", kept=str(tmp_path))
    both = run(variant, 2)[0]
    if place == DISK:  # the same number of ranks loses nothing
        assert run(variant, 2, interrupted=place, phase="load", kept=str(tmp_path))[0] == both
    tolerance = 2e-2 if variant == "bf16" else 1e-4
    assert len(alone["losses"]) == len(both["losses"]) == 6
    assert alone["losses"][:3] == both["losses"][:3]  # those of the two ranks
    assert alone["losses"] == pytest.approx(both["losses"], rel=tolerance)
    assert alone["checksum"] == pytest.approx(both["checksum"], rel=10 * tolerance)
    assert alone["learning_rates"] == both["learning_rates"]


def test_a_method_that_uses_the_seed_model_continues_equally() -> None:
    assert run("fp32", 2, "token_kl", interrupted=DISK) == run("fp32", 2, "token_kl")


@pytest.mark.parametrize("method", ["constrained_sft", "token_kl"])
def test_two_ranks_hold_to_the_seed_model_as_one_does(method: str) -> None:
    (alone,), (first, second) = run("fp32", 1, method), run("fp32", 2, method)
    assert first == second
    for key in ("losses", "grad_norms", "checksum"):
        assert first[key] == pytest.approx(alone[key], rel=1e-3)
    plain = run("fp32", 1)[0]
    assert alone["grad_norms"][0] == pytest.approx(plain["grad_norms"][0], rel=1e-4)  # every weight is 1
    assert alone["checksum"] != pytest.approx(plain["checksum"], rel=1e-4)
    if method == "constrained_sft":
        assert alone["losses"][0] == pytest.approx(plain["losses"][0], rel=1e-4)


@pytest.mark.parametrize("world_size", [1, 2])
def test_both_equal_a_plain_loop_over_all_answer_tokens(world_size: int) -> None:
    expected = train_plainly(toy_model(), make_rows(11), CONFIG, seed=0)
    assert run("fp32", world_size)[0]["losses"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("world_size", [1, 2])
def test_half_precision_stays_near_it(world_size: int) -> None:
    expected = train_plainly(toy_model(), make_rows(11), CONFIG, seed=0)
    assert run("bf16", world_size)[0]["losses"] == pytest.approx(expected, rel=5e-2)
