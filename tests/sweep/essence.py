"""The part of a record that is equal in two equal sweeps, whatever faults occurred."""

from dataclasses import replace

from lookahead_ray.trial.record import TrialRecord


def essence(record: TrialRecord) -> TrialRecord:
    """Return the record without clock times, sweep, and number of starts."""
    bare = replace(record, sweep_id="", started_at="", restarts=0, seconds_total=None)
    if record.measurement is None:
        return bare
    preparation = record.measurement.preparation
    return bare.with_measured(
        seconds_train=0.0,
        seconds_evaluate=0.0,
        preparation={name: value for name, value in preparation.items() if name != "seconds"},
        steps=tuple(replace(step, seconds=0.0) for step in record.steps),
        signals=tuple(replace(measured, seconds=0.0) for measured in record.signals),
    )
