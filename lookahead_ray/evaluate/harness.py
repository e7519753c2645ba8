"""General abilities: tasks of `lm-eval` on a model that is already loaded."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lookahead_ray.config.harness import HarnessConfig
from lookahead_ray.errors import ConfigError, DataError, HubDataError, TrialError
from lookahead_ray.method.reporting import Report, quiet
from lookahead_ray.stats.interval import NORMAL_95

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FIELD = "evaluation.harness"

Scores = dict[str, dict[str, float]]
"""Task and metric, such as `arc_easy/acc` -> value, low, high (where there is a standard error) and n."""


def check_harness(config: HarnessConfig) -> str:
    """Load the tasks with their data, and return a line for the user.

    Raises:
        ConfigError: `lm-eval` is not installed, `include_path` is no folder, or a task is unknown or broken.
        HubDataError: a task's data on the hub can't be reached.
    """
    if find_spec("lm_eval") is None:
        rule = "needs a package that is not installed; install it with: pip install 'lm-eval[hf]'"
        raise ConfigError(f"{FIELD}: {rule}")
    manager = _task_manager(config)
    known = set(manager.all_tasks)
    for index, task in enumerate(config.tasks):
        if task not in known:
            rule = "must be a task or group that lm-eval or include_path has (see `lm-eval ls tasks`)"
            raise ConfigError(f"{FIELD}.tasks.{index}: {rule}, got {task!r}")
    for index, task in enumerate(config.tasks):
        _load(manager, index, task)
    limit = f", the first {config.limit} examples of each" if config.limit else ""
    return f"lm-eval: {', '.join(config.tasks)}{limit}"


def measure_harness(
    model: "PreTrainedModel",
    tokenizer: Any,
    config: HarnessConfig,
    rank: int = 0,
    world_size: int = 1,
    report: Report = quiet,
) -> Scores:
    """Run this rank's share of the tasks on `model`, in place, and return their scores.

    Raises:
        TrialError: a task failed.
    """
    tasks = list(config.tasks)[rank::world_size]
    if not tasks:
        return {}
    report(f"lm-eval: {', '.join(tasks)}", 0, len(tasks))
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    try:
        with _restored(tokenizer):
            found = simple_evaluate(
                model=HFLM(pretrained=model, tokenizer=tokenizer, batch_size=config.batch_size),
                tasks=tasks,
                num_fewshot=config.num_fewshot,
                limit=config.limit,
                apply_chat_template=config.chat,
                fewshot_as_multiturn=config.chat,
                task_manager=_task_manager(config),
                log_samples=False,
                bootstrap_iters=1000,
            )
    except Exception as error:  # tasks raise whatever their data and functions raise
        reason = " ".join(str(error).split())[:300]
        raise TrialError(f"{FIELD}: {', '.join(tasks)}: {type(error).__name__}: {reason}") from error
    report(f"lm-eval: {', '.join(tasks)}", len(tasks), len(tasks))
    return scores_of(found or {})


def scores_of(found: Mapping[str, Any]) -> Scores:
    """Return the scores in the results of `simple_evaluate`, groups included."""
    scores: Scores = {}
    for task, metrics in found.get("results", {}).items():
        n = found.get("n-samples", {}).get(task, {}).get("effective")
        for key, value in metrics.items():
            metric, _, filtered = key.partition(",")
            if metric.endswith("_stderr") or isinstance(value, str | bool) or not filtered:
                continue
            score = {"value": float(value)}
            error = metrics.get(f"{metric}_stderr,{filtered}")
            if isinstance(error, int | float):
                score |= {"low": float(value) - NORMAL_95 * error, "high": float(value) + NORMAL_95 * error}
            if n is not None:
                score["n"] = float(n)
            suffix = "" if filtered == "none" else f"/{filtered}"
            scores[f"{task}/{metric}{suffix}"] = score
    return scores


def _task_manager(config: HarnessConfig) -> Any:
    from lm_eval.tasks import TaskManager

    if config.include_path is None:
        return TaskManager()
    folder = Path(config.include_path).expanduser()
    if not folder.is_dir():
        rule = "must be a folder of task files"
        raise ConfigError(f"{FIELD}.include_path: {rule}, got {config.include_path!r}, which is no folder")
    return TaskManager(include_path=str(folder))


def _load(manager: Any, index: int, task: str) -> None:
    try:
        manager.load([task])
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        if _is_network(error):
            raise HubDataError(
                f"{FIELD}.tasks.{index}: {task}: its data can't be reached: {reason}"
            ) from error
        raise DataError(f"{FIELD}.tasks.{index}: {task}: can't be loaded: {reason}") from error


def _is_network(error: BaseException | None) -> bool:
    """Return whether the error, or a cause of it, comes from a connection or the hub."""
    while error is not None:
        names = {kind.__name__ for kind in type(error).__mro__}
        if names & {"ConnectionError", "HTTPError", "TransportError", "OfflineModeIsEnabled", "Timeout"}:
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def _restored(tokenizer: Any) -> Iterator[None]:
    """Restore the tokenizer's settings, which `lm-eval` changes."""
    side = tokenizer.padding_side
    try:
        yield
    finally:
        tokenizer.padding_side = side
