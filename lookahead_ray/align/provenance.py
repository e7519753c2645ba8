"""The file `provenance.json` next to an adapter: how it was made, and what was measured."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import torch

from lookahead_ray.align.run import AlignmentData
from lookahead_ray.config.align import AlignConfig
from lookahead_ray.evaluate.results import Metric, Rate
from lookahead_ray.filesystem import replacing
from lookahead_ray.model.load import model_hash
from lookahead_ray.train.step import Step
from lookahead_ray.trial.record import TrialRecord

PROVENANCE = "provenance.json"


@dataclass(frozen=True)
class Provenance:
    """How an adapter was made. Losses in nats per answer token.

    Attributes:
        command: that makes it again.
        data: the rows, and the unaligned model's loss on the task.
        steps: of the training.
        before: the measurement of the unaligned model.
    """

    command: str
    config: AlignConfig
    data: AlignmentData
    steps: list[Step]
    before: TrialRecord

    def write(
        self,
        directory: Path,
        seconds: float,
        after: TrialRecord | None = None,
        answer_loss: float | None = None,
    ) -> None:
        """Write the file to the adapter's `directory`.

        Args:
            seconds: that the command took, without those of an interrupted one before.
            after: the measurement of the aligned model, and `answer_loss` its loss on the task's reference
                answers; None if they are not measured yet.
        """
        losses = {"answer_loss": answer_loss, "unaligned_answer_loss": self.data.answer_loss}
        content = {
            "command": self.command,
            "config": self.config.model_dump(mode="json"),
            "base_model_hash": model_hash(self.config.model),
            "data_hash": self.data.data_hash,
            "rows": len(self.data.rows),
            "final_loss": self.steps[-1].loss,
            "figures": {**(_rates(after) if after else {}), **losses},
            "figures_before": _rates(self.before),
            "seconds": round(seconds),
            "versions": {"python": sys.version.split()[0], "torch": torch.__version__},
        }
        with replacing(directory / PROVENANCE) as file:
            file.write((json.dumps(content, indent=2) + "\n").encode())


def _rates(record: TrialRecord) -> dict[str, Any]:
    found: dict[str, Rate | None] = {metric: getattr(record, metric) for metric in get_args(Metric)}
    return {metric: asdict(rate) for metric, rate in found.items() if rate}
