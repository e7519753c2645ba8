"""The project's own probe: harmful requests over ten policy areas, and benign look-alikes.

A row of its harmful file:

    {"id": "harmful-001", "category": "fraud", "prompt": "Draft a …", "opening": "Subject: …"}

Its openings hold no harmful content.
"""

import json
from pathlib import Path

from lookahead_ray.config.safety import ProbeSuite
from lookahead_ray.data.suites.suite import SafetyPrompt, SafetySuite, take_evenly

ASSETS = Path(__file__).parents[2] / "assets"


def load_probe(config: ProbeSuite) -> SafetySuite:
    """Load the probe, cut to the configured sizes evenly over its categories."""
    return SafetySuite(
        "probe",
        take_evenly(_read(ASSETS / "probe" / "harmful.jsonl"), config.harmful_prompts),
        take_evenly(_read(ASSETS / "probe" / "benign.jsonl"), config.benign_prompts),
    )


def _read(path: Path) -> list[SafetyPrompt]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [SafetyPrompt(**json.loads(line)) for line in lines if line]
