"""The command `rejudge`: scores a run's stored answers again; trains and generates nothing."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import typer

from lookahead_ray.entrypoints import errors
from lookahead_ray.entrypoints.judge_options import judge_config, trouble_lines
from lookahead_ray.entrypoints.sweep import stdout_console
from lookahead_ray.entrypoints.unjudged import complete_unjudged
from lookahead_ray.errors import StoreError
from lookahead_ray.evaluate.judges.base import JudgeUnavailableError
from lookahead_ray.evaluate.judges.call_quota import RunQuota
from lookahead_ray.evaluate.judging import REFUSAL_METRICS, NamedJudge, build_judge
from lookahead_ray.evaluate.rates import rate
from lookahead_ray.presentation.terminal import print_recommendation, print_trials
from lookahead_ray.presentation.trials_table import trial_label
from lookahead_ray.store import open as open_run
from lookahead_ray.store import write_verdicts
from lookahead_ray.trial.record import TrialRecord


def rejudge_and_report(
    run: str, name: str | None, overrides: Sequence[str], report: Callable[[str], None]
) -> None:
    """Judge every trial of `run` with the judge `name`, store the verdicts and print the rates.

    Without a name, answers whose judge was down are judged by it, and their trials are completed.
    """
    if name is None:
        complete_and_report(run, overrides, report)
        return
    config = judge_config(name, overrides)
    records = [record for record in open_run(run).records() if record.generations]
    if not records:
        raise StoreError(f"{run}: no trial with stored answers is committed")
    judge = build_judge(config, RunQuota(run))
    judged = [rejudge(run, record, judge) for record in records]
    print_trials(stdout_console(), judged, None)
    dropped = sum(item.verdict == "dropped" for record in judged for item in record.generations)
    if dropped:
        report(f"protocol paper: {dropped} answers without a verdict are not counted in n")
    for line in trouble_lines(judge.judge):
        report(line)
    report(f"verdicts {run.rstrip('/')}/verdicts/{judge.name}")


def complete_and_report(run: str, overrides: Sequence[str], report: Callable[[str], None]) -> None:
    """Complete the unjudged trials of `run` and print the run; exit with an error if some are left."""
    found = complete_unjudged(run, overrides)
    for record in found.completed:
        report(f"completed: {trial_label(record)}")
    if found.recommendation:
        print_trials(stdout_console(), found.records, found.recommendation)
        print_recommendation(stdout_console(), found.records, found.recommendation)
    else:
        print_trials(stdout_console(), found.records, None)
    if any(record.role == "search" for record in found.completed):
        report("a further sweep with --resume tells the search")
    left = sum(record.status == "unjudged" for record in found.records)
    if left:
        errors.print_to_stderr(f"error: {left} of {len(found.records)} trials stay unjudged: {found.reason}")
        raise typer.Exit(errors.EXIT_UNKNOWN)


def rejudge(run: str, record: TrialRecord, judge: NamedJudge) -> TrialRecord:
    """Store new verdicts next to the trial's tables and return the trial with them and the new rates.

    Every safety answer that the judge covers is judged once, however many judges scored it before. A refusal
    judge covers answers to harmful and benign prompts, a harm judge only those to harmful prompts. Answers
    that are not judged are left out, as is utility.
    """
    answers: dict[tuple[str, ...], int] = {}  # key of the prompt -> index of its answer's first row
    for place, item in enumerate(record.generations):
        if item.metric in judge.metrics:
            answers.setdefault((item.metric, item.suite, item.attack, item.prompt_id), place)
    rows = judge.judged([record.generations[place] for place in answers.values()])
    if rows and all(row.verdict == "unjudged" for row in rows) and judge.outages:
        raise JudgeUnavailableError(judge.outages[-1].removeprefix(f"judge {judge.config.name}: "))
    write_verdicts(
        run, record, judge.name, judge.config.decisive(), list(zip(answers.values(), rows, strict=True))
    )
    rsr, jsr, over_refusal = (rate(rows, metric) for metric in REFUSAL_METRICS)
    return replace(
        record.with_measured(generations=tuple(rows)),
        rsr=rsr,
        jsr=jsr,
        over_refusal=over_refusal,
        utility=None,
        safety=(rsr.value + jsr.value) / 2 if rsr and jsr else None,
        objective=None,
    )
