"""The command `align`: trains an adapter with which a model refuses, measured before and after."""

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer
import yaml

from lookahead_ray.config.align import COMMAND, AlignConfig, load_align
from lookahead_ray.config.load import Sweep, content_hash, trial_json
from lookahead_ray.config.model import ModelConfig
from lookahead_ray.config.objective import WeightedObjective
from lookahead_ray.config.search import SearchConfig
from lookahead_ray.entrypoints import errors
from lookahead_ray.entrypoints.chat_date import fix_chat_date
from lookahead_ray.entrypoints.model_directory import check_output, new_directory
from lookahead_ray.entrypoints.sweep import default_run, stdout_console
from lookahead_ray.errors import (
    ConfigError,
    InfrastructureError,
    LookaheadRayError,
    ModelError,
    StoreError,
    TrialError,
)
from lookahead_ray.presentation.alignment_table import print_alignment
from lookahead_ray.presentation.judge_calls import unjudged_line


@dataclass(frozen=True)
class AlignOptions:
    """The options of the command.

    Attributes:
        model: as `model.path`; None for the embedded model without its adapter.
        merged: whether to write the merged model too.
        measures: the options --suite, --task and --judge as given, for the commands that are printed.
        chosen: the overrides that these stand for.
    """

    output: Path
    model: str | None = None
    merged: bool = False
    recoveries: bool = True
    run: str | None = None
    measures: Sequence[str] = ()
    chosen: Sequence[str] = ()
    overrides: Sequence[str] = ()

    @property
    def settings(self) -> list[str]:
        """Return all settings as `path=value`."""
        # Quoted, because overrides are YAML and a directory may have a name such as 123.
        model = [] if self.model is None else [f"model.path={json.dumps(self.model, ensure_ascii=False)}"]
        return [*self.chosen, *self.overrides, *([] if self.recoveries else ["recoveries=false"]), *model]

    @property
    def command(self) -> str:
        """Return the command that makes this adapter again."""
        words = ["lookahead-ray", COMMAND]
        words += ["--model", self.model] if self.model is not None else []
        words += ["--output", str(self.output), *(["--merged"] if self.merged else [])]
        words += [] if self.recoveries else ["--no-recoveries"]
        words += ["--run", self.run] if self.run else []
        words += [*self.measures, *(word for one in self.overrides for word in ("--set", one))]
        return shlex.join(words)

    @property
    def evaluation(self) -> list[str]:
        """Return the options of `evaluate` for about the same measurement."""
        kept = [one for one in self.overrides if one.startswith(("task", "safety", "evaluation"))]
        suite = [] if "--suite" in self.measures else ["--suite", "probe"]
        return [*self.measures, *suite, *(word for one in kept for word in ("--set", one))]


def align_and_report(options: AlignOptions, report: Callable[[str], None]) -> None:
    """Align a model: measure it, train an adapter, write it, and measure the model with it.

    The measurements are committed to a run. An interrupted alignment continues with the same command, or with
    another `output`, from what the run's directory holds.

    Raises:
        ConfigError: a setting is invalid, or does not suit model or machine, or `output` is not empty.
        LookaheadRayError: the data or the model can't be used, or the run or `output` can't be written.
        TrialError: training diverged or ran out of memory.
    """
    requested = load_align(options.settings)
    check_output(options.output)
    sweep = _as_sweep(requested)
    from lookahead_ray.sweep.preflight import check

    found = check(sweep, searches=False, trains=False)
    for line in found.remarks:
        report(line)
    tree = requested.model_dump(mode="json")
    where = options.run or default_run(f"{COMMAND}-{content_hash([tree, found.hashes])[:8]}")
    sweep = fix_chat_date(sweep, where)
    config, reason = _resolve(requested, sweep, where)
    report(reason)
    for line in _check(config):
        report(line)
    from lookahead_ray import store
    from lookahead_ray.entrypoints.alignment import MERGED, Alignment

    precision = config.training.precision
    identity = store.SweepIdentity.new(
        COMMAND, content_hash(tree), tree, found.hashes, precision, chat_date=sweep.chat_date
    )
    with (
        store.lock(where) as hold,
        new_directory(options.output, False, options.evaluation) as made,
        _continues(options),
    ):
        opened = store.create(where, identity, hold)
        alignment = Alignment(config, options.output, options.merged, options.command, opened, made, report)
        before, after = alignment.run()
    console = stdout_console()
    print_alignment(console, before, after)
    report(f"adapter     {options.output}")
    if options.merged:
        report(f"merged      {options.output / MERGED}")
    report(f"provenance  {options.output / 'provenance.json'}")
    report(f"tables      {where}")
    report(f"in a space  {use_line(options.output, config.model)}")
    if waiting := unjudged_line([before, after]):
        again = shlex.join(["lookahead-ray", "rejudge", where])
        errors.print_to_stderr(f"error: {waiting}; judge them later with: {again}")
        raise typer.Exit(errors.EXIT_UNKNOWN)


def use_line(output: Path, model: ModelConfig) -> str:
    """Return the line of a space file that takes the adapter in `output`."""
    fields = {"path": str(output), **({"protocol": "paper"} if model.protocol == "paper" else {})}
    flow = yaml.safe_dump(fields, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
    return f"model: {flow.strip()}"


def _as_sweep(config: AlignConfig) -> Sweep:
    return Sweep(COMMAND, "model", trial_json(config.trial), SearchConfig(), WeightedObjective())


def _resolve(config: AlignConfig, sweep: Sweep, run: str) -> tuple[AlignConfig, str]:
    """Return `config` without `auto` and with the run's chat date, and a line on where and how it runs.

    The precision is that with which `run` began, if it exists.
    """
    from lookahead_ray import store
    from lookahead_ray.hardware.node import describe_local_node
    from lookahead_ray.sweep.evaluate_model import resolve_for_evaluation

    trial = config.trial
    began_with = store.precision_of(run) if config.training.precision == "auto" else None
    if began_with:
        training = trial.training.model_copy(update={"precision": began_with})
        trial = trial.model_copy(update={"training": training})
    resolved, reason = resolve_for_evaluation(trial, describe_local_node())
    reason = f"{began_with}: as this alignment began" if began_with else reason
    device = "one GPU" if resolved.gpus_per_worker else "CPU cores"
    changes = {
        "model": sweep.reference().model,
        "training": resolved.training,
        "gpus_per_worker": min(resolved.resources.gpus_per_worker, 1.0),
    }
    return config.model_copy(update=changes), f"trains on {device}, {reason}"


def _check(config: AlignConfig) -> Iterator[str]:
    """Yield lines on the training's memory. Raises ConfigError if it can't run with the model or here."""
    from lookahead_ray.hardware.node import describe_local_node
    from lookahead_ray.model.outline import outline_model
    from lookahead_ray.sweep.checks.lora import check_training_modules
    from lookahead_ray.sweep.checks.machine import check_machine

    trial = config.trial.model_copy(update={"workers": 1, "cpus_per_worker": 1.0})
    try:
        check_training_modules(trial, outline_model(trial.model))
    except (ConfigError, ModelError) as error:
        raise type(error)(f"{COMMAND}: {error}") from error
    yield from check_machine(trial, describe_local_node(), is_local=True, source=COMMAND)


@contextmanager
def _continues(options: AlignOptions) -> Iterator[None]:
    """Add to interruptions and errors of the infrastructure in the block how the alignment continues."""
    try:
        yield
    except FloatingPointError as error:
        raise TrialError(str(error)) from error
    except BaseException as error:
        fails_again = isinstance(error, LookaheadRayError)
        if not fails_again or isinstance(error, (StoreError, InfrastructureError)):
            error.add_note(f"continue with: {options.command}")
        raise
