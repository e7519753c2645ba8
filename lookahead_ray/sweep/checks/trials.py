"""Checks of whole trials: the model's files, modules and vocabulary, and all texts against its lengths."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from lookahead_ray.config.load import content_hash
from lookahead_ray.config.safety import ProbeSuite, Suite
from lookahead_ray.config.task import TaskConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.row_lengths import RowLengths
from lookahead_ray.data.suites.registry import load_suite
from lookahead_ray.data.suites.suite import SafetySuite
from lookahead_ray.data.tasks.registry import Task, load_task
from lookahead_ray.model.outline import ModelOutline, outline_model
from lookahead_ray.sweep.checks.evaluation_prompts import check_prompts
from lookahead_ray.sweep.checks.generation import check_backend
from lookahead_ray.sweep.checks.kernels import check_kernels
from lookahead_ray.sweep.checks.lora import check_training_modules
from lookahead_ray.sweep.checks.merge import check_other_model
from lookahead_ray.sweep.checks.training_rows import check_rows, measure_rows
from lookahead_ray.sweep.checks.vocabulary import check_vocabulary


@dataclass
class TrialChecks:
    """Checks of the trials of a sweep; what trials share is loaded and checked once.

    Attributes:
        trains: whether the trials train, or only measure a model.
    """

    trains: bool = True
    _tasks: dict[str, Task] = field(default_factory=dict)
    _suites: dict[str, SafetySuite] = field(default_factory=dict)
    _seen: set[Hashable] = field(default_factory=set)
    _rows: dict[tuple[str, str, int], RowLengths] = field(default_factory=dict)

    def task(self, config: TaskConfig) -> Task:
        """Return the loaded task. Raises as `load_task`."""
        key = config.model_dump_json()
        if key not in self._tasks:
            self._tasks[key] = load_task(config)
        return self._tasks[key]

    def suite(self, config: Suite) -> SafetySuite:
        """Return the loaded suite. Raises as `load_suite`."""
        key = config.model_dump_json()
        if key not in self._suites:
            self._suites[key] = load_suite(config)
        return self._suites[key]

    def check(self, config: TrialConfig) -> None:
        """Raise if a trial of `config` can't run.

        Raises:
            ConfigError: a field does not suit the model.
            DataError: data can't be loaded, or training rows are too long.
            ModelError: the model can't be used.
        """
        outline = outline_model(config.model)
        if self._is_new("vocabulary", config, "model"):
            check_vocabulary(outline)
        if self._is_new("backend", config, "model", "evaluation"):
            check_backend(config, outline)
        if self._is_new("prompts", config, "model", "task", "safety", "evaluation", "method", "defence"):
            suites = [self.suite(suite) for suite in config.safety]
            check_prompts(config, outline, self.task(config.task), suites, self.trains)
        if not self.trains:
            return
        if self._is_new("modules", config, "model", "training"):
            check_training_modules(config, outline)
            check_kernels(config, outline)
        if self._is_new("merge", config, "model", "merge"):
            check_other_model(config, outline)
        if self._is_new("rows", config, "model", "task", "safety", "preview", "defence", "training"):
            self._check_rows(config, outline)

    def remarks(self) -> Iterator[str]:
        """Yield what happens to training rows that are too long, for the trials with most of them."""
        for (name, too_long, _), found in self._rows.items():
            if said := found.describe("skip" if too_long == "skip" else "cut"):
                yield f"task {name}: {said}"

    def _check_rows(self, config: TrialConfig, outline: ModelOutline) -> None:
        from lookahead_ray.method.safety_mix import safety_examples  # methods import torch

        task, training = self.task(config.task), config.training
        suites = [self.suite(suite) for suite in (*config.safety, ProbeSuite())]
        measured_on = [item.prompt for suite in suites for item in (*suite.harmful, *suite.benign)]
        mixed = safety_examples(config.defence.mix, task.train, measured_on)
        found = measure_rows(config, outline, task.train, mixed)
        check_rows(config, outline, found)
        key = (task.name, training.too_long, training.max_length)
        before = self._rows.get(key)
        if before is None or (found.longer, found.longest) > (before.longer, before.longest):
            self._rows[key] = found

    def _is_new(self, what: str, config: TrialConfig, *parts: str) -> bool:
        """Return whether no trial before had the same values in these parts of its configuration."""
        key = what, content_hash(config.model_dump(mode="json", include=set(parts)))
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new
