"""The command `evaluate`: measures one model and stores the results."""

import json
import shlex
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer

from lookahead_ray.config.load import Sweep, content_hash, load_sweep, trial_json, validate_tree
from lookahead_ray.config.objective import WeightedObjective
from lookahead_ray.config.search import SearchConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.suites.registry import load_suite
from lookahead_ray.entrypoints import errors
from lookahead_ray.entrypoints.chat_date import fix_chat_date
from lookahead_ray.entrypoints.sweep import default_run, stdout_console
from lookahead_ray.presentation.harness_table import print_harness
from lookahead_ray.presentation.judge_calls import unjudged_line
from lookahead_ray.presentation.terminal import print_trials


def evaluate_and_report(
    model: str,
    path: Path | None,
    chosen: Sequence[str],
    run: str | None,
    overrides: Sequence[str],
    report: Callable[[str], None],
) -> None:
    """Measure `model`, without training, and commit a trial of role `evaluate`.

    The measurement is configured by the space in `path`, or by defaults if it is None; then by `chosen`, the
    overrides from --suite, --task and --judge; then by `overrides`.
    """
    # Quoted, because overrides are YAML and a directory may have a name such as 123.
    settings = [*chosen, *overrides, f"model.path={json.dumps(model, ensure_ascii=False)}"]
    # nothing is searched, so the points in search.enqueue may name dimensions that `overrides` have fixed
    sweep = load_sweep(path, [*settings, "search.enqueue=[]"]) if path else _defaults(settings)
    config = sweep.reference()
    # Models that are measured in the same way share a run; the training configuration is irrelevant here.
    measured = {name: trial_json(config)[name] for name in ("task", "safety", "evaluation")}
    suffix = f"-{content_hash(measured)[:8]}" if chosen else ""
    where = run or default_run(f"evaluate-{sweep.name}{suffix}")
    from lookahead_ray import store
    from lookahead_ray.sweep.preflight import check
    from lookahead_ray.sweep.run_files import local_run_file

    hashes = {
        name: digest
        for name, digest in check(sweep, searches=False, trains=False).hashes.items()
        if name.startswith(tuple(measured))
    }
    identity = store.SweepIdentity.new(f"evaluate {sweep.name}", content_hash(measured), measured, hashes)
    from lookahead_ray.sweep.evaluate_model import evaluate_model

    config = fix_chat_date(sweep, where).reference()
    log = local_run_file(where, "evaluate.log", sweep.name)
    with store.lock(where) as hold:
        opened = store.create(where, identity, hold)
        trial_id = f"evaluate-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:4]}"
        record = evaluate_model(config, opened.identity.sweep_id, trial_id, log, report)
        opened.commit(record)
    print_trials(stdout_console(), [record], None)
    print_harness(stdout_console(), [record])
    report(f"tables: {where}")
    if record.status == "unjudged":
        again = shlex.join(["lookahead-ray", "rejudge", where])
        errors.print_to_stderr(f"error: {unjudged_line([record])}; judge them later with: {again}")
        raise typer.Exit(errors.EXIT_UNKNOWN)


def _defaults(settings: Sequence[str]) -> Sweep:
    """Return a space without dimensions from defaults and `settings`; the default task is word_problems.

    By default KL is not measured, because the model is its own seed model; nor is JSR if no suite has
    openings.
    """
    base = ["task={name: word_problems}", "evaluation.kl_tokens=0"]
    config = validate_tree(TrialConfig, [*base, *settings])
    if not any(load_suite(suite).has_openings for suite in config.safety):
        config = validate_tree(TrialConfig, [*base, "evaluation.attacks=[]", *settings])
    return Sweep("evaluate", "model", trial_json(config), SearchConfig(), WeightedObjective())
