"""The task `file`: users' own rows, their fields mapped to system prompt, instruction and answer.

A sample row and a configuration that fits it:

    {"dialogue": "Ann: Lunch?\\nBen: Sure!", "gist": "They have lunch."}

    task:
      name: file
      train_path: chats.jsonl
      held_out_share: 0.1
      fields: {answer: gist}
      instruction_template: "Summarize this dialog:\\n{dialogue}"
      metric: {name: rouge1}

Fields are taken verbatim; whole numbers become their digits.
"""

from collections.abc import Sequence

from lookahead_ray.config.task import FileTask, parse_template
from lookahead_ray.data.example import Example
from lookahead_ray.data.hub import HubSplit, read_hub
from lookahead_ray.data.readers import read_rows
from lookahead_ray.data.rows import Row, quote
from lookahead_ray.data.sampling import Pool, sample
from lookahead_ray.data.tasks.metrics import build_metric
from lookahead_ray.data.tasks.task import Task
from lookahead_ray.errors import DataError


def load_file_task(config: FileTask) -> Task:
    """Read, map and sample the configured rows.

    Raises DataError for a source or row that breaks a rule, for a reference answer that no prediction could
    match (in any row that may become a test row), or for too few rows (see `sampling.sample`).
    """
    metric = build_metric(config.metric)
    answer, test_answer = config.fields.answer, config.fields.test_answer or config.fields.answer
    rows = _read(config, config.train_path, config.train_split)
    test_rows = _read(config, config.test_path, config.test_split) if config.has_test_rows else None
    train = Pool(_source(config, config.train_path), [_example(row, config, answer) for row in rows])
    test = None
    if test_rows is not None:
        examples = [_example(row, config, test_answer) for row in test_rows]
        test = Pool(_source(config, config.test_path), examples)
    for row, example in zip(test_rows or rows, (test or train).examples, strict=True):
        metric.check(f"{row.where}: field {test_answer}", example.answer)
    drawn = sample(config, "file", train, test)
    return Task("file", *drawn, metric.score, metric=metric.name, system=config.system)


def fill(text: str, row: Row) -> str:
    """Return the template's text with each placeholder replaced by the row's field; values are not templates.

    Raises DataError if the row lacks a field, or the field is neither text nor a whole number.
    """
    return "".join(
        part if name is None else part + row.text_or_number(name) for part, name in parse_template(text)
    )


def _source(config: FileTask, path: str | None) -> str:
    return path or str(config.hub_name)


def _read(config: FileTask, path: str | None, split: str | None) -> Sequence[Row]:
    if path is not None:
        return read_rows(path)
    return read_hub(HubSplit(str(config.hub_name), str(split), config.hub_config, config.revision))


def _example(row: Row, config: FileTask, answer: str) -> Example:
    if config.instruction_template is None:
        instruction = _not_blank(row, str(config.fields.instruction))
    else:
        instruction = fill(config.instruction_template, row)
        if not instruction.strip():
            raise DataError(f"{row.where}: the instruction must not be blank, got {quote(instruction)}")
    own = None if config.fields.system is None else row.text_or_none(config.fields.system)
    return Example(config.system if own is None else own, instruction, _not_blank(row, answer))


def _not_blank(row: Row, field: str) -> str:
    text = row.text_or_number(field)
    return text if text.strip() else row.text(field)  # raises for blank text
