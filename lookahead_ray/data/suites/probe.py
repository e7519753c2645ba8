"""The project's own probe: harmful requests over ten policy areas, and benign look-alikes.

A row of its harmful file:

    {"id": "harmful-001", "category": "fraud", "prompt": "Draft a …", "opening": "Subject: …"}

Its openings hold no harmful content.
"""

from pathlib import Path

from lookahead_ray.config.safety import ProbeSuite
from lookahead_ray.data.readers import read_rows
from lookahead_ray.data.suites.suite import SafetyPrompt, SafetySuite, take_evenly
from lookahead_ray.shipped_files import PROBE


def load_probe(config: ProbeSuite) -> SafetySuite:
    """Load the probe, cut to the configured sizes evenly over its categories."""
    return SafetySuite(
        "probe",
        take_evenly(_read(PROBE / "harmful.jsonl"), config.harmful_prompts),
        take_evenly(_read(PROBE / "benign.jsonl"), config.benign_prompts),
    )


def _read(path: Path) -> list[SafetyPrompt]:
    return [
        SafetyPrompt(
            row.text("id"), row.text("category"), row.text("prompt"), row.text_if_given("opening") or ""
        )
        for row in read_rows(path)
    ]
