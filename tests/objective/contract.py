"""The properties that every objective has; each objective's tests inherit `ObjectiveContract`.

The order is that of a sweep: the registry, the score of a completed trial, the estimate of a stopped one, the
judgement of all candidates, and the texts of the report.
"""

from dataclasses import replace
from typing import Any, ClassVar

import pytest

from lookahead_ray.config.objective import HasObjective, Objective
from lookahead_ray.objective.base import ReferenceTrials, RelativeScores, Score
from lookahead_ray.objective.dominance import dominates
from lookahead_ray.objective.judgement import ObjectiveJudgement, relative_scores
from lookahead_ray.objective.registry import OBJECTIVES, make_objective
from lookahead_ray.objective.search_objective import SearchObjective
from lookahead_ray.sweep.recommend.bootstrap import resample
from lookahead_ray.sweep.recommend.candidates import Candidate
from lookahead_ray.trial.record import Status, TrialRecord
from tests.objective.trials import SEED, TRIAL, VANILLA, record, with_harmless, with_over_refusal
from tests.sweep.recommend.truths import VANILLA as TRUE_VANILLA
from tests.sweep.recommend.truths import sweep

REFERENCES = ReferenceTrials(with_over_refusal(SEED), with_over_refusal(VANILLA))
SCORED_TRIAL = with_over_refusal(TRIAL)
TRIAL_SCORES = RelativeScores(safety=0.6, safety_kept=0.75, utility_kept=0.75)  # of `TRIAL`


class ObjectiveContract:
    """Tests of any objective; a subclass sets its configuration."""

    config: ClassVar[Objective]

    @property
    def objective(self) -> SearchObjective[Any]:
        """Return the objective under test."""
        return make_objective(self.config)

    def judge(self, records: list[TrialRecord]) -> ObjectiveJudgement:
        """Return the judgement of a sweep's records as the recommendation makes it."""
        models = [Candidate((each,)) for each in with_harmless(records, {})]
        rates = resample(models, self.config.safety, seed=0, resamples=200)
        return self.objective.judge(relative_scores(rates))

    def test_the_registry_knows_it_by_the_name_of_its_configuration(self) -> None:
        assert type(self.objective) is OBJECTIVES[self.config.name].build
        assert HasObjective.model_validate({"objective": self.config.model_dump()}).objective == self.config

    def test_a_score_has_one_value_per_name(self) -> None:
        score = self.objective.score(SCORED_TRIAL, REFERENCES)
        assert len(score.objectives) == len(self.objective.names) == len(set(self.objective.names))
        assert score.objective == (score.objectives[0] if len(score.objectives) == 1 else None)
        assert score.safety == pytest.approx(TRIAL_SCORES.safety)

    @pytest.mark.parametrize("lacking", ["rsr", "jsr", "utility"])
    def test_a_missing_rate_leaves_no_objectives(self, lacking: str) -> None:
        nothing: dict[str, Any] = {lacking: None}
        assert self.objective.score(replace(SCORED_TRIAL, **nothing), REFERENCES) == Score()
        for role, reference in (("seed", REFERENCES.seed), ("vanilla", REFERENCES.vanilla)):
            references = replace(REFERENCES, **{role: replace(reference, **nothing)})
            found = self.objective.score(SCORED_TRIAL, references)
            assert found.safety == pytest.approx(TRIAL_SCORES.safety)
            assert replace(found, safety=None) == Score()

    @pytest.mark.parametrize("status", ["stopped", "failed"])
    def test_only_completed_trials_are_scored(self, status: Status) -> None:
        references = replace(REFERENCES, vanilla=replace(REFERENCES.vanilla, status=status))
        assert self.objective.score(replace(SCORED_TRIAL, status=status), REFERENCES) == Score()
        assert self.objective.score(SCORED_TRIAL, references).objectives == ()

    def test_a_seed_model_that_is_never_safe_leaves_no_objectives(self) -> None:
        never_safe = with_over_refusal(record(0.0, 0.0, 0.1, "seed"))
        found = self.objective.score(SCORED_TRIAL, ReferenceTrials(never_safe, VANILLA))
        assert (found.objective, found.objectives, found.constraint) == (None, (), None)

    def test_over_refusal_is_required_only_if_it_is_part_of_the_objective(self) -> None:
        found = self.objective.score(TRIAL, ReferenceTrials(SEED, VANILLA))
        assert bool(found.objectives) is not self.config.needs_over_refusal

    def test_a_perfect_estimate_gives_the_values_of_the_score(self) -> None:
        score = self.objective.score(SCORED_TRIAL, REFERENCES)
        estimated = self.objective.estimate(TRIAL_SCORES)
        if self.config.needs_over_refusal:
            assert estimated is None
        else:
            assert estimated is not None
            assert estimated.maximised == pytest.approx(score.objectives)
            assert (estimated.constraint is None) is (score.constraint is None)
            assert estimated.constraint is None or estimated.constraint == pytest.approx(score.constraint)

    def test_a_trial_that_is_safer_and_more_useful_ranks_before_another(self) -> None:
        better = RelativeScores(safety=0.72, safety_kept=0.9, utility_kept=0.8)
        worse = RelativeScores(safety=0.4, safety_kept=0.5, utility_kept=0.3)
        assert dominates(self.objective.ranking_values(better), self.objective.ranking_values(worse))

    @pytest.mark.parametrize("seed_safety", [None, 0.8])
    def test_a_minimum_safety_is_a_rate(self, seed_safety: float | None) -> None:
        found = self.objective.minimum_safety(seed_safety)
        assert found is None or 0 <= found <= 1

    def test_every_candidate_is_judged(self) -> None:
        judged = self.judge(sweep(1, TRUE_VANILLA, (0.3, 0.2, 0.2), (0.9, 0.7, 0.5), (0.5, 0.4, 0.3)))
        assert sorted(judged.order) == [0, 1, 2]
        assert judged.order[0] == 1
        assert 1 in judged.better <= judged.possible
        assert len(judged.difference) == 3
        assert len(judged.safety) == (3 if self.objective.columns.first_is_safety else 0)

    def test_every_interval_contains_its_value(self) -> None:
        judged = self.judge(sweep(1, TRUE_VANILLA, (0.9, 0.7, 0.5), (0.5, 0.4, 0.3)))
        for interval in (*judged.difference, *judged.safety, *judged.compliance):
            assert interval.low <= interval.value <= interval.high

    def test_vanilla_again_is_not_better_than_vanilla(self) -> None:
        records = sweep(2, TRUE_VANILLA)
        twin = replace(records[1], trial_id="twin", role="search")
        judged = self.judge([*records, twin])
        assert judged.better == frozenset()
        assert judged.difference[0].value == 0

    def test_its_texts_are_single_lines(self) -> None:
        judged = self.judge(sweep(3, TRUE_VANILLA, (0.9, 0.7, 0.5), (0.2, 0.1, 0.1)))
        explanations = [self.objective.explain(judged, index) for index in (0, 1)]
        assert all(text.startswith("its ") and "adjusted for 2 candidates" in text for text in explanations)
        columns = self.objective.columns
        texts = [*explanations, self.objective.explain_rejection(judged), self.objective.describe()]
        for text in (*texts, columns.meaning):
            assert text
            assert text.isprintable()
        for title in (columns.first, columns.difference):
            assert title.count("\n") <= 1
