"""The part of a record that is equal in two equal sweeps, whatever faults occurred."""

from dataclasses import replace

from lookahead_ray.trial.record import TrialRecord


def essence(record: TrialRecord) -> TrialRecord:
    """Return the record without clock times, sweep, and number of starts."""
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
