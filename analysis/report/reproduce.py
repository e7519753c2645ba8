"""The command that makes a run again, and the YAML file that it reads."""

import shlex
from typing import Any, NamedTuple

import pyarrow as pa

from analysis.naming import model_of
from lookahead_ray.config.yaml_io import write
from lookahead_ray.store.identity import SweepIdentity


class Again(NamedTuple):
    """A command line, the name of the file that it names, and that file's text."""

    command: str
    file: str
    yaml: str


def again(identity: SweepIdentity, trials: pa.Table) -> Again:
    """For a sweep, a `train` or an `evaluate`, which the run's name tells; `trials` has the column config."""
    verb, _, rest = identity.name.partition(" ")
    verb, name = (verb, rest) if rest and verb in ("train", "evaluate") else ("sweep", identity.name)
    name = name or "space"
    file, run = f"{name}.yaml", f"runs/{name}-again"
    words = {
        "sweep": ["sweep", file],
        "train": ["train", file, "--output", f"models/{name}-again"],
        "evaluate": ["evaluate", model_of(trials) or "MODEL", "--space", file],
    }[verb]
    return Again(
        shlex.join(["lookahead-ray", *words, "--run", run]), file, write({"name": name, **_tree(identity)})
    )


def _tree(identity: SweepIdentity) -> dict[str, Any]:
    """The recorded configuration as a file has it; earlier runs had the trial's part under `template`."""
    config = dict(identity.config)
    template = config.pop("template", None)
    return {**template, **config} if isinstance(template, dict) else config
