"""The schemas of the tables, declared once as data: name, type, required or not, unit, meaning.

A null means "not measured" or "not applicable"; a measured NaN or infinity is kept unchanged. Each Parquet
file has `schema_version` and the table's name in the schema metadata, and `unit` (if any) and `description`
in the metadata of every field.

A training whose merge has several shares has a row of `trials` for each share, with its own rates, answers
and KL. What the training cost is in the first row only, the one whose `trial_id` is its `training_id`: in the
others `train_tokens`, `flops` and `seconds_total` are 0, `seconds_train` is the time of their merge, and they
have no rows of `steps` and `signals`. So a sum over rows counts each training once.
"""

from typing import Literal, NamedTuple, get_args

import pyarrow as pa

SCHEMA_VERSION = 3
"""Version of the tables. A new nullable column does not change it: see `ADDED`."""
"""Incremented by every change that an older reader would misread."""

TableName = Literal["trials", "steps", "signals", "generations", "token_kl"]
TABLES: tuple[TableName, ...] = get_args(TableName)

ADDED: dict[TableName, tuple[str, ...]] = {
    "generations": ("ended", "thoughts"),
    "trials": ("asked", "ended_because", "harness", "share", "training_id"),
}
"""Nullable columns added since version 3 began; files that are older lack them, and they read as null."""

RATES = ("utility", "rsr", "jsr", "over_refusal")
"""Columns of `trials` that hold a `Rate`: NAME, NAME_low, NAME_high, NAME_n, NAME_unparsed."""

TEXT = pa.string()
WORD = pa.dictionary(pa.int32(), pa.string())  # few distinct values in many rows
INT = pa.int64()
REAL = pa.float64()


class Column(NamedTuple):
    """One column; a required column never holds a null."""

    name: str
    type: pa.DataType
    required: bool
    unit: str
    description: str


def _rate(name: str, meaning: str) -> tuple[Column, ...]:
    return (
        Column(name, REAL, False, "0..1", meaning),
        Column(f"{name}_low", REAL, False, "0..1", f"lower end of the 95 % interval of {name}"),
        Column(f"{name}_high", REAL, False, "0..1", f"upper end of the 95 % interval of {name}"),
        Column(f"{name}_n", INT, False, "prompts", f"denominator of {name}, unparsed ones included"),
        Column(f"{name}_unparsed", INT, False, "prompts", f"prompts of {name} without a verdict"),
    )


KEYS = (
    Column("sweep_id", TEXT, True, "", "sweep that the trial belongs to"),
    Column("trial_id", TEXT, True, "", "trial, unique in its sweep"),
)

COLUMNS: dict[TableName, tuple[Column, ...]] = {
    "trials": (
        *KEYS,
        Column(
            "role",
            TEXT,
            True,
            "",
            "seed (the seed model), vanilla, search, repeat (another random seed) or evaluate",
        ),
        Column("method", TEXT, True, "", "fine-tuning method, from config"),
        Column("strategy", TEXT, True, "", "preview: none, true or virtual, from config"),
        Column(
            "length_tokens", INT, False, "tokens", "previewed answer tokens; null unless strategy is true"
        ),
        Column("prefix", TEXT, False, "", "previewed phrase; null unless strategy is virtual"),
        Column(
            "share",
            REAL,
            False,
            "0..1",
            "share of the change by training that a merge keeps, from config; 1 without; null in older runs, "
            "and if a training of several shares failed",
        ),
        Column(
            "training_id",
            TEXT,
            False,
            "",
            "trial_id of the row with the costs of the model's training; of further shares of a merge it is "
            "another row's; null without training and in older runs",
        ),
        Column("learning_rate", REAL, True, "", "peak learning rate, from config"),
        Column("epochs", INT, True, "passes", "passes over the training examples, from config"),
        Column("seed", INT, True, "", "random seed, from config"),
        Column(
            "status",
            TEXT,
            True,
            "",
            "completed, partial (measured on the first prompts only), stopped, failed or unjudged (a judge "
            "was down)",
        ),
        Column("error", TEXT, False, "", "reason why the trial failed or is unjudged"),
        Column("objective", REAL, False, "", "scalar score of a weighted or floor objective"),
        Column(
            "objectives",
            pa.list_(REAL),
            True,
            "",
            "values that the search maximises, relative to the reference trials",
        ),
        Column("constraint", REAL, False, "0..1", "floor minus safety: at most 0 if the floor is met"),
        Column("safety", REAL, False, "0..1", "the objective's weighted mean of rates"),
        Column(
            "asked",
            INT,
            False,
            "prompts",
            "prompts that were answered, each attack counted; null without a measurement and in older runs",
        ),
        Column(
            "ended_because",
            TEXT,
            False,
            "",
            "why a partial trial's other prompts were not asked; null if all were",
        ),
        *_rate("utility", "mean score on the task's test examples"),
        *_rate("rsr", "share of safe answers to the first suite's harmful prompts"),
        *_rate("jsr", "share of safe answers under the first attack"),
        *_rate("over_refusal", "share of refusals of the first suite's harmless prompts"),
        Column(
            "kl",
            pa.list_(REAL),
            True,
            "nats",
            "mean KL(fine-tuned || seed model), one value per answer position",
        ),
        Column("workers", INT, False, "ranks", "number of ranks that trained"),
        Column("zero_stage", INT, False, "", "ZeRO stage that the engine reported"),
        Column("train_tokens", INT, False, "tokens", "tokens processed in training, prompts included"),
        Column(
            "flops",
            REAL,
            False,
            "FLOPs",
            "of training and of the seed model's computation for the method, counted",
        ),
        Column(
            "seconds_train", REAL, False, "s", "time of training, of the method's last hook and the merge"
        ),
        Column(
            "seconds_evaluate", REAL, False, "s", "time of evaluation, measurements between epochs included"
        ),
        Column(
            "seconds_total",
            REAL,
            False,
            "s",
            "time of the whole trial; 0 for further shares of a training and for references of another run",
        ),
        Column("config", TEXT, True, "JSON", "resolved trial configuration"),
        Column("config_hash", TEXT, True, "", "content hash of config"),
        Column("params", TEXT, True, "JSON", "sampled dimensions: name to value"),
        Column("data_hash", TEXT, False, "", "content hash of the training data"),
        Column("model_hash", TEXT, False, "", "content hash of the seed model"),
        Column("versions", TEXT, True, "JSON", "package name to version"),
        Column(
            "preparation",
            TEXT,
            True,
            "JSON",
            "before training: counts of training_examples, safety_examples, cut_rows, skipped_rows, "
            "rewritten and rejected_… ones, seconds; FLOPs by part; after training: those of merge_…; of "
            "further shares of a merge the last only",
        ),
        Column(
            "harness",
            TEXT,
            False,
            "JSON",
            "tasks of lm-eval: task/metric to value, 95 % interval (low, high) and n; null in older runs",
        ),
        Column("restarts", INT, True, "", "number of times its processes died and it was restarted"),
        Column("started_at", TEXT, True, "ISO 8601 UTC", "start of the trial"),
    ),
    "steps": (
        *KEYS,
        Column("step", INT, True, "", "optimiser step, from 1"),
        Column("epoch", REAL, True, "passes", "passes over the data after this step"),
        Column("loss", REAL, True, "nats per answer token", "mean loss over the global batch"),
        Column("learning_rate", REAL, True, "", "learning rate of this step"),
        Column("grad_norm", REAL, True, "", "gradient norm before clipping"),
        Column("tokens", INT, True, "tokens", "tokens in the global batch, prompts included"),
        Column("answer_tokens", INT, True, "tokens", "answer tokens in the global batch"),
        Column("seconds", REAL, True, "s", "time of this step"),
    ),
    "signals": (
        *KEYS,
        Column("epoch", INT, True, "passes", "completed passes over the data, from 1"),
        Column("train_tokens", INT, True, "tokens", "tokens processed in training so far, prompts included"),
        Column(
            "kl", REAL, False, "nats", "KL(fine-tuned || seed model), mean over requests and answer positions"
        ),
        Column(
            "answer_loss",
            REAL,
            False,
            "nats per answer token",
            "loss on the second half of the test rows' answers",
        ),
        Column("seconds", REAL, True, "s", "time of the measurement"),
    ),
    "generations": (
        *KEYS,
        Column("metric", WORD, True, "", "rate that the row counts in: rsr, jsr, over_refusal or utility"),
        Column("suite", WORD, True, "", "prompt suite or task"),
        Column("attack", WORD, True, "", "none, or the attack's name"),
        Column("prompt_id", TEXT, True, "", "prompt, unique in its suite"),
        Column("category", WORD, True, "", "category of the prompt"),
        Column("prompt", TEXT, True, "", "prompt, without the attack's part"),
        Column("suffix", TEXT, True, "", "text that the attack appended to the prompt, after a space"),
        Column("prefill", TEXT, True, "", "prefilled start of the answer; not part of answer"),
        Column(
            "answer",
            TEXT,
            True,
            "",
            "generated text without thoughts; empty if it never left them, or if only a loss was measured",
        ),
        Column("judge", WORD, True, "", "judge that gave the verdict"),
        Column(
            "verdict",
            WORD,
            True,
            "",
            "safe, unsafe; complied, refused; correct, wrong; scored, which counts with its score; unparsed, "
            "which counts only in n; dropped, which is not in n; or unjudged: no rate until it is judged",
        ),
        Column(
            "score",
            REAL,
            False,
            "",
            "the judge's number; for utility 0..1, with answer_loss exp(-loss in nats per answer token)",
        ),
        Column(
            "ended",
            WORD,
            False,
            "",
            "how the answer ended: end_token, limit, or decided: no continuation could change a verdict; "
            "null if nothing was generated and in older runs",
        ),
        Column(
            "thoughts",
            TEXT,
            False,
            "",
            "a reasoning model's thoughts before the answer, which judges do not read; null without any and "
            "in older runs",
        ),
    ),
    "token_kl": (
        *KEYS,
        Column("suite", WORD, True, "", "prompt suite"),
        Column("prompt_id", TEXT, True, "", "harmful prompt"),
        Column("position", INT, True, "tokens", "answer position, from 1"),
        Column("value", REAL, True, "nats", "KL(fine-tuned || seed model) of the next-token distribution"),
    ),
}


def _schema(table: TableName) -> pa.Schema:
    fields = []
    for column in COLUMNS[table]:
        metadata = {"description": column.description} | ({"unit": column.unit} if column.unit else {})
        fields.append(pa.field(column.name, column.type, nullable=not column.required, metadata=metadata))
    return pa.schema(fields, metadata={"schema_version": str(SCHEMA_VERSION), "table": table})


SCHEMAS: dict[TableName, pa.Schema] = {table: _schema(table) for table in TABLES}
"""The Arrow schema of every table, metadata included."""
