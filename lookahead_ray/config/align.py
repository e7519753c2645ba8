"""How the alignment adapter of the embedded seed model is made."""

from pydantic import Field

from lookahead_ray.config.base import Config
from lookahead_ray.config.training import LoraConfig, TrainingConfig


class AlignConfig(Config):
    """The run behind the shipped adapter; `lookahead-ray align --set training.epochs=1` changes it."""

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
    """Longest own answer of the model that stands behind a benign request."""

    word_problems: int = Field(100, ge=0)
    """Word problems in each draw, whose solutions the model is to find as likely as before."""

    openings: int = Field(300, ge=0)
    """Requests in each draw that say how the answer begins."""

    opening_weight: float = Field(2.0, gt=0)
    """Weight of the first answer tokens of benign rows, where it is decided whether the model refuses: more
    of it means fewer refusals, of benign and of harmful requests."""

    scale: float = Field(0.9, gt=0, le=1)
    """Share of the trained update that is kept, by the adapter's alpha: less means fewer refusals, of harmful
    and of benign requests."""

    seed: int = Field(0, ge=0)
    """Seed of the draws and of the adapter's initialisation."""

    threads: int = Field(0, ge=0)
    """CPU threads; 0 uses all cores."""
