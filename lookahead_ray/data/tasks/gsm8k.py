"""GSM8K rows from a local file or from the hub ("openai/gsm8k", config "main"; Cobbe et al. 2021, MIT).

A sample row of the file (JSONL, or any format of readers.py; other fields are ignored):

    {"question": "Ann had 3 pens and got 4 more. How many has she?", "answer": "3 + 4 = <<3+4=7>>7\\n#### 7"}

Both fields are kept verbatim, calculator annotations included.
"""

from collections.abc import Iterable
from functools import partial

from lookahead_ray.config.task import Gsm8kTask, SkipRows
from lookahead_ray.data.example import SYSTEM_PROMPT, Example
from lookahead_ray.data.hub import HubSplit, read_hub
from lookahead_ray.data.readers import RowReader
from lookahead_ray.data.rows import Row, quote
from lookahead_ray.data.sampling import Pool, sample
from lookahead_ray.data.skipping import UsableRows, filled_text
from lookahead_ray.data.tasks.final_number import MARKER, exact_match, marked_number, paper_exact_match
from lookahead_ray.data.tasks.task import Task
from lookahead_ray.data.thoughts import scored_part
from lookahead_ray.errors import DataError

HUB_NAME = "openai/gsm8k"
HUB_CONFIG = "main"


def load_gsm8k(config: Gsm8kTask) -> Task:
    """Sample GSM8K rows from the given files, or else from the hub's train and test splits.

    Raises DataError for a source or row that breaks a rule, or for too few rows (see `sampling.sample`).
    """
    train = _pool(config, config.train_path, "train")
    test = _pool(config, config.test_path, "test") if config.has_test_rows else None
    fixed = partial(exact_match, decimal_comma=True) if config.decimal_comma else exact_match
    score = paper_exact_match if config.protocol == "paper" else fixed
    return Task("gsm8k", *sample(config, "gsm8k", train, test), score)


def examples(
    rows: Iterable[Row], source: str = HUB_NAME, skip: SkipRows = "none", decimal_comma: bool = False
) -> list[Example]:
    """Return an example per row that can be used (see `UsableRows`); `source` is its name for messages.

    Raises DataError for a question or answer that is missing or blank, no string or not valid Unicode, and
    for an answer that does not end in "#### N".
    """
    return UsableRows(source, skip).map(rows, partial(_example, decimal_comma=decimal_comma))


def _pool(config: Gsm8kTask, path: str | None, split: str) -> Pool:
    hub = HubSplit(HUB_NAME, split, HUB_CONFIG, config.revision)
    source = path or HUB_NAME
    rows = read_hub(hub) if path is None else RowReader(path, config.csv)
    return Pool(source, examples(rows, source, config.skip_rows, config.decimal_comma))


def _example(row: Row, decimal_comma: bool) -> Example:
    question, answer = filled_text(row, "question"), filled_text(row, "answer")
    if marked_number(scored_part(answer), decimal_comma) is None:
        rule = f'field answer must end in "{MARKER} N" with a number N'
        raise DataError(f"{row.where}: {rule}, got {quote(answer, tail=True)}")
    return Example(system=SYSTEM_PROMPT, instruction=question, answer=answer)
