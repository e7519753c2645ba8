"""The measurement of a recorded point in portions, ended by the product's own rule.

The order of the prompts is the product's too, by a hash, but of the names that `answers.generations_of` gives
to suites: so a grid's first prompts are not those of the sweep that it was recorded by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.search.answers import Answers, Prompts, generations_of
from lookahead_ray.evaluate.portion import Portion, PromptPlace
from lookahead_ray.evaluate.results import Generation, Metric
from lookahead_ray.trial.job import EndMeasuring


@dataclass(frozen=True)
class Measured:
    """The part of a point's measurement that was done."""

    generations: tuple[Generation, ...]  # without texts
    generated: int  # tokens
    ended_because: str | None  # None: all prompts were asked


def measure(rule: EndMeasuring, prompts: Prompts, answers: Answers) -> Measured:
    """Return the part of a point's measurement after which the rule ends it, or all of it."""
    for look, share in enumerate(rule.looks):
        part = _indices(prompts, Portion(0, share))
        rows = generations_of(answers, prompts, part)
        if reason := rule.reason_to_end(look, rows):
            tokens = (answers.tokens[metric][index] for metric, indices in part.items() for index in indices)
            return Measured(rows, sum(tokens), reason)
    return Measured(generations_of(answers, prompts), answers.generated, None)


def _indices(prompts: Prompts, portion: Portion) -> Mapping[Metric, Sequence[int]]:
    """Return the indices of the prompts in a portion, by metric."""
    found: dict[Metric, Sequence[int]] = {}
    for metric, ids in prompts.items():
        suite = "task" if metric == "utility" else "suite"
        places = [PromptPlace(suite, "none", prompt_id) for prompt_id in ids]
        found[metric] = portion.of(range(len(ids)), places.__getitem__)
    return found
