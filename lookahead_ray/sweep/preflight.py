"""What can be checked before Ray starts: the data is there, the model has weights, the trial fits."""

from dataclasses import dataclass

from lookahead_ray.config.dimension import corners
from lookahead_ray.config.load import Sweep, content_hash
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.suites import load_suite
from lookahead_ray.data.tasks import load_task
from lookahead_ray.errors import DataError, ModelError
from lookahead_ray.model.load import check as check_model
from lookahead_ray.sweep.cluster import check_fits


@dataclass(frozen=True)
class Preflight:
    """What was found, a line each, for a person."""

    lines: list[str]


def check(sweep: Sweep) -> Preflight:
    """Load the data and look at the model's files, for each task, suite and model that the space holds.

    Raises:
        ConfigError: a trial asks for more workers than this machine has cores.
        DataError: a data file is missing, empty, malformed or too small.
        ModelError: a local model without weights.
    """
    lines = [f"{sweep.name}: {sweep.search.trials} trials after seed and vanilla"]
    lines += [f"dimension {dimension}" for dimension in sweep.dimensions]
    seen = set()
    for tree in corners(sweep.template):
        config = TrialConfig.model_validate(tree)
        check_fits(config, sweep.source)
        for part in (config.model, config.task, config.safety[0]):
            key = content_hash(part.model_dump(mode="json"))
            if key not in seen:
                seen.add(key)
                lines.append(_look(config, part, sweep.source))
    return Preflight(lines)


def _look(config: TrialConfig, part: object, source: str) -> str:
    if part is config.model:
        try:
            return f"model {check_model(config.model)}"
        except ModelError as error:
            raise ModelError(f"{source}: {error}") from error
    if part is config.task:
        try:
            task = load_task(config.task)
        except DataError as error:
            raise DataError(f"{source}: task: {error}") from error
        return f"task {task.name}: {len(task.train)} training and {len(task.test)} test examples"
    suite = load_suite(config.safety[0])
    return f"safety {suite.name}: {len(suite.harmful)} harmful and {len(suite.benign)} benign prompts"
