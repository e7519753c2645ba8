"""A job queue as Ray's Searcher: the interface, without a cluster."""

from typing import Any, cast

import pytest
from ray.tune.search import ConcurrencyLimiter, Searcher

from lookahead_ray.sweep.job_queue import NoJob
from lookahead_ray.sweep.tune import _QueueSearcher
from lookahead_ray.trial.job import Job


class Answers:
    """A job queue that returns these answers."""

    def __init__(self, *answers: Job | NoJob) -> None:
        self.answers = list(answers)

    def next_job(self) -> Job | NoJob:
        return self.answers.pop(0)


def job(number: int) -> Job:
    return Job(f"search-{number:03d}", "search", {}, {}, "")


def runner(*answers: Job | NoJob) -> _QueueSearcher:
    return _QueueSearcher(cast(Any, Answers(*answers)), 1, lambda trial_id: None)


def test_the_searcher_suggests_jobs_waits_and_ends() -> None:
    searcher = runner(job(1), NoJob.BLOCKED, job(2), NoJob.EXHAUSTED)
    assert isinstance(searcher, Searcher)
    suggested = searcher.suggest("a")
    assert isinstance(suggested, dict)
    assert suggested == {"job": job(1), "decisions": 1}
    assert searcher.suggest("b") is None
    assert cast(Any, searcher.suggest("b"))["job"] == job(2)
    assert searcher.suggest("c") == Searcher.FINISHED


def test_ends_reach_the_job_queue_only_by_the_callback() -> None:
    searcher = runner(job(1))
    searcher.suggest("a")
    searcher.on_trial_complete("a", {"anything": 1}, error=False)
    searcher.on_trial_complete("b", None, error=True)  # nor does an error, or an unknown trial


def test_ray_limits_how_many_run_at_once() -> None:
    limited = ConcurrencyLimiter(runner(job(1), job(2), job(3), NoJob.EXHAUSTED), max_concurrent=2)
    assert cast(Any, limited.suggest("a"))["job"] == job(1)
    assert cast(Any, limited.suggest("b"))["job"] == job(2)
    assert limited.suggest("c") is None
    limited.on_trial_complete("a", {}, error=False)
    assert cast(Any, limited.suggest("c"))["job"] == job(3)
    limited.on_trial_complete("b", None, error=True)
    assert limited.suggest("d") == Searcher.FINISHED


def test_tunes_snapshots_are_empty_and_never_read(tmp_path: Any) -> None:
    searcher = runner(job(1))
    searcher.save(str(tmp_path / "snapshot"))
    assert searcher.__getstate__() == {}
    with pytest.raises(RuntimeError, match="resumes from its tables"):
        searcher.restore(str(tmp_path / "snapshot"))
