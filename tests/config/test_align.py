"""Settings of `align`: single fields replace defaults, and an adapter remains to be trained."""

import pytest

from lookahead_ray.config.align import AlignConfig, load_align
from lookahead_ray.config.safety import ProbeSuite
from lookahead_ray.errors import ConfigError


def test_without_overrides_the_defaults_remain() -> None:
    assert load_align([]) == AlignConfig()


def test_a_field_of_a_part_leaves_the_others_at_the_defaults_of_align() -> None:
    found = load_align(["training.epochs=5", "evaluation.task_new_tokens=9", "safety.harmful_prompts=3"])
    before = AlignConfig()
    assert found.training == before.training.model_copy(update={"epochs": 5})
    assert found.evaluation == before.evaluation.model_copy(update={"task_new_tokens": 9})
    assert found.safety == (ProbeSuite(harmful_prompts=3),)
    assert (found.model, found.task) == (before.model, before.task)


def test_another_task_loses_the_fields_of_word_problems() -> None:
    task = load_align(["task.name=gsm8k", "task.path=rows.jsonl", "task.test_examples=7"]).task
    assert task.name == "gsm8k"
    assert (task.train_path, task.test_examples) == ("rows.jsonl", 7)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.lora=null", "--set training.lora=null: training.lora: must be set to align, got null"),
        ("training.epochs=0", "--set training.epochs=0: training.epochs: "),
        ("recovery=false", "--set recovery=false: recovery: unknown field, got False"),
    ],
)
def test_what_can_not_be_aligned_is_refused_in_one_line(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_align([override])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_the_trial_has_the_parts_that_are_measured_and_trained() -> None:
    config = load_align(["model.path=./model", "seed=3", "gpus_per_worker=0"])
    trial = config.trial
    assert (trial.model, trial.task, trial.safety) == (config.model, config.task, config.safety)
    assert (trial.evaluation, trial.training, trial.seed) == (config.evaluation, config.training, 3)
    assert trial.gpus_per_worker == 0
