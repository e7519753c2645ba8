"""Early stopping in a sweep: signals, estimated on the references' scale, compared by successive halving."""

from collections.abc import Sequence

from lookahead_ray.config.load import Sweep
from lookahead_ray.evaluate.generation import Signal
from lookahead_ray.sweep.estimate import aims, estimated
from lookahead_ray.sweep.halving import Halving
from lookahead_ray.trial.objective import References
from lookahead_ray.trial.record import TrialRecord


class Stopping:
    """Decides after each epoch; what was `committed` before counts as if it had just been seen."""

    def __init__(self, sweep: Sweep, committed: Sequence[TrialRecord], references: References | None) -> None:
        self._objective = sweep.objective
        self._halving = Halving(sweep.search.stopping) if sweep.search.stopping else None
        if references:
            self.learn([record for record in committed if record.role in ("vanilla", "search")], references)

    @property
    def stops(self) -> bool:
        """Whether trials are stopped at all."""
        return self._halving is not None

    def learn(self, records: Sequence[TrialRecord], references: References) -> None:
        """Take trials that have ended as competitors of those to come."""
        for record in records:
            for signal in record.signals:
                self._note(record.trial_id, signal, references)

    def goes_on(self, trial_id: str, signal: Signal, epochs: int, references: References) -> bool:
        """Whether a trial of `epochs` in all is trained further; always where nothing can be estimated."""
        noted = self._note(trial_id, signal, references)
        return self._halving is None or not noted or self._halving.goes_on(trial_id, signal.epoch, epochs)

    def _note(self, trial_id: str, signal: Signal, references: References) -> bool:
        estimate = estimated(signal, references)
        if self._halving is None or estimate is None:
            return False
        self._halving.note(trial_id, signal.epoch, aims(estimate, references, self._objective))
        return True
