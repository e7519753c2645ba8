"""Whether a trial that failed is worth starting again: a process that died may live next time, while an
exception that was raised would be raised again."""

from typing import Any

from lookahead_ray.errors import TrialError

LOST_PEER = ("Connection closed by peer", "Connection reset by peer", "Connection refused")
"""What gloo says on the ranks that outlive one."""


class ProcessDied(TrialError):
    """A process of the trial was killed, or its machine was lost."""


def failure(error: BaseException | None) -> TrialError:
    """What ended a worker group, `error` being what Ray Train raised: `ProcessDied`, or another `TrialError`.

    None: its processes ended without a word.
    """
    from ray.train.v2.api.exceptions import WorkerGroupError

    kind = ProcessDied if process_died(error) else TrialError
    if isinstance(error, WorkerGroupError) and error.worker_failures:
        rank, cause = min(error.worker_failures.items())
        return kind(f"rank {rank}: {type(cause).__name__}: {cause}")
    return kind(f"{type(error).__name__}: {error}" if error else "its processes ended without a word")


def process_died(error: BaseException | None) -> bool:
    """Whether `error` says that a process died or could not start, and not what one of them raised.

    Where a rank died, others see the connection to it end and raise; one that died decides.
    """
    from ray.exceptions import RayError, RayTaskError
    from ray.train.v2.api.exceptions import ControllerError, PreemptionError, WorkerGroupError

    match error:
        case None | ControllerError() | PreemptionError():
            return True
        case WorkerGroupError():
            return any(_rank_died(cause) for cause in error.worker_failures.values())
        case RayTaskError():
            return process_died(error.cause)
        case _:
            return isinstance(error, RayError)


def _rank_died(cause: Any) -> bool:
    from ray.train.v2._internal.exceptions import UserExceptionWithTraceback

    if not isinstance(cause, UserExceptionWithTraceback):
        return True  # what Ray Train saw from outside
    raised = cause._base_exc
    return _lost_a_peer(raised) or process_died(raised)


def _lost_a_peer(raised: BaseException) -> bool:
    import torch.distributed as dist

    if isinstance(raised, dist.DistBackendError | dist.DistNetworkError):
        return True
    return isinstance(raised, RuntimeError) and any(words in str(raised) for words in LOST_PEER)
