"""The spaces of the paper's tables hold its six rows and nothing else."""

from pathlib import Path

import pytest

from lookahead_ray.config.load import load_sweep
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.sweep.search import Search, reference_jobs

FOLDER = Path(__file__).parents[2] / "tuning_spaces"
NAMES = ("paper_gsm8k", "paper_samsum", "paper_small")
ROWS = [
    ("sdft", "none"),
    ("constrained_sft", "none"),
    ("vanilla", "true"),
    ("vanilla", "virtual"),
]


@pytest.mark.parametrize("name", NAMES)
def test_six_rows(name: str) -> None:
    sweep = load_sweep(FOLDER / f"{name}.yaml")
    search = Search(sweep, [])
    asked = [search.ask() for _ in range(sweep.search.trials)]
    configs = [TrialConfig.model_validate(job.config) for job in asked if job]
    assert [(config.method.name, config.preview.strategy) for config in configs] == ROWS
    assert [job.role for job in reference_jobs(sweep, [])] == ["seed", "vanilla"]
    assert getattr(configs[2].preview, "length_tokens", None) == 6
    assert getattr(configs[3].preview, "prefix", None) == "Let's solve this problem. "
    for config in (*configs, sweep.reference()):
        published = name != "paper_small" and config.method.name == "sdft"
        rate = 1.5e-4 if name == "paper_small" else 1e-4 if published else 2e-5
        assert (config.training.learning_rate, config.training.lora is not None) == (rate, published)


@pytest.mark.parametrize("name", NAMES[:2])
def test_full_size_is_the_papers(name: str) -> None:
    config = load_sweep(FOLDER / f"{name}.yaml").reference()
    training = config.training
    assert (config.model.protocol, training.protocol) == ("paper", "paper")
    assert (config.workers, config.gpus_per_worker, training.zero_stage) == (4, 1, 2)
    assert (training.epochs, training.batch_size, training.micro_batch_size) == (3, 64, 16)
    assert (training.betas, training.weight_decay, training.warmup_steps) == ((0.5, 0.999), 0, 0)
    assert (training.precision, training.gradient_checkpointing) == ("bf16", True)
    assert getattr(config.task, "train_examples", 0) is None
    assert (config.evaluation.safety_new_tokens, config.evaluation.task_new_tokens) == (512, 1024)
