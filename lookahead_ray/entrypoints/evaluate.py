"""The command `evaluate`: measures one model and stores what it measured."""

import json
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from lookahead_ray.config.load import Sweep, content_hash, load_sweep, trial_json, validate_tree
from lookahead_ray.config.objective import WeightedObjective
from lookahead_ray.config.search import SearchConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.suites.registry import load_suite
from lookahead_ray.entrypoints.sweep import default_run, stdout_console
from lookahead_ray.presentation.terminal import print_trials


def evaluate_and_report(
    model: str,
    path: Path | None,
    chosen: Sequence[str],
    run: str | None,
    overrides: Sequence[str],
    report: Callable[[str], None],
) -> None:
    """Measures `model`, without training; commits a trial of role `evaluate`.

    What is measured says the space in `path`, or the defaults if that is None; then `chosen`, which are the
    overrides that --suite, --task and --judge stand for; then `overrides`.
    """
    # Quoted, as overrides are YAML: a directory may be called 123.
    settings = [*chosen, *overrides, f"model.path={json.dumps(model, ensure_ascii=False)}"]
    # nothing is searched, so points of the search may name dimensions that `overrides` have fixed
    sweep = load_sweep(path, [*settings, "search.enqueue=[]"]) if path else _defaults(settings)
    config = sweep.reference()
    # Models measured the same way share a run; what is trained does not matter here.
    measured = {name: trial_json(config)[name] for name in ("task", "safety", "evaluation")}
    suffix = f"-{content_hash(measured)[:8]}" if chosen else ""
    where = run or default_run(f"evaluate-{sweep.name}{suffix}")
    from lookahead_ray import store
    from lookahead_ray.sweep.preflight import check
    from lookahead_ray.sweep.run_files import local_run_file

    hashes = {
        name: digest
        for name, digest in check(sweep, searches=False).hashes.items()
        if name.startswith(tuple(measured))
    }
    identity = store.SweepIdentity.new(f"evaluate {sweep.name}", content_hash(measured), measured, hashes)
    from lookahead_ray.sweep.evaluate_model import evaluate_model

    log = local_run_file(where, "evaluate.log", sweep.name)
    with store.lock(where):
        opened = store.create(where, identity)
        trial_id = f"evaluate-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:4]}"
        record = evaluate_model(config, opened.identity.sweep_id, trial_id, log, report)
        opened.commit(record)
    print_trials(stdout_console(), [record], None)
    report(f"tables: {where}")


def _defaults(settings: Sequence[str]) -> Sweep:
    """A space without dimensions, of defaults and `settings`; the task is word_problems unless they say.

    KL is left out, as the model is its own seed, and so is JSR by default where no suite has openings.
    """
    base = ["task={name: word_problems}", "evaluation.kl_tokens=0"]
    config = validate_tree(TrialConfig, [*base, *settings])
    if not any(load_suite(suite).has_openings for suite in config.safety):
        config = validate_tree(TrialConfig, [*base, "evaluation.attacks=[]", *settings])
    return Sweep("evaluate", "model", trial_json(config), SearchConfig(), WeightedObjective())
