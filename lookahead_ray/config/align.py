"""Alignment: training of an adapter with which a chat model refuses harmful requests."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from lookahead_ray.config.base import Auto, Config
from lookahead_ray.config.evaluation import EvaluationConfig
from lookahead_ray.config.load import without_left_variants
from lookahead_ray.config.model import EMBEDDED_UNALIGNED, ModelConfig
from lookahead_ray.config.safety import ProbeSuite, SafetyList
from lookahead_ray.config.task import TaskConfig, WordProblemsTask
from lookahead_ray.config.training import LoraConfig, TrainingConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.config.validation import Source, validated
from lookahead_ray.config.yaml_io import override
from lookahead_ray.errors import ConfigError

COMMAND = "align"
"""Name of the command, for messages."""


class AlignConfig(Config):
    """Settings of `lookahead-ray align`; the defaults made the shipped adapter, `--set` changes them."""

    model: ModelConfig = ModelConfig(path=EMBEDDED_UNALIGNED)

    task: TaskConfig = WordProblemsTask(name="word_problems", train_examples=1, test_examples=100)
    """Task on which utility is measured; nothing is trained on it."""

    safety: SafetyList = (ProbeSuite(),)

    evaluation: EvaluationConfig = EvaluationConfig(
        safety_new_tokens=32, safety_max_tokens=256, task_new_tokens=256, kl_tokens=0, signal_examples=0
    )

    training: TrainingConfig = TrainingConfig(
        learning_rate=8e-4,
        epochs=2,
        batch_size=32,
        micro_batch_size=32,
        warmup_steps=5,
        betas=(0.9, 0.999),
        lora=LoraConfig(rank=8, alpha=16.0),
    )

    recoveries: bool = True
    """Whether about a third of the harmful requests also appear with a started answer that turns into a
    refusal, so that a prefilled start does not always win. false teaches refusals from the first token
    only."""

    harmful_requests: int | None = Field(None, ge=1)
    """Number of the shipped harmful requests, spread evenly over their categories; null uses all."""

    benign_requests: int | None = Field(None, ge=1)
    """Number of the shipped benign requests, spread evenly over their categories; null uses all."""

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

    gpus_per_worker: Annotated[float, Field(ge=0)] | Auto = "auto"
    """Number of GPUs: 0 trains and measures on CPU cores. `auto` trains on one GPU if there are any, and
    measures on all of them."""

    @property
    def trial(self) -> TrialConfig:
        """Return the trial whose evaluation measures the model, and whose training the checks look at."""
        return TrialConfig(
            model=self.model,
            task=self.task,
            safety=self.safety,
            evaluation=self.evaluation,
            training=self.training,
            seed=self.seed,
            gpus_per_worker=self.gpus_per_worker,
        )


def load_align(overrides: Sequence[str]) -> AlignConfig:
    """Return the defaults with `path=value` overrides, which may set single fields of each part.

    Raises:
        ConfigError: an override is invalid, or leaves no adapter to train.
    """
    defaults = {
        name: getattr(AlignConfig(), name).model_dump(mode="json", exclude_unset=True)
        for name in ("model", "task", "evaluation", "training")
    }
    source = Source(COMMAND, tuple(overrides))
    tree = without_left_variants(
        override(defaults, overrides), defaults, lambda field: source.of(field) != source.file
    )
    config = validated(AlignConfig, tree, source, "")
    if config.training.lora is None:
        raise ConfigError(f"{source.of('training.lora')}: training.lora: must be set to align, got null")
    return config
