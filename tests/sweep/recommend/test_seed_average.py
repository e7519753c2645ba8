"""One configuration with several random seeds: pooled values, and the coverage of the intervals."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from lookahead_ray.sweep.recommend.bootstrap import resample
from lookahead_ray.sweep.recommend.candidates import Candidate, candidates_of
from lookahead_ray.sweep.recommend.recommend import recommend
from lookahead_ray.sweep.recommend.seed_average import average_over_seeds
from lookahead_ray.trial.record import TrialRecord
from tests.factory import make_failed, make_record
from tests.sweep.recommend.truths import HALF, VANILLA, Sweep, Truth


def seeded(
    sweep_seed: int, seeds: int, vanilla: Truth, *candidates: Truth, training: float = 0.0, prompts: int = 80
) -> list[TrialRecord]:
    """Return references and candidates c0, c1, …, trained with `seeds` random seeds each."""
    made = Sweep(sweep_seed, prompts, prompts, training)
    made.add("seed", (0.95, 0.75, 0.05), "seed")
    for seed in range(seeds):
        made.add(f"vanilla-{seed}", vanilla, "repeat" if seed else "vanilla", 99, seed)
        for i, truth in enumerate(candidates):
            made.add(f"c{i}-{seed}" if seed else f"c{i}", truth, "repeat" if seed else "search", i + 1, seed)
    return made.trials


def test_repeats_join_the_trial_whose_configuration_they_have() -> None:
    records = seeded(1, 3, VANILLA, VANILLA, VANILLA)
    (vanilla,) = candidates_of(records, "vanilla")
    assert ([run.trial_id for run in vanilla.runs], vanilla.seeds) == (
        ["vanilla-0", "vanilla-1", "vanilla-2"],
        (0, 1, 2),
    )
    assert [one.trial_id for one in candidates_of(records, "search")] == ["c0", "c1"]
    records[-1] = replace(records[-1], status="failed")
    assert [len(one.runs) for one in candidates_of(records, "search")] == [3, 2]


def test_rates_of_several_seeds_are_means_over_them() -> None:
    records = seeded(2, 3, VANILLA, (0.7, 0.5, 0.4), training=0.05)
    (shown,) = (one for one in average_over_seeds(records) if one.record.role == "search")
    runs = [record for record in records if record.trial_id.startswith("c0")]
    assert shown.seeds == 3
    for metric in ("rsr", "jsr", "utility"):
        rates = [getattr(run, metric) for run in runs]
        one = getattr(shown.record, metric)
        assert one.value == pytest.approx(np.mean([rate.value for rate in rates]))
        assert 0 <= one.low < one.value < one.high <= 1
        assert one.n == 80


def test_tables_show_one_row_a_configuration_and_all_that_failed() -> None:
    failed = replace(make_failed(7), trial_id="broken")
    again = replace(make_failed(8), trial_id="broken-repeat", role="repeat")
    measured = replace(make_record(9), role="evaluate", trial_id="measured")
    records = [*seeded(3, 2, VANILLA, VANILLA), failed, again, measured]
    shown = average_over_seeds(records)
    assert [(one.record.trial_id, one.seeds) for one in shown] == [
        ("seed", 1),
        ("vanilla-0", 2),
        ("c0", 2),
        ("broken", 1),
        ("measured", 1),
    ]
    assert shown[-1].record == measured


def test_with_identical_runs_seeds_change_nothing() -> None:
    records = seeded(4, 1, VANILLA, (0.7, 0.5, 0.4))
    again = [
        replace(r, trial_id=f"{r.trial_id}-{s}", role="repeat", config={**r.config, "seed": s})
        for r in records[1:]
        for s in (1, 2)
    ]
    once, often = recommend(records, HALF), recommend([*records, *again], HALF)
    (a,), (b,) = once.comparisons, often.comparisons
    assert (a.seeds, b.seeds) == (1, 3)
    figures = [(one.objective, one.difference, one.low, one.high) for one in (a, b)]
    assert figures[0] == pytest.approx(figures[1])
    assert once.sentence.endswith(
        "; 1 random seed: the interval covers the variation of prompts, not of training"
    )
    assert often.sentence.endswith("; 3 random seeds")


def test_seeds_that_differ_widen_the_interval() -> None:
    calm = recommend(seeded(5, 3, VANILLA, (0.7, 0.5, 0.4)), HALF).comparisons[0]
    wild = recommend(seeded(5, 3, VANILLA, (0.7, 0.5, 0.4), training=0.15), HALF).comparisons[0]
    assert wild.high - wild.low > 1.3 * (calm.high - calm.low)


def test_the_variance_of_a_mean_over_seeds_is_unbiased() -> None:
    """If prompts don't matter, the variance of the draws is that of the mean: s² / n."""
    made = Sweep(6, harmful=40, task=40)
    rates = (0.0, 1.0, 1.0)
    runs = tuple(made.add(f"r{i}", (rate,) * 3, "repeat", 1, i) for i, rate in enumerate(rates))
    numbers = resample([Candidate(runs)], HALF.safety, seed=0, resamples=4000).rsr
    assert numbers.point[0] == pytest.approx(2 / 3)
    assert numbers.by_seeds.var() == pytest.approx(np.var(rates, ddof=1) / 3, rel=0.06)


def test_models_are_compared_on_the_seeds_that_they_share() -> None:
    """Two configurations with equal results per random seed never differ, even if one has a seed more."""
    made = Sweep(7, harmful=40, task=40)
    short = tuple(made.add(f"a{i}", (rate,) * 3, "repeat", 1, i) for i, rate in enumerate((0.0, 1.0)))
    both = resample([Candidate(short), Candidate(short)], HALF.safety, seed=0, resamples=200).rsr
    assert both.minus(0).resampled == pytest.approx(0)
    longer = (*short, made.add("a2", (1.0,) * 3, "repeat", 1, 2))
    mixed = resample([Candidate(short), Candidate(longer)], HALF.safety, seed=0, resamples=2000).rsr
    together = np.corrcoef(mixed.resampled[:, 0], mixed.resampled[:, 1])[0, 1]
    assert together > 0.3


def test_once_some_were_run_again_only_these_are_recommended() -> None:
    records = seeded(8, 3, VANILLA, (0.95, 0.75, 0.5), (0.8, 0.6, 0.35))
    assert recommend(records, HALF).trial_id == "c0"
    once = [record for record in records if record.trial_id not in ("c0-1", "c0-2")]
    result = recommend(once, HALF)
    assert (result.trial_id, result.comparisons[0].trial_id) == ("c1", "c0")


def test_the_test_of_several_seeds_is_two_sided_and_knows_no_difference() -> None:
    records = seeded(9, 3, VANILLA, VANILLA, (0.9, 0.7, 0.4), (0.05, 0.0, 0.4))
    p = {one.trial_id: one.rsr_p_value for one in recommend(records, HALF).comparisons}
    assert p["c0"] > 0.05
    assert p["c1"] < 0.01
    assert p["c2"] < 0.01
    twins = [
        replace(r, trial_id=f"t-{r.trial_id}", role="repeat" if r.role == "repeat" else "search")
        for r in records
        if r.trial_id.startswith("vanilla")
    ]
    vanilla = [record for record in records if record.trial_id.startswith("vanilla")]
    (same,) = recommend([records[0], *vanilla, *twins], HALF).comparisons
    assert (same.difference, same.rsr_p_value) == (0, 1)


@pytest.mark.parametrize(
    "training", [pytest.param(0.0, marks=pytest.mark.slow), 0.05, pytest.param(0.15, marks=pytest.mark.slow)]
)
def test_noise_of_training_is_seldom_taken_for_a_gain(training: float) -> None:
    found, sweeps = 0, range(3000, 3060)
    for seed in sweeps:
        records = seeded(seed, 3, VANILLA, VANILLA, VANILLA, VANILLA, training=training, prompts=60)
        found += recommend(records, HALF, resamples=300).trial_id is not None
    # One tail of intervals with 95 % coverage; a sound method exceeds it once in a thousand runs.
    assert found <= binom.ppf(0.999, len(sweeps), 0.025)


def test_a_real_gain_is_found_in_spite_of_the_noise() -> None:
    found = sum(
        recommend(
            seeded(seed, 3, VANILLA, (0.8, 0.6, 0.4), VANILLA, training=0.03), HALF, resamples=300
        ).trial_id
        == "c0"
        for seed in range(4000, 4010)
    )
    assert found >= 7  # of 10; 8.6 expected, by sweeps of 100
