"""What to learn: one model for each task, told apart by `name`."""

from typing import Annotated, Literal

from pydantic import Field

from lookahead_ray.config.base import Config


class TaskBase(Config):
    """Fields that all tasks share."""

    train_examples: int = Field(256, ge=1)
    """Number of training examples, drawn with `seed`."""

    test_examples: int = Field(128, ge=1)
    """Number of held-out examples on which utility is measured."""

    seed: int = Field(0, ge=0)
    """Seed of the draw (or of the generator); independent of the training seed."""


class WordProblemsTask(TaskBase):
    """Generated arithmetic word problems in GSM8K's format; utility is exact match of the final number."""

    name: Literal["word_problems"]

    max_steps: int = Field(3, ge=1, le=3)
    """Most calculations that a problem takes: 1 gives the shortest and easiest problems."""

    solutions: Literal["sentences", "calculations"] = "sentences"
    """Whether a solution tells its steps in sentences, or writes down the bare calculations."""


class Gsm8kTask(TaskBase):
    """GSM8K from the hub or a local JSONL file; utility is exact match of the final number."""

    name: Literal["gsm8k"]

    path: str | None = Field(None, min_length=1)
    """Local JSONL file with `question` and `answer`; null loads the hub's copy."""

    test_path: str | None = Field(None, min_length=1)
    """Local JSONL file of test rows; null takes rows of `path` that are not trained on."""


TaskConfig = Annotated[WordProblemsTask | Gsm8kTask, Field(discriminator="name")]
