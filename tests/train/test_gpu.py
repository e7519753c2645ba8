"""The training loop on a CUDA device."""

from pathlib import Path

import pytest
import torch

from lookahead_ray.config.model import ModelConfig
from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.method import vanilla
from lookahead_ray.model.load import load_model
from lookahead_ray.train.batches import collate
from lookahead_ray.train.model import answer_logits, prepare_model
from tests.tiny import make_model

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, this machine has none"),
]


def test_loss_on_cuda_equals_loss_on_the_cpu(tmp_path: Path) -> None:
    rows = [Rendered((1, 5, 6, 7), (8, 9, 2)), Rendered((1, 5), (6, 2))]
    config = ModelConfig(path=str(make_model(tmp_path)))
    losses = []
    for device in ("cpu", "cuda"):
        model = prepare_model(load_model(config, torch.float32).to(device), TrainingConfig())
        micro = collate(rows, pad_id=0, device=torch.device(device))
        losses.append(vanilla.answer_loss(answer_logits(model, micro), micro.targets).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
