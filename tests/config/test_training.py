"""The default training is the published one (f9730df) for GSM8K."""

import pytest
from pydantic import ValidationError

from lookahead_ray.config.training import TrainingConfig


def test_golden_defaults() -> None:
    config = TrainingConfig()
    assert (config.learning_rate, config.epochs, config.batch_size, config.max_length) == (2e-5, 3, 64, 512)
    assert (config.betas, config.weight_decay, config.warmup_steps) == ((0.5, 0.999), 0, 0)
    assert (config.precision, config.zero_stage, config.lora) == ("auto", 2, None)
    assert config.protocol == "fixed"  # the corrected loss


def test_a_budget_of_tokens_holds_a_row_and_is_not_for_the_published_loss() -> None:
    config = TrainingConfig(micro_batch_tokens=4096)
    assert (config.micro_batches, TrainingConfig().micro_batches) == (8, 8)
    assert TrainingConfig(micro_batch_tokens=600).micro_batches == 64
    with pytest.raises(ValidationError, match=r"must be at least max_length \(512\), got 511"):
        TrainingConfig(micro_batch_tokens=511)
    with pytest.raises(ValidationError, match="must be null with protocol: paper"):
        TrainingConfig(micro_batch_tokens=4096, protocol="paper")
