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

Texts are taken verbatim; numbers, booleans and dates become text. A field may hold a list of messages.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from lookahead_ray.config.task import FileTask, parse_template
from lookahead_ray.data.conversations import Speaker, Turn, conversation, is_messages, read_messages
from lookahead_ray.data.example import Example
from lookahead_ray.data.hub import HubSplit, read_hub
from lookahead_ray.data.notes import note
from lookahead_ray.data.readers import RowReader
from lookahead_ray.data.rows import Row, is_blank, quote
from lookahead_ray.data.sampling import Pool, sample, without_questions_of
from lookahead_ray.data.skipping import BlankError, UsableRows
from lookahead_ray.data.tasks.metrics import TaskMetric, build_metric
from lookahead_ray.data.tasks.task import Task
from lookahead_ray.data.templates import fill, has_content
from lookahead_ray.data.thoughts import scored_part
from lookahead_ray.errors import DataError


def load_file_task(config: FileTask) -> Task:
    """Read, map and sample the configured rows.

    Raises DataError for a source or row that breaks a rule, for a reference answer that no prediction could
    match (in any row that may become a test row), or for too few rows (see `sampling.sample`).
    """
    metric = build_metric(config.metric)
    answer, test_answer = config.fields.answer, config.fields.test_answer or config.fields.answer
    own_tests = config.has_test_rows
    train = _pool(config, config.train_path, config.train_split, answer, None if own_tests else metric)
    test = _pool(config, config.test_path, config.test_split, test_answer, metric) if own_tests else None
    trained, tested = sample(config, "file", train, test)
    if config.turns == "all":
        chats = len(trained)
        answers = [each for example in trained for each in each_answer(example)]
        trained = without_questions_of(answers, tested)  # a chat may begin as a test row does
        if left_out := len(answers) - len(trained):
            note(f"{train.source}: answers to questions of test rows, which are left out: {left_out:,}")
        note(f"{train.source}: {len(trained):,} answers of {chats:,} training chats are trained on")
    return Task("file", trained, tested, metric.score, metric=metric.name, system=config.system)


def each_answer(example: Example) -> Iterator[Example]:
    """Yield an example for each of the assistant's answers in a chat, with the turns before it."""
    for count, (instruction, answer) in enumerate(example.history):
        yield replace(example, instruction=instruction, answer=answer, history=example.history[:count])
    yield example


def _pool(
    config: FileTask, path: str | None, split: str | None, answer: str, metric: TaskMetric | None
) -> Pool:
    """Read one source; `metric` checks its answers."""
    source = path or str(config.hub_name)
    named = config.fields.messages or answer
    wanted = [*_instruction_fields(config), named]
    if config.fields.system is not None:
        wanted.append(config.fields.system)

    def example(row: Row) -> Example:
        found = _example(row, config, answer, rows.notes)
        if metric is not None:
            metric.check(f"{row.where}: field {named}", scored_part(found.answer))
        return found

    rows = UsableRows(source, config.skip_rows, wanted)
    return Pool(source, rows.map(_rows(config, path, split), example))


def _rows(config: FileTask, path: str | None, split: str | None) -> Iterable[Row]:
    if path is not None:
        return RowReader(path, config.csv)
    return read_hub(HubSplit(str(config.hub_name), str(split), config.hub_config, config.revision))


def _instruction_fields(config: FileTask) -> list[str]:
    if config.instruction_template is not None:
        return [name for _, name in parse_template(config.instruction_template) if name is not None]
    return [] if config.fields.instruction is None else [config.fields.instruction]


def _example(row: Row, config: FileTask, answer: str, notes: dict[str, int]) -> Example:
    own = None
    if config.fields.system is not None and row.has(config.fields.system):
        own = row.text_or_number(config.fields.system)
    chat = conversation(_turns(row, config, answer), row.where)
    if chat.opening:
        _count(notes, "chats that begin with the assistant, whose first turn is left out")
    if not chat.exchanges:
        raise _blank(row, "answer" if chat.unanswered else "question")
    if chat.unanswered is not None:
        _count(notes, "chats that end with the user, whose last turn is left out")
    *history, (instruction, reply) = chat.exchanges
    system = chat.system if own is None or not own.strip() else own
    return Example(config.system if system is None else system, instruction, reply, tuple(history))


def _count(notes: dict[str, int], text: str) -> None:
    notes[text] = notes.get(text, 0) + 1


def _turns(row: Row, config: FileTask, answer: str) -> list[Turn]:
    """Return the turns of a row, up to the answer.

    Raises BlankError for a row without instruction or answer.
    """
    if config.fields.messages is not None:
        return _messages(row, config.fields.messages)
    if config.instruction_template is not None:
        if not has_content(config.instruction_template, row):
            raise _blank(row, "question")
        asked = _said("user", fill(config.instruction_template, row))
    else:
        field = str(config.fields.instruction)
        if field == answer and is_messages(row.value(field)):
            return _messages(row, field)
        asked = _instruction(row, field)
    if not asked or asked[-1].role != "user":
        raise _blank(row, "question")
    if is_messages(row.value(answer)):
        replies = _replies(row, answer, asked[-1].text)
    else:
        replies = _said("assistant", row.text_or_number(answer) if row.has(answer) else "")
    if not replies:
        raise _blank(row, "answer")
    return [*asked, *replies]


def _replies(row: Row, field: str, instruction: str) -> list[Turn]:
    """Return the turns that answer `instruction`: the whole list if it begins with one, or its last answer.

    Raises DataError if the last answer is to another question.
    """
    turns = _messages(row, field)
    if turns and turns[0].role == "assistant":
        return turns
    places = [index for index, turn in enumerate(turns) if turn.role == "assistant"]
    if len(places) > 1 and turns[places[-1] - 1].text.strip() not in instruction:
        rule = (
            f"field {field}: its last answer must be to the instruction (fields.messages reads whole chats)"
        )
        raise DataError(f"{row.where}: {rule}, got one to {quote(turns[places[-1] - 1].text)}")
    return [turns[index] for index in places[-1:]]


def _instruction(row: Row, field: str) -> list[Turn]:
    """Return the turns of a field up to the user's last."""
    if not is_messages(row.value(field)):
        return _said("user", row.text_or_number(field) if row.has(field) else "")
    turns: Sequence[Turn] = _messages(row, field)
    last = max((index for index, turn in enumerate(turns) if turn.role == "user"), default=-1)
    return list(turns[: last + 1])


def _blank(row: Row, lacks: str) -> BlankError:
    return BlankError(f"{row.where}: the {lacks} must not be blank, got {quote(dict(row.fields))}", lacks)


def _said(role: Speaker, text: str) -> list[Turn]:
    return [Turn(role, text)] if text.strip() else []


def _messages(row: Row, field: str) -> list[Turn]:
    value = row.value(field)
    return [] if is_blank(value) else read_messages(value, f"{row.where}: field {field}")
