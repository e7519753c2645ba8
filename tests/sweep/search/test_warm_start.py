"""Trials of earlier sweeps from which a search learns."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.config.load import Sweep
from lookahead_ray.errors import ConfigError
from lookahead_ray.evaluate.results import Rate
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.sweep.search import warm_start as module
from lookahead_ray.sweep.search.jobs import reference_jobs
from lookahead_ray.sweep.search.search import Search
from lookahead_ray.sweep.search.warm_start import EarlierRun, WarmStart
from lookahead_ray.trial.record import TrialRecord
from tests.factory import make_measurement
from tests.sweep.search.searching import CONDITIONAL, asked, begun, load, record_of, run

HASHES = {"task": "t", "model": "m"}
VERSIONS = {"torch": "2.13.0"}


def warm_start(sweep: Sweep, hashes: dict[str, str], runs: Sequence[EarlierRun]) -> WarmStart:
    return module.warm_start(sweep, hashes, runs, VERSIONS)


def with_rates(record: TrialRecord, safety: float = 0.5, utility: float = 0.5) -> TrialRecord:
    rates = {"rsr": safety, "jsr": safety, "utility": utility}
    measured = {name: Rate(value, value, value, 20, 0) for name, value in rates.items()}
    return replace(record, **measured)  # type: ignore[arg-type]


def earlier(sweep: Sweep, count: int = 4, **changes: Any) -> EarlierRun:
    """Return a run of `count` trials on that space."""
    records = [with_rates(record, 0.1 * n) for n, record in enumerate(run(Search(sweep, []), count))]
    return EarlierRun("runs/old", HASHES, [replace(record, **changes) for record in records])


def references(sweep: Sweep) -> list[TrialRecord]:
    """Return a safe seed model without utility, and vanilla with half of the safety and utility 0.8."""
    seed, vanilla = (record_of(job) for job in reference_jobs(sweep, []))
    return [with_rates(seed, 1.0, 0.0), with_rates(vanilla, 0.5, 0.8)]


def refusal(sweep: Sweep, *runs: EarlierRun, hashes: dict[str, str] = HASHES) -> str:
    with pytest.raises(ConfigError) as caught:
        warm_start(sweep, hashes, runs)
    return str(caught.value).partition(": ")[2]


class TestFitting:
    def test_trials_of_the_same_configuration_fit_whatever_their_seed_and_ranks(self, tmp_path: Path) -> None:
        old = earlier(load(tmp_path, CONDITIONAL, ("seed=3", "workers=2", "search.seed=5")))
        found = warm_start(load(tmp_path), HASHES, [old])
        assert [trial.name for trial in found.trials] == [f"runs/old/search-{n:03d}" for n in (1, 2, 3, 4)]
        assert found.lines == ("warm start from runs/old: 4 of 4 trials",)

    def test_without_earlier_runs_nothing_is_checked(self, tmp_path: Path) -> None:
        assert warm_start(load(tmp_path), HASHES, []) == WarmStart()

    def test_a_narrower_space_takes_the_trials_inside_it(self, tmp_path: Path) -> None:
        old = earlier(load(tmp_path), 20)
        narrow = load(tmp_path, CONDITIONAL.replace("[1, 12]", "[1, 4]").replace(": 6}]}", ": 3}]}"))
        found = warm_start(narrow, HASHES, [old])
        lengths = [trial.record.params.get("preview.true.length_tokens", 1) for trial in found.trials]
        assert 0 < len(lengths) < 20
        assert max(lengths) <= 4
        assert f": {len(lengths)} of 20 trials; left out: " in found.lines[0]
        assert "with preview.true.length_tokens outside this space (" in found.lines[0]

    def test_only_completed_search_trials_count(self, tmp_path: Path) -> None:
        sweep = load(tmp_path)
        old = earlier(sweep, 4)
        first, second, third, fourth = old.records
        mixed = [first, replace(second, status="failed"), replace(third, status="stopped"), fourth]
        found = warm_start(sweep, HASHES, [replace(old, records=[*references(sweep), *mixed])])
        assert [trial.record for trial in found.trials] == [first, fourth]

    @pytest.mark.parametrize(
        ("override", "reason"),
        [
            ("training.epochs=7", "4 with training.epochs 3 instead of 7"),
            ("safety=[{name: probe, harmful_prompts: 11}]", "4 with safety.0.harmful_prompts "),
            ("evaluation.task_new_tokens=9", "4 with evaluation.task_new_tokens "),
            ("model.path=elsewhere", "4 with model.path 'embedded' instead of 'elsewhere'"),
            ("task.train_examples=9", "4 with task.train_examples "),
            (
                "training.learning_rate=1e-4",
                "4 with the dimension training.learning_rate, which this",
            ),
            ("training.weight_decay={uniform: [0.0, 0.5]}", "4 with no value of training.weight_decay"),
        ],
    )
    def test_a_run_without_matching_trials_is_refused_with_the_differences(
        self, tmp_path: Path, override: str, reason: str
    ) -> None:
        old = earlier(load(tmp_path))
        enqueue = "search.enqueue=[]"
        message = refusal(load(tmp_path, CONDITIONAL, (override, enqueue)), old)
        rule = "search.warm_start.0: must be a run with completed trials that fit into this space"
        assert message.startswith(f"{rule}, got runs/old: {reason}")

    def test_fields_that_this_space_leaves_at_their_default_are_compared(self, tmp_path: Path) -> None:
        merged = ("merge={share: 0.5}",)
        old = earlier(load(tmp_path, CONDITIONAL, merged))
        assert "4 with merge." in refusal(load(tmp_path), old)
        assert warm_start(load(tmp_path, CONDITIONAL, merged), HASHES, [old]).trials

    def test_contents_are_compared_as_well(self, tmp_path: Path) -> None:
        sweep = load(tmp_path)
        message = refusal(sweep, earlier(sweep), hashes={**HASHES, "task": "other"})
        assert message.endswith("got runs/old: 4 with other contents of task")

    def test_a_run_without_trials_is_refused(self, tmp_path: Path) -> None:
        sweep = load(tmp_path)
        fitting, empty = earlier(sweep), EarlierRun("runs/none", HASHES, [])
        assert refusal(sweep, fitting, empty).startswith("search.warm_start.1: ")


class TestReferences:
    @staticmethod
    def old(tmp_path: Path, overrides: tuple[str, ...] = (), **changes: Any) -> EarlierRun:
        """Return a run with references only."""
        records = [
            replace(record, measurement=make_measurement(versions=VERSIONS))
            for record in references(load(tmp_path, CONDITIONAL, overrides))
        ]
        return EarlierRun("runs/old", HASHES, [replace(record, **changes) for record in records])

    def test_the_same_ones_are_taken_and_it_is_said(self, tmp_path: Path) -> None:
        old = self.old(tmp_path, ("workers=2",))
        found = warm_start(load(tmp_path), HASHES, [old])
        assert list(found.references) == list(old.records)
        assert found.lines[-1] == "seed and vanilla as measured in runs/old"

    @pytest.mark.parametrize(
        ("overrides", "changes"),
        [
            (("training.epochs=7",), {}),
            ((), {"measurement": make_measurement(versions={"torch": "2.12.0"})}),
            ((), {"status": "failed"}),
        ],
    )
    def test_uncertain_references_are_measured_again(
        self, tmp_path: Path, overrides: tuple[str, ...], changes: dict[str, Any]
    ) -> None:
        assert "runs/old: none" in refusal(load(tmp_path), self.old(tmp_path, overrides, **changes))

    def test_other_contents_are_measured_here(self, tmp_path: Path) -> None:
        old = self.old(tmp_path)
        assert "runs/old: none" in refusal(load(tmp_path), old, hashes={**HASHES, "task": "other"})

    def test_vanilla_with_another_random_seed_is_another_and_the_seed_model_is_not(
        self, tmp_path: Path
    ) -> None:
        found = warm_start(load(tmp_path), HASHES, [self.old(tmp_path, ("seed=3",))])
        assert [record.role for record in found.references] == ["seed"]

    def test_vanilla_without_the_seed_model_is_left(self, tmp_path: Path) -> None:
        old = self.old(tmp_path)
        assert "runs/old: none" in refusal(load(tmp_path), replace(old, records=old.records[1:]))

    def test_the_run_with_both_wins(self, tmp_path: Path) -> None:
        one, both = self.old(tmp_path, ("seed=3",)), self.old(tmp_path)
        found = warm_start(load(tmp_path), HASHES, [one, replace(both, run="runs/both")])
        assert list(found.references) == list(both.records)
        assert found.lines[-1] == "seed and vanilla as measured in runs/both"


class TestLearning:
    @pytest.mark.parametrize("known", [False, True], ids=["references come later", "going on"])
    def test_they_are_scored_by_this_sweeps_references(self, tmp_path: Path, known: bool) -> None:
        sweep = load(tmp_path, CONDITIONAL, ("objective={name: pareto}",))
        warm = warm_start(sweep, HASHES, [earlier(load(tmp_path))]).trials
        seed, vanilla = references(sweep)
        vanilla = replace(vanilla, objectives=(0.5, 1.0))
        search = Search(sweep, [seed, vanilla] if known else [], warm=warm)
        if not known:
            assert begun(search) == []
            search.learn_references(ReferenceTrials(seed, vanilla))
        trials = begun(search)
        assert [trial.user_attrs["trial_id"] for trial in trials] == [
            *(f"runs/old/search-{n:03d}" for n in (1, 2, 3, 4)),
            "vanilla",
        ]
        assert [trial.user_attrs["role"] for trial in trials] == ["warm_start"] * 4 + ["vanilla"]
        for trial, each in zip(trials, warm, strict=False):
            expected = (
                make_objective(sweep.objective).score(each.record, ReferenceTrials(seed, vanilla)).objectives
            )
            assert tuple(trial.values) == expected

    def test_they_are_no_trials_of_this_sweep_and_their_points_are_run(self, tmp_path: Path) -> None:
        text = "task: {name: word_problems}\npreview: {strategy: true, length_tokens: {int: [1, 3]}}\n"
        sweep = load(tmp_path, text)
        warm = warm_start(sweep, HASHES, [earlier(sweep, 3)]).trials
        search = Search(sweep, references(sweep), warm=warm)
        records = run(search, 3)
        assert [record.trial_id for record in records] == ["search-001", "search-002", "search-003"]
        assert {record.params["preview.length_tokens"] for record in records} == {1, 2, 3}

    def test_the_journal_has_each_trial_once_and_the_search_continues_equally(self, tmp_path: Path) -> None:
        sweep = load(tmp_path)
        warm = warm_start(
            sweep, HASHES, [earlier(load(tmp_path, CONDITIONAL, ("search.seed=9",)), 12)]
        ).trials
        journal = tmp_path / "study.journal"
        first = Search(sweep, references(sweep), journal, warm=warm)
        records = run(first, 6)
        again = Search(sweep, [*references(sweep), *records[:3]], warm=warm)
        assert [record.params for record in run(again, 3)] == [record.params for record in records[3:]]
        Search(sweep, [*references(sweep), *records], journal, warm=warm)
        import optuna

        backend = optuna.storages.journal.JournalFileBackend(str(journal))
        study = optuna.load_study(study_name="space", storage=optuna.storages.JournalStorage(backend))
        ids = [trial.user_attrs["trial_id"] for trial in study.trials]
        assert ids == [*(trial.name for trial in warm), "vanilla", *(record.trial_id for record in records)]

    def test_the_sampler_knows_them(self, tmp_path: Path) -> None:
        text = "task: {name: word_problems}\ntraining: {weight_decay: {uniform: [0.0, 1.0]}}\n"
        sweep, name = load(tmp_path, text), "training.weight_decay"
        old = run(Search(load(tmp_path, text, ("search.sampler={name: random}",)), []), 30)
        rated = [with_rates(r, 0.5, 0.8 - 0.8 * abs(r.params[name] - 0.8)) for r in old]
        warm = warm_start(sweep, HASHES, [EarlierRun("runs/old", HASHES, rated)]).trials
        search = Search(sweep, references(sweep), warm=warm)
        drawn = [asked(search).params[name] for _ in range(8)]
        # 3 by chance: without the earlier trials it draws at random
        assert sum(abs(value - 0.8) < 0.2 for value in drawn) >= 5
