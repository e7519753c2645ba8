"""A job queue as Ray's Searcher: the interface, without a cluster."""

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.exceptions import OutOfMemoryError
from ray.tune.search import ConcurrencyLimiter, Searcher

from lookahead_ray.errors import InfrastructureError
from lookahead_ray.sweep.interrupt import Interrupt
from lookahead_ray.sweep.job_queue import NoJob
from lookahead_ray.sweep.tune import _QueueSearcher
from lookahead_ray.sweep.tune_callback import RecordingCallback, TimeIsUpError
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.stop_decisions import DecisionSender
from lookahead_ray.trial.worker_group import GROUP, PROGRESS


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


class Queue:
    """A job queue that notes what a callback tells it."""

    def __init__(self) -> None:
        self.finished: list[tuple[str, bool, str | None, float]] = []
        self.checkpoints: list[str] = []
        self.time_is_up = False

    def check_hours(self) -> bool:
        return self.time_is_up

    def progressed(self, trial_id: str) -> None:
        self.checkpoints.append(trial_id)

    def finish(self, record: Any, of_infrastructure: bool) -> None:
        self.finished.append((record.status, of_infrastructure, record.error, record.seconds_total))


class Ended:
    """A trial as Tune passes it to callbacks."""

    def __init__(self, error: Path | None = None, **result: Any) -> None:
        self.config = {"job": job(1)}
        self.pickled_error_file = error and str(error)
        self.last_result = result


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def recorder(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> RecordingCallback:
    made = RecordingCallback(
        "sweep", cast(Any, queue), DecisionSender(Anything()), cast(Any, Anything()), Interrupt(), 2
    )
    monkeypatch.setattr(made, "_placement_groups", Anything())
    return made


class Anything:
    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: None


def test_a_process_that_died_is_reported_with_its_error(
    recorder: RecordingCallback, queue: Queue, tmp_path: Path
) -> None:
    file = tmp_path / "error.pkl"
    file.write_bytes(pickle.dumps(OutOfMemoryError("killed due to the node running low on memory")))
    recorder.on_trial_error(1, [], Ended(file))
    ((status, of_infrastructure, error, _),) = queue.finished
    assert (status, of_infrastructure) == ("failed", True)
    assert "the machine ran out of memory" in (error or "")


def test_failures_are_told_apart(recorder: RecordingCallback, queue: Queue) -> None:
    recorder.on_trial_complete(1, [], Ended(failure="the loss is nan", failure_of_infrastructure=False))
    recorder.on_trial_complete(1, [], Ended(failure="No space left", failure_of_infrastructure=True))
    assert [found[:3] for found in queue.finished] == [
        ("failed", False, "the loss is nan"),
        ("failed", True, "No space left"),
    ]


def progress(phase: str, **more: Any) -> dict[str, Any]:
    return {PROGRESS: {"phase": phase, "detail": ""}, GROUP: "", **more}


def test_a_checkpoint_is_noted_when_training_goes_on(recorder: RecordingCallback, queue: Queue) -> None:
    for phase in ("training", "saving", "saving", "training", "training", "saving", "answering"):
        recorder.on_trial_result(1, [], Ended(), progress(phase))
    assert queue.checkpoints == ["search-001"]


def test_waiting_for_machines_is_no_time_of_the_trial(
    recorder: RecordingCallback, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    recorder.on_trial_start(1, [], Ended())
    now[0] += 1000.0
    recorder.on_trial_result(1, [], Ended(), progress("starting", waited_s=900.0))
    now[0] += 60.0
    recorder.on_trial_complete(1, [], Ended(failure="x"))
    assert queue.finished[0][3] == 160.0


def test_what_ends_the_sweep_ends_it_though_tune_takes_it_for_an_error_of_the_trial(
    recorder: RecordingCallback, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(record: Any, of_infrastructure: bool) -> None:
        raise InfrastructureError("3 trials in a row")

    def restarted(*arguments: Any) -> None:
        raise AssertionError("the trial is said to be restarted")

    monkeypatch.setattr(queue, "finish", refuse)
    monkeypatch.setattr(recorder, "_observer", SimpleNamespace(trial_restarted=restarted))
    with pytest.raises(InfrastructureError):
        recorder.on_trial_complete(1, [], Ended(failure="x", failure_of_infrastructure=True))
    recorder.on_trial_recover(1, [], Ended())  # Tune's reaction
    with pytest.raises(InfrastructureError, match="3 trials in a row"):
        recorder.on_step_begin(2, [])
    assert isinstance(recorder.error, InfrastructureError)


def test_the_end_of_ray_on_the_head_ends_the_sweep(
    recorder: RecordingCallback, monkeypatch: pytest.MonkeyPatch
) -> None:
    def died() -> None:
        raise InfrastructureError("Ray on the head has died")

    recorder.on_step_begin(1, [])
    monkeypatch.setattr(recorder, "_check_head", died)
    with pytest.raises(InfrastructureError):
        recorder.on_step_begin(2, [])
    assert isinstance(recorder.error, InfrastructureError)  # Tune wraps what a callback raises


def test_running_trials_end_when_the_time_is_used_up(recorder: RecordingCallback, queue: Queue) -> None:
    recorder.on_step_begin(1, [])
    queue.time_is_up = True
    with pytest.raises(TimeIsUpError):
        recorder.on_step_begin(2, [])
    assert recorder.time_is_up
