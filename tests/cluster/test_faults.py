"""Faults during a sweep on a cluster; afterwards it ends like an undisturbed one."""

import random
import time
from collections.abc import Iterator

import pytest

from lookahead_ray.evaluate.judges.normalize import tokenize_words
from lookahead_ray.trial.record import TrialRecord
from tests.cluster.faults import ends_as, recovered, training
from tests.cluster.on_premise import Cluster, until
from tests.cluster.services import BUCKET, endpoint, storage
from tests.cluster.submitted import EPOCHS, STEPS_PER_EPOCH, Submitted
from tests.faults_page import Faults

pytestmark = [pytest.mark.cluster, pytest.mark.faults]
SEED = 5
CUT_S = 20.0
REFUSED_S = 30.0
DOWN_S = 60.0
WARNED_S = 5
AN_EPOCH = f"less than an epoch ({STEPS_PER_EPOCH} steps)"


@pytest.fixture(scope="module")
def faults() -> Iterator[Faults]:
    found = Faults()
    yield found
    found.write()


@pytest.fixture(scope="module")
def expected(undisturbed: Submitted) -> dict[str, TrialRecord]:
    if undisturbed.process.poll() is None:
        undisturbed.finish()
    return undisturbed.essences()


def last_epoch(sweep: Submitted) -> int:
    found = sweep.checkpoint()
    assert found, sweep.text()
    return found.epoch


def test_a_machine_is_warned_then_lost_and_another_joins_late(
    cluster: Cluster, expected: dict[str, TrialRecord], faults: Faults
) -> None:
    """As on a spot machine: the warning drains the node.

    This is the first test, because `ray up` gives up on a host that is off for a quarter of an hour.
    """
    lost, late = cluster.workers[1], cluster.spare
    with training(Submitted(cluster, "host")) as sweep:
        cluster.drain(lost, seconds=WARNED_S)
        time.sleep(WARNED_S)
        start = time.monotonic()
        lost.power_off()
        before = last_epoch(sweep)
        cluster.network.boot(late)
        recovered(sweep, before + 1)  # a checkpoint being written when the machine ended may be complete
        seconds = time.monotonic() - start
        assert set(sweep.ranks()) == {cluster.workers[0], late}
        ends_as(sweep, expected)
    faults.add(
        f"a machine gets its spot warning and is lost {WARNED_S} s later; a new one joins later",
        "`ray drain-node` for preemption, then its processes and its link end at once; a new host boots",
        AN_EPOCH,
        seconds,
    )


def test_a_rank_is_killed(cluster: Cluster, expected: dict[str, TrialRecord], faults: Faults) -> None:
    with training(Submitted(cluster, "rank")) as sweep:
        before = last_epoch(sweep)
        host = random.Random(SEED).choice(sorted(sweep.ranks(), key=lambda host: host.name))
        sweep.ranks()[host].kill()
        seconds = recovered(sweep, before)
        ends_as(sweep, expected)
        assert "restarted (1 of " in sweep.text()
    faults.add("a worker process is killed", "SIGKILL to one of two ranks", AN_EPOCH, seconds)


def test_the_driver_is_killed_and_the_job_resubmitted(
    cluster: Cluster, expected: dict[str, TrialRecord], faults: Faults
) -> None:
    killed = Submitted(cluster, "driver")
    with training(killed):
        before = last_epoch(killed)
        start = time.monotonic()
        assert killed.kill_driver()
        assert killed.process.wait(60) != 0
        until(lambda: not killed.ranks(), "ranks of a killed driver live on", 120)
        resumed = Submitted(cluster, "driver", "--resume")
        try:
            recovered(resumed, before)
            seconds = time.monotonic() - start
            ends_as(resumed, expected)
        finally:
            resumed.close()
    faults.add("the driver is killed", "SIGKILL on the head, then `submit --resume`", AN_EPOCH, seconds)


def test_a_link_is_cut_and_restored(
    cluster: Cluster, expected: dict[str, TrialRecord], faults: Faults
) -> None:
    with training(Submitted(cluster, "link")) as sweep:
        before = last_epoch(sweep)
        start = time.monotonic()
        cluster.workers[0].cut()
        time.sleep(CUT_S)
        cluster.workers[0].mend()
        recovered(sweep, before + 1)  # a checkpoint being written when the link ended may be complete
        seconds = time.monotonic() - start
        ends_as(sweep, expected)
    cluster.wait_for_workers(len(cluster.workers))
    faults.add(
        "a worker's link is cut and restored", f"its interface down for {CUT_S:g} s", AN_EPOCH, seconds
    )


def test_storage_is_unavailable_for_a_while(
    cluster: Cluster, expected: dict[str, TrialRecord], faults: Faults
) -> None:
    """Tables, checkpoints and study are on S3, and the whole server hangs."""
    url = f"s3://{BUCKET}/storage"
    with storage(cluster) as s3:
        sweep = Submitted(cluster, "storage", url=url, variables=s3.variables)
        try:
            sweep.wait_for("running: vanilla: training")
            s3.service.hang(REFUSED_S)
            sweep.finish()
            s3.copy(url, sweep.run)
            assert sweep.essences() == expected
        finally:
            sweep.close()
    faults.add("storage is unavailable", f"S3's server stopped for {REFUSED_S:g} s", "nothing", None)


def test_a_judge_is_down_for_a_minute(cluster: Cluster, faults: Faults) -> None:
    with endpoint(cluster) as judge:
        judges = f"evaluation.judges=[{{name: llm, model: any, base_url: '{judge.url}/v1'}}]"
        with training(Submitted(cluster, "judge", settings=(judges,))) as sweep:
            judge.stop()
            sweep.wait_for_epoch(EPOCHS - 2)  # the evaluation starts soon
            time.sleep(DOWN_S)
            assert "finished: vanilla" not in sweep.text()
            judge.start()
            sweep.finish()
            found = sweep.essences()
    for record in found.values():
        assert record.status == "completed"
        for row in record.generations:  # an answer without words is not sent to the judge
            if row.suite == "probe" and row.metric in ("rsr", "jsr"):
                assert row.verdict == ("safe" if tokenize_words(row.answer) else "unparsed")
    faults.add("a judge's endpoint is down", f"its server stopped for over {DOWN_S:g} s", "nothing", None)


def test_a_machine_is_lost_without_replacement(
    cluster: Cluster, expected: dict[str, TrialRecord], faults: Faults
) -> None:
    """The last test, because afterwards there is one worker less."""
    elastic = "search.elastic={min_workers: 1, after_minutes: 0.1}"
    with training(Submitted(cluster, "elastic", settings=(elastic,))) as sweep:
        lost = next(host for host in sweep.ranks() if host is not cluster.workers[0])
        start = time.monotonic()
        lost.power_off()
        before = last_epoch(sweep)
        recovered(sweep, before + 1)
        seconds = time.monotonic() - start
        assert set(sweep.ranks()) == {cluster.workers[0]}
        sweep.finish()
        found = sweep.essences()
    assert found.keys() == expected.keys()
    for trial_id, record in found.items():
        assert [step.loss for step in record.steps] == pytest.approx(
            [step.loss for step in expected[trial_id].steps], rel=1e-3
        )
        assert [step.tokens for step in record.steps] == [step.tokens for step in expected[trial_id].steps]
    assert found["vanilla"].workers == 1
    faults.add(
        "a machine is lost without replacement",
        "its processes and its link end at once; `search.elastic` after 6 s",
        f"{AN_EPOCH}; the trial continues with one rank",
        seconds,
    )
