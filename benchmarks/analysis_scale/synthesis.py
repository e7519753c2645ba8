"""Synthetic runs of any size on disk, in the store's own schema; nothing is trained."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.analysis_scale.trials import Trials
from lookahead_ray.config.load import load_sweep
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.store.commits import FOLDER, Commit, TableFile, table_path
from lookahead_ray.store.conversion import to_tables
from lookahead_ray.store.files import Files
from lookahead_ray.store.identity import SweepIdentity, create_identity
from lookahead_ray.store.schemas import TABLES, TableName
from lookahead_ray.trial.record import TrialRecord

SPACE = Path(__file__).parents[1] / "search" / "grid.yaml"


def synthesise(run: Path, trials: int, rows: int, seed: int = 0) -> None:
    """Write a run of two references and `trials` search trials with `rows` generations each to `run`.

    Another `seed` gives repeats of the same trials. The files are those that the store writes, without fsync.
    """
    sweep = load_sweep(SPACE)
    identity = SweepIdentity.new(f"synthetic-{seed}", sweep.hash, sweep.resolved)
    create_identity(Files(str(run)), identity)
    for folder in (*(f"tables/{table}" for table in TABLES), FOLDER):
        (run / folder).mkdir(parents=True)
    maker = Trials(sweep, identity.sweep_id, rows, seed)
    seed_model, vanilla = maker.make(-2, "seed"), maker.make(-1, "vanilla")
    references = ReferenceTrials(seed_model[0], vanilla[0])
    made = (maker.make(number, "search") for number in range(trials))
    for sequence, (record, generations) in enumerate((seed_model, vanilla, *made), 1):
        scored = replace(record, **asdict(make_objective(sweep.objective).score(record, references)))
        _commit(run, sequence, scored, generations)


def _commit(run: Path, sequence: int, record: TrialRecord, generations: pa.Table) -> None:
    listed: dict[TableName, TableFile] = {}
    for name, table in {**to_tables(record), "generations": generations}.items():
        path = table_path(name, record.trial_id)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
        content = sink.getvalue()
        (run / path).write_bytes(content)
        listed[name] = TableFile(path, content.size, table.num_rows)
    commit = json.dumps(asdict(Commit(record.trial_id, sequence, listed)))
    (run / FOLDER / f"{record.trial_id}.json").write_text(commit, encoding="utf-8")
