"""Tasks to learn: one configuration model per task, selected by `name`.

An instruction template is text with `{field}` placeholders, filled from a row and never evaluated. `{{` and
`}}` are literal braces. A placeholder is a column's name as it is, spaces included, or a path such as
`{messages.0.content}` into the row's own values.
"""

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, AliasChoices, Field, model_validator

from lookahead_ray.config import regex_check
from lookahead_ray.config.base import Config, Fidelity
from lookahead_ray.config.csv_format import CsvFormat, is_found
from lookahead_ray.config.variants import Extensible

SkipRows = Literal["blank", "faulty", "none"]
Turns = Literal["last", "all"]
Solutions = Literal["sentences", "calculations"]
DEFAULT_SYSTEM_PROMPT = "You are a helpful assistant."


def _checked_pattern(text: str) -> str:
    regex_check.check_pattern(text)
    return text


def _checked_template(text: str) -> str:
    parse_template(text)
    return text


class TaskBase(Config):
    """Base class of all tasks; `path_fields` names the fields that `--task NAME=PATH` sets."""

    path_fields: ClassVar[tuple[str, ...]] = ()

    seed: int = Field(0, ge=0)
    """Random seed for drawing (or generating) examples; independent of the training's seed."""


class WordProblemsTask(TaskBase):
    """Generated arithmetic word problems in GSM8K's format; utility is exact match of the final number."""

    name: Literal["word_problems"]

    max_steps: int = Field(3, ge=1, le=3)
    """Maximum number of calculations in a problem: 1 gives the shortest and easiest problems."""

    solutions: Solutions = "sentences"
    """Form of a solution: its steps in sentences, or only the calculations."""

    train_examples: int = Field(256, ge=1)
    """Number of training examples."""

    test_examples: int = Field(128, ge=1)
    """Number of held-out examples on which utility is measured."""


class SampledTask(TaskBase):
    """Base class of tasks with examples from one file, two files, or the splits of a hub data set."""

    path_fields: ClassVar[tuple[str, ...]] = ("train_path", "test_path")

    train_path: str | None = Field(None, min_length=1, validation_alias=AliasChoices("train_path", "path"))
    """File of training rows (alias `path`): a path, a folder or pattern of files, or an fsspec URL; null
    reads the hub."""

    test_path: str | None = Field(None, min_length=1)
    """File of test rows, as `train_path`; null uses the hub's test split, or held-out rows of
    `train_path`."""

    csv: CsvFormat = Field(CsvFormat(), exclude_if=is_found)
    """Format of CSV and TSV files, where it is not found."""

    skip_rows: SkipRows = Field("blank", exclude_if=lambda value: value == "blank")
    """Rows that are left out and counted: `blank` (no question or no answer), `faulty` (any row that can't be
    used), or `none`; any other such row is refused."""

    revision: str | None = Field(None, min_length=1)
    """Revision of the hub data set (branch, tag or commit); null uses the newest."""

    train_examples: int | None = Field(256, ge=1)
    """Number of training examples, drawn with the random seed; null uses all that are not held out."""

    test_examples: int | None = Field(128, ge=1)
    """Number of held-out examples on which utility is measured, drawn before the training examples; null
    uses all."""

    held_out_share: float | None = Field(None, gt=0, lt=1)
    """Share of the distinct rows that is held out from training if there is no separate test file or split;
    null holds out `test_examples` rows."""

    @property
    def has_test_rows(self) -> bool:
        """Return whether test rows come from a separate file or split."""
        return self.test_path is not None or self.train_path is None

    @model_validator(mode="after")
    def _splits(self) -> Self:
        if self.has_test_rows and self.held_out_share is not None:
            rule = "held_out_share must be null where test rows have a file or split of their own"
            raise ValueError(f"{rule}, got {self.held_out_share}")
        if not self.has_test_rows and self.held_out_share is None and self.test_examples is None:
            raise ValueError("test_examples must be a number without test_path or held_out_share, got None")
        return self


class Gsm8kTask(SampledTask):
    """GSM8K from the hub or local files with `question` and `answer`; utility is exact match."""

    name: Literal["gsm8k"]

    protocol: Fidelity = "fixed"
    """Answer extraction: `paper` compares the text after the last `####` as a string; `fixed` compares
    numbers: the one after the first `####`, or else that of `\\boxed{}`, of "the answer is" or of the last
    sentence."""

    decimal_comma: bool = Field(False, exclude_if=lambda value: not value)
    """Whether numbers in answers and reference answers have a decimal comma, as in `1.234,5`."""

    @model_validator(mode="after")
    def _reads_one_notation(self) -> Self:
        if self.decimal_comma and self.protocol == "paper":
            raise ValueError("decimal_comma must be false with protocol: paper, which compares strings")
        return self


class SamsumTask(SampledTask):
    """SAMSum dialogue summaries, or other files with `dialogue` and `summary`; utility is ROUGE-1."""

    name: Literal["samsum"]

    hub_name: str = Field("knkarthick/samsum", min_length=1)
    """Hub data set with splits `train` and `test`; the original needs code that `datasets` refuses to run."""


class ExactMatchMetric(Config):
    """Exact match: 1 if both answers contain the same text, otherwise 0."""

    name: Literal["exact_match"]

    pattern: Annotated[str, AfterValidator(_checked_pattern)] | None = Field(None, min_length=1)
    """Regular expression with one group, the answer; the last match counts. null uses the whole text."""


class Rouge1Metric(Config):
    """ROUGE-1: F-measure of shared words after stemming, 0 to 1; for texts in Latin letters."""

    name: Literal["rouge1"]


class AnswerLossMetric(Config):
    """Likelihood of the reference answers; nothing is generated.

    A row's score is exp(−loss), with the loss in nats per answer token, end token included: 0 to 1, higher is
    better. Utility is the mean score.
    """

    name: Literal["answer_loss"]


MetricConfig = Annotated[ExactMatchMetric | Rouge1Metric | AnswerLossMetric, Field(discriminator="name")]


class FileFields(Config):
    """Names of the fields (columns) of a row, or paths into nested values, such as `output.0.text`."""

    instruction: str | None = Field(None, min_length=1)
    """Field of the user's turn, or of a list of messages; null if `instruction_template` or `messages` is
    used."""

    answer: str = Field("answer", min_length=1)
    """Field of the assistant's turn, or of a list of messages, whose last answer it is."""

    messages: str | None = Field(None, min_length=1, exclude_if=lambda value: value is None)
    """Field of a whole chat as a list of messages (`role` and `content`, or ShareGPT's `from` and `value`),
    in place of `instruction` and `answer`; a system message replaces the system prompt."""

    test_answer: str | None = Field(None, min_length=1)
    """Field of the assistant's turn in test rows from a separate file or split; null uses `answer`."""

    system: str | None = Field(None, min_length=1)
    """Field of the row's system prompt; null, or a row with null or blank there, uses the task's `system`."""


class FileTask(SampledTask):
    """Your own data: JSON, JSONL, CSV, TSV or Parquet files, recognised by their suffix, which may be
    followed by `.gz`, `.zst`, `.bz2` or `.xz`; or any hub data set."""

    name: Literal["file"]

    fields: FileFields = FileFields()
    """Names of the fields of a row."""

    instruction_template: Annotated[str, AfterValidator(_checked_template)] | None = Field(None, min_length=1)
    """Template of the user's turn, with `{field}` placeholders for the row's fields and `{{` for a brace; a
    line that holds only empty fields is left out. null uses `fields.instruction`."""

    turns: Turns = Field("last", exclude_if=lambda value: value == "last")
    """Answers of a chat that are trained on: the `last`, or `all`; earlier turns are part of the prompt. Test
    rows use the last."""

    system: str | None = Field(DEFAULT_SYSTEM_PROMPT, min_length=1)
    """System prompt of rows without their own; null for none."""

    metric: MetricConfig
    """Metric that scores an answer."""

    hub_name: str | None = Field(None, min_length=1)
    """Name of the hub data set, if `train_path` is null."""

    hub_config: str | None = Field(None, min_length=1)
    """Configuration of the hub data set; null uses its default."""

    train_split: str = Field("train", min_length=1)
    """Split of the hub data set with training rows."""

    test_split: str | None = Field(None, min_length=1)
    """Split of the hub data set with test rows; null holds out rows of `train_split`, unless `test_path` is
    given."""

    @property
    def has_test_rows(self) -> bool:
        """Return whether test rows come from a separate file or split."""
        return self.test_path is not None or self.test_split is not None

    @model_validator(mode="after")
    def _one_source_each(self) -> Self:
        if (self.train_path is None) == (self.hub_name is None):
            rule = "exactly one of train_path and hub_name must be given"
            raise ValueError(f"{rule}, got {self.train_path!r} and {self.hub_name!r}")
        if self.test_split is not None and (self.test_path is not None or self.hub_name is None):
            rule = "test_split must be null without hub_name or with test_path"
            raise ValueError(f"{rule}, got {self.test_split!r}")
        if self.fields.messages is not None:
            if self.fields.instruction is not None or self.instruction_template is not None:
                rule = "fields.instruction and instruction_template must be null with fields.messages"
                raise ValueError(f"{rule}, got {self.fields.instruction or self.instruction_template!r}")
        elif (self.fields.instruction is None) == (self.instruction_template is None):
            rule = "exactly one of fields.instruction and instruction_template must be given"
            raise ValueError(f"{rule}, got {self.fields.instruction!r} and {self.instruction_template!r}")
        if self.fields.test_answer is not None and not self.has_test_rows:
            rule = "fields.test_answer must be null without test_path or test_split"
            raise ValueError(f"{rule}, got {self.fields.test_answer!r}")
        return self


TaskConfig = Annotated[
    WordProblemsTask | Gsm8kTask | SamsumTask | FileTask,
    Field(discriminator="name"),
    Extensible("lookahead_ray.data.tasks.registry:TASKS"),
]


_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")


def parse_template(template: str) -> tuple[tuple[str, str | None], ...]:
    """Return the template's parts in order, as (text, field that follows it or None at the end).

    Raises:
        ValueError: unbalanced braces, no placeholder, or a placeholder without a name.
    """
    parts: list[tuple[str, str | None]] = []
    text = ""
    for match in _PIECE.finditer(template):
        piece, name = match[0], match[1]
        if name is not None:
            if not name.strip():
                raise ValueError(f"a placeholder must be the name of a field, got {piece}")
            parts.append((text, name))
            text = ""
        elif piece in "{}":
            raise ValueError(f"must have balanced braces (write {{{{ or }}}} for a brace), got {template!r}")
        else:
            text += {"{{": "{", "}}": "}"}.get(piece, piece)
    if not parts:
        raise ValueError(f"must hold at least one {{field}} placeholder, got {template!r}")
    return (*parts, (text, None)) if text else tuple(parts)
