"""Early stopping in a sweep: signals, mapped to the references' scale, compared by successive halving."""

from collections.abc import Sequence

from lookahead_ray.config.load import Sweep
from lookahead_ray.evaluate.results import Signal
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.sweep.stopping.estimate import comparison_values, estimated, guess
from lookahead_ray.sweep.stopping.successive_halving import Halving
from lookahead_ray.trial.record import TrialRecord


class Stopping:
    """Stopping decisions after each epoch; trials `committed` before count as if they had just run."""

    def __init__(
        self, sweep: Sweep, committed: Sequence[TrialRecord], references: ReferenceTrials | None
    ) -> None:
        self._objective = sweep.objective
        self._halving = Halving(sweep.search.stopping) if sweep.search.stopping else None
        if references:
            self.learn([record for record in committed if record.role in ("vanilla", "search")], references)

    @property
    def stops(self) -> bool:
        """Return whether early stopping is enabled."""
        return self._halving is not None

    def told(self, record: TrialRecord, references: ReferenceTrials | None) -> tuple[float, ...]:
        """Return a stopped trial's objective values, estimated from its last signal, for the sampler.

        With a floor objective the constraint is appended. Empty if the trial was not stopped or has no
        estimate.
        """
        if record.status != "stopped" or not record.signals or not references:
            return ()
        estimate = estimated(record.signals[-1], references, self._objective.safety)
        return guess(estimate, references, self._objective) if estimate else ()

    def learn(self, records: Sequence[TrialRecord], references: ReferenceTrials) -> None:
        """Add ended trials to those that later trials are compared with."""
        for record in records:
            for signal in record.signals:
                self._note(record.trial_id, signal, references)

    def goes_on(self, trial_id: str, signal: Signal, epochs: int, references: ReferenceTrials) -> bool:
        """Return whether a trial of `epochs` in total continues; True if nothing can be estimated."""
        noted = self._note(trial_id, signal, references)
        return self._halving is None or not noted or self._halving.goes_on(trial_id, signal.epoch, epochs)

    def _note(self, trial_id: str, signal: Signal, references: ReferenceTrials) -> bool:
        estimate = estimated(signal, references, self._objective.safety)
        if self._halving is None or estimate is None:
            return False
        self._halving.note(trial_id, signal.epoch, comparison_values(estimate, references, self._objective))
        return True
