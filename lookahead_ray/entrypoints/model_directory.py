"""The output directory of `train`: a new directory, renamed into place, kept if it holds a whole model."""

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lookahead_ray.errors import ConfigError
from lookahead_ray.filesystem import sync


def check_output(output: Path) -> None:
    """Raise ConfigError unless `output` does not exist or is an empty directory."""
    if output.is_dir() and any(output.iterdir()):
        raise ConfigError(f"--output: must be a new or an empty directory, got {output}, which holds files")
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise ConfigError(f"--output: must be a new or an empty directory, got {output}")


@dataclass
class NewDirectory:
    """A directory for a model. It has a temporary name until `finish` renames it to `target`."""

    path: Path
    adapter: bool
    target: Path
    measured: bool = False

    def finish(self) -> None:
        """Rename the directory to `target`.

        Raises:
            OSError: `target` exists and is not an empty directory, or can't be created.
        """
        os.replace(self.path, self.target.absolute())
        self.path = self.target
        with suppress(OSError):
            sync(self.target.absolute().parent)

    def is_whole(self) -> bool:
        """Return whether a complete model was written to the directory."""
        from lookahead_ray.trial.model_export import LAST_FILE

        return self.measured or (self.path / LAST_FILE).is_file()

    def describe(self, evaluation: Sequence[str]) -> str:
        """Return text on where the model is and how to use it; `evaluation` are options for `evaluate`."""
        path = self.path if self.path.is_dir() else self.target
        what = "the trained model" if self.measured else "the trained model, not measured in full,"
        if self.adapter:
            use = f"load it with peft: PeftModel.from_pretrained(model, {str(path)!r})"
        else:
            command = shlex.join(["lookahead-ray", "evaluate", str(path), *evaluation])
            use = f"measure it {'again ' if self.measured else ''}with: {command}"
        return f"{what} is in {path}; {use}"


@contextmanager
def new_directory(output: Path, adapter: bool, evaluation: Sequence[str]) -> Iterator[NewDirectory]:
    """Create a directory for a model; its `finish` renames it to `output`.

    If the block raises, a completely written model stays, and the exception gets a note on where it is and
    how to use it. A measured model is then in `output`, even if its tables or its card could not be written,
    because the user requested its weights. A model that was not measured in full stays next to `output` under
    its temporary name, so that the same command can run again. If there is no complete model, the directory
    is deleted.

    Args:
        adapter: whether the model is only an adapter, which `evaluate` can't measure.
        evaluation: options of `evaluate` for the measurements that the training would have made.
    """
    target = output.absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise ConfigError(f"--output: must be a place to write to, got {output}: {error.strerror}") from error
    model = NewDirectory(made, adapter, output)
    try:
        with suppress(OSError):  # some file systems have no permissions
            made.chmod(0o755)  # mkdtemp makes private directories
        yield model
    except BaseException as error:
        if model.is_whole():
            error.add_note(model.describe(evaluation))
        else:
            shutil.rmtree(made, ignore_errors=True)
        raise
