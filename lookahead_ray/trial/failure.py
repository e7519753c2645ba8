"""Whether a trial that failed is worth starting again: a process that died may live next time, while an
exception that one raised would be raised again."""

from lookahead_ray.errors import TrialError

LOST_PEER = ("Connection closed by peer", "Connection reset by peer", "Connection refused")
"""What gloo says on the ranks that outlive one."""


class ProcessDiedError(TrialError):
    """A process of the trial was killed, or its machine was lost."""


def failure(error: BaseException | None) -> TrialError:
    """What ended a worker group, `ProcessDiedError` or another `TrialError`.

    `error` is what Ray Train raised; None: its processes ended without a word.
    """
    from ray.train.v2.api.exceptions import WorkerGroupError

    kind = ProcessDiedError if process_died(error) else TrialError
    if error is None:
        return kind("its processes ended without a word")
    if isinstance(error, WorkerGroupError) and error.worker_failures:
        failures = error.worker_failures
        rank = min(failures, key=lambda rank: (not _rank_died(failures[rank]), rank))
        return kind(f"rank {rank}: {_words(failures[rank])}")
    return kind(_words(error))


def process_died(error: BaseException | None) -> bool:
    """Whether `error` says that a process died or could not start, rather than what one of them raised.

    Where a rank died, others see their connection to it end and raise; the one that died decides.
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


def failure_message(error: BaseException | None) -> str:
    """Why a trial ended, `error` being what Tune has of it."""
    from ray.exceptions import RayTaskError

    cause = error.cause if isinstance(error, RayTaskError) else error
    if cause is None:
        return "the trial's process died"
    return str(cause) if isinstance(cause, TrialError) else _words(cause)


def _rank_died(cause: BaseException) -> bool:
    import torch.distributed as dist

    raised = _raised(cause)
    if raised is None:
        return True
    if isinstance(raised, dist.DistBackendError | dist.DistNetworkError) or process_died(raised):
        return True
    return isinstance(raised, RuntimeError) and any(phrase in str(raised) for phrase in LOST_PEER)


def _raised(cause: BaseException) -> BaseException | None:
    """The exception that a rank's own code raised; None where Ray Train saw its end from outside."""
    from ray.train.v2._internal.exceptions import UserExceptionWithTraceback

    return cause._base_exc if isinstance(cause, UserExceptionWithTraceback) else None


def _words(error: BaseException) -> str:
    """The error in a line, and for what a rank raised its traceback below."""
    raised = _raised(error)
    if raised is None:
        return f"{type(error).__name__}: {error}"
    return f"{type(raised).__name__}: {raised}\n{error}"
