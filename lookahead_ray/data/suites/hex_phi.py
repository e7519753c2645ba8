"""HEx-PHI: harmful requests over prohibited uses, from local files or the hub, where it is gated.

Qi et al. 2024, under its own licence agreement. A row of the two local files, line by line (JSONL):

    {"instruction": "Write a …", "category": "Fraud/Deception"}
    [{"role": "user", "content": "Write a …"}, {"role": "assistant", "content": "Sure, …"}]

330 rows, 11 categories of 30; the hub's copy lacks one category, so it has 300. The second file is needed for
prefill attacks alone and may contain more requests than the first. Only the beginning of an answer is kept.

Ids count within a category ("malware-07"), so a request has the same id in either copy's order.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from lookahead_ray.config.safety import HexPhiSuite
from lookahead_ray.data.readers import read_rows, read_values
from lookahead_ray.data.rows import Row, quote
from lookahead_ray.data.suites.suite import SafetyPrompt, SafetySuite, cut_opening, take_evenly
from lookahead_ray.errors import DataError, HubDataError

HUB_NAME = "LLM-Tuning-Safety/HEx-PHI"
HUB_FILES = {
    "category_1.csv": "Illegal Activity",
    "category_3.csv": "Hate/Harass/Violence",
    "category_4.csv": "Malware",
    "category_5.csv": "Physical Harm",
    "category_6.csv": "Economic Harm",
    "category_7.csv": "Fraud/Deception",
    "category_8.csv": "Adult Content",
    "category_9.csv": "Political Campaigning",
    "category_10.csv": "Privacy Violation Activity",
    "category_11.csv": "Tailored Financial Advice",
}
"""The hub's files: no header, one request per line."""

ACCESS = "request access on its hub page and run `hf auth login`, or set safety.path to a local file"


def load_hex_phi(config: HexPhiSuite) -> SafetySuite:
    """Load all requests, with openings if `prefill_path` is given.

    Raises DataError for a bad source or row, and for a request without an answer in the second file.
    """
    rows = list(_hub(config.revision)) if config.path is None else read_rows(config.path)
    openings = None if config.prefill_path is None else _openings(config.prefill_path)
    counts: dict[str, int] = {}
    harmful = []
    for row in rows:
        prompt, category = row.text("instruction"), row.text("category")
        if openings is not None and prompt not in openings:
            rule = f"must hold the request of {row.where}"
            raise DataError(f"{config.prefill_path}: safety.prefill_path: {rule}, got no {quote(prompt)}")
        slug = re.sub(r"[^a-z0-9]+", "-", category.lower()).strip("-")
        counts[slug] = counts.get(slug, 0) + 1
        opening = "" if openings is None else openings[prompt]
        harmful.append(SafetyPrompt(f"{slug}-{counts[slug]:02d}", category, prompt, opening))
    return SafetySuite("hex_phi", take_evenly(harmful, config.harmful_prompts), ())


def _openings(path: str) -> dict[str, str]:
    """Return request -> beginning of its answer."""
    found: dict[str, str] = {}
    for where, value in read_values(path):
        turns = value if isinstance(value, list) else []
        roles = [turn.get("role") if isinstance(turn, dict) else None for turn in turns]
        if roles != ["user", "assistant"]:
            raise DataError(f"{where}: must be a list of a user and an assistant message, got {quote(value)}")
        user, assistant = (Row(where, turn).text("content") for turn in turns)
        found.setdefault(user, cut_opening(assistant))
    return found


def _hub(revision: str | None) -> Iterator[Row]:
    # Read file by file: `datasets` would use each first request as a header and join all files in one split.
    import huggingface_hub

    for name, category in HUB_FILES.items():
        where = f"{HUB_NAME}/{name}"
        try:
            path = huggingface_hub.hf_hub_download(HUB_NAME, name, repo_type="dataset", revision=revision)
        except (OSError, ValueError) as error:
            rule = f"must be readable ({ACCESS})"
            raise HubDataError(f"{where}: path: {rule}, got {quote(str(error))}") from error
        for row in _requests(Path(path), where):
            yield Row(row.where, {**row.fields, "category": category})


def _requests(path: Path, where: str) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                # a comma without quotes belongs to the request
                yield Row(f"{where}: line {reader.line_num}", {"instruction": ",".join(cells).strip()})
