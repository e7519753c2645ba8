"""A file planted among the checkpoints runs no code; test_local and test_remote resume from honest ones."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from lookahead_ray.train.checkpoint import local, plain_files
from tests.train.checkpoint.test_local import CONFIG, engine_of, saved, weights


class Planted:
    """An object whose restoring creates a file."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self._marker,)


def plant(path: Path, marker: Path, archive: bool = True) -> None:
    torch.save({"module": {}, "planted": Planted(marker)}, path, _use_new_zipfile_serialization=archive)


@pytest.mark.parametrize("archive", [True, False])
def test_a_planted_file_is_refused_before_it_is_loaded(archive: bool, tmp_path: Path) -> None:
    plant(tmp_path / "a.pt", tmp_path / "ran", archive)
    refused = plain_files.find_unsafe_file([tmp_path / "a.pt"])
    assert refused is not None
    assert refused.startswith("a.pt ")
    with pytest.raises(pickle.UnpicklingError):
        plain_files.read(tmp_path / "a.pt")
    assert not (tmp_path / "ran").exists()
    torch.load(tmp_path / "a.pt", weights_only=False)
    assert (tmp_path / "ran").exists(), "the file would have run code"


def test_a_bare_pickle_and_a_damaged_archive_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Planted(tmp_path / "ran")))
    with zipfile.ZipFile(tmp_path / "damaged.pt", "w") as archive:
        archive.writestr("x/data.pkl", b"\x80\x02")
    for name in ("bare.pt", "damaged.pt"):
        assert str(plain_files.find_unsafe_file([tmp_path / name])).startswith(f"{name} can't be read")
    assert not (tmp_path / "ran").exists()


def test_tensors_and_plain_values_are_read(tmp_path: Path) -> None:
    content = {"module": {"w": torch.arange(3.0)}, "steps": [1, 2.5, None, "x"]}
    torch.save(content, tmp_path / "a.pt")
    assert plain_files.find_unsafe_file([tmp_path / "a.pt"]) is None
    found = plain_files.read(tmp_path / "a.pt", map_location="cpu")
    assert torch.equal(found["module"]["w"], content["module"]["w"])  # type: ignore[index]
    assert found["steps"] == content["steps"]


def test_an_epoch_that_leads_elsewhere_is_no_checkpoint() -> None:
    made = local.Checkpoint("h", 1, "1/../../x", (), {}, {})  # type: ignore[arg-type]
    assert local.parsed(made.content()) is None


@pytest.mark.slow
@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(
    "victim", ["mp_rank_00_model_states.pt", "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt"]
)
@pytest.mark.parametrize("elastic", [False, True])
def test_a_planted_file_leaves_the_engine_unchanged(victim: str, elastic: bool, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"precision": "bf16"})
    saved(tmp_path / "trial", config)
    found = local.read_checkpoint(tmp_path / "trial")
    assert found
    plant(tmp_path / "trial" / found.folder / victim, tmp_path / "ran")
    engine = engine_of(config)
    before = weights(engine)
    refused = local.load(engine, tmp_path / "trial", found, elastic)
    assert str(refused).startswith(f"{victim} contains ")
    assert not (tmp_path / "ran").exists()
    assert all(map(torch.equal, before, weights(engine)))
    engine.destroy()
