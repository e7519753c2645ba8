"""Runs a sweep: references first, then the search, each finished trial scored and committed at once."""

from dataclasses import dataclass

from ray.tune.trainable import FunctionTrainable

from lookahead_ray.config.load import Sweep
from lookahead_ray.errors import TrialError
from lookahead_ray.sweep.agenda import Agenda
from lookahead_ray.sweep.checkpoints import CheckpointFolder
from lookahead_ray.sweep.cluster import cluster, concurrency
from lookahead_ray.sweep.jobs import reference_jobs
from lookahead_ray.sweep.ledger import Ledger
from lookahead_ray.sweep.limits import Limits
from lookahead_ray.sweep.mirror import JOURNAL, LOG, Mirror
from lookahead_ray.sweep.observer import Observer
from lookahead_ray.sweep.places import beside
from lookahead_ray.sweep.recommend import recommend
from lookahead_ray.sweep.recommendation import Recommendation
from lookahead_ray.sweep.references import REFERENCES
from lookahead_ray.sweep.search import Search
from lookahead_ray.sweep.sink import Sink
from lookahead_ray.sweep.stopping import Stopping
from lookahead_ray.sweep.tuning import run_trials
from lookahead_ray.sweep.warm_start import NOTHING_EARLIER, WarmStart
from lookahead_ray.trial.launch import TuneTrial
from lookahead_ray.trial.record import TrialRecord


@dataclass(frozen=True)
class SweepResult:
    """What a sweep ended with; `records` in the order of their commits, failed ones included."""

    run: str
    records: list[TrialRecord]
    recommendation: Recommendation
    interrupted: bool


def run_sweep(
    sweep: Sweep,
    sink: Sink,
    observer: Observer,
    warm: WarmStart = NOTHING_EARLIER,
    trainable: type[FunctionTrainable] = TuneTrial,
) -> SweepResult:
    """Run what is left of the sweep; committed completed trials are kept and not run again.

    The sampler learns from the trials of `warm`, which are none of this sweep's; its references become so.

    Ctrl-C ends it with what is committed. Trials run until then are lost, no process is left behind.

    Raises:
        ConfigError: a trial does not fit into the cluster.
        StoreError: a trial can't be committed, or the study's journal can't be written.
        TrialError: a reference failed, so that nothing can be scored; it is committed with its error.
    """
    log = beside(sink.run, LOG, sweep.name)
    checkpoints = CheckpointFolder(
        sink.run, sweep.search.checkpoint_epochs, elastic=sweep.search.elastic is not None
    )
    checkpoints.remove({record.trial_id for record in sink.committed})

    def commit(record: TrialRecord) -> None:
        sink.commit(record)
        checkpoints.remove({record.trial_id})

    ledger = Ledger(sweep.objective, sink.committed, commit, observer)
    total = REFERENCES + sweep.search.trials
    observer.sweep_started(sink.sweep_id, sink.run, total, list(ledger.records), str(log))
    ledger.take_over(warm.references, reference_jobs(sweep, ledger.records), sink.sweep_id)
    interrupted = False
    try:
        stopping = Stopping(sweep, ledger.records, ledger.references)
        told = {record.trial_id: stopping.told(record, ledger.references) for record in ledger.records}
        mirror = Mirror(sink.run, sweep.name)
        mirror.fetch()
        agenda = Agenda(
            reference_jobs(sweep, ledger.records),
            Search(
                sweep,
                ledger.records,
                beside(sink.run, JOURNAL, sweep.name),
                told,
                sweep_id=sink.sweep_id,
                warm=warm.trials,
                journal_changed=mirror.push,
            ),
            ledger,
            stopping,
            Limits(sweep, ledger, observer),
        )
        if agenda.has_work():
            with cluster(log):
                at_once = concurrency(sweep.reference(), sweep.search.max_concurrent)
                run_trials(
                    agenda,
                    sweep_id=sink.sweep_id,
                    at_once=at_once,
                    max_failures=sweep.search.max_failures,
                    checkpoints=checkpoints.of,
                    elastic=sweep.search.elastic,
                    observer=observer,
                    trainable=trainable,
                )
                if ledger.references is None:
                    raise TrialError(
                        f"a reference failed, so no trial can be scored: {ledger.reference_error()}"
                    )
    except KeyboardInterrupt:
        interrupted = True
    observer.sweep_finished(interrupted)
    recommendation = recommend(ledger.records, sweep.objective)
    return SweepResult(sink.run, list(ledger.records), recommendation, interrupted)
