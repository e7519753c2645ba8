"""Versions under which a run began, and what is said when it is resumed under others."""

from importlib.metadata import version

import pytest

from lookahead_ray.entrypoints import run_versions
from lookahead_ray.entrypoints.run_versions import differences, versions_now


def test_packages_and_the_rules_of_the_judge_are_recorded() -> None:
    now = versions_now(["refusal"])
    assert now["torch"] == version("torch")
    assert len(now["judge refusal"]) == run_versions.LONGEST_HASH
    assert "judge refusal" not in versions_now(["keyword"])
    assert list(differences(now, now)) == []


def test_each_difference_is_said() -> None:
    began = {"torch": "2.12.0", "transformers": "5.0.0", "judge refusal": "aaa"}
    now = {"torch": "2.13.0", "transformers": "5.0.0", "judge refusal": "bbb", "new": "1"}
    packages, judge = differences(began, now)
    assert "torch 2.12.0 → 2.13.0" in packages
    assert "transformers" not in packages
    assert judge.startswith("judge refusal: other rules")
    assert "rejudge" in judge


def test_a_run_without_recorded_versions_gets_a_line() -> None:
    (line,) = differences({}, {"torch": "2.13.0"})
    assert "not recorded" in line


def test_the_hash_follows_the_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    before = versions_now(["refusal"])
    monkeypatch.setattr(run_versions, "REFUSAL_WEIGHTS", run_versions.Path(__file__))
    assert versions_now(["refusal"]) != before
