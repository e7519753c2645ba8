"""One rank's work, in this process."""

import gc
from pathlib import Path

import pytest

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.trial.progress import TrialProgress
from lookahead_ray.trial.worker import Measurement, run_worker
from tests.tiny import make_model

CONFIG = {
    "task": {"name": "word_problems", "train_examples": 8, "test_examples": 2},
    "safety": {"harmful_prompts": 4, "benign_prompts": 2},
    "training": {"epochs": 1, "batch_size": 4, "micro_batch_size": 2},
    "evaluation": {"safety_new_tokens": 2, "task_new_tokens": 2},
}


def engines() -> int:
    return sum(type(found).__name__ == "DeepSpeedEngine" for found in gc.get_objects())


@pytest.mark.slow
@pytest.mark.usefixtures("group")
def test_a_process_that_runs_many_trials_repeats_their_results_and_keeps_nothing(tmp_path: Path) -> None:
    config = TrialConfig.model_validate({**CONFIG, "model": {"path": str(make_model(tmp_path))}})
    told: list[TrialProgress] = []
    measured: list[Measurement] = []
    for _ in range(2):
        found = run_worker(config, trains=True, send=told.append)
        assert found is not None
        measured.append(found)
        gc.collect()
        assert engines() == 0
    assert [step.loss for step in measured[0].steps] == [step.loss for step in measured[1].steps]
    assert measured[0].generations == measured[1].generations
    assert measured[0].token_kl == measured[1].token_kl
    assert told[-1].fraction > told[0].fraction
