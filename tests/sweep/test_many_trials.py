"""A thousand real trials of a tiny model in one sweep: none is lost, and no process grows with their number.

`LOOKAHEAD_RAY_TRIALS=200` sets how many trials there are.
"""

import os
import time
from pathlib import Path

import pytest

from lookahead_ray import store
from tests.evaluate.judges.judge_server import scored, serve
from tests.sweep.local_faults.counts import committed_rows, doubled_rows
from tests.sweep.local_faults.experiment import UNDISTURBED
from tests.sweep.memory_samples import DRIVER, IDLE, SERVICE, OwnSharedMemory, Sample, growth, sample
from tests.sweep.processes import SweepProcess
from tests.tiny import make_model

TRIALS = int(os.environ.get("LOOKAHEAD_RAY_TRIALS", "1000"))
SAMPLES = 20
SETTINGS = (
    "workers=1",
    "cpus_per_worker=1",
    "search.max_concurrent=1",  # with more, Tune starts processes that such short trials no longer need
    f"search.trials={TRIALS}",
    "search.enqueue=[]",
    "training.learning_rate={loguniform: [1e-4, 1e-2]}",
    "training.batch_size=2",
    "task.train_examples=2",  # so there is one step
    "task.test_examples=2",
    "safety.harmful_prompts=2",
    "safety.benign_prompts=2",
    "evaluation.kl_prompts=2",
)
JUDGE = "{{name: llm, model: m, base_url: '{url}', cache_dir: '{cache}', max_calls: 1000000}}"
BOUND_MIB = {SERVICE: 200.0}
"""Ray's control service keeps up to 100,000 ended tasks (`RAY_task_events_max_num_task_in_gcs`)."""
BOUND_OF_OTHERS_MIB = 25.0
"""Of the largest process of each other kind, and of the shared memory, whatever the number of trials."""
DRIVER_KIB_PER_TRIAL = 120.0
"""In addition: records, the study and Tune's trials; 66 KiB in the benchmark `driver`."""
BOUND_FILES = 10.0
A_TRIAL_S = 10.0  # at most, on average

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_memory_is_bounded_over_many_trials(tmp_path: Path) -> None:
    run, shared = tmp_path / "run", OwnSharedMemory()
    model = make_model(tmp_path / "model", hidden_size=8)
    with serve() as server:  # a judge, as random answers have no verdict
        server.answer = lambda user, call: scored(f"#thescore: {1 if len(user) % 8 else 5}")
        judge = JUDGE.format(url=server.base_url, cache=tmp_path / "scores")
        settings = (*SETTINGS, f"evaluation.judges=[{judge}]")
        sweep = SweepProcess(model, run, settings, variables=UNDISTURBED, prefix=shared.prefix)
        try:
            samples = _samples(sweep, run)
            sweep.finish(timeout_s=600 + A_TRIAL_S * TRIALS / SAMPLES)
            sweep.wait_until_gone()
        finally:
            sweep.clean_up()
    assert doubled_rows(committed_rows(str(run))) == 0
    records = store.open(str(run)).records()
    assert len(records) == TRIALS + 2
    assert {record.status for record in records} == {"completed"}
    assert None not in {record.objective for record in records if record.role == "search"}
    memory, files, processes = (growth(samples, values) for values in ("mib", "files", "processes"))
    trials = samples[-1].trials - samples[len(samples) // 2].trials
    print(f"second half ({trials} trials): MiB {memory}, descriptors {files}, processes {processes}")
    memory[DRIVER] -= DRIVER_KIB_PER_TRIAL * trials / 1024
    bounds = {kind: BOUND_MIB.get(kind, BOUND_OF_OTHERS_MIB) for kind in memory}
    assert {kind: grown for kind, grown in memory.items() if grown > bounds[kind]} == {}
    # Ray's services have connections to each process that is just starting
    assert {kind: grown for kind, grown in files.items() if kind != SERVICE and grown > BOUND_FILES} == {}
    assert {kind: grown for kind, grown in processes.items() if kind != IDLE and grown > 1} == {}


def _samples(sweep: SweepProcess, run: Path) -> list[Sample]:
    """Return samples at equal distances, all before the last trials end; each is printed."""
    started_s, found = time.monotonic(), list[Sample]()

    def committed() -> int:
        return len(list((run / "commits").glob("*.json")))

    while (now := committed()) < TRIALS:
        assert sweep.process.poll() is None, sweep.text()
        assert time.monotonic() - started_s < 300 + A_TRIAL_S * TRIALS, sweep.text()
        due = TRIALS * (len(found) + 1) // (SAMPLES + 1)
        if now > max(due, 2):
            made = sample(sweep, now, started_s)
            if committed() < TRIALS:  # else ranks were about to end
                found.append(made)
                print(made.line(), flush=True)
        time.sleep(0.2)
    assert len(found) >= SAMPLES // 2
    return found
