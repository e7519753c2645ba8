"""The command that reproduces a run, and the YAML file that it reads."""

import shlex
from typing import Any, NamedTuple

import pyarrow as pa

from analysis.naming import model_of
from lookahead_ray.config.yaml_io import write_yaml
from lookahead_ray.store.identity import SweepIdentity


class Again(NamedTuple):
    """A command line, the name of its YAML file, and the file's text."""

    command: str
    file: str
    yaml: str


def again(identity: SweepIdentity, trials: pa.Table) -> Again:
    """Return the command that reproduces a sweep, `train` or `evaluate`, given by the run's name.

    `trials` has the column config.
    """
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
        shlex.join(["lookahead-ray", *words, "--run", run]),
        file,
        write_yaml({"name": name, **_tree(identity)}),
    )


def _tree(identity: SweepIdentity) -> dict[str, Any]:
    """Return the recorded configuration as a file's tree; old runs have the trial's part under `template`."""
    config = dict(identity.config)
    template = config.pop("template", None)
    return {**template, **config} if isinstance(template, dict) else config
