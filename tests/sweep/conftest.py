"""Fixtures of whole sweeps."""

from collections.abc import Iterator

import pytest

from tests.sweep.processes import SweepProcess


@pytest.fixture
def started() -> Iterator[list[SweepProcess]]:
    """A list for the sweeps that a test starts; what is left of them is killed at its end."""
    sweeps: list[SweepProcess] = []
    yield sweeps
    for sweep in sweeps:
        sweep.clean_up()
