"""What the trainings of a run, or of a recorded grid, did."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from benchmarks.common import BenchmarkError
from benchmarks.search.grid import share_of
from benchmarks.search.grid_table import read_grid
from lookahead_ray import store
from lookahead_ray.config.dimension import substitute
from lookahead_ray.config.load import content_hash, load_sweep
from lookahead_ray.config.preview import PreviewConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.trial.record import TrialRecord

OUTCOMES: Mapping[str, str] = {"first_kl": "first-token KL", "mean_kl": "mean KL", "rsr": "RSR"}
"""Results of a training, and how a table names them."""

_PREVIEW: TypeAdapter[PreviewConfig] = TypeAdapter(PreviewConfig)


@dataclass(frozen=True, slots=True)
class Training:
    """One training's preview, its other settings as a text, and its results by name of `OUTCOMES`."""

    preview: PreviewConfig
    setting: str
    results: Mapping[str, float]


def read_trainings(run: str, space: Path) -> tuple[TrialConfig, list[Training]]:
    """Return vanilla's configuration and all completed trainings at share 1.

    Raises:
        BenchmarkError: the run has no completed vanilla trial, or the file is no grid.
        StoreError: the run can't be read.
    """
    if run.endswith(".parquet"):
        sweep = load_sweep(space)
        points = read_grid(Path(run), sweep).points.values()
        return sweep.reference(), [_of_grid(record, sweep.template) for record in points]
    records = [
        record
        for record in store.open(run).records()
        if record.status == "completed" and record.role in ("vanilla", "search", "repeat")
    ]
    vanilla = next((record for record in records if record.role == "vanilla"), None)
    if vanilla is None:
        raise BenchmarkError(f"{run}: must have a completed vanilla trial")
    whole = [record for record in records if share_of(record) == 1]
    return TrialConfig.model_validate(vanilla.config), list(map(_of_run, whole))


def _of_run(record: TrialRecord) -> Training:
    others = {name: part for name, part in record.config.items() if name not in ("preview", "merge")}
    results = {"first_kl": record.kl[0], "mean_kl": float(np.mean(record.kl))} if record.kl else {}
    if record.rsr:
        results["rsr"] = record.rsr.value
    return Training(_PREVIEW.validate_python(record.config["preview"]), content_hash(others), results)


def _of_grid(record: TrialRecord, template: Mapping[str, Any]) -> Training:
    """Return a training of a recorded grid, which has the mean KL after the last epoch, and none by token."""
    params = record.params
    tree: Any = substitute({"preview": template["preview"]}, lambda dimension: params[dimension.name])
    others = {name: value for name, value in params.items() if not name.startswith("preview")}
    results = {"mean_kl": kl} if record.signals and (kl := record.signals[-1].kl) is not None else {}
    if record.rsr:
        results["rsr"] = record.rsr.value
    return Training(_PREVIEW.validate_python(tree["preview"]), content_hash(others), results)
