"""The only loader of models and tokenizers: Python code that comes with them is never run.

A model directory may contain Python files that its `config.json` or `tokenizer_config.json` names under
`auto_map`. Without `trust_remote_code` Transformers prompts on the terminal whether to run them. Here they
are ignored: a model is loaded by Transformers' own class for its architecture, and refused if there is none.
"""

import json
from pathlib import Path
from typing import Any

from lookahead_ray.errors import ModelError

OPTION = "trust_remote_code"  # named by Transformers' errors when the model's own code is needed
UNKNOWN = (
    "does not recognize this architecture",
    "Unrecognized model",
    "Unrecognized configuration class",
    "ignore_mismatched_sizes",  # the built-in class of that name has weights of another shape
)
AUTO_MAP = "auto_map"
CONFIG, TOKENIZER_CONFIG = "config.json", "tokenizer_config.json"


def load_pretrained(kind: Any, source: str | Path, subject: str, **arguments: Any) -> Any:
    """Return `kind.from_pretrained(source)`, without running the model's own code or prompting about it.

    Args:
        kind: a class of Transformers, such as `AutoTokenizer`.
        subject: subject of error messages, such as "model.path: ./model".

    Raises:
        ModelError: `source` can't be loaded, or needs its own code.
    """
    from huggingface_hub.errors import StrictDataclassError  # of a configuration that breaks a rule
    from safetensors import SafetensorError

    try:
        return kind.from_pretrained(source, trust_remote_code=False, **arguments)
    except Exception as error:
        if _asks_for_code(error, source):
            raise needs_code(source, subject) from error
        # what Transformers and tokenizers raise for files that are damaged, or of a newer version
        if type(error) is Exception or isinstance(error, (KeyError, TypeError, AttributeError)):
            rule = "its files must be whole and of a version that Transformers knows"
            raise ModelError(
                f"{subject} can't be loaded: {rule}, got {type(error).__name__}: {_line(error)}"
            ) from error
        if isinstance(error, (OSError, ValueError, SafetensorError, StrictDataclassError)):
            raise ModelError(f"{subject} can't be loaded: {_line(error)}") from error
        raise


def check_architecture(directory: Path, subject: str) -> None:
    """Raise if only a local model's own code defines its architecture, without importing torch.

    Raises:
        ModelError: "`subject` needs Python code of its own".
    """
    config = _read(directory / CONFIG)
    if not config.get(AUTO_MAP):
        return
    from transformers import CONFIG_MAPPING

    if config.get("model_type") not in CONFIG_MAPPING:
        raise needs_code(directory, subject)


def needs_code(source: str | Path, subject: str) -> ModelError:
    """Return the error for a model that can't be loaded without its own code."""
    from transformers import __version__

    files = " and ".join(_naming_files(Path(source)))
    where = f"{AUTO_MAP} in {files}" if files else AUTO_MAP
    return ModelError(
        f"{subject} needs Python code of its own ({where}), which is never run: use a model whose "
        f"architecture Transformers {__version__} contains, or update Transformers if a later version has "
        "it"
    )


def _asks_for_code(error: Exception, source: str | Path) -> bool:
    """Return whether loading failed because the model's own code was not run.

    This includes errors of Transformers on an `auto_map` that is not a mapping.
    """
    if OPTION in str(error):
        return True
    if not _naming_files(Path(source)):
        return False
    return any(text in str(error) for text in UNKNOWN) or isinstance(
        error, (TypeError, AttributeError, LookupError)
    )


def _naming_files(directory: Path) -> list[str]:
    """Return the names of files in a local directory that name Python code; none for a hub name."""
    return [name for name in (CONFIG, TOKENIZER_CONFIG) if _read(directory / name).get(AUTO_MAP)]


def _read(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file; empty if there is none, an error that Transformers reports."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
