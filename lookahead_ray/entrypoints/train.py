"""The command `train`: runs the one trial of a configuration and keeps its model, with a model card."""

import shlex
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lookahead_ray.config.dimension import Dimension, Value
from lookahead_ray.config.load import Sweep, content_hash, load_sweep, trial_json
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.entrypoints.hub_upload import HubTarget, check_target, upload
from lookahead_ray.entrypoints.model_directory import NewDirectory, check_output, new_directory
from lookahead_ray.entrypoints.sweep import default_run, fit_to_machines, stdout_console
from lookahead_ray.errors import ConfigError, StoreError, TrialError
from lookahead_ray.presentation.harness_table import print_harness
from lookahead_ray.presentation.live_view import LiveView
from lookahead_ray.presentation.model_card import model_card
from lookahead_ray.presentation.terminal import print_trials
from lookahead_ray.trial.label import label
from lookahead_ray.trial.progress import TrialProgress
from lookahead_ray.trial.record import TrialRecord

CARD = "README.md"


def train_and_report(
    path: Path,
    space: str,
    output: Path,
    adapter: bool,
    run: str | None,
    overrides: Sequence[str],
    report: Callable[[str], None],
    push: HubTarget | None = None,
) -> None:
    """Train the one trial of the file `path` and write the model to `output`.

    A completely written model is never deleted; see `new_directory`.

    Args:
        space: `path` as given by the user, for the command in the model card.
        adapter: whether to write only the LoRA adapter.
        run: directory or URL of the tables; None for the default.
        push: where the model is uploaded to in the end.

    Raises:
        ConfigError: the file has a search dimension or a merge with several shares, `output` is not empty,
            there is no adapter to write, or `push` is not possible.
        TrialError: the trial failed; it is committed with its error, and `output` is not created.
        StoreError: the tables, the card or `output` can't be written, or the upload failed.
    """
    # nothing is searched, so the points in search.enqueue may name dimensions that `overrides` have fixed
    sweep = load_sweep(path, [*overrides, "search.enqueue=[]"])
    sweep = replace(sweep, search=sweep.search.model_copy(update={"max_concurrent": 1}))  # one has all cores
    config = only_trial(sweep, overrides)
    if len(config.merge.shares) > 1:
        got = "auto" if config.merge.share == "auto" else f"the list {list(config.merge.shares)}"
        raise ConfigError(f"{path}: merge.share: must be one number to train, got {got}")
    if adapter and config.training.lora is None:
        raise ConfigError(f"{path}: training.lora: must be set with --adapter, got null")
    check_output(output)
    if push:
        check_target(push)
    where = run or default_run(f"train-{sweep.name}-{content_hash(trial_json(config))[:8]}")

    def card(record: TrialRecord) -> str:
        return model_card(record, adapter, command_line(space, output, adapter, run, overrides, push))

    with new_directory(output, adapter, evaluation_words(space, overrides)) as model:
        with LiveView(sweep.name, stdout_console()) as view:
            # importing torch and Ray takes seconds, so it happens after the view has started
            from lookahead_ray.sweep.preflight import check

            for line in check(sweep, searches=False).remarks:
                view.preparing(line)
            requested = trial_json(config)
            config = only_trial(fit_to_machines(sweep, where, view.preparing), overrides)
            record = _train(sweep, requested, config, where, model, card, view)
        print_trials(stdout_console(), [record], None)
        print_harness(stdout_console(), [record])
        report(f"model    {output}")
        report(f"card     {output / CARD}")
        report(f"tables   {where}")
    if push:
        report(f"hub      {upload(push, output, label(record.config))}")


def only_trial(sweep: Sweep, overrides: Sequence[str]) -> TrialConfig:
    """Return the trial of a file without search dimensions. Raises ConfigError naming a dimension."""

    def refuse(dimension: Dimension) -> Value:
        name = dimension.name
        value = sweep.reference_value(dimension)
        text = f"{value:.3g}" if isinstance(value, float) else str(value)
        example = f"such as --set {name}={text}" if text == shlex.quote(text) else f"with --set {name}=VALUE"
        raise ConfigError(
            f"{sweep.source}: {name}: must be one value to train, got a search dimension ({dimension}); "
            f"set it, {example}"
        )

    return sweep.trial(refuse)


def evaluation_words(space: str, overrides: Sequence[str]) -> list[str]:
    """Return the options of `evaluate` for the same measurements as in a training of `space`."""
    return ["--space", space, *(word for override in overrides for word in ("--set", override))]


def command_line(
    space: str,
    output: Path,
    adapter: bool,
    run: str | None,
    overrides: Sequence[str],
    push: HubTarget | None = None,
) -> str:
    """Return the command that trains this model again."""
    words = ["lookahead-ray", "train", space, "--output", str(output)]
    if adapter:
        words.append("--adapter")
    if run:
        words += ["--run", run]
    words += push.words() if push else []
    for override in overrides:
        words += ["--set", override]
    return shlex.join(words)


def _train(
    sweep: Sweep,
    requested: dict[str, Any],
    config: TrialConfig,
    where: str,
    model: NewDirectory,
    card: Callable[[TrialRecord], str],
    view: LiveView,
) -> TrialRecord:
    """Train, measure and commit one trial, and finish the directory of its model with its `card`.

    A measured model is renamed to its target before its tables are written, and even if its card can't be
    written.

    Args:
        requested: the configuration before `auto` was replaced by values; it identifies the run.
        config: the configuration that is trained.
    """
    from lookahead_ray import store
    from lookahead_ray.sweep.run_files import local_run_file
    from lookahead_ray.sweep.run_one import run_alone
    from lookahead_ray.sweep.tracking.trackers import Trackers
    from lookahead_ray.trial.job import Job, Saving
    from lookahead_ray.trial.label import label

    name, resolved = sweep.name, trial_json(config)
    identity = store.SweepIdentity.new(
        f"train {name}", content_hash(requested), requested, precision=config.training.precision
    )
    log = local_run_file(where, "train.log", name)
    trial_id = f"train-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:4]}"
    job = Job(
        trial_id,
        "search",
        resolved,
        {},
        label(resolved),
        Saving(str(model.path), model.adapter),
        hang_minutes=sweep.search.hang_minutes,
    )
    with store.lock(where) as hold:
        opened = store.create(where, identity, hold)
        view.sweep_started(opened.identity.sweep_id, where, 1, [], str(log))
        view.trial_started(job.trial_id, job.role, job.label)

        def show(progress: TrialProgress) -> None:
            view.trial_progress(trial_id, progress)

        sweep_id = opened.identity.sweep_id
        trackers = Trackers(sweep.tracking, where, name, sweep_id)
        record = run_alone(job, sweep_id, log, show, trackers)
        problem = _finish(model, card, record) if record.status != "failed" else None
        try:
            opened.commit(record)
        except Exception as error:
            if problem:
                error.add_note(str(problem))
            raise
        view.trial_finished(record)
        view.sweep_finished(interrupted=False)
    if record.status == "failed":
        raise TrialError(record.error or "no error text")
    if problem:
        raise problem
    return record


def _finish(model: NewDirectory, card: Callable[[TrialRecord], str], record: TrialRecord) -> Exception | None:
    """Write the card of a measured model and rename its directory; return the error if one of them failed."""
    model.measured = True
    problem: Exception | None = None
    file = model.path / CARD
    try:
        file.write_text(card(record), encoding="utf-8")
    except OSError as error:
        with suppress(OSError):
            file.unlink()  # it is incomplete
        problem = StoreError(f"{model.target / CARD}: cannot be written: {error.strerror}")
    except Exception as error:
        problem = error
    try:
        model.finish()
    except OSError as error:
        problem = StoreError(f"--output: {model.target} cannot be made: {error.strerror}")
    return problem
