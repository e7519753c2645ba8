"""All faults that are injected into sweeps on one machine, in the order of their table."""

from collections.abc import Callable, Mapping

from tests.faults_page import CountedRow
from tests.sweep.local_faults import judge_lost, processes_lost, storage_lost
from tests.sweep.local_faults.experiment import Sweeps

Fault = Callable[[Sweeps], CountedRow]
FAULTS: Mapping[str, Fault] = {
    fault.__name__: fault
    for fault in (
        processes_lost.head_lost,
        processes_lost.control_service_killed,
        processes_lost.raylet_killed,
        processes_lost.rank_out_of_memory,
        processes_lost.trial_out_of_memory,
        processes_lost.rank_hangs,
        processes_lost.rank_terminated,
        processes_lost.driver_terminated,
        storage_lost.driver_stopped,
        storage_lost.driver_cut_off,
        storage_lost.full_at_commit,
        storage_lost.full_at_journal,
        storage_lost.full_at_checkpoint,
        storage_lost.full_at_cache,
        storage_lost.shared_disk_gone,
        judge_lost.judge_down,
    )
}
