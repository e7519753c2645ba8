"""Exceptions of a rank: which are of the infrastructure, and which of its configuration."""

import errno
import pickle
from pathlib import Path

import httpx2
import pytest
import torch
from safetensors import SafetensorError

from lookahead_ray.errors import ConfigError, DataError, HubModelError, InfrastructureError, ModelError
from lookahead_ray.trial.infrastructure import is_of_infrastructure, memory_of_others, raise_classified

GPU = "CUDA out of memory. GPU 0 has a total capacity of 80.00 GiB of which {} is free."
PROCESS = "Including non-PyTorch memory, this process has {} GiB memory in use."
OTHERS = f"{GPU.format('1.00 GiB')} Process 12 has 40.00 GiB memory in use. {PROCESS.format('39.00')}"
OWN = f"{GPU.format('10.00 MiB')} {PROCESS.format('79.50')}"


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EROFS, "Read-only file system"),
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.EMFILE, "Too many open files"),
        ConnectionResetError("reset"),
        TimeoutError("the share does not answer"),
        FileNotFoundError(errno.ENOENT, "No such file", "/mnt/share/rows.jsonl"),
        SafetensorError("I/O error: No space left on device (os error 28)"),
        RuntimeError("PytorchStreamWriter failed writing file data/1: No space left on device"),
        httpx2.HTTPStatusError(
            "503", request=httpx2.Request("GET", "http://x"), response=httpx2.Response(503)
        ),
        HubModelError("model.path: neither the hub nor a cached copy can be reached"),
        caused(ModelError("model.path: can't be read"), OSError(errno.EIO, "Input/output error")),
        torch.OutOfMemoryError(OTHERS),
    ],
    ids=repr,
)
def test_disk_network_and_the_memory_of_others_are_infrastructure(error: Exception) -> None:
    assert is_of_infrastructure(error)
    with pytest.raises(InfrastructureError) as raised:
        raise_classified(error)
    assert str(error) in str(raised.value)
    assert isinstance(pickle.loads(pickle.dumps(raised.value)), InfrastructureError)


@pytest.mark.parametrize(
    "error",
    [
        FloatingPointError("the loss is nan at step 3"),
        ValueError("bad"),
        torch.OutOfMemoryError(OWN),
        torch.OutOfMemoryError("CUDA out of memory"),
        ConfigError("judge: api_key_env: must hold a key"),
        caused(ConfigError("task.path: must exist"), FileNotFoundError(errno.ENOENT, "No such file")),
        DataError("rows.jsonl: line 1: must be JSON"),
        OSError("it is not a valid model identifier"),
    ],
    ids=repr,
)
def test_a_diverged_training_and_bad_settings_are_not(error: Exception) -> None:
    assert not is_of_infrastructure(error)
    with pytest.raises(type(error)) as raised:
        raise_classified(error)
    assert raised.value is error


def test_the_share_of_a_gpu_that_others_hold() -> None:
    assert memory_of_others(OTHERS) == pytest.approx(0.5)
    assert memory_of_others(OWN) == pytest.approx(0.0, abs=0.01)


def test_data_that_vanished_is_of_the_infrastructure(tmp_path: Path) -> None:
    error = ModelError("model.path: must be a directory")
    there = {"model": {"path": str(tmp_path)}, "task": {"path": "org/name"}, "safety": [{"path": "embedded"}]}
    with pytest.raises(ModelError):
        raise_classified(error, there)
    for gone in ({"task": {"path": str(tmp_path / "gone")}}, {"safety": [{"data_path": "gone.jsonl"}]}):
        with pytest.raises(InfrastructureError, match=r"has no .*gone"):
            raise_classified(error, there | gone)
    with pytest.raises(ValueError, match="bad"):
        raise_classified(ValueError("bad"), {"task": {"path": "/gone"}})
