"""SAMSum dialogue summaries, from local files or from the hub (Gliwa et al. 2019, CC BY-NC-ND 4.0).

A sample row of a file (other fields are ignored):

    {"id": "1", "dialogue": "Ann: Lunch at 12?\\r\\nBen: Sure!", "summary": "Ann and Ben have lunch at 12."}

Any file with these two fields works. DialogSum (CC BY-NC-SA 4.0) can replace SAMSum's train split if that is
not available: set `train_path` to its train file, and `test_path` to SAMSum's or leave it out. DialogSum's
own test file has three summaries per row in other fields, which the task `file` can map:

    task:
      name: file
      train_path: dialogsum.train.jsonl
      test_path: dialogsum.test.jsonl
      fields: {answer: summary, test_answer: summary1}
      instruction_template: "Summarize this dialog:\\n{dialogue}"
      system: You are a helpful assistant for dialog summarization.
      metric: {name: rouge1}
"""

from collections.abc import Iterable

from lookahead_ray.config.task import SamsumTask, SkipRows
from lookahead_ray.data.example import Example
from lookahead_ray.data.hub import HubSplit, read_hub
from lookahead_ray.data.readers import RowReader
from lookahead_ray.data.rows import Row
from lookahead_ray.data.sampling import Pool, sample
from lookahead_ray.data.skipping import UsableRows, filled_text
from lookahead_ray.data.tasks.metrics import check_words, rouge1
from lookahead_ray.data.tasks.task import Task
from lookahead_ray.data.thoughts import scored_part

SAMSUM_SYSTEM_PROMPT = "You are a helpful assistant for dialog summarization."
USER_TURN = "Summarize this dialog:\n{dialogue}"


def load_samsum(config: SamsumTask) -> Task:
    """Sample SAMSum rows from the given files, or else from the hub's train and test splits.

    Raises DataError for a source or row that breaks a rule, or for too few rows (see `sampling.sample`).
    """
    train = _pool(config, config.train_path, "train")
    test = _pool(config, config.test_path, "test") if config.has_test_rows else None
    drawn = sample(config, "samsum", train, test)
    return Task("samsum", *drawn, rouge1, metric="rouge1", system=SAMSUM_SYSTEM_PROMPT)


def examples(rows: Iterable[Row], source: str = "samsum", skip: SkipRows = "blank") -> list[Example]:
    """Return an example per row that can be used (see `UsableRows`), dialogue and summary stripped.

    SAMSum's train split has one row without a dialogue, which teaches nothing. Raises DataError for a field
    that is missing, no string or not valid Unicode, and for a summary without a word.
    """
    return UsableRows(source, skip).map(rows, _example)


def _pool(config: SamsumTask, path: str | None, split: str) -> Pool:
    hub = HubSplit(config.hub_name, split, None, config.revision)
    source = path or config.hub_name
    rows = read_hub(hub) if path is None else RowReader(path, config.csv)
    return Pool(source, examples(rows, source, config.skip_rows))


def _example(row: Row) -> Example:
    dialogue, summary = filled_text(row, "dialogue").strip(), filled_text(row, "summary").strip()
    check_words(f"{row.where}: field summary", scored_part(summary))
    return Example(SAMSUM_SYSTEM_PROMPT, USER_TURN.replace("{dialogue}", dialogue), summary)
