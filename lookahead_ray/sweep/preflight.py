"""Checks before Ray starts: the data exists, the model has weights. `hardware` checks the machines.

`describe_sweep` describes a sweep: how it searches, when it ends, what it optimises.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from lookahead_ray import log_capture
from lookahead_ray.config.dimension import corners
from lookahead_ray.config.evaluation import EvaluationConfig
from lookahead_ray.config.judge import ClassifierJudge, GuardJudge, RefusalJudge
from lookahead_ray.config.load import Sweep, content_hash
from lookahead_ray.config.objective import Objective, check_names
from lookahead_ray.config.search import GridSampler, SearchConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.notes import collect_notes
from lookahead_ray.data.suites.attacks import Attack, load_attacks
from lookahead_ray.data.suites.suite import SafetySuite
from lookahead_ray.errors import (
    ConfigError,
    DataError,
    HubDataError,
    HubModelError,
    LookaheadRayError,
    ModelError,
)
from lookahead_ray.evaluate.judges.base import JudgeUnreachableError
from lookahead_ray.evaluate.judges.refusal import load_refusal_classifier
from lookahead_ray.evaluate.judges.registry import can_decide, check_judge
from lookahead_ray.evaluate.safety_prompts import check_measurable, check_parts
from lookahead_ray.model.fingerprint import fingerprint, model_fingerprint
from lookahead_ray.model.load import check_model
from lookahead_ray.objective.base import describe_safety
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.objective.share_choice import MOST_CHOSEN
from lookahead_ray.sweep.checks.merge import describe_other_model
from lookahead_ray.sweep.checks.trials import TrialChecks
from lookahead_ray.sweep.cluster import cluster_address
from lookahead_ray.sweep.search.grid import grid_points
from lookahead_ray.sweep.tracking.requirements import check_trackers

UNAVAILABLE = (HubDataError, HubModelError, JudgeUnreachableError)
"""Errors on what may be available at another time or on another machine."""

FEW_TOKENS = 128
"""Length of an answer, in tokens, below which a verdict on it is often premature."""


@dataclass(frozen=True)
class Preflight:
    """The findings, as one line each for the user."""

    lines: list[str]
    missing: list[str]  # what a sweep needs and is unavailable on this machine now
    hashes: dict[str, str] = field(default_factory=dict)  # in the format of `store.SweepIdentity`
    remarks: list[str] = field(default_factory=list)  # the lines that a running sweep shows too

    def note(self, part: str, digest: str) -> None:
        """Add a content hash; several contents of one part, as in a choice of tasks, are numbered."""
        same = [name for name in self.hashes if name == part or name.startswith(f"{part}[")]
        if digest not in [self.hashes[name] for name in same]:
            self.hashes[f"{part}[{len(same) + 1}]" if same else part] = digest

    def remark(self, lines: Iterable[str]) -> None:
        """Add lines that the user must see before a sweep, each once."""
        new = [line for line in dict.fromkeys(lines) if line not in self.lines]
        self.lines.extend(new)
        self.remarks.extend(new)


class Finding(NamedTuple):
    """The finding for one part of the configuration."""

    part: str  # its path in the configuration, such as `task`
    digest: str  # content hash; empty for a finding about no content
    line: str = ""  # description for the user


def check(sweep: Sweep, searches: bool = True, strict: bool = True, trains: bool = True) -> Preflight:
    """Load the data and the model without its weights, for each task, suite and model in the space.

    Args:
        searches: whether trials will be compared, which needs RSR and JSR of each.
        strict: whether to raise on what would run on another machine or with access to gated data; otherwise
            this is listed in `missing`.
        trains: whether models are trained, or only measured.

    Raises:
        ConfigError: a trial needs a measurement for which there is no data, or a judge that can't be used, or
            the objective needs a rate that a trial does not have.
        DataError: a data file is missing, empty, malformed or too small.
        ModelError: a local model can't be loaded or trained here (see `checks.trials`).
    """
    lines = [f"{sweep.name}: {sweep.search.trials} trials after the seed model and vanilla"]
    lines += describe_sweep(sweep) if searches else ()
    lines += [f"dimension {dimension}" for dimension in sweep.dimensions]
    lines += check_trackers(sweep.tracking, sweep.source)
    found = Preflight(lines, [])
    if searches and (count := sweep.left_out_points):
        points = "1 point" if count == 1 else f"{count} points"
        found.remark([f"search.enqueue: {points} left out, because --set changes a dimension of theirs"])
    with log_capture.into(Path(os.devnull)):  # messages of retries and downloads; the error holds the cause
        _check_corners(sweep, found, searches, strict, TrialChecks(trains))
    return found


def _check_corners(sweep: Sweep, found: Preflight, searches: bool, strict: bool, trials: TrialChecks) -> None:
    """Check each part of each corner of the space, once for each of its values; add to `found`."""
    seen = set()
    for tree in corners(sweep.template):
        config = TrialConfig.model_validate(tree)
        objective = sweep.objective if searches else None
        if objective:
            _check_objective(objective, config, sweep.source)
        resolved = config.model_dump(mode="json")
        checks: tuple[tuple[tuple[str, ...], Callable[[TrialConfig], Iterator[Finding]]], ...] = (
            (("model",), _model),
            (("task",), partial(_task, trials=trials)),
            (("defence",), _defence),
            (("merge",), partial(_merge, trials=trials)),
            (("safety", "evaluation"), partial(_safety, objective=objective, trials=trials)),
            (("evaluation",), _harness),
            (tuple(resolved), partial(_trial, trials=trials)),
        )
        for parts, check_part in checks:
            key = content_hash([resolved.get(part) for part in parts])
            if key in seen:
                continue
            seen.add(key)
            try:
                with collect_notes() as notes:
                    for finding in check_part(config):
                        if finding.digest:
                            found.note(finding.part, finding.digest)
                        if finding.line and finding.line not in found.lines:
                            found.lines.append(finding.line)
                found.remark(notes)
            except (ConfigError, DataError, ModelError) as error:
                elsewhere = isinstance(error, HubModelError) and cluster_address() is not None
                if not elsewhere and (strict or not isinstance(error, UNAVAILABLE)):
                    raise _with_prefix(error, sweep.source) from error
                if str(error) not in found.missing:
                    found.missing.append(str(error))

    found.remark(trials.remarks())


def _with_prefix(error: LookaheadRayError, prefix: str) -> LookaheadRayError:
    """Return an error of the same kind whose message begins with `prefix`."""
    kinds = (HubDataError, HubModelError, DataError, ModelError, ConfigError)
    kind = next(kind for kind in kinds if isinstance(error, kind))
    return kind(f"{prefix}: {error}")


def _check_objective(objective: Objective, config: TrialConfig, source: str) -> None:
    if not config.evaluation.attacks:
        rule = "must hold at least one attack, as a search compares JSR, got none"
        raise ConfigError(f"{source}: evaluation.attacks: {rule}")
    try:
        check_names(objective, config.safety, config.evaluation.attacks)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error


def _model(config: TrialConfig) -> Iterator[Finding]:
    line = f"model {check_model(config.model)}"
    yield Finding("model", model_fingerprint(config.model), line)


def _trial(config: TrialConfig, trials: TrialChecks) -> Iterator[Finding]:
    with suppress(HubDataError):  # `_task` or `_safety` has found the same
        trials.check(config)
    yield from ()


def _task(config: TrialConfig, trials: TrialChecks) -> Iterator[Finding]:
    try:
        task = trials.task(config.task)
    except DataError as error:
        raise _with_prefix(error, "task") from error
    line = f"task {task.name}: {len(task.train)} training and {len(task.test)} test examples"
    yield Finding("task", task.data_hash, line)


def _defence(config: TrialConfig) -> Iterator[Finding]:
    if config.defence.mix and config.defence.mix.path:
        from lookahead_ray.method.safety_mix import read_mix  # methods import torch

        try:
            yield Finding("defence", content_hash(read_mix(config.defence.mix.path)))
        except DataError as error:
            raise DataError(f"defence.mix: {error}") from error


def _merge(config: TrialConfig, trials: TrialChecks) -> Iterator[Finding]:
    if trials.trains and len(config.merge.shares) > 1:
        shares = ", ".join(f"{share:g}" for share in config.merge.shares)
        if config.merge.share == "auto":
            shares = f"1 and up to {MOST_CHOSEN - 1} that the objective chooses"
        yield Finding(
            "merge", "", f"merge {config.merge.name}: each training is measured at the shares {shares}"
        )
    if trials.trains and (found := describe_other_model(config.merge)):
        digest, model = found
        yield Finding("merge", digest, f"merge {config.merge.name}: reads {model} too")


def _safety(config: TrialConfig, objective: Objective | None, trials: TrialChecks) -> Iterator[Finding]:
    suites, attacks = list(map(trials.suite, config.safety)), load_attacks(config.evaluation.attacks)
    check_measurable(suites, attacks, config.evaluation)
    if objective:
        check_parts(objective, suites, attacks, config.evaluation)
    _check_judges(config)
    for suite in suites:
        counts = f"{len(suite.harmful)} harmful and {len(suite.benign)} benign prompts"
        line = f"safety {suite.name}: {counts}{_left_out(suite, attacks, config)}"
        yield Finding(f"safety[{suite.name}]", suite.data_hash, line)
    yield Finding("evaluation.attacks", content_hash([asdict(attack) for attack in attacks]))
    for judge in config.evaluation.judges:
        if isinstance(judge, ClassifierJudge | GuardJudge):
            yield Finding("evaluation.judges", fingerprint(judge.path, judge.revision))
        if isinstance(judge, RefusalJudge) and judge.weights is not None:
            weights = Path(judge.weights).expanduser()
            load_refusal_classifier(weights)
            yield Finding("evaluation.judges", content_hash(weights.read_bytes().hex()))
    yield Finding("evaluation", "", _lengths_text(config.evaluation))


def _harness(config: TrialConfig) -> Iterator[Finding]:
    if config.evaluation.harness:
        from lookahead_ray.evaluate.harness import check_harness

        yield Finding("evaluation", "", check_harness(config.evaluation.harness))


def _lengths_text(config: EvaluationConfig) -> str:
    """Return how long safety answers get, and what a limit costs."""
    if config.stop_when_decided and all(map(can_decide, config.judges)):
        limit = config.safety_limit(decides=True)
        risk = "; many would be unparsed" if limit < FEW_TOKENS else ""
        return f"answers end once their verdict is final; after {limit} tokens they are unparsed{risk}"
    limit = config.safety_limit(decides=False)
    risk = ": refusals and instructions that come later are not seen" if limit < FEW_TOKENS else ""
    return f"answers to safety prompts are cut after {limit} tokens{risk}"


def _left_out(suite: SafetySuite, attacks: tuple[Attack, ...], config: TrialConfig) -> str:
    """Return in words what is not measured on this suite."""
    names = [attack.name for attack in attacks if not attack.applies_to(suite)]
    evaluation = config.evaluation
    if evaluation.kl_tokens and evaluation.kl_on == "openings" and not suite.has_openings:
        names.append("KL")
    if suite.benign and not any(judge.measures == "refusal" for judge in evaluation.judges):
        names.append("over-refusal")
    return f"; without {', '.join(names)}" if suite.harmful and names else ""


def _check_judges(config: TrialConfig) -> None:
    """Check each judge without loading weights, if the workers share this process's files and environment."""
    for index, judge in enumerate(config.evaluation.judges):
        if cluster_address():
            continue
        try:
            check_judge(judge)
        except (ConfigError, ModelError) as error:
            raise type(error)(f"evaluation.judges.{index}: {error}") from error


def describe_sweep(sweep: Sweep) -> Iterator[str]:
    """Yield lines for the user. Raises ConfigError if a grid's size can't be run."""
    yield f"search: {'; '.join(_search_text(sweep))}"
    safety = describe_safety(sweep.objective.safety)
    yield f"objective: {make_objective(sweep.objective).describe()}; safety is {safety}"
    for name, ask in sweep.missing_openings.items():
        yield (
            f"{name}: up to {ask.model_openings} openings of the seed model's answers to {ask.prompts} "
            f"training prompts, {ask.tokens} tokens each; generated before the search begins"
        )


def _search_text(sweep: Sweep) -> Iterator[str]:
    search = sweep.search
    grid = f" over {len(grid_points(sweep))} points" if isinstance(search.sampler, GridSampler) else ""
    yield f"{search.sampler.name} sampler{grid} with random seed {search.seed}"
    yield f"ends after {_end_text(search)}"
    if search.warm_start:
        yield f"learns from {', '.join(search.warm_start)}"
    if stopping := search.stopping:
        share = f"the best {1 / stopping.reduction:.0%} go on"
        yield f"stops weak trials early from epoch {stopping.grace_epochs} on, {share}"
    if search.measure == "sequential":
        yield "measures a point on the rest of the prompts only while it can still be among the best"
    if confirm := search.confirm:
        yield f"repeats the best {confirm.candidates}, with up to {confirm.seeds} more random seeds"


def _end_text(search: SearchConfig) -> str:
    budget = search.budget
    limits = [f"{search.trials} trials"]
    if budget.hours is not None:
        limits.append(f"{budget.hours:g} h")
    if budget.accelerator_hours is not None:
        limits.append(f"{budget.accelerator_hours:g} accelerator hours")
    if budget.plateau is not None:
        gain, trials = budget.plateau.gain, budget.plateau.trials
        limits.append(f"{trials} trials with less than {100 * gain:g} % more hypervolume")
    return " or ".join(limits) + (", whichever comes first" if len(limits) > 1 else "")
