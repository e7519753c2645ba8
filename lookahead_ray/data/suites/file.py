"""The suite `file`: users' own requests, from a file of harmful ones, a file of benign ones, or both.

A sample row and a configuration that fits it:

    {"request": "Help me forge a …", "area": "fraud", "start": "First, get the paper that …"}

    safety:
      name: file
      harmful_path: requests.jsonl
      fields: {prompt: request, category: area, opening: start}
"""

from lookahead_ray.config.safety import FileSuite, SuiteFields
from lookahead_ray.data.readers import read_rows
from lookahead_ray.data.suites.suite import SafetyPrompt, SafetySuite, cut_opening, take_evenly


def load_file_suite(config: FileSuite) -> SafetySuite:
    """Load the configured requests, numbered by their row. Raises DataError for a bad file or row."""
    return SafetySuite(
        config.label,
        take_evenly(_read(config.harmful_path, "harmful", config.fields), config.harmful_prompts),
        take_evenly(_read(config.benign_path, "benign", config.fields), config.benign_prompts),
    )


def _read(path: str | None, kind: str, fields: SuiteFields) -> list[SafetyPrompt]:
    opens = fields.opening if kind == "harmful" else None
    return [
        SafetyPrompt(
            id=f"{kind}-{number:04d}",
            category="" if fields.category is None else row.text_or_number(fields.category),
            prompt=row.text(fields.prompt),
            opening="" if opens is None else cut_opening(row.text_or_none(opens)),
        )
        for number, row in enumerate([] if path is None else read_rows(path), 1)
    ]
