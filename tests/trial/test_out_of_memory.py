"""A trial that runs out of memory says what would help, and leaves nothing behind."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import TrialError
from lookahead_ray.evaluate.generation.base import Backend
from lookahead_ray.train import packed_attention
from lookahead_ray.trial.out_of_memory import is_out_of_memory, run_in_memory
from lookahead_ray.trial.worker import run_worker
from tests.tiny import make_model
from tests.train.tensors import live_bytes
from tests.trial.test_worker import CONFIG, engines

OF_CUDA = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.15 GiB of which 1.00 "
    "GiB is free. Including non-PyTorch memory, this process has 78.15 GiB memory in use. If"
)


def config_of(folder: Path, **training: int) -> TrialConfig:
    fields = {**CONFIG["training"], **training}
    tree = {**CONFIG, "model": {"path": str(make_model(folder))}, "training": fields}
    return TrialConfig.model_validate(tree)


def fails(*_: Any, **__: Any) -> Any:
    raise torch.OutOfMemoryError(OF_CUDA)


def test_the_message_names_settings_and_their_effect(tmp_path: Path) -> None:
    config = config_of(tmp_path, micro_batch_size=4096)
    with pytest.raises(TrialError) as caught:
        run_in_memory(fails, config, lambda: "training")
    said = str(caught.value)
    assert said.startswith("out of memory in training: set ")
    assert "training.micro_batch_size: 2048 (saves about " in said
    assert said.endswith(
        "; CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.15 GiB"
    )
    assert caught.value.__context__ is None
    with pytest.raises(TrialError, match="out of memory in evaluation: set "):
        run_in_memory(fails, config, lambda: "answering")


def test_other_errors_are_raised_as_they_are(tmp_path: Path) -> None:
    def other() -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        run_in_memory(other, config_of(tmp_path), lambda: "training")
    neighbour = OF_CUDA.replace("has 78.15", "has 8.15")

    def others() -> None:
        raise torch.OutOfMemoryError(neighbour)

    with pytest.raises(torch.OutOfMemoryError):
        run_in_memory(others, config_of(tmp_path), lambda: "training")


def test_torchs_own_error_on_the_cpu_is_one() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


@pytest.mark.slow
@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(
    ("place", "name", "when"),
    [
        (torch.optim.AdamW, "step", "training"),
        (torch.Tensor, "backward", "training"),
        (Backend, "generate", "evaluation"),
    ],
)
def test_the_next_trial_in_the_process_starts_clean(
    place: Any, name: str, when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(tmp_path)
    expected = run_worker(config, trains=True, send=lambda progress: None)
    packed_attention._causal.cache_clear()  # masks of the last batches' shapes
    before, alive = live_bytes(), engines()
    with monkeypatch.context() as patch:
        patch.setattr(place, name, fails)
        with pytest.raises(TrialError, match=f"out of memory in {when}: set "):
            run_worker(config, trains=True, send=lambda progress: None)
    packed_attention._causal.cache_clear()
    assert engines() <= alive
    assert live_bytes() <= before + 6000  # states of random generators
    again = run_worker(config, trains=True, send=lambda progress: None)
    assert expected is not None
    assert again is not None
    assert [step.loss for step in again.steps] == [step.loss for step in expected.steps]
    assert again.generations == expected.generations
