"""Early stopping in a sweep: signals, estimated on the references' scale, compared by successive halving."""

from collections.abc import Sequence

from lookahead_ray.config.load import Sweep
from lookahead_ray.evaluate.results import Signal
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.sweep.stopping.estimate import comparison_values, estimated, guess
from lookahead_ray.sweep.stopping.successive_halving import Halving
from lookahead_ray.trial.record import TrialRecord


class Stopping:
    """Decides after each epoch; what was `committed` before counts as if it had just been seen."""

    def __init__(
        self, sweep: Sweep, committed: Sequence[TrialRecord], references: ReferenceTrials | None
    ) -> None:
        self._objective = sweep.objective
        self._halving = Halving(sweep.search.stopping) if sweep.search.stopping else None
        if references:
            self.learn([record for record in committed if record.role in ("vanilla", "search")], references)

    @property
    def stops(self) -> bool:
        """Whether trials are stopped at all."""
        return self._halving is not None

    def told(self, record: TrialRecord, references: ReferenceTrials | None) -> tuple[float, ...]:
        """What a search is told of a trial that was stopped: its aims as guessed from its last signal, under
        a floor the constraint after them; nothing where that can't be guessed, or of another trial."""
        if record.status != "stopped" or not record.signals or not references:
            return ()
        estimate = estimated(record.signals[-1], references, self._objective.safety)
        return guess(estimate, references, self._objective) if estimate else ()

    def learn(self, records: Sequence[TrialRecord], references: ReferenceTrials) -> None:
        """Take trials that have ended as competitors of those to come."""
        for record in records:
            for signal in record.signals:
                self._note(record.trial_id, signal, references)

    def goes_on(self, trial_id: str, signal: Signal, epochs: int, references: ReferenceTrials) -> bool:
        """Whether a trial of `epochs` in all is trained further; always where nothing can be estimated."""
        noted = self._note(trial_id, signal, references)
        return self._halving is None or not noted or self._halving.goes_on(trial_id, signal.epoch, epochs)

    def _note(self, trial_id: str, signal: Signal, references: ReferenceTrials) -> bool:
        estimate = estimated(signal, references, self._objective.safety)
        if self._halving is None or estimate is None:
            return False
        self._halving.note(trial_id, signal.epoch, comparison_values(estimate, references, self._objective))
        return True
