"""`recommended.yaml`: the recommended configuration as a space file for `lookahead-ray train`."""

import shlex
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from lookahead_ray.config.yaml_io import write_yaml
from lookahead_ray.sanitize import clean
from lookahead_ray.sweep.recommend.recommendation import Recommendation
from lookahead_ray.sweep.recommend.seed_average import SeedAverage, average_over_seeds
from lookahead_ray.trial.label import label
from lookahead_ray.trial.record import Rate, TrialRecord

RECOMMENDED_FILE = "recommended.yaml"
RATES = {"RSR": "rsr", "JSR": "jsr", "over-refusal": "over_refusal", "utility": "utility"}
WIDTH = 100


def save_recommended(
    path: Path, name: str, run: str, records: Sequence[TrialRecord], recommendation: Recommendation
) -> Path | None:
    """Write the file and return its path; if nothing is recommended, remove an earlier file."""
    text = recommended_yaml(name, run, records, recommendation)
    if text is None:
        path.unlink(missing_ok=True)
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def recommended_yaml(
    name: str, run: str, records: Sequence[TrialRecord], recommendation: Recommendation
) -> str | None:
    """Return the file's text: all configuration fields, no dimensions; None without recommendation."""
    shown = average_over_seeds(records)
    chosen = next((one for one in shown if one.record.trial_id == recommendation.trial_id), None)
    if chosen is None:
        return None
    vanilla = next((one.record for one in shown if one.record.role == "vanilla"), None)
    head = "".join(f"# {clean(line)}\n" for line in _head(run, chosen, vanilla, recommendation))
    return f"{head}\n{write_yaml({'name': f'{name}-recommended', **chosen.record.config})}"


def train_command(path: Path) -> str:
    """Return the command that trains the file's model, into a directory next to the file."""
    return shlex.join(["lookahead-ray", "train", str(path), "--output", str(path.with_name("recommended"))])


def _head(
    run: str, chosen: SeedAverage, vanilla: TrialRecord | None, recommendation: Recommendation
) -> Iterator[str]:
    record = chosen.record
    yield f"Recommended by the sweep in {run}: {label(record.config, record.role)}."
    seeds = "1 random seed" if chosen.seeds == 1 else f"{chosen.seeds} random seeds"
    yield f"Trial {record.trial_id}, {seeds}; 95 % intervals:"
    for metric, field in RATES.items():
        if rate := getattr(record, field):
            other = getattr(vanilla, field, None)
            comparison = f"; vanilla {_rate_text(other)}" if other else ""
            yield f"  {metric} {_rate_text(rate)}, n = {rate.n}{comparison}"
    yield from textwrap.wrap(clean(recommendation.sentence), WIDTH)


def _rate_text(rate: Rate) -> str:
    return f"{100 * rate.value:.0f} % [{100 * rate.low:.0f}, {100 * rate.high:.0f}]"
