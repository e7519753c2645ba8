"""One rank's work, in this process."""

import gc
import math
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.evaluate.results import Signal
from lookahead_ray.trial.measurement import Measurement
from lookahead_ray.trial.measuring import _check_scores
from lookahead_ray.trial.progress import TrialProgress
from lookahead_ray.trial.worker import run_worker
from tests.factory import make_record
from tests.tiny import make_model

CONFIG: dict[str, Any] = {
    "task": {"name": "word_problems", "train_examples": 8, "test_examples": 2},
    "safety": {"harmful_prompts": 4, "benign_prompts": 2},
    "training": {"epochs": 1, "batch_size": 4, "micro_batch_size": 2, "precision": "fp32"},
    "workers": 1,
    "cpus_per_worker": 1,
    "gpus_per_worker": 0,
    "evaluation": {"safety_new_tokens": 2, "task_new_tokens": 2},
}


def engines() -> int:
    return sum(type(found).__name__ == "DeepSpeedEngine" for found in gc.get_objects())


@pytest.mark.parametrize("score", [math.nan, -math.inf])
def test_a_score_that_is_no_number_fails_the_trial(score: float) -> None:
    row = make_record(1, prompts=1).generations[0]
    _check_scores([row, replace(row, score=0.5)])
    with pytest.raises(FloatingPointError, match=r"for .* is (nan|-inf): .*lower training\.learning_rate"):
        _check_scores([row, replace(row, score=score)])


@pytest.mark.slow
@pytest.mark.usefixtures("group")
def test_a_process_that_runs_many_trials_repeats_results_and_keeps_no_state(tmp_path: Path) -> None:
    config = TrialConfig.model_validate({**CONFIG, "model": {"path": str(make_model(tmp_path))}})
    reported: list[TrialProgress] = []
    measured: list[Measurement] = []
    gc.collect()
    before = engines()  # another test's interrupted training may have left one
    for _ in range(2):
        found = run_worker(config, trains=True, send=reported.append)
        assert found is not None
        measured.append(found)
        gc.collect()
        assert engines() <= before
    assert [step.loss for step in measured[0].steps] == [step.loss for step in measured[1].steps]
    assert measured[0].generations == measured[1].generations
    assert measured[0].token_kl == measured[1].token_kl
    phases = list(dict.fromkeys(progress.phase for progress in reported))
    before = ["starting", "reference", "preparing", "building", "training", "measuring"]
    assert phases == [*before, "answering", "judging", "ending"]
    assert {progress.steps for progress in reported if progress.phase == "training"} == {2}
    for phase in ("training", "measuring", "answering", "judging"):
        last = [progress for progress in reported if progress.phase == phase][-1]
        assert last.done == last.total > 0


@pytest.mark.slow
@pytest.mark.usefixtures("group")
class TestSignals:
    @pytest.fixture
    def config(self, tmp_path: Path) -> TrialConfig:
        training = {**CONFIG["training"], "epochs": 3, "learning_rate": 1e-2, "precision": "fp32"}
        tree = {**CONFIG, "model": {"path": str(make_model(tmp_path))}, "training": training}
        return TrialConfig.model_validate(tree)

    def test_each_epoch_is_measured_and_measuring_changes_nothing(self, config: TrialConfig) -> None:
        reported: list[Signal] = []
        measured = run_worker(config, True, lambda progress: None, decide=lambda s: not reported.append(s))
        assert measured is not None
        assert measured.signals == tuple(reported)
        assert [signal.epoch for signal in reported] == [1, 2, 3]
        tokens = [sum(step.tokens for step in measured.steps[: 2 * epoch]) for epoch in (1, 2, 3)]
        assert [signal.train_tokens for signal in reported] == tokens
        assert reported[-1].kl == pytest.approx(fmean(row.value for row in measured.token_kl))
        losses = [signal.answer_loss for signal in reported]
        assert None not in losses
        unmeasured = config.model_copy(
            update={"evaluation": config.evaluation.model_copy(update={"signal_examples": 0, "kl_tokens": 0})}
        )
        plain = run_worker(unmeasured, True, lambda progress: None)
        assert plain is not None
        assert [(signal.kl, signal.answer_loss) for signal in plain.signals] == [(None, None)] * 3
        assert [step.loss for step in plain.steps] == [step.loss for step in measured.steps]

    def test_a_stopped_trial_has_its_signals_and_no_answers(self, config: TrialConfig) -> None:
        measured = run_worker(config, True, lambda progress: None, decide=lambda signal: signal.epoch < 2)
        assert measured is not None
        assert measured.stopped
        assert (len(measured.steps), len(measured.signals), measured.generations) == (4, 2, ())
        assert measured.token_kl

    def test_the_seed_model_has_moved_nowhere(self, config: TrialConfig) -> None:
        measured = run_worker(config, False, lambda progress: None)
        assert measured is not None
        (signal,) = measured.signals
        assert (signal.epoch, signal.train_tokens, signal.kl) == (0, 0, 0.0)
        assert signal.answer_loss is not None
        assert not measured.stopped
