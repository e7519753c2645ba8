"""Records from measurements and from failures."""

import subprocess
import sys
from dataclasses import replace
from typing import ClassVar

import pytest

from lookahead_ray.config.load import content_hash
from lookahead_ray.evaluate.results import TokenKl
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import (
    LONGEST_ERROR,
    Measurement,
    Metric,
    Role,
    TrialRecord,
    completed_record,
    completed_records,
    failed_record,
    mean_kl,
)
from lookahead_ray.trial.trainings import count_trainings, group_by_training
from tests.factory import make_rate, make_record

JOB = Job("search-007", "search", {"preview": {"strategy": "none"}}, {"x": 1}, "no preview")
SOURCE = make_record(5, prompts=9)
MEASURED = Measurement(
    workers=2,
    zero_stage=2,
    train_tokens=6000,
    flops=1e12,
    seconds_train=9.0,
    seconds_evaluate=3.0,
    data_hash="d",
    model_hash="m",
    versions={"torch": "2"},
    steps=SOURCE.steps,
    generations=SOURCE.generations,
    token_kl=SOURCE.token_kl,
)


def test_rates_come_from_the_rows() -> None:
    record = completed_record(JOB, "s", "2025-01-01T00:00:00+00:00", 15.0, MEASURED)
    metrics: tuple[Metric, ...] = ("rsr", "jsr", "over_refusal", "utility")
    for metric in metrics:
        assert getattr(record, metric) == make_rate(metric, SOURCE.generations)
        assert getattr(record, metric).n == 9
    assert record.rsr is not None
    assert record.jsr is not None
    assert record.safety == (record.rsr.value + record.jsr.value) / 2
    assert record.kl == pytest.approx(SOURCE.kl)


def test_unparsed_answers_stay_in_the_denominator() -> None:
    rows = tuple(
        replace(row, verdict="unparsed" if index % 2 else "safe", score=None)
        for index, row in enumerate(row for row in SOURCE.generations if row.metric == "rsr")
    )
    record = completed_record(JOB, "s", "", 1.0, replace(MEASURED, generations=rows))
    assert record.rsr is not None
    assert (record.rsr.value, record.rsr.n, record.rsr.unparsed) == (5 / 9, 9, 4)
    assert (record.jsr, record.safety, record.utility) == (None, None, None)


def test_everything_measured_is_kept() -> None:
    record = completed_record(JOB, "s", "now", 15.0, MEASURED)
    assert (record.sweep_id, record.trial_id, record.role, record.status) == (
        "s",
        "search-007",
        "search",
        "completed",
    )
    assert (record.config, record.params, record.started_at) == (JOB.config, JOB.params, "now")
    assert record.config_hash == content_hash(JOB.config)
    assert (record.error, record.objective) == (None, None)  # not scored yet
    assert record.measurement is MEASURED
    assert record.seconds_total == 15.0


def test_a_failed_trial_keeps_its_configuration_and_the_reason() -> None:
    record = failed_record(JOB, "s", "now", 4.0, "rank 1: ValueError: no")
    assert (record.status, record.error, record.seconds_total) == ("failed", "rank 1: ValueError: no", 4.0)
    assert (record.config, record.config_hash, record.params) == (
        JOB.config,
        content_hash(JOB.config),
        {"x": 1},
    )
    assert (record.rsr, record.objective, record.generations, record.steps) == (None, None, (), ())
    assert len(failed_record(JOB, "s", "", 1.0, "x" * 10_000).error or "") == LONGEST_ERROR


def test_mean_kl_is_over_the_prompts_that_reach_a_position() -> None:
    rows = (TokenKl("s", "a", 1, 1.0), TokenKl("s", "a", 2, 4.0), TokenKl("s", "b", 1, 2.0))
    assert mean_kl(rows) == (1.5, 4.0)
    assert mean_kl((*rows, TokenKl("other", "a", 1, 9.0))) == (1.5, 4.0)  # the first suite's
    assert mean_kl(()) == ()


def test_a_trial_without_rows_has_no_rates() -> None:
    record = completed_record(JOB, "s", "", 1.0, replace(MEASURED, generations=(), token_kl=()))
    assert (record.rsr, record.safety, record.kl) == (None, None, ())


def test_objects_in_queues_unpickle_without_torch() -> None:
    code = (
        "import sys, lookahead_ray.trial.measurement, lookahead_ray.trial.job, lookahead_ray.trial.progress;"
        "sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestPoints:
    MERGE: ClassVar = {"name": "linear", "share": [1.0, 0.5, 0.2]}
    FURTHER = replace(MEASURED, train_tokens=0, flops=0.0, seconds_train=0.1, steps=())

    def records(self, role: Role = "search") -> list[TrialRecord]:
        job = replace(JOB, role=role, config={**JOB.config, "merge": self.MERGE})
        further = tuple(replace(self.FURTHER, merge_share=share) for share in (0.5, 0.2))
        measured = replace(MEASURED, merge_share=1.0, further=further)
        return completed_records(job, "s", "now", 15.0, measured)

    def test_each_share_has_a_record_and_the_first_one_has_the_costs(self) -> None:
        records = self.records()
        assert [record.trial_id for record in records] == ["search-007", "search-007.2", "search-007.3"]
        assert {record.training_id for record in records} == {"search-007"}
        assert [record.config.get("merge") for record in records] == [
            None,
            {"name": "linear", "share": 0.5},
            {"name": "linear", "share": 0.2},
        ]
        assert [record.config_hash for record in records] == [content_hash(r.config) for r in records]
        assert [record.seconds_total for record in records] == [15.0, 0.0, 0.0]
        assert [record.train_tokens for record in records] == [6000, 0, 0]
        assert [record.is_further_point for record in records] == [False, True, True]
        assert all(record.measurement and not record.measurement.further for record in records)
        assert count_trainings(records) == count_trainings(records, "search") == 1
        assert count_trainings(records, "vanilla") == 0

    def test_only_the_first_point_of_vanilla_is_the_reference(self) -> None:
        assert [record.role for record in self.records("vanilla")] == ["vanilla", "search", "search"]
        assert [record.role for record in self.records("repeat")] == ["repeat"] * 3

    def test_one_share_gives_the_record_as_ever(self) -> None:
        assert completed_records(JOB, "s", "now", 15.0, MEASURED) == [
            completed_record(JOB, "s", "now", 15.0, MEASURED)
        ]
        untrained = replace(JOB, role="seed")
        (record,) = completed_records(untrained, "s", "now", 15.0, MEASURED)
        assert (record.training_id, record.training) == (None, "search-007")

    def test_points_are_grouped_in_their_order_at_the_last_one(self) -> None:
        points = self.records()
        other = completed_record(replace(JOB, trial_id="search-008"), "s", "now", 15.0, MEASURED)
        assert group_by_training([points[0], points[2], other, points[1]]) == [[other], points]
