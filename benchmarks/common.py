"""Results of a benchmark: raw repetitions, their spread and ratios, as values and as JSON. No torch.

One benchmark in the JSON file, shortened:

    {"name": "training", "unit": "tokens/s", "higher_is_better": true,
     "series": [{"variant": "trl", "label": "TRL SFTTrainer, defaults", "precision": "fp32",
                 "values": [153.2, 150.9],
                 "summary": {"median": 152.05, "low": 150.9, "high": 153.2, "spread": 0.015},
                 "raw": [{…}, {…}]}],
     "ratios": [{"ours": "ours_one_rank", "peer": "trl", "values": [1.6, 1.7],
                 "summary": {"median": 1.65, "low": 1.6, "high": 1.7, "spread": 0.061}}],
     "extra": {}}
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

SCHEMA_VERSION = 2
"""Version of the JSON files; raised by every change that an older reader would misread."""

Raw = dict[str, Any]
"""The result of one measurement as JSON values, with the benchmark's figure under the name `figure`."""


class BenchmarkError(Exception):
    """A measurement failed; the message names it and ends with the last lines of its output."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One implementation or configuration that a benchmark measures; `precision` is None without floats."""

    name: str
    label: str
    precision: str | None = None

    @property
    def title(self) -> str:
        """The label and the precision."""
        return _title(self.label, self.precision)


@dataclass(frozen=True, slots=True)
class Summary:
    """Median and extremes of the repetitions; `spread` is (high − low) / median."""

    median: float
    low: float
    high: float
    spread: float


@dataclass(frozen=True, slots=True)
class Series:
    """All repetitions of one variant, in order."""

    variant: str
    label: str
    precision: str | None
    values: tuple[float, ...]
    summary: Summary
    raw: tuple[Raw, ...]

    @property
    def title(self) -> str:
        """The label and the precision."""
        return _title(self.label, self.precision)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Our figure divided by the peer's, per repetition, so that slow drift of the machine cancels."""

    ours: str
    peer: str
    values: tuple[float, ...]
    summary: Summary


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The complete result of one benchmark. `extra`: results that are not one number per repetition."""

    name: str
    unit: str
    higher_is_better: bool
    series: tuple[Series, ...]
    ratios: tuple[Ratio, ...] = ()
    extra: Raw = field(default_factory=dict)


def summarise(values: Sequence[float]) -> Summary:
    """Return median, extremes and relative spread of at least one value."""
    middle = median(values)
    low, high = min(values), max(values)
    return Summary(middle, low, high, (high - low) / middle if middle else 0.0)


def make_series(variant: Variant, raw: Sequence[Raw], figure: str) -> Series:
    """Return the series of a variant whose figure is `raw[…][figure]`."""
    values = tuple(float(row[figure]) for row in raw)
    return Series(variant.name, variant.label, variant.precision, values, summarise(values), tuple(raw))


def make_ratios(series: Sequence[Series], pairs: Sequence[tuple[str, str]]) -> tuple[Ratio, ...]:
    """Return the ratios of the (ours, peer) `pairs` of variant names."""
    by_name = {each.variant: each.values for each in series}
    ratios = []
    for ours, peer in pairs:
        values = tuple(a / b for a, b in zip(by_name[ours], by_name[peer], strict=True))
        ratios.append(Ratio(ours, peer, values, summarise(values)))
    return tuple(ratios)


def in_turn(variants: Sequence[Variant], repetition: int) -> list[Variant]:
    """Return the order of a repetition (from 0); it alternates, so that no variant always comes first."""
    return list(variants) if repetition % 2 == 0 else list(reversed(variants))


def selected(variants: Sequence[Variant], names: Sequence[str]) -> list[Variant]:
    """Return the variants with these names; all if there are no names.

    Raises:
        BenchmarkError: no variant has one of the names.
    """
    known = {each.name: each for each in variants}
    if unknown := set(names) - set(known):
        raise BenchmarkError(f"--variants must be of {', '.join(known)}, got {', '.join(sorted(unknown))}")
    return [known[name] for name in names] if names else list(variants)


def repeat(
    variants: Sequence[Variant], repetitions: int, measure: Callable[[Variant, int], Raw]
) -> dict[Variant, list[Raw]]:
    """Measure each variant `repetitions` times; results hold their repetition (from 0) and position in it."""
    raw: dict[Variant, list[Raw]] = {variant: [] for variant in variants}
    for repetition in range(repetitions):
        for place, variant in enumerate(in_turn(variants, repetition)):
            row = measure(variant, repetition)
            raw[variant].append({"repetition": repetition, "place": place, **row})
    return raw


def to_json(
    benchmarks: Sequence[Benchmark],
    errors: Mapping[str, str],
    *,
    date: str,
    machine: Raw,
    versions: Raw,
    git: Raw,
    settings: Raw,
) -> Raw:
    """Return the whole results file as JSON values. `errors`: messages by benchmark."""
    return {
        "schema_version": SCHEMA_VERSION,
        "date": date,
        "git": git,
        "machine": machine,
        "versions": versions,
        "settings": settings,
        "benchmarks": [asdict(benchmark) for benchmark in benchmarks],
        "errors": dict(errors),
    }


def write_json(path: Path, content: Raw) -> None:
    """Write `content` as indented JSON; infinities and NaN are refused."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )


def _title(label: str, precision: str | None) -> str:
    return f"{label}, {precision}" if precision else label
