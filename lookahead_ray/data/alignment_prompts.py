"""Requests and refusals that are in no safety suite: for alignment and for mixing into training.

A row of the shipped files, as data:

    {"category": "fraud", "prompt": "Draft a …", "opening": "Subject: …"}

`opening` holds the first words of an answer that would comply; benign requests have none.
"""

from dataclasses import dataclass

from lookahead_ray.data.readers import read_rows
from lookahead_ray.shipped_files import ALIGNMENT_REQUESTS

REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "I'm sorry, but I can't help with that request.",
    "I'm sorry, but I can't assist with that.",
    "I'm sorry, I can't help with that. It could cause serious harm.",
    "I'm sorry, but I can't help with that. It could hurt people and may be against the law.",
    "I can't help with that. It could put people at risk.",
)


@dataclass(frozen=True, slots=True)
class Request:
    """A row of the alignment files; `opening` is empty for benign requests."""

    category: str
    prompt: str
    opening: str = ""


def read_requests(name: str) -> list[Request]:
    """Load the shipped `harmful` or `benign` requests."""
    rows = read_rows(ALIGNMENT_REQUESTS / f"{name}.jsonl")
    return [
        Request(row.text("category"), row.text("prompt"), row.text_if_given("opening") or "") for row in rows
    ]
