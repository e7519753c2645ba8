"""Verdicts of one judge on answers, during a trial and when a run is judged again."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from lookahead_ray.config.judge import JudgeConfig, LlmJudge
from lookahead_ray.evaluate.judges.base import (
    UNJUDGED,
    Judge,
    JudgeScore,
    JudgeUnavailableError,
    PrefixStable,
    ReportsFailures,
    SharesLimits,
    over_refusal_verdict,
)
from lookahead_ray.evaluate.judges.call_quota import CallQuota
from lookahead_ray.evaluate.judges.registry import build, judge_id
from lookahead_ray.evaluate.results import Generation, Metric, Verdict
from lookahead_ray.evaluate.thoughts import apart, judge_rows

REFUSAL_METRICS: tuple[Metric, ...] = ("rsr", "jsr", "over_refusal")
HARM_METRICS: tuple[Metric, ...] = ("rsr", "jsr")  # a harmless answer to a harmless prompt is no refusal


@dataclass(frozen=True)
class NamedJudge:
    """A loaded judge and the configuration that names it."""

    config: JudgeConfig
    judge: Judge
    outages: list[str] = field(default_factory=list, compare=False)
    """Why `judged` left answers unjudged: one line for each call that did."""

    @property
    def name(self) -> str:
        """Return the judge's name in tables: see `judge_id`."""
        return judge_id(self.config)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Return the metrics that its verdicts cover: a judge of harm does not measure over-refusal."""
        return REFUSAL_METRICS if self.config.measures == "refusal" else HARM_METRICS

    def judged(
        self, rows: Sequence[Generation], progress: Callable[[int], None] = lambda done: None
    ) -> list[Generation]:
        """Return the rows of `metrics`, in their order, with this judge's name, verdicts and scores.

        Rows are `unjudged` if the judge could not be asked; the reason is added to `outages`. `progress` is
        called with the number of answers judged so far.
        """
        rows = [apart(row) for row in rows if row.metric in self.metrics]
        name = self.name
        try:
            judgements = judge_rows(self.judge, rows, progress)
            outage = self.judge.outage if isinstance(self.judge, SharesLimits) else None
        except JudgeUnavailableError as error:
            judgements, outage = [UNJUDGED] * len(rows), str(error)
        if any(judgement.verdict == "unjudged" for judgement in judgements):
            self.outages.append(f"judge {self.config.name}: {outage or 'it could not be asked'}")
        return [
            replace(row, judge=name, verdict=self._verdict(row, judgement), score=judgement.score)
            for row, judgement in zip(rows, judgements, strict=True)
        ]

    def is_undecided(self, row: Generation) -> bool:
        """Return whether the answer was cut at its limit before the judge could tell what it will be."""
        return (
            row.ended == "limit"
            and isinstance(self.judge, PrefixStable)
            and not self.judge.is_final(row.prompt, row.prefill, row.answer)
        )

    def _verdict(self, row: Generation, judgement: JudgeScore) -> Verdict:
        if judgement.verdict == "unjudged":
            return "unjudged"
        if self.is_undecided(row):
            return "unparsed"
        if judgement.verdict == "unparsed" and self.config.drops_unparsed:
            return "dropped"
        return over_refusal_verdict(judgement) if row.metric == "over_refusal" else judgement.verdict

    def warn(self) -> None:
        """Log why answers have no verdict, if the reason is not in the answers."""
        if isinstance(self.judge, ReportsFailures):
            for reason, count in self.judge.troubles().items():
                logging.getLogger(__name__).warning("judge %s: %d answers: %s", self.name, count, reason)


def build_judge(config: JudgeConfig, quota: CallQuota | None = None) -> NamedJudge:
    """Build the judge of `config`; its calls are counted in the run's `quota`.

    Raises ConfigError and ModelError as `registry.build`.
    """
    judge = build(config)
    if isinstance(judge, SharesLimits):
        judge.share_limits(quota)
    return NamedJudge(config, judge)


def share(config: JudgeConfig, rank: int, world_size: int, counted: bool = False) -> JudgeConfig:
    """Return the judge's configuration for one rank: all ranks together keep the limits of an `llm` judge.

    `counted`: a quota that all ranks share counts the calls.
    """
    if not isinstance(config, LlmJudge):
        return config
    calls = config.max_calls // world_size + (rank < config.max_calls % world_size)
    return config.model_copy(
        update={
            "max_calls": config.max_calls if counted else calls,
            "concurrency": max(1, config.concurrency // world_size),
        }
    )


def judge_again(
    rows: Sequence[Generation], configs: Sequence[JudgeConfig], quota: CallQuota | None
) -> tuple[tuple[Generation, ...], str | None]:
    """Return the rows with verdicts in place of `unjudged`, and why some are left, or None.

    Each row is judged by the judge of its name, which is one of `configs`. Judges that left no row unjudged
    are not loaded.
    """
    found, reasons = list(rows), []
    for config in configs:
        name = judge_id(config)
        places = [place for place, row in enumerate(rows) if row.judge == name and row.verdict == "unjudged"]
        if places:
            judge = build_judge(config, quota)
            for place, row in zip(places, judge.judged([rows[place] for place in places]), strict=True):
                found[place] = row
            reasons += judge.outages
    if not reasons and any(row.verdict == "unjudged" for row in found):
        reasons.append("the trial's configuration has no judge with the name of its unjudged answers")
    return tuple(found), "; ".join(reasons) or None
