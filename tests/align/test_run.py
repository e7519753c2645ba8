"""An alignment of a tiny model: the adapter that it writes, and how it continues after an interruption."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lookahead_ray.align import checkpoints, run
from lookahead_ray.align.checkpoints import AlignmentCheckpoints
from lookahead_ray.align.run import AlignmentData, name_base, prepare_data, train_adapter, write_merged
from lookahead_ray.config.align import AlignConfig, load_align
from lookahead_ray.config.model import ModelConfig
from lookahead_ray.data.alignment_prompts import Request, read_requests
from lookahead_ray.disk_cache import DiskCache
from lookahead_ray.errors import ModelError
from lookahead_ray.model.load import load_model, load_tokenizer
from lookahead_ray.trial.progress import TrialProgress
from lookahead_ray.trial.reporter import ProgressReporter
from tests.tiny import make_model

CPU = torch.device("cpu")

# of the command before it took other models, with this tiny model in place of the embedded one
DATA_HASH = "ebf4c7af9037de98430699e4a6ee123ff2057b2864f9e2a78afb403553fc7514"
LOSSES = [2.861985, 3.336954, 5.489155, 1.789855, 1.247958]

pytestmark = pytest.mark.usefixtures("group")


@pytest.fixture(autouse=True)
def few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(name: str) -> list[Request]:
        return read_requests(name)[:6]

    monkeypatch.setattr(run, "read_requests", read)
    monkeypatch.setattr(checkpoints, "EVERY_S", 0.0)


@pytest.fixture
def config(tmp_path: Path) -> AlignConfig:
    return load_align(
        [
            f"model.path={make_model(tmp_path / 'model')}",
            "training={epochs: 2, batch_size: 8, micro_batch_size: 4, precision: fp32, learning_rate: 1e-2, "
            "lora: {rank: 2, alpha: 4.0}}",
            "task.test_examples=2",
            "answer_tokens=8",
            "openings=4",
            "word_problems=2",
            "gpus_per_worker=0",
        ]
    )


def reporter(said: list[str], on_report: Callable[[TrialProgress], None] | None = None) -> ProgressReporter:
    def send(progress: TrialProgress) -> None:
        said.append(progress.detail)
        if on_report:
            on_report(progress)

    # two seconds pass between reports, so that none is left out
    return ProgressReporter(send, clock=count(step=2).__next__)


def prepare(config: AlignConfig, folder: Path, said: list[str]) -> AlignmentData:
    return prepare_data(config, CPU, DiskCache(folder / "answers"), reporter(said))


def train_to(
    config: AlignConfig, data: AlignmentData, folder: Path, out: Path, report: ProgressReporter
) -> list[float]:
    def say(line: str) -> None:
        report.report("saving", line)

    kept = AlignmentCheckpoints(folder / "checkpoint", config, data.data_hash, say)
    return [step.loss for step in train_adapter(config, data, CPU, kept, report, out)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


@pytest.mark.slow
def test_an_interrupted_alignment_continues_to_the_same_adapter(config: AlignConfig, tmp_path: Path) -> None:
    said: list[str] = []
    data = prepare(config, tmp_path, said)
    whole = train_to(config, data, tmp_path / "first", tmp_path / "whole", reporter([]))
    assert len(whole) > 3

    def interrupt(progress: TrialProgress) -> None:
        if progress.phase == "training" and progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_to(config, data, tmp_path, tmp_path / "out", reporter([], interrupt))
    assert not (tmp_path / "out").exists()
    said = []
    again = prepare(config, tmp_path, said)
    assert any("those of the interrupted alignment" in line for line in said)
    assert again == data
    said = []
    losses = train_to(config, again, tmp_path, tmp_path / "out", reporter(said))
    assert any("resuming after step 2" in line for line in said)
    assert losses == pytest.approx(whole, rel=1e-5)
    found, expected = weights(tmp_path / "out"), weights(tmp_path / "whole")
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=1e-4, atol=1e-6)


def test_rows_and_losses_are_those_from_when_only_the_embedded_model_could_be_aligned(
    config: AlignConfig, tmp_path: Path
) -> None:
    data = prepare(config, tmp_path, [])
    assert data.data_hash == DATA_HASH
    losses = train_to(config, data, tmp_path, tmp_path / "out", reporter([]))
    assert losses == pytest.approx(LOSSES, rel=1e-3)


def test_fewer_requests_make_fewer_rows(config: AlignConfig, tmp_path: Path) -> None:
    changes = {"harmful_requests": 2, "benign_requests": 1, "recoveries": False}
    data = prepare(config.model_copy(update=changes), tmp_path, [])
    assert len(data.rows) == 2 * (2 + 1 + 4 + 2)


def test_a_checkpoint_of_other_settings_is_not_used(config: AlignConfig, tmp_path: Path) -> None:
    data = prepare(config, tmp_path, [])
    train_to(config, data, tmp_path, tmp_path / "out", reporter([]))
    other = config.model_copy(update={"opening_weight": 1.0})
    said: list[str] = []
    train_to(other, data, tmp_path, tmp_path / "other", reporter(said))
    assert any("existing checkpoint not used: it belongs to another configuration" in line for line in said)


def test_the_adapter_and_the_merged_model_are_loaded_as_models(config: AlignConfig, tmp_path: Path) -> None:
    said: list[str] = []
    data = prepare(config, tmp_path, said)
    out = tmp_path / "out"
    train_to(config, data, tmp_path, out, reporter(said))
    settings = json.loads((out / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == str(tmp_path / "model")
    assert settings["lora_alpha"] == pytest.approx(0.9 * 4.0)
    assert not (out / "README.md").exists()
    adapter = ModelConfig(path=str(out))
    write_merged(adapter, "fp32", out / "merged", CPU, reporter(said))
    ids = torch.tensor([[5, 6, 7, 8]])
    logits = [
        load_model(ModelConfig(path=str(path)), torch.float32)(input_ids=ids).logits
        for path in (tmp_path / "model", out, out / "merged")
    ]
    assert (logits[0] - logits[1]).abs().max() > 1e-4
    torch.testing.assert_close(logits[1], logits[2])
    assert load_tokenizer(adapter).chat_template == load_tokenizer(config.model).chat_template


def test_rows_that_exceed_the_context_are_refused(config: AlignConfig, tmp_path: Path) -> None:
    file = tmp_path / "model" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"max_position_embeddings": 128}))
    with pytest.raises(ModelError, match=r"rows of \d+ tokens, but the model's context length is 128"):
        prepare(config, tmp_path, [])


def test_bases_are_named_so_that_the_adapter_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    for path, name in (
        ("embedded-unaligned", "embedded-unaligned"),
        ("org/name", "org/name"),
        ("model", str(tmp_path / "model")),
        ("./model", str(tmp_path / "model")),
    ):
        assert name_base(ModelConfig(path=path)) == name
