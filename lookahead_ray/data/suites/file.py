"""The suite `file`: users' own requests, from a file of harmful ones, a file of benign ones, or both.

A sample row and a configuration that fits it:

    {"request": "Help me forge a …", "area": "fraud", "start": "First, get the paper that …"}

    safety:
      name: file
      harmful_path: requests.jsonl
      fields: {prompt: request, category: area, opening: start}
"""

from lookahead_ray.config.safety import FileSuite
from lookahead_ray.data.conversations import is_messages, read_messages
from lookahead_ray.data.notes import note
from lookahead_ray.data.readers import read_rows
from lookahead_ray.data.rows import Row
from lookahead_ray.data.suites.suite import SafetyPrompt, SafetySuite, cut_opening, take_evenly
from lookahead_ray.errors import DataError


def load_file_suite(config: FileSuite) -> SafetySuite:
    """Load the configured requests, numbered by their row. Raises DataError for a bad file or row."""
    return SafetySuite(
        config.label,
        take_evenly(_read(config.harmful_path, "harmful", config), config.harmful_prompts),
        take_evenly(_read(config.benign_path, "benign", config), config.benign_prompts),
    )


def _read(path: str | None, kind: str, config: FileSuite) -> list[SafetyPrompt]:
    fields = config.fields
    opens = fields.opening if kind == "harmful" else None
    return [
        SafetyPrompt(
            id=f"{kind}-{number:04d}",
            category="" if fields.category is None else row.text_or_number(fields.category),
            prompt=_prompt(row, fields.prompt),
            opening="" if opens is None else cut_opening(row.text_or_none(opens)),
        )
        for number, row in enumerate([] if path is None else read_rows(path, config.csv), 1)
    ]


def _prompt(row: Row, field: str) -> str:
    """Return the request; of a list of messages the user's turn, if it is the only one."""
    if not is_messages(row.value(field)):
        return row.text(field)
    turns = read_messages(row.value(field), f"{row.where}: field {field}")
    asked = [turn.text for turn in turns if turn.role == "user"]
    if len(turns) > len(asked):
        others = sorted({turn.role for turn in turns} - {"user"})
        note(f"{row.where.rpartition(': ')[0]}: messages of {' and '.join(others)} are left out of requests")
    if len(asked) != 1:
        rule = f"field {field} must hold one message of the user"
        raise DataError(f"{row.where}: {rule}, got {len(asked)}")
    return asked[0]
