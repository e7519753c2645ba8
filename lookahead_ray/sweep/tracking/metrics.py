"""The figures of a trial as trackers take them: flat names and numbers."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lookahead_ray.evaluate.results import Signal
from lookahead_ray.train.step import Step
from lookahead_ray.trial.record import TrialRecord

RATES = ("rsr", "jsr", "over_refusal", "utility")
LONGEST_PARAMETER = 500  # characters

Figures = dict[str, float]


def step_figures(step: Step) -> Figures:
    """Return the figures of one optimiser step."""
    figures = {
        "train/loss": step.loss,
        "train/learning_rate": step.learning_rate,
        "train/grad_norm": step.grad_norm,
        "train/epoch": step.epoch,
    }
    return {name: value for name, value in figures.items() if value is not None}


def signal_figures(signal: Signal) -> Figures:
    """Return the figures after one epoch."""
    values = {"kl": signal.kl, "answer_loss": signal.answer_loss, "train_tokens": signal.train_tokens}
    return {f"epoch/{name}": value for name, value in values.items() if value is not None}


def result_figures(record: TrialRecord) -> Figures:
    """Return rates with their intervals, scores, KL and costs of an ended trial; failed ones have few."""
    return {name: value for name, value in _results(record) if value is not None}


def _results(record: TrialRecord) -> Iterator[tuple[str, float | None]]:
    for name in RATES:
        if rate := getattr(record, name):
            yield name, rate.value
            for part in ("low", "high", "n", "unparsed"):
                yield f"{name}_{part}", getattr(rate, part)
    yield "objective", record.objective
    yield "constraint", record.constraint
    yield "safety", record.safety
    yield from ((f"objective_{index}", value) for index, value in enumerate(record.objectives, start=1))
    yield from ((f"kl/position_{index}", value) for index, value in enumerate(record.kl, start=1))
    if record.kl:
        yield "kl/mean", sum(record.kl) / len(record.kl)
    if record.measurement:
        for task, score in record.measurement.harness.items():
            for part in ("value", "low", "high", "n"):
                name = f"harness/{task}" if part == "value" else f"harness/{task}_{part}"
                yield name, score.get(part)
    for name in ("flops", "train_tokens", "seconds_train", "seconds_evaluate", "seconds_total", "restarts"):
        yield name, getattr(record, name)


def parameters(
    trial_id: str, role: str, label: str, config: Mapping[str, Any], params: Mapping[str, Any]
) -> dict[str, str | int | float | bool]:
    """Return a trial's settings with dotted names; fields that are null or empty are left out."""
    found: dict[str, str | int | float | bool] = {"trial_id": trial_id, "role": role, "label": label}
    found.update((name, _plain(value)) for name, value in _leaves(config))
    found.update((f"sampled.{name}", _plain(value)) for name, value in params.items())
    return found


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, list | tuple) and any(isinstance(item, Mapping) for item in node):
        node = {str(index): item for index, item in enumerate(node)}
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    elif node is not None and node != [] and node != "":
        yield path, node


def _plain(value: Any) -> str | int | float | bool:
    if isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:LONGEST_PARAMETER]
