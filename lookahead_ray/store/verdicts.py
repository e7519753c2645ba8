"""Verdicts given after a trial: a separate table next to the trials, which stay as committed.

    <run>/verdicts/<judge_id>/<trial_id>.parquet    a row for each generation that was judged

Each file is written atomically, and judging again replaces it, so no commit file is needed. `row` and the
prompt's keys identify the generation.
"""

import json
import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from lookahead_ray.errors import StoreError
from lookahead_ray.store.commits import committed_ids
from lookahead_ray.store.files import Files, to_json
from lookahead_ray.store.schemas import INT, REAL, SCHEMA_VERSION, TEXT, WORD
from lookahead_ray.trial.record import Generation, TrialRecord

FOLDER = "verdicts"
_JUDGE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

VERDICTS = pa.schema(
    [
        pa.field("sweep_id", TEXT, nullable=False),
        pa.field("trial_id", TEXT, nullable=False),
        pa.field(
            "judge", WORD, nullable=False, metadata={"description": "judge, with a hash of its settings"}
        ),
        pa.field("judge_config", WORD, nullable=False, metadata={"description": "its settings as JSON"}),
        pa.field(
            "row",
            INT,
            nullable=False,
            metadata={"description": "index among the trial's generations, from 0"},
        ),
        pa.field("metric", WORD, nullable=False),
        pa.field("suite", WORD, nullable=False),
        pa.field("attack", WORD, nullable=False),
        pa.field("prompt_id", TEXT, nullable=False),
        pa.field("verdict", WORD, nullable=False),
        pa.field("score", REAL, metadata={"description": "the judge's score"}),
    ],
    metadata={"schema_version": str(SCHEMA_VERSION), "table": FOLDER},
)
"""The schema of verdicts; `row` counts from 0, the other columns are those of `generations`."""


def write_verdicts(
    run: str,
    trial: TrialRecord,
    judge_id: str,
    judge_config: dict[str, object],
    judged: Sequence[tuple[int, Generation]],
) -> None:
    """Write the trial's new verdicts, replacing earlier ones of this judge.

    `judged` pairs a generation's index in `trial.generations` with the generation and its new verdict.
    Raises `StoreError` if the trial is not committed in `run`, or the file system fails.
    """
    if not _JUDGE_ID.fullmatch(judge_id):
        raise StoreError(f"judge_id: must be 1 to 100 letters, digits, '.', '_' or '-', got {judge_id!r}")
    files = Files(run)
    if trial.training not in committed_ids(files):
        raise StoreError(f"{run}: verdicts must be of a committed trial, got {trial.trial_id!r}")
    config = to_json(judge_config, f"{judge_id}: judge_config")
    rows = [
        {
            "sweep_id": trial.sweep_id,
            "trial_id": trial.trial_id,
            "judge": judge_id,
            "judge_config": config,
            "row": row,
            **{
                name: getattr(new, name)
                for name in ("metric", "suite", "attack", "prompt_id", "verdict", "score")
            },
        }
        for row, new in judged
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, VERDICTS), sink, compression="zstd", write_page_checksum=True)
    files.write(f"{FOLDER}/{judge_id}/{trial.trial_id}.parquet", sink.getvalue().to_pybytes())


def verdict_files(files: Files, trial_ids: Sequence[str], judge_id: str | None = None) -> list[str]:
    """Return the names of the files that hold these trials' verdicts, in the order of `read_verdicts`."""
    place = {trial_id: index for index, trial_id in enumerate(trial_ids)}
    found = []
    for name in files.sizes(FOLDER):
        match = re.fullmatch(rf"{FOLDER}/({_JUDGE_ID.pattern})/([^/]+)\.parquet", name)
        if match and match[2] in place and judge_id in (None, match[1]):
            found.append((match[1], place[match[2]], name))
    return [name for _, _, name in sorted(found)]


def read_verdicts(files: Files, trial_ids: Sequence[str], judge_id: str | None = None) -> pa.Table:
    """Return all verdicts of these trials, or those of one judge, sorted by judge, then in the trials' order.

    Raises `StoreError` naming the file if one is damaged.
    """
    names = verdict_files(files, trial_ids, judge_id)
    parts = [VERDICTS.empty_table()]
    for name, content in zip(names, files.read_all(names), strict=True):
        try:
            table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
            parts.append(table.cast(VERDICTS))
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise StoreError(f"{files.run}/{name}: cannot be read as {FOLDER}: {reason}") from error
    return pa.concat_tables(parts).unify_dictionaries()


def judge_configs(verdicts: pa.Table) -> dict[str, dict[str, object]]:
    """Return judge -> its settings, for every judge in a table of verdicts."""
    pairs = verdicts.select(["judge", "judge_config"]).group_by(["judge", "judge_config"]).aggregate([])
    return {row["judge"]: json.loads(row["judge_config"]) for row in pairs.to_pylist()}
