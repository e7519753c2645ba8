"""Training of the alignment adapter for the embedded seed model."""

from pydantic import Field

from lookahead_ray.config.base import Config
from lookahead_ray.config.training import LoraConfig, TrainingConfig


class AlignConfig(Config):
    """Settings of `lookahead-ray align`; the defaults made the shipped adapter, `--set` changes them."""

    training: TrainingConfig = TrainingConfig(
        learning_rate=8e-4,
        epochs=2,
        batch_size=32,
        micro_batch_size=32,
        warmup_steps=5,
        betas=(0.9, 0.999),
        lora=LoraConfig(rank=8, alpha=16.0),
    )

    answer_tokens: int = Field(24, ge=8)
    """Maximum length, in tokens, of the model's own answer to a benign request, used as training target."""

    word_problems: int = Field(100, ge=0)
    """Number of word problems per draw (epoch). Their solutions keep the probabilities of the base model."""

    openings: int = Field(300, ge=0)
    """Number of requests per draw (epoch) that specify how the answer begins."""

    opening_weight: float = Field(2.0, gt=0)
    """Loss weight of the first answer tokens of benign rows, which decide whether the model refuses. A larger
    weight means fewer refusals, of benign and of harmful requests."""

    scale: float = Field(0.9, gt=0, le=1)
    """Factor on the adapter's alpha after training: the share of the trained update that is kept. A smaller
    value means fewer refusals, of harmful and of benign requests."""

    seed: int = Field(0, ge=0)
    """Random seed of the draws and of the adapter's initialisation."""

    threads: int = Field(0, ge=0)
    """Number of CPU threads; 0 uses all cores."""
