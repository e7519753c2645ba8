"""What of a record two sweeps agree on, whatever befell them."""

from dataclasses import replace

from lookahead_ray.trial.record import TrialRecord


def essence(record: TrialRecord) -> TrialRecord:
    """The record without what depends on the clock, on the sweep and on how often it was started."""
    return replace(
        record,
        sweep_id="",
        started_at="",
        restarts=0,
        seconds_train=None,
        seconds_evaluate=None,
        seconds_total=None,
        preparation={name: value for name, value in record.preparation.items() if name != "seconds"},
        steps=tuple(replace(step, seconds=0.0) for step in record.steps),
        signals=tuple(replace(measured, seconds=0.0) for measured in record.signals),
    )
