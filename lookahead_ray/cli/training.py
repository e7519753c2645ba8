"""The command `train`: one trial as a configuration says, kept as a model directory with a card."""

import os
import shlex
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from lookahead_ray.cli.card import model_card
from lookahead_ray.cli.live import LiveView
from lookahead_ray.cli.report import print_trials
from lookahead_ray.cli.sweeping import default_run, stdout_console
from lookahead_ray.config.dimension import Dimension, Value
from lookahead_ray.config.load import Sweep, content_hash, load_sweep, trial_json
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError, TrialError
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
) -> None:
    """Trains the one trial of the file `path`, which the user called `space`, and writes it to `output`.

    Raises:
        ConfigError: a search dimension is left, `output` holds something, or there is no adapter to write.
        TrialError: the trial failed; it is committed with its error, and `output` is not made.
    """
    # nothing is searched, so points of the search may name dimensions that `overrides` have fixed
    sweep = load_sweep(path, [*overrides, "search.enqueue=[]"])
    config = only_trial(sweep, overrides)
    if adapter and config.training.lora is None:
        raise ConfigError(f"{path}: training.lora: must be set with --adapter, got null")
    check_output(output)
    where = run or default_run(f"train-{sweep.name}-{content_hash(trial_json(config))[:8]}")
    with LiveView(sweep.name, stdout_console()) as view, new_directory(output) as partial:
        # these import torch and Ray, which takes seconds: with the view up
        from lookahead_ray.sweep.preflight import check

        check(sweep, searches=False)
        record = _train(sweep, config, where, partial, adapter, view)
        command = command_line(space, output, adapter, run, overrides)
        (partial / CARD).write_text(model_card(record, adapter, command), encoding="utf-8")
    print_trials(stdout_console(), [record], None)
    report(f"model    {output}")
    report(f"card     {output / CARD}")
    report(f"tables   {where}")


def only_trial(sweep: Sweep, overrides: Sequence[str]) -> TrialConfig:
    """The trial that a file without search dimensions describes; ConfigError naming one that is left."""

    def refuse(dimension: Dimension) -> Value:
        name = dimension.name
        raise ConfigError(
            f"{sweep.source}: {name}: must be one value to train, got a search dimension ({dimension}); "
            f"set it with --set {name}=VALUE"
        )

    return sweep.trial(refuse)


def check_output(output: Path) -> None:
    """ConfigError unless `output` is free: not there, or an empty directory."""
    if output.is_dir() and any(output.iterdir()):
        raise ConfigError(f"--output: must be a new or an empty directory, got {output}, which holds files")
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise ConfigError(f"--output: must be a new or an empty directory, got {output}")


@contextmanager
def new_directory(output: Path) -> Iterator[Path]:
    """A directory to fill, which becomes `output` when all went well; whole or not there.

    If a trial fails after its model was written, the directory stays under its temporary name, and the error
    says where.
    """
    from lookahead_ray.trial.saving import LAST_FILE

    target = output.absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise ConfigError(f"--output: must be a place to write to, got {output}: {error.strerror}") from error
    try:
        yield partial
        partial.chmod(0o755)  # temporary ones are private
        os.replace(partial, target)
    except BaseException as error:
        if isinstance(error, TrialError) and (partial / LAST_FILE).is_file():
            raise TrialError(f"{error}; the trained model, not measured in full, is in {partial}") from error
        shutil.rmtree(partial, ignore_errors=True)
        raise


def command_line(space: str, output: Path, adapter: bool, run: str | None, overrides: Sequence[str]) -> str:
    """The command that trains this model again."""
    words = ["lookahead-ray", "train", space, "--output", str(output)]
    words += ["--adapter"] * adapter + (["--run", run] if run else [])
    for override in overrides:
        words += ["--set", override]
    return shlex.join(words)


def _train(
    sweep: Sweep, config: TrialConfig, where: str, partial: Path, adapter: bool, view: LiveView
) -> TrialRecord:
    """The trial's record, committed; its model is in `partial`."""
    from lookahead_ray import store
    from lookahead_ray.sweep.places import beside
    from lookahead_ray.sweep.single import run_alone
    from lookahead_ray.trial.job import Job, Saving
    from lookahead_ray.trial.label import label

    resolved = trial_json(config)
    identity = store.SweepIdentity.new(f"train {sweep.name}", content_hash(resolved), resolved)
    log = beside(where, "train.log", sweep.name)
    trial_id = f"train-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:4]}"
    job = Job(trial_id, "search", resolved, {}, label(resolved), Saving(str(partial), adapter))
    with store.lock(where):
        opened = store.create(where, identity)
        view.sweep_started(opened.identity.sweep_id, where, 1, [], str(log))
        record = run_alone(job, opened.identity.sweep_id, log, view)
        opened.commit(record)
        view.trial_finished(record)
        view.sweep_finished(interrupted=False)
    if record.status == "failed":
        raise TrialError(record.error or "no error text")
    return record
