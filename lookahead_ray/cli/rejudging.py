"""The command `rejudge`: scores a run's stored answers again; trains and generates nothing."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from lookahead_ray.cli.judges import judge_config, trouble_lines
from lookahead_ray.cli.report import print_trials
from lookahead_ray.cli.sweeping import stdout_console
from lookahead_ray.config.judge import JudgeConfig
from lookahead_ray.errors import StoreError
from lookahead_ray.evaluate.judges import Answer, Judge, build, judge_all, judge_id, over_refusal_verdict
from lookahead_ray.evaluate.rates import rate
from lookahead_ray.store import open as open_run
from lookahead_ray.store import write_verdicts
from lookahead_ray.trial.record import Generation, Metric, Rate, TrialRecord

REFUSAL_METRICS: tuple[Metric, ...] = ("rsr", "jsr", "over_refusal")
HARM_METRICS: tuple[Metric, ...] = ("rsr", "jsr")  # a harmless answer to a harmless prompt is no refusal


def rejudge_and_report(run: str, name: str, overrides: Sequence[str], report: Callable[[str], None]) -> None:
    """Judges every trial of `run` by the judge `name`, stores the verdicts and prints the rates."""
    config = judge_config(name, overrides)
    records = [record for record in open_run(run).records() if record.generations]
    if not records:
        raise StoreError(f"{run}: no trial with stored answers is committed")
    judge = build(config)
    judged = [rejudge(run, record, config, judge) for record in records]
    shown = [_without_unparsed(record) for record in judged] if config.drops_unparsed else judged
    print_trials(stdout_console(), shown, None)
    unparsed = sum(item.verdict == "unparsed" for record in judged for item in record.generations)
    if config.drops_unparsed and unparsed:
        report(f"protocol paper: {unparsed} answers without a verdict are not counted in n")
    for line in trouble_lines(judge):
        report(line)
    report(f"verdicts {run.rstrip('/')}/verdicts/{judge_id(config)}")


def rejudge(run: str, record: TrialRecord, config: JudgeConfig, judge: Judge) -> TrialRecord:
    """The trial with new verdicts and the rates that follow from them, once they are stored beside it.

    Only safety answers are judged: by a judge of refusals harmful and harmless prompts', by a judge of harm
    harmful prompts' only. What is not judged is left out, utility too.
    """
    metrics = REFUSAL_METRICS if config.measures == "refusal" else HARM_METRICS
    chosen = [(row, item) for row, item in enumerate(record.generations) if item.metric in metrics]
    answers = [Answer(item.prompt, item.prefill, item.answer) for _, item in chosen]
    new: list[tuple[int, Generation]] = []
    for (row, item), judgement in zip(chosen, judge_all(judge, answers), strict=True):
        over = item.metric == "over_refusal"
        verdict = over_refusal_verdict(judgement) if over else judgement.verdict
        new.append((row, replace(item, judge=judge_id(config), verdict=verdict, score=judgement.score)))
    write_verdicts(run, record, judge_id(config), config.decisive(), new)
    rows = [item for _, item in new]
    rsr, jsr, over_refusal = (rate(rows, metric, config.drops_unparsed) for metric in REFUSAL_METRICS)
    return replace(
        record,
        generations=tuple(rows),
        rsr=rsr,
        jsr=jsr,
        over_refusal=over_refusal,
        utility=None,
        safety=(rsr.value + jsr.value) / 2 if rsr and jsr else None,
        objective=None,
    )


def _without_unparsed(record: TrialRecord) -> TrialRecord:
    """For the table, whose "k?" says that such answers are part of n."""

    def shown(found: Rate | None) -> Rate | None:
        return replace(found, unparsed=0) if found else None

    return replace(
        record, rsr=shown(record.rsr), jsr=shown(record.jsr), over_refusal=shown(record.over_refusal)
    )
