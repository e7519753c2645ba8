"""Tasks by name: `TASKS` maps a task's name to its configuration class and the function that loads it.

A new task takes a module with both, and one line in `TASKS`.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from lookahead_ray.config.task import FileTask, Gsm8kTask, SamsumTask, WordProblemsTask
from lookahead_ray.config.variants import Variant
from lookahead_ray.data.tasks import word_problems
from lookahead_ray.data.tasks.file import load_file_task
from lookahead_ray.data.tasks.final_number import exact_match
from lookahead_ray.data.tasks.gsm8k import load_gsm8k
from lookahead_ray.data.tasks.samsum import load_samsum
from lookahead_ray.data.tasks.task import Task, hash_examples
from lookahead_ray.data.tasks.word_problem_templates import TEMPLATES
from lookahead_ray.errors import ConfigError

__all__ = ["TASKS", "Named", "Task", "hash_examples", "load_task", "load_word_problems"]


class Named(Protocol):
    """A task's configuration, identified by its `name` in `TASKS`."""

    @property
    def name(self) -> str: ...


def load_task(config: Named) -> Task:
    """Load the task that `config.name` names in `TASKS`.

    Raises `ConfigError` for an unknown name and `DataError` for data that breaks a rule or has too few rows.
    """
    if config.name not in TASKS:
        raise ConfigError(f"task: name: must be one of {', '.join(TASKS)}, got {config.name!r}")
    return TASKS[config.name](config)


def load_word_problems(config: WordProblemsTask) -> Task:
    """Generate the word problems of at most `config.max_steps` steps; see `word_problems.generate`."""
    templates = [template for template in TEMPLATES if len(template.steps) <= config.max_steps]
    train = word_problems.generate("train", config.train_examples, config.seed, templates, config.solutions)
    test = word_problems.generate("test", config.test_examples, config.seed, templates, config.solutions)
    return Task("word_problems", train, test, exact_match)


TASKS: Mapping[str, Variant[Any, [], Task]] = {
    "word_problems": Variant(WordProblemsTask, load_word_problems),
    "gsm8k": Variant(Gsm8kTask, load_gsm8k),
    "samsum": Variant(SamsumTask, load_samsum),
    "file": Variant(FileTask, load_file_task),
}
"""Every task, by the `name` of its configuration."""
