"""The command `evaluate`: measures one model and stores what it measured."""

import json
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from lookahead_ray import chatter
from lookahead_ray.cli.report import print_trials
from lookahead_ray.cli.sweeping import default_run, stdout_console
from lookahead_ray.config.load import content_hash, load_sweep, trial_json


def evaluate_and_report(
    model: str, path: Path, run: str | None, overrides: Sequence[str], report: Callable[[str], None]
) -> None:
    """Measures `model` as the space in `path` says, without training; commits a trial of role `evaluate`."""
    # Quoted, as overrides are YAML: a directory may be called 123.
    sweep = load_sweep(path, [*overrides, f"model.path={json.dumps(model)}"])
    where = run or default_run(f"evaluate-{sweep.name}")
    from lookahead_ray import store
    from lookahead_ray.sweep.places import beside
    from lookahead_ray.sweep.preflight import check

    check(sweep)
    config = sweep.reference()
    # Models measured the same way share a run; what is trained does not matter here.
    measured = [config.task.model_dump(), config.safety.model_dump(), config.evaluation.model_dump()]
    identity = store.SweepIdentity.new(f"evaluate {sweep.name}", content_hash(measured), trial_json(config))
    opened = store.create(where, identity)
    from lookahead_ray.trial.evaluate_model import evaluate_model

    with opened.lock(), chatter.into(beside(where, "evaluate.log", sweep.name)):
        trial_id = f"evaluate-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:4]}"
        record = evaluate_model(config, opened.identity.sweep_id, trial_id, report)
        opened.commit(record)
    print_trials(stdout_console(), [record], None)
    report(f"tables: {where}")
