"""Trials of earlier sweeps that a sampler learns from, and reference trials that needn't be run again.

An earlier trial fits if its values are in this space and give the configuration that was run then, except for
the random seed and the number of ranks. Its rates would be the same here, so it is scored again, by this
sweep's references and objective. It does not count as a trial of this sweep: it is never recommended, and it
is run again if its point is suggested.

The seed model's and vanilla's trials are adopted by this sweep if their configuration, the contents it refers
to, vanilla's random seed and the package versions are the same.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from lookahead_ray.config.dimension import Choice, Dimension, Value
from lookahead_ray.config.load import Sweep, trial_json
from lookahead_ray.config.trial import RESOURCE_FIELDS, TrialConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.objective.search_objective import SearchObjective
from lookahead_ray.sweep.search.jobs import REFERENCE_ROLES
from lookahead_ray.trial.record import TrialRecord
from lookahead_ray.trial.trainings import points_of_vanilla, search_trials

ANY = ("seed", *RESOURCE_FIELDS)
"""Fields of a trial's configuration that may differ."""


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """An earlier run listed in `search.warm_start`."""

    run: str
    hashes: Mapping[str, str]  # of the contents its configuration refers to, as from preflight
    records: Sequence[TrialRecord]


@dataclass(frozen=True, slots=True)
class WarmTrial:
    """A completed search trial of an earlier run that fits this space."""

    name: str  # RUN/trial id
    record: TrialRecord

    def scored(self, references: ReferenceTrials, objective: SearchObjective[Any]) -> TrialRecord:
        """Return the record under its name, scored by this sweep's references and objective."""
        found = objective.score(self.record, references)
        return replace(
            self.record,
            trial_id=self.name,
            training_id=self.name.removesuffix(self.record.trial_id) + self.record.training,
            objective=found.objective,
            objectives=found.objectives,
            constraint=found.constraint,
        )


@dataclass(frozen=True, slots=True)
class WarmStart:
    """The fitting trials of all earlier runs, and one line per run for the user."""

    trials: tuple[WarmTrial, ...] = ()
    references: tuple[TrialRecord, ...] = ()  # the seed model's, or that and all points of vanilla's training
    lines: tuple[str, ...] = ()


NOTHING_EARLIER = WarmStart()


def warm_start(
    sweep: Sweep, hashes: Mapping[str, str], runs: Sequence[EarlierRun], versions: Mapping[str, str]
) -> WarmStart:
    """Collect the fitting trials of `runs`, which are those of `search.warm_start` in its order.

    Args:
        versions: package versions here; references measured with other versions are not adopted.

    Raises:
        ConfigError: no trial of a run fits; the message states the differences.
    """
    trials: list[WarmTrial] = []
    lines: list[str] = []
    references: tuple[TrialRecord, ...] = ()
    for index, earlier in enumerate(runs):
        searched = [r for r in search_trials(earlier.records) if r.status == "completed"]
        found = {record.trial_id: _difference(sweep, hashes, earlier, record) for record in searched}
        fitting = [record for record in searched if found[record.trial_id] is None]
        reasons = Counter(reason for reason in found.values() if reason is not None)
        why = "; ".join(f"{count} with {reason}" for reason, count in reasons.most_common(3))
        found_there = _references(sweep, hashes, earlier, versions)
        if not fitting and not found_there:
            rule = "must be a run with completed trials that fit into this space"
            raise ConfigError(
                f"{sweep.source}: search.warm_start.{index}: {rule}, got {earlier.run}: {why or 'none'}"
            )
        line = f"warm start from {earlier.run}: {len(fitting)} of {len(searched)} trials"
        lines.append(f"{line}; left out: {why}" if why else line)
        if len(found_there) > len(references):
            references = found_there
            roles = [record.role for record in references if not record.is_further_point]
            lines.append(f"{' and '.join(roles)} as measured in {earlier.run}")
        trials += [WarmTrial(f"{earlier.run}/{record.trial_id}", record) for record in fitting]
    return WarmStart(tuple(trials), references, tuple(lines))


def _references(
    sweep: Sweep, hashes: Mapping[str, str], earlier: EarlierRun, versions: Mapping[str, str]
) -> tuple[TrialRecord, ...]:
    """Return a run's completed references that would be the same here; vanilla only with its seed model.

    Vanilla comes with the further points of its training, and only if all that are measured here are there.
    """
    if _changed(hashes, earlier):
        return ()
    here = sweep.reference()
    found = []
    for role in REFERENCE_ROLES:
        fitting = (
            record
            for record in earlier.records
            if record.role == role
            and record.status == "completed"
            and record.versions == versions
            and (role == "seed" or record.config.get("seed") == here.seed)
            and not _differing(here, TrialConfig.model_validate(record.config))
        )
        if (record := next(fitting, None)) is None:
            break
        further = _further_points(sweep, earlier, record) if role == "vanilla" else []
        if further is None:
            break
        found += [record, *further]
    return tuple(found)


def _further_points(sweep: Sweep, earlier: EarlierRun, vanilla: TrialRecord) -> list[TrialRecord] | None:
    """Return the points of an earlier vanilla's training measured here too; None if one is lacking."""
    there = [
        (record, TrialConfig.model_validate(record.config))
        for record in points_of_vanilla(earlier.records)
        if record.training == vanilla.training and record.status == "completed"
    ]
    found = []
    for here in sweep.reference_training().points[1:]:
        fitting = (record for record, config in there if not _differing(here, config))
        if (record := next(fitting, None)) is None:
            return None
        found.append(record)
    return found


def _changed(hashes: Mapping[str, str], earlier: EarlierRun) -> str | None:
    """Return a part of the configuration whose contents have changed; None if there is none."""
    return next((name for name in hashes if earlier.hashes.get(name, hashes[name]) != hashes[name]), None)


def _difference(
    sweep: Sweep, hashes: Mapping[str, str], earlier: EarlierRun, record: TrialRecord
) -> str | None:
    """Return in words why the trial does not fit; None if it fits."""
    if changed := _changed(hashes, earlier):
        return f"other contents of {changed}"
    left = dict(record.params)

    def take(dimension: Dimension) -> Value:
        value: Value = left.pop(dimension.name)
        if not _holds(dimension, value):
            raise ValueError(f"{dimension.name} outside this space ({value!r})")
        return value

    try:
        here, there = sweep.trial(take), TrialConfig.model_validate(record.config)
    except ValidationError:
        return "a configuration that is invalid here"
    except KeyError as error:
        return f"no value of {error.args[0]}"
    except ValueError as error:
        return str(error)
    if left:
        return f"the dimension {next(iter(left))}, which this space does not have"
    points = [here.at_share(there.merge.kept)] if here.merge.share == "auto" else here.points
    differences = [_differing(point, there) for point in points]
    return None if None in differences else differences[0]


def _differing(here: TrialConfig, there: TrialConfig) -> str | None:
    """Return in words the first different field that affects the measurements; None if there is none."""
    wanted, known = dict(_leaves(trial_json(here))), dict(_leaves(trial_json(there)))
    differing = (
        f"{field} {_shown(known.get(field))} instead of {_shown(wanted.get(field))}"
        for field in {**wanted, **known}
        if known.get(field) != wanted.get(field) and field not in ANY
    )
    return next(differing, None)


def _holds(dimension: Dimension, value: Any) -> bool:
    if isinstance(dimension, Choice):
        return any(label == value and type(label) is type(value) for label in dimension.labels)
    return isinstance(value, int | float) and dimension.low <= value <= dimension.high


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted paths of a configuration and their values, lists included."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    if not items:
        yield path, node
    for key, value in items:
        yield from _leaves(value, f"{path}.{key}" if path else str(key))


def _shown(value: Any) -> str:
    return "not set" if value is None else repr(value)
