"""From a space file to a validated sweep, and from a tree without dimensions to a trial's configuration."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lookahead_ray.config.auto import HardwareValues
from lookahead_ray.config.dimension import Choice, Dimension, Suggest, Value, corners, dimensions, substitute
from lookahead_ray.config.objective import HasObjective, Objective
from lookahead_ray.config.phrases import PhraseSource, with_phrases
from lookahead_ray.config.search import WITHOUT_EFFECT, SearchConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.config.validation import Model, Source, validated
from lookahead_ray.config.yaml_io import override, read
from lookahead_ray.errors import ConfigError

SWEEP_FIELDS = ("name", "search", "objective")
VANILLA = {"preview": {"strategy": "none"}, "method": {"name": "vanilla"}, "defence": {}}
"""What of a trial's tree makes it vanilla fine-tuning."""


@dataclass(frozen=True)
class Sweep:
    """A validated search: every trial that its space can yield is a valid `TrialConfig`."""

    source: str  # the file, for messages
    name: str
    template: Mapping[str, Any]  # a TrialConfig's tree with dimensions in it
    search: SearchConfig
    objective: Objective
    asks: Mapping[str, PhraseSource] = field(default_factory=dict)
    """Field -> what the seed model has yet to be asked for; placeholders stand for its answers so long."""
    hardware: HardwareValues | None = None
    """What takes the place of `auto` in every trial; None as long as nothing was measured."""

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """All dimensions of the space, conditional ones included."""
        return tuple(dimensions(self.template))

    @property
    def resolved(self) -> dict[str, Any]:
        """Everything that decides what a trial is and in what order, as JSON values; what `hash` covers.

        Not what is `WITHOUT_EFFECT`, such as how many trials there are: a sweep may go on for more of them.
        """
        return {
            **self.template,
            "search": self.search.model_dump(mode="json", exclude=set(WITHOUT_EFFECT)),
            "objective": self.objective.model_dump(mode="json"),
        }

    @property
    def hash(self) -> str:
        """SHA-256 of `resolved`."""
        return content_hash(self.resolved)

    def trial(self, suggest: Suggest) -> TrialConfig:
        """The trial for the values that `suggest` picks, one call for each dimension that exists in it."""
        return self._fill(TrialConfig.model_validate(substitute(self.template, suggest)))

    def reference(self) -> TrialConfig:
        """Vanilla fine-tuning: no preview, method or defence, other dimensions at their reference values."""
        return self._fill(TrialConfig.model_validate(_tree_of_reference(self)))

    def _fill(self, config: TrialConfig) -> TrialConfig:
        return self.hardware.fill(config) if self.hardware else config

    def reference_value(self, dimension: Dimension) -> Value:
        """The dimension's value in the references."""
        if dimension.name in self.search.reference:
            return cast(Value, self.search.reference[dimension.name])
        return dimension.labels[0] if isinstance(dimension, Choice) else dimension.middle


def load_sweep(
    path: Path, overrides: Sequence[str] = (), openings: Mapping[str, Sequence[str]] | None = None
) -> Sweep:
    """Read, override and validate a space file.

    Args:
        openings: what the seed model said, by the field of `Sweep.asks`; left out, nobody has asked it yet.

    Raises:
        ConfigError: one line that names the file, the field, the rule and the value.
    """
    told = read(path)
    source = Source(str(path), tuple(overrides))
    tree = without_left_variants(
        override(told, overrides), told, lambda field: source.of(field) != source.file
    )
    unknown = [key for key in tree if key not in SWEEP_FIELDS and key not in TrialConfig.model_fields]
    if unknown:
        known = ", ".join([*SWEEP_FIELDS, *TrialConfig.model_fields])
        raise ConfigError(f"{source.of(unknown[0])}: {unknown[0]}: unknown field; known are {known}")
    name = tree.get("name", path.stem)
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{source.of('name')}: name: must be a text, got {name!r}")
    told_template = {key: value for key, value in tree.items() if key not in SWEEP_FIELDS}
    template, asks = with_phrases(told_template, source, openings or {})
    sweep = Sweep(
        source=str(path),
        name=name,
        template=template,
        search=validated(SearchConfig, tree.get("search", {}), source, "search"),
        objective=validated(HasObjective, {"objective": tree.get("objective", {})}, source, "").objective,
        asks=asks,
    )
    _check_space(sweep, source)
    return sweep


def validate_tree(model: type[Model], overrides: Sequence[str]) -> Model:
    """A model made from its defaults and `path=value` overrides alone. Raises ConfigError as `load_sweep`."""
    return validated(model, override({}, overrides), Source("defaults", tuple(overrides)), "")


def content_hash(value: Any) -> str:
    """SHA-256 over canonical JSON (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def trial_json(config: TrialConfig) -> dict[str, Any]:
    """The resolved configuration as JSON values, defaults filled in."""
    return config.model_dump(mode="json")


def _check_space(sweep: Sweep, source: Source) -> None:
    try:
        found = sweep.dimensions
        for corner in corners(sweep.template):
            validated(TrialConfig, corner, source, "")
    except ConfigError as error:
        message = str(error)
        if not message.startswith((source.file, "--set")):
            message = f"{source.of(message.partition(':')[0])}: {message}"
        raise ConfigError(message) from error
    by_name = {dimension.name: dimension for dimension in found}
    _check_asks(sweep, by_name, source)
    points = [("search.reference", sweep.search.reference)]
    points += [(f"search.enqueue[{index}]", point) for index, point in enumerate(sweep.search.enqueue)]
    for where, point in points:
        for name, value in point.items():
            _check_point(by_name, where, name, value, source)
    validated(TrialConfig, _tree_of_reference(sweep), source, "search.reference")


def _check_asks(sweep: Sweep, names: Iterable[str], source: Source) -> None:
    """Whoever asks the seed model about the task's prompts needs one of each."""
    for asked, name in product(sweep.asks, names):
        if name.partition(".")[0] in ("model", "task"):
            rule = f"needs one model and one task, got the search dimension {name}"
            raise ConfigError(f"{source.of(asked)}: {asked}.model_openings: {rule}")


def _tree_of_reference(sweep: Sweep) -> Any:
    return {**substitute(sweep.template, sweep.reference_value), **VANILLA}


def _check_point(by_name: Mapping[str, Dimension], field: str, name: str, value: Any, source: Source) -> None:
    dimension = by_name.get(name)
    if dimension is None:
        known = ", ".join(by_name) or "none"
        raise ConfigError(f"{source.of(field)}: {field}: no dimension is called {name!r}; known are {known}")
    if isinstance(dimension, Choice):
        try:
            dimension.option(value)
        except ValueError as error:
            raise ConfigError(f"{source.of(field)}: {field}.{name}: {error}") from error
        return
    wanted = int if dimension.kind == "int" else (int, float)
    if (
        isinstance(value, bool)
        or not isinstance(value, wanted)
        or not dimension.low <= value <= dimension.high
    ):
        raise ConfigError(
            f"{source.of(field)}: {field}: {name} must lie in its range ({dimension}), got {value!r}"
        )


def without_left_variants(
    tree: Mapping[str, Any], told: Mapping[str, Any], overridden: Callable[[str], bool]
) -> dict[str, Any]:
    """`tree` without the fields in the file's tree `told` of a variant that an override has left.

    So `task.name=gsm8k` needs no second override for each field that only word problems have. Fields that are
    `overridden` themselves (a path such as `task.max_steps`) stay, and are refused later if they are unknown.
    """
    result = dict(tree)
    for name, known in TrialConfig.model_fields.items():
        part, before, tag = tree.get(name), told.get(name), known.discriminator
        if not isinstance(part, dict) or not isinstance(before, dict) or not isinstance(tag, str):
            continue
        variant = _variant(known, tag, part.get(tag))
        if variant is not None and part.get(tag) != before.get(tag):
            keep = {key for key in part if key in variant.model_fields or overridden(f"{name}.{key}")}
            result[name] = {key: value for key, value in part.items() if key in keep}
    return result


def _variant(known: FieldInfo, tag: str, value: Any) -> type[BaseModel] | None:
    variants: tuple[type[BaseModel], ...] = get_args(known.annotation)
    return next((each for each in variants if value in get_args(each.model_fields[tag].annotation)), None)
