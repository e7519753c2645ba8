"""Scores per prompt from generations, and rates with intervals from these scores."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from statsmodels.stats.weightstats import DescrStatsW  # type: ignore[import-untyped]

from lookahead_ray.evaluate.rates import wilson
from lookahead_ray.trial.record import COUNTED

COLUMNS = ("trial_id", "metric", "suite", "attack", "judge", "prompt_id", "verdict", "score")
"""Columns of `generations` that are read."""
TRIAL = ["run", "trial_id", "metric"]
KIND = ["suite", "attack", "judge"]


def prompt_scores(generations: pa.Table) -> pa.Table:
    """Return one score per prompt for each trial and metric.

    Columns: run, trial_id, metric, suite, prompt_id, credit (0..1), whole (is it 0 or 1 by a verdict),
    unparsed. The rows are those of the trial's rate: those with the first row's suite, attack and judge,
    except `dropped` ones. An unparsed answer counts 0: not safe, not correct, not refused.
    """
    text = {name: generations[name].cast(pa.string()) for name in (*TRIAL, *KIND, "prompt_id", "verdict")}
    rows = pa.table({**text, "score": generations["score"]})
    first = rows.group_by(TRIAL, use_threads=False).aggregate([(name, "first") for name in KIND])
    rows = rows.append_column("place", pa.array(range(rows.num_rows), pa.int64()))
    rows = rows.join(
        first,
        [*TRIAL, *KIND],
        [*TRIAL, *(f"{name}_first" for name in KIND)],
        join_type="left semi",
        use_threads=False,
    ).sort_by("place")
    rows = rows.filter(pc.not_equal(rows["verdict"], "dropped"))
    wanted = pa.array(COUNTED.values(), pa.string()).take(
        pc.index_in(rows["metric"].combine_chunks(), pa.array(COUNTED.keys(), pa.string()))
    )
    scored = pc.equal(rows["verdict"], "scored")
    counted = pc.equal(rows["verdict"], pa.chunked_array([wanted])).cast(pa.float64())
    credit = pc.if_else(scored, pc.fill_null(rows["score"].cast(pa.float64()), 0.0), counted)
    kept = rows.select([*TRIAL, "suite", "prompt_id"]).append_column("credit", credit)
    kept = kept.append_column("whole", pc.invert(scored))
    return kept.append_column("unparsed", pc.equal(rows["verdict"], "unparsed"))


@dataclass(frozen=True)
class Answers:
    """A trial's answers to the prompts of one metric, sorted by suite and prompt id."""

    prompts: tuple[tuple[str, str], ...]  # suite, prompt id; one object for all trials with the same prompts
    credit: Any  # np.ndarray of (prompts,), 0..1
    whole: bool  # every credit is 0 or 1 by a verdict
    unparsed: int

    @property
    def rate(self) -> float:
        """Return the mean credit, 0..1."""
        return float(self.credit.mean())


class Scores:
    """Answers by run, trial and metric, from parts of `generations` that contain whole trials."""

    def __init__(self, parts: Iterable[pa.Table]) -> None:
        self._answers: dict[tuple[str, ...], Answers] = {}
        asked: dict[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]] = {}
        for part in parts:
            table = prompt_scores(part)
            table = table.sort_by([(name, "ascending") for name in (*TRIAL, "suite", "prompt_id")])
            groups = table.group_by(TRIAL, use_threads=False).aggregate([([], "count_all")])
            groups = groups.sort_by(
                [(name, "ascending") for name in TRIAL]
            )  # the order of groups differs from that of rows
            start = 0
            for *key, rows in zip(*(column.to_pylist() for column in groups.columns), strict=True):
                own = table.slice(start, rows)
                start += rows
                prompts = tuple(zip(own["suite"].to_pylist(), own["prompt_id"].to_pylist(), strict=True))
                self._answers[tuple(key)] = Answers(
                    asked.setdefault(prompts, prompts),
                    own["credit"].to_numpy(),
                    bool(pc.all(own["whole"]).as_py()),
                    int(pc.sum(own["unparsed"]).as_py()),
                )

    def of(self, run: str, trial_id: str, metric: str) -> Answers | None:
        """Return the trial's answers; None if the metric wasn't measured."""
        return self._answers.get((run, trial_id, metric))


def interval(values: Sequence[float], whole: bool) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a mean in 0..1; (None, None) for one score.

    It is Wilson's if `whole` (every value is 0 or 1 by a verdict), else Student's, cut to 0..1.
    """
    if whole:
        return wilson(round(sum(values)), len(values))
    low, high = student(values)
    return (None, None) if low is None or high is None else (max(low, 0.0), min(high, 1.0))


def student(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Return Student's 95 % interval of a mean; (None, None) for a single value or without variation."""
    if len(values) < 2 or len(set(values)) == 1:
        return None, None
    low, high = DescrStatsW(values).tconfint_mean(alpha=0.05)
    return float(low), float(high)
