"""The default training is the published one (f9730df) for GSM8K."""

from lookahead_ray.config.training import TrainingConfig


def test_golden_defaults() -> None:
    config = TrainingConfig()
    assert (config.learning_rate, config.epochs, config.batch_size, config.max_length) == (2e-5, 3, 64, 512)
    assert (config.betas, config.weight_decay, config.warmup_steps) == ((0.5, 0.999), 0, 0)
    assert (config.precision, config.zero_stage, config.lora) == ("auto", 2, None)
    assert config.protocol == "fixed"  # the corrected loss
