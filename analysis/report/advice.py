"""The recommendation by the run's objective, from `lookahead_ray.sweep.recommend.recommend`."""

from dataclasses import dataclass, field

import pyarrow as pa
from pydantic import ValidationError

from analysis.report.frame import completed, ranked, searched
from analysis.report.source import Source
from lookahead_ray.config.objective import HasObjective
from lookahead_ray.errors import ConfigError
from lookahead_ray.objective.search_objective import SCALAR_COLUMNS
from lookahead_ray.sweep.recommend.recommend import recommend
from lookahead_ray.sweep.recommend.recommendation import Comparison
from lookahead_ray.trial.record import TrialRecord

MOST_ROWS = 200_000
"""Maximum number of generations read for the recommendation, which needs all answers of each trial."""
MOST_TRIALS = 200


@dataclass(frozen=True)
class Advice:
    """The recommendation. `limits` is a sentence on the trials that it leaves out, or ""."""

    sentence: str
    trial_id: str | None = None
    alike: tuple[str, ...] = ()
    front: tuple[str, ...] = ()
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    limits: str = ""
    ranked_by: str = SCALAR_COLUMNS.ranked_by  # in what those in `alike` are alike


def advise(source: Source, frame: pa.Table) -> Advice:
    """Return the recommendation over all trials, or over the best if all have more than `MOST_ROWS` rows."""
    settings = source.identity.config.get("objective")
    if settings is None:
        return Advice("Nothing is recommended, as this run has no objective.")
    if searched(frame).num_rows == 0:
        return Advice("Nothing is recommended, as no trial of the search was completed.")
    try:
        objective = HasObjective.model_validate({"objective": settings}).objective
        ids, limits = _compared(source, frame)
        found = recommend(_distinct(source.records(ids)), objective)
    except (ValidationError, ConfigError, ValueError) as error:
        return Advice(f"Nothing is recommended: {' '.join(str(error).split())}.")
    return Advice(
        found.sentence,
        found.trial_id,
        found.indistinguishable,
        found.front,
        {one.trial_id: one for one in found.comparisons},
        limits,
        found.columns.ranked_by,
    )


def _compared(source: Source, frame: pa.Table) -> tuple[list[str], str]:
    order, rows = ranked(frame), source.rows("generations")
    ids: list[str] = []
    total = 0
    for trial_id in order:
        total += rows[trial_id]
        if ids and (total > MOST_ROWS or len(ids) >= MOST_TRIALS):
            note = (
                f"Only the {len(ids):,} best of {len(order):,} completed trials, references included, were "
                "compared answer by answer; intervals are adjusted only for these, so they are too narrow."
            )
            return ids, note
        ids.append(trial_id)
    failed = set(frame["trial_id"].to_pylist()) - set(completed(frame)["trial_id"].to_pylist())
    return [*ids, *failed], ""


def _distinct(records: list[TrialRecord]) -> list[TrialRecord]:
    return list({record.trial_id: record for record in records}.values())
