"""Failures that are worth a restart: dead processes are, exceptions of the code are not."""

import pickle

import pytest
import torch
import torch.distributed as dist
from ray.exceptions import ActorDiedError, NodeDiedError, OutOfMemoryError, RayTaskError, WorkerCrashedError
from ray.train.v2._internal.exceptions import (
    UserExceptionWithTraceback,
    WorkerGroupStartupTimeoutError,
    WorkerHealthCheckFailedError,
    WorkerHealthCheckTimeoutError,
)
from ray.train.v2.api.exceptions import ControllerError, WorkerGroupError

from lookahead_ray.errors import ConfigError, DataError, InfrastructureError, TrialError
from lookahead_ray.trial.failure import (
    ProcessDiedError,
    ended_by_infrastructure,
    failure,
    failure_message,
    process_died,
)


def raised(error: BaseException) -> UserExceptionWithTraceback:
    """Return what Ray Train raises for an exception of a rank."""
    return UserExceptionWithTraceback(error, f"Traceback ...\n{type(error).__name__}: {error}")


def group(*causes: Exception) -> WorkerGroupError:
    return WorkerGroupError("words", dict(enumerate(causes)))


KILLED = WorkerHealthCheckFailedError("A worker health check failed.", ActorDiedError())
DEATHS = [
    None,
    ActorDiedError(),
    NodeDiedError("gone"),
    WorkerCrashedError(),
    OutOfMemoryError("killed to free memory"),
    ControllerError(WorkerGroupStartupTimeoutError(2)),
    group(KILLED),
    group(WorkerHealthCheckTimeoutError("hangs")),
    group(raised(RuntimeError("[gloo/pair.cc:1] Connection closed by peer [127.0.0.1]:1")), KILLED),
    group(raised(RuntimeError("[gloo/pair.cc:1] Connection closed by peer [127.0.0.1]:1"))),
    group(raised(dist.DistBackendError("NCCL communicator was aborted"))),
    group(raised(ActorDiedError())),  # of a queue
    group(ActorDiedError()),
    group(RuntimeError("[gloo/pair.cc:1] Connection closed by peer [127.0.0.1]:1"), KILLED),
    RayTaskError("run", "Traceback ...", ActorDiedError()),
]
EXCEPTIONS = [
    ValueError("a bug of ours"),
    group(raised(ConfigError("space.yaml: seed: must be whole, got 1.5"))),
    group(raised(DataError("data.jsonl: line 1: must be JSON, got {"))),
    group(raised(FloatingPointError("the loss is nan at step 3"))),
    group(FloatingPointError("the loss is nan at step 3")),  # as Ray Train 2.60 reports it
    group(ConfigError("api_key_env: must hold a key")),
    group(raised(torch.OutOfMemoryError("CUDA out of memory"))),
    group(raised(RuntimeError("shape mismatch")), raised(RuntimeError("shape mismatch"))),
    RayTaskError("run", "Traceback ...", ValueError("x")),
]


@pytest.mark.parametrize("error", DEATHS, ids=repr)
def test_deaths_are_worth_a_new_start(error: Exception | None) -> None:
    assert process_died(error)
    assert isinstance(failure(error), ProcessDiedError)


@pytest.mark.parametrize("error", EXCEPTIONS, ids=repr)
def test_exceptions_are_not(error: Exception) -> None:
    assert not process_died(error)
    assert type(failure(error)) is TrialError


def test_the_rank_that_died_is_named_before_those_that_saw_it() -> None:
    found = failure(group(raised(ValueError("late")), KILLED))
    assert str(found).startswith("rank 1: WorkerHealthCheckFailedError: ")


def test_the_first_line_names_the_exception() -> None:
    found = str(failure(group(raised(FloatingPointError("the loss is nan")))))
    assert found.splitlines()[0] == "rank 0: FloatingPointError: the loss is nan"
    assert "Traceback" in found


LOW = "Task was killed due to the node running low on memory.\nMemory on the node was 22 / 23 GB"


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError(LOW),
        group(OutOfMemoryError(LOW)),
        group(WorkerHealthCheckFailedError("A worker health check failed.", OutOfMemoryError(LOW))),
    ],
    ids=repr,
)
def test_a_kill_by_the_memory_monitor_names_the_settings_to_change(error: Exception) -> None:
    named = "killed because the machine ran out of memory: lower search.max_concurrent, workers"
    assert named in str(failure(error))
    assert named in failure_message(failure(error))
    assert named in failure_message(OutOfMemoryError(LOW))


def test_other_kills_are_not_said_to_be_of_memory() -> None:
    crashed = WorkerCrashedError()
    assert "OOM" in str(crashed) or "unexpected" in str(crashed)
    assert "out of memory: lower" not in str(failure(crashed))
    assert failure_message(None) == "the trial's process died"


def test_failures_of_the_infrastructure_keep_their_kind() -> None:
    full = InfrastructureError("OSError: [Errno 28] No space left on device")
    found = failure(group(raised(full)))
    assert type(found) is InfrastructureError
    assert str(found) == f"rank 0: {full}"
    assert ended_by_infrastructure(None)
    assert ended_by_infrastructure(RayTaskError("run", "Traceback ...", failure(group(KILLED))))
    assert not ended_by_infrastructure(RayTaskError("run", "Traceback ...", ValueError("x")))


def test_the_exception_reaches_the_driver_unchanged() -> None:
    died = pickle.loads(pickle.dumps(failure(group(KILLED))))
    assert isinstance(died, ProcessDiedError)
    carried = RayTaskError("train", "Traceback ...", died).as_instanceof_cause()
    assert isinstance(carried, ProcessDiedError)
