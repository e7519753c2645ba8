"""The files of a local model: the weights that `model.path` means, and what is wrong with them."""

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lookahead_ray.errors import ModelError
from lookahead_ray.filesystem import is_url
from lookahead_ray.model.gguf import check_gguf, choose_gguf

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
WEIGHTS = ("*.safetensors", "*.gguf")
PACKED = ("I8", "U8", "I16", "U16", "I32", "U32", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F4")
"""Number formats of quantized weights in safetensors files; weights that can be trained are floats of 16 bits
or more."""
LARGEST_HEADER = 2**28  # bytes
HUBS = ("huggingface.co", "www.huggingface.co", "hf.co")


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A local model: its directory and the weight files that belong to it."""

    directory: Path
    weights: tuple[Path, ...]

    @property
    def gguf_file(self) -> str | None:
        """Return the name of its GGUF file; None for safetensors."""
        return self.weights[0].name if self.weights[0].suffix == ".gguf" else None

    @property
    def is_adapter(self) -> bool:
        """Return whether it is only an adapter (of peft), to be used with a base model."""
        return is_adapter(self.directory)


def is_adapter(directory: Path) -> bool:
    """Return whether a directory holds only an adapter (of peft), to be used with a base model."""
    return (directory / ADAPTER_CONFIG).is_file() and not (directory / CONFIG).is_file()


def is_local(path: str) -> bool:
    """Return whether `path` is local: hub names are `name` or `owner/name`, unless that path exists here."""
    return Path(path).exists() or path.startswith((".", "/", "~")) or path.count("/") > 1


def find_local(path: str) -> LocalModel:
    """Return the local model at `path`: a directory with weights, or one GGUF file.

    Raises:
        ModelError: there are no weights, or several models, or `path` is a URL.
    """
    refuse_url(path, "model.path")
    place = Path(path).expanduser()
    if place.suffix == ".gguf" and place.is_file():
        check_gguf(place)
        return LocalModel(place.parent, (place,))
    if not place.exists():
        raise ModelError(
            f"model.path: must be a directory with weights, got {str(place)!r}, which does not exist"
        )
    if not place.is_dir():
        advice = f": write its folder, {str(place.parent)!r}" if place.suffix == ".safetensors" else ""
        raise ModelError(
            f"model.path: must be a directory with weights or a GGUF file, got the file {str(place)!r}"
            f"{advice}"
        )
    if found := sorted(place.glob("*.safetensors")):
        return _of_safetensors(place, found)
    if found := sorted(place.glob("*.gguf")):
        return LocalModel(place, (choose_gguf(place, found),))
    pickled = next((name.name for name in sorted(place.glob("*.bin"))), None)
    advice = f", only {pickled}, which may hold code: save it with safe_serialization=True" if pickled else ""
    raise ModelError(
        f"model.path: needs *.safetensors or *.gguf weights, found none in {str(place)!r}{advice}"
    )


def refuse_url(path: str, field: str) -> None:
    """Raise if the path of a model is a URL, which is read for data only.

    Raises:
        ModelError: the message says what to write in its place.
    """
    if not is_url(path):
        return
    parts = urlsplit(path)
    names = [name for name in (parts.netloc, *parts.path.split("/")) if name]
    advice = "copy the model to a folder (on a cluster, one that all machines share) and write that"
    on_hub = names if parts.scheme == "hf" else names[1:] if parts.hostname in HUBS else []
    if parts.scheme == "file":
        advice = f"write {parts.path!r}"
    elif on_hub:
        advice = f"write {'/'.join(on_hub[:2])!r}"
    rule = "must be a folder or a file of this machine, or a hub name such as org/name"
    raise ModelError(f"{field}: {rule}, got the URL {path!r}: {advice}")


def _of_safetensors(directory: Path, found: list[Path]) -> LocalModel:
    """Return the model without the weights of an adapter in the same directory. Raises ModelError."""
    has_config = (directory / CONFIG).is_file()
    own = [file for file in found if file.name != ADAPTER_WEIGHTS]
    if has_config and not own:
        raise ModelError(
            f"model.path: {str(directory)!r} has a config.json but only the weights of an adapter "
            f"({ADAPTER_WEIGHTS}): remove config.json to use it with its base model, or merge it"
        )
    model = LocalModel(directory, tuple(own or found))
    missing = [name for name in _indexed(directory) if not (directory / name).is_file()]
    if missing and not model.is_adapter:
        raise ModelError(
            f"model.path: {str(directory)!r} lacks {len(missing)} of the weight files that {INDEX} lists, "
            f"such as {missing[0]}: copy the whole model"
        )
    return model


def check_weights(model: LocalModel, subject: str) -> dict[str, tuple[int, ...]]:
    """Return name -> shape of all tensors in safetensors files, from the files' headers.

    Raises:
        ModelError: a file is damaged or cut off, or its weights are quantized.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for file in model.weights:
        header = _read_header(file, subject)
        for name, about in header.items():
            shapes[name] = tuple(about["shape"])
            if about["dtype"] in PACKED and name.rpartition(".")[2] in ("weight", "qweight", "weight_packed"):
                raise quantized(subject, f"{name} holds {about['dtype']} numbers")
    return shapes


def quantized(subject: str, how: str) -> ModelError:
    """Return the error for a checkpoint whose weights are quantized."""
    return ModelError(
        f"{subject} is a quantized checkpoint ({how}), which can't be trained here: use the original with "
        "weights of 16 or 32 bits"
    )


def _read_header(file: Path, subject: str) -> dict[str, Any]:
    """Return tensor name -> description; see https://huggingface.co/docs/safetensors (format)."""
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(LARGEST_HEADER, size):
                raise ValueError("no header")
            header: dict[str, Any] = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        end = 8 + length + max((about["data_offsets"][1] for about in header.values()), default=0)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, struct.error) as error:
        raise ModelError(
            f"{subject} can't be loaded: {file.name} is no safetensors file ({size} bytes)"
        ) from error
    if size < end:
        raise ModelError(
            f"{subject} can't be loaded: {file.name} is cut off, it has {size} of {end} bytes: copy it again"
        )
    return header


def _indexed(directory: Path) -> Sequence[str]:
    try:
        listed = json.loads((directory / INDEX).read_text(encoding="utf-8"))["weight_map"]
    except (OSError, ValueError, TypeError, KeyError):
        return ()
    return sorted(set(listed.values()))


def read_json(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file; empty if there is none."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def quantization(settings: dict[str, Any]) -> str | None:
    """Return in words how weights with the settings in `config.json` are quantized; None if not."""
    for about in _quantizations(settings):
        method = about.get("quant_method") or about.get("quantization_method")
        bits = next((about[key] for key in ("bits", "w_bit", "num_bits") if about.get(key)), None)
        for name, number in (("load_in_4bit", 4), ("load_in_8bit", 8)):
            bits = number if about.get(name) else bits
        words = [str(method)] if method else []
        words += [f"{bits} bits"] if bits else []
        return ", ".join(words) or "quantization_config"
    return None


def _quantizations(settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in (settings, settings.get("text_config") or {}):
        for key in ("quantization_config", "compression_config", "quantization"):
            if isinstance(part, dict) and isinstance(part.get(key), dict) and part[key]:
                yield part[key]
