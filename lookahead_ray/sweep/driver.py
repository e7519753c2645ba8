"""The driver of a sweep: runs reference trials, then the search; scores and commits each trial as it ends."""

from contextlib import suppress
from dataclasses import dataclass

from ray.tune.trainable import FunctionTrainable

from lookahead_ray.config.dimension import corners
from lookahead_ray.config.judge import LlmJudge
from lookahead_ray.config.load import Sweep
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import StoreError, TrialError
from lookahead_ray.filesystem import EXIT_S, limit_retries
from lookahead_ray.sweep.attempts import Attempts
from lookahead_ray.sweep.checkpoints import CheckpointFolder
from lookahead_ray.sweep.cluster import cluster, concurrency
from lookahead_ray.sweep.interfaces import Observer, Sink
from lookahead_ray.sweep.job_queue import JobQueue
from lookahead_ray.sweep.late_judging import LateJudging
from lookahead_ray.sweep.limits import Limits
from lookahead_ray.sweep.recommend.recommend import recommend
from lookahead_ray.sweep.recommend.recommendation import Recommendation
from lookahead_ray.sweep.run_files import ATTEMPTS, JOURNAL, LOG, RemoteCopy, local_run_file
from lookahead_ray.sweep.search.jobs import reference_jobs
from lookahead_ray.sweep.search.references import REFERENCE_COUNT
from lookahead_ray.sweep.search.search import Search
from lookahead_ray.sweep.search.warm_start import NOTHING_EARLIER, WarmStart
from lookahead_ray.sweep.stopping.early_stopping import EarlyStopping
from lookahead_ray.sweep.tracking.trackers import Trackers
from lookahead_ray.sweep.trial_log import TrialLog
from lookahead_ray.sweep.tune import run_trials
from lookahead_ray.trial.judge_calls import start_quota
from lookahead_ray.trial.record import TrialRecord
from lookahead_ray.trial.trainable import TuneTrial
from lookahead_ray.trial.trainings import group_by_training


@dataclass(frozen=True)
class SweepResult:
    """The result of a sweep; `records` are in the order of their commits and include failed trials."""

    run: str
    records: list[TrialRecord]
    recommendation: Recommendation
    interrupted: bool
    lines: tuple[str, ...] = ()  # for the user, about trackers


def run_sweep(
    sweep: Sweep,
    sink: Sink,
    observer: Observer,
    warm: WarmStart = NOTHING_EARLIER,
    trainable: type[FunctionTrainable] = TuneTrial,
) -> SweepResult:
    """Run the remaining trials of the sweep; trials that are committed as completed are not run again.

    Steps:
        1. Announce the sweep, and commit earlier reference trials that it lacks as its own.
        2. Create the job queue from the committed trials.
        3. Unless it is empty, connect to Ray and run its jobs; each trial is scored and committed as it ends.
        4. Recommend a configuration.

    `warm` holds trials of earlier sweeps. The sampler learns from its search trials; its reference trials are
    adopted by this sweep.

    Ctrl-C stops the sweep. Committed trials are kept, running trials are discarded, and all worker processes
    are terminated.

    Raises:
        ConfigError: a trial does not fit into the cluster.
        StoreError: a trial can't be committed, or the study's journal can't be written.
        JudgeUnavailableError: a reference trial could not be judged; it is committed with its answers.
        TrialError: a reference trial failed, so nothing can be scored; it is committed with its error.
        InfrastructureError: trials fail through the infrastructure; another session can run them again.
    """
    log = local_run_file(sink.run, LOG, sweep.name)
    checkpoints = CheckpointFolder(
        sink.run, sweep.search.checkpoint_epochs, elastic=sweep.search.elastic is not None
    )
    checkpoints.remove({record.trial_id for record in sink.committed})

    trackers = Trackers(sweep.tracking, sink.run, sweep.name, sink.sweep_id)

    def commit(*points: TrialRecord) -> None:
        sink.commit(*points)
        for record in points:
            trackers.finished(record)
        checkpoints.remove({points[0].trial_id})

    trial_log = TrialLog(sweep.objective, sink.committed, commit, observer)
    total = REFERENCE_COUNT + sweep.search.trials
    observer.sweep_started(sink.sweep_id, sink.run, total, list(trial_log.records), str(log))
    trial_log.take_over(warm.references, reference_jobs(sweep, trial_log.records), sink.sweep_id)
    interrupted = False
    remote_copy = RemoteCopy(sink.run, sweep.name, sink.keep)
    remote_copy.fetch()
    attempts = Attempts(local_run_file(sink.run, ATTEMPTS, sweep.name), lambda: remote_copy.push((ATTEMPTS,)))
    late = LateJudging(sweep.reference().evaluation.judges, sink, trial_log)
    try:
        late.judge()
        late.require_references()
        job_queue = _make_job_queue(sweep, sink, trial_log, warm, observer, attempts, remote_copy, late)
        if job_queue.has_work():
            with cluster(log), trackers.opened():
                at_once = concurrency(sweep.reference(), _most_at_once(sweep))
                checkpoints.at_once = at_once
                run_trials(
                    job_queue,
                    sweep_id=sink.sweep_id,
                    at_once=at_once,
                    max_failures=sweep.search.max_failures,
                    checkpoints=checkpoints.of,
                    elastic=sweep.search.elastic,
                    hang_minutes=sweep.search.hang_minutes,
                    observer=observer,
                    trackers=trackers,
                    trainable=trainable,
                    quota=start_quota(sink.run) if _pays_judges(sweep) else None,
                )
                late.require_references()
                if trial_log.references is None:
                    raise TrialError(
                        f"a reference failed, so no trial can be scored: {trial_log.reference_error()}"
                    )
    except KeyboardInterrupt:
        limit_retries(EXIT_S)
        interrupted = True
    except Exception:
        limit_retries(EXIT_S)
        raise
    finally:
        with suppress(StoreError):  # then the interrupted attempts count
            attempts.close()
    observer.sweep_finished(interrupted)
    recommendation = recommend(trial_log.records, sweep.objective)
    return SweepResult(sink.run, list(trial_log.records), recommendation, interrupted, trackers.lines)


def _pays_judges(sweep: Sweep) -> bool:
    """Return whether a trial may have a judge whose calls are limited."""
    return any(
        isinstance(judge, LlmJudge)
        for tree in corners(sweep.template)
        for judge in TrialConfig.model_validate(tree).evaluation.judges
    )


def _most_at_once(sweep: Sweep) -> int | None:
    """Return the most trials that may run at once, as set and by memory; None without a limit."""
    limits = (sweep.search.max_concurrent, sweep.hardware.trials_at_once if sweep.hardware else None)
    return min((limit for limit in limits if limit is not None), default=None)


def _make_job_queue(
    sweep: Sweep,
    sink: Sink,
    trial_log: TrialLog,
    warm: WarmStart,
    observer: Observer,
    attempts: Attempts,
    remote_copy: RemoteCopy,
    late: LateJudging,
) -> JobQueue:
    """Return the queue of the jobs left to run; the search continues from the records of `trial_log`."""
    records, references = trial_log.records, trial_log.references
    stopping = EarlyStopping(sweep, records, references)
    found = {
        points[0].trial_id: stopping.estimate_training(points, references)
        for points in group_by_training(records)
    }
    search = Search(
        sweep,
        records,
        local_run_file(sink.run, JOURNAL, sweep.name),
        {trial_id: values for trial_id, values in found.items() if values is not None},
        sweep_id=sink.sweep_id,
        warm=warm.trials,
        journal_changed=remote_copy.push,
    )
    limits = Limits(sweep, trial_log, observer, attempts)
    return JobQueue(
        reference_jobs(sweep, records),
        search,
        trial_log,
        stopping,
        limits,
        attempts=attempts,
        search_config=sweep.search,
        observer=observer,
        judge_again=late.judge,
    )
