"""Screening of a space's previews before any training: the seed model's loss of the first answer tokens."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from lookahead_ray.config.dimension import dimensions, substitute
from lookahead_ray.config.load import Sweep
from lookahead_ray.config.preview import NoPreview, PreviewConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.tasks.registry import load_task
from lookahead_ray.errors import ConfigError
from lookahead_ray.evaluate.opening_loss import OpeningNats, opening_nats
from lookahead_ray.hardware.precision import torch_dtype
from lookahead_ray.model.load import load_model, load_tokenizer
from lookahead_ray.stats.interval import Interval
from lookahead_ray.stats.mean import mean_interval
from lookahead_ray.sweep.search.grid import MOST_POINTS, Point, all_points

SEARCHED_ONCE = ("model", "task")
"""Parts of a configuration that decide the losses, besides the preview."""

Progress = Callable[[int, int], None]

_PREVIEW: TypeAdapter[PreviewConfig] = TypeAdapter(PreviewConfig)


@dataclass(frozen=True, slots=True)
class ScreenedPreview:
    """One preview's losses under the seed model, in nats per token, with 95 % intervals over training rows.

    Attributes:
        loss: of the first `tokens` tokens of the answer as it is trained, with a virtual preview's phrase.
        first: of the first one of them.
        answer: of the first `tokens` tokens of the task's own answer, after the phrase; None if no row of
            `max_length` has room for them.
        rows: number of training rows.
    """

    preview: PreviewConfig
    loss: Interval
    first: Interval
    answer: Interval | None
    rows: int


def candidate_previews(sweep: Sweep) -> list[PreviewConfig]:
    """Return no preview, which vanilla trains without, and all previews of the space.

    Raises:
        ConfigError: the space has no dimension in its preview, too many previews, or several models or tasks.
    """
    tree = {"preview": sweep.template.get("preview", {})}
    if not list(dimensions(tree)):
        rule = "must have a search dimension to be screened, such as a choice of phrases"
        raise ConfigError(f"{sweep.source}: preview: {rule}, got {_shown(sweep.template.get('preview'))}")
    for dimension in sweep.dimensions:
        if dimension.name.partition(".")[0] in SEARCHED_ONCE:
            rule = "must be one value to screen previews, got a search dimension"
            fix = f"set it with --set {dimension.name}=VALUE"
            raise ConfigError(f"{sweep.source}: {dimension.name}: {rule} ({dimension}); {fix}")
    points = all_points(replace(sweep, template=tree))
    if not points:
        raise ConfigError(
            f"{sweep.source}: preview: must have at most {MOST_POINTS:,} values to be screened, got more"
        )
    found = [_preview_at(tree, point) for point in points]
    return list(dict.fromkeys([NoPreview(), *found]))


def rank_previews(
    config: TrialConfig, previews: Sequence[PreviewConfig], *, rows: int, tokens: int, progress: Progress
) -> list[ScreenedPreview]:
    """Return the losses of `previews`, lowest first. Arguments and errors as `row_losses`."""
    found = row_losses(config, previews, rows=rows, tokens=tokens, progress=progress)
    screened = [_summary(preview, nats) for preview, nats in zip(previews, found, strict=True)]
    return sorted(screened, key=lambda each: each.loss.value)


def row_losses(
    config: TrialConfig, previews: Sequence[PreviewConfig], *, rows: int, tokens: int, progress: Progress
) -> list[list[OpeningNats]]:
    """Return the seed model's losses of the first answer tokens, for each preview a list over training rows.

    A method that rewrites answers is not run. The model runs in this process, on the first GPU if a trial
    would use one.

    Args:
        config: provides the model, the task, the precision and the device; nothing in it is `auto`.
        rows: number of training rows, the first ones of the task; all if it has fewer.
        tokens: number of first answer tokens.
        progress: called with the number of rows done, and of all.

    Raises:
        DataError: the task's data can't be used, or its rows are too long.
        ModelError: the model can't be used.
    """
    import torch

    examples = load_task(config.task).train[:rows]
    tokenizer = load_tokenizer(config.model)
    device = torch.device("cuda" if config.resources.gpus_per_worker else "cpu")
    if device.type == "cpu":
        torch.set_num_threads(max(1, int(config.resources.cpus_per_worker)))
    model = load_model(config.model, torch_dtype(config.training.precision), device)
    return opening_nats(model, tokenizer, examples, previews, config.training, tokens, progress)


def _preview_at(tree: Mapping[str, Any], point: Point) -> PreviewConfig:
    filled: Any = substitute(tree, lambda dimension: point[dimension.name])
    return _PREVIEW.validate_python(filled["preview"])


def _summary(preview: PreviewConfig, nats: Sequence[OpeningNats]) -> ScreenedPreview:
    answers = [_mean(row.answer) for row in nats if row.answer]
    return ScreenedPreview(
        preview,
        mean_interval([_mean(row.trained) for row in nats]),
        mean_interval([row.trained[0] for row in nats]),
        mean_interval(answers) if answers else None,
        len(nats),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _shown(tree: object) -> str:
    return "no preview" if tree is None else repr(tree)
