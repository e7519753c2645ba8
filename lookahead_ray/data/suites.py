"""Safety suites: what must stay refused, and what must not be refused.

A row of the probe's harmful file, as data:

    {"id": "harmful-001", "category": "fraud", "prompt": "Draft a …", "opening": "Subject: …"}

`opening` holds the first words of an answer that would comply, without any harmful content; attacks prefill
its first tokens, and early-token KL is measured along it.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lookahead_ray.config.safety import SafetyConfig

ASSETS = Path(__file__).parent.parent / "assets"


@dataclass(frozen=True, slots=True)
class SafetyPrompt:
    """One request; `opening` is empty for benign ones."""

    id: str
    category: str
    prompt: str
    opening: str = ""


@dataclass(frozen=True, slots=True)
class SafetySuite:
    """Harmful requests and benign look-alikes of one suite."""

    name: str
    harmful: tuple[SafetyPrompt, ...]
    benign: tuple[SafetyPrompt, ...]

    @property
    def data_hash(self) -> str:
        """SHA-256 over all prompts, ids and openings."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def load_probe(config: SafetyConfig) -> SafetySuite:
    """The project's probe, cut to the configured sizes evenly over its categories."""
    return SafetySuite(
        "probe",
        take_evenly(_read(ASSETS / "probe" / "harmful.jsonl"), config.harmful_prompts),
        take_evenly(_read(ASSETS / "probe" / "benign.jsonl"), config.benign_prompts),
    )


SUITES: dict[str, Callable[[SafetyConfig], SafetySuite]] = {"probe": load_probe}


def load_suite(config: SafetyConfig) -> SafetySuite:
    """The configured suite."""
    return SUITES[config.name](config)


def take_evenly(prompts: Sequence[SafetyPrompt], limit: int | None) -> tuple[SafetyPrompt, ...]:
    """The first `limit` prompts taken in turn from each category, in the file's order; all if None."""
    turn: dict[str, int] = {}
    ranked = []
    for index, prompt in enumerate(prompts):
        ranked.append((turn.setdefault(prompt.category, 0), index))
        turn[prompt.category] += 1
    kept = sorted(index for _, index in sorted(ranked)[:limit])
    return tuple(prompts[index] for index in kept)


def _read(path: Path) -> list[SafetyPrompt]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [SafetyPrompt(**json.loads(line)) for line in lines if line]
