"""General abilities: tasks of `lm-eval`, the language model evaluation harness, on the measured model."""

from pydantic import Field

from lookahead_ray.config.base import Config


class HarnessConfig(Config):
    """Tasks of `lm-eval` that every trial's model answers, beside the task's utility.

    Needs the extra `lm-eval`. The seed model and vanilla are measured too, so that a loss shows.
    """

    tasks: tuple[str, ...] = Field(min_length=1, strict=False)
    """Names of tasks or groups of tasks; `lm-eval ls tasks` lists them."""

    limit: int | None = Field(None, ge=1)
    """Number of examples of each task, the first ones; null uses all."""

    include_path: str | None = Field(None, min_length=1)
    """Folder with further task files. Such files can name Python functions, which are run."""

    num_fewshot: int | None = Field(None, ge=0)
    """Number of solved examples before each question; null uses each task's own number."""

    chat: bool = False
    """Whether questions are put into the model's chat template, with `num_fewshot` as turns of a dialogue."""

    batch_size: int = Field(8, ge=1)
    """Number of requests that one rank answers at the same time."""
