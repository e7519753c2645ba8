"""Each fault of `tests.sweep.local_faults`, which also writes them to docs/faults.md: `make local-faults`."""

import pytest

from tests.sweep.local_faults.experiment import Sweeps
from tests.sweep.local_faults.faults import FAULTS

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> Sweeps:
    return Sweeps(tmp_path_factory.mktemp("faults"))


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_doubled_left_or_judged_by_a_fault(sweeps: Sweeps, name: str) -> None:
    row = FAULTS[name](sweeps)
    assert row.counts.all_zero, row.line
