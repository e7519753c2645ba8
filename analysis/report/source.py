"""One run for the report, read by `analysis.runs` with only the required columns and trials."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from analysis.opening import OpenRun
from analysis.runs import Runs, open_runs
from lookahead_ray.store.conversion import to_record
from lookahead_ray.store.identity import SweepIdentity
from lookahead_ray.store.schemas import SCHEMA_VERSION, SCHEMAS, TableName
from lookahead_ray.trial.record import TrialRecord


@dataclass(frozen=True)
class Source:
    """A run at the time when it was opened. `open_source` creates one."""

    runs: Runs

    @property
    def opened(self) -> OpenRun:
        """Return the one run."""
        return self.runs.runs[0]

    @property
    def run(self) -> str:
        """Return the run's path or URL."""
        return self.opened.run

    @property
    def identity(self) -> SweepIdentity:
        """Return the identity of the run's sweep."""
        return self.opened.identity

    @property
    def running(self) -> bool | None:
        """Return whether a sweep is running; None if that is unknown on this file system."""
        return self.opened.running

    @property
    def earlier_versions(self) -> Mapping[int, int]:
        """Return schema version -> number of trials, for trials written in an earlier version."""
        versions = Counter(commit.schema_version for commit in self.opened.commits)
        return {version: versions[version] for version in sorted(versions) if version != SCHEMA_VERSION}

    def read(
        self, table: TableName, columns: Sequence[str] | None = None, trial_ids: Collection[str] | None = None
    ) -> pa.Table:
        """Return columns of trials' rows (default: all), in the order of the commits.

        Columns missing in an earlier schema version are null. Raises `StoreError` naming a damaged file.
        """
        fields = [SCHEMAS[table].field(name) for name in columns or SCHEMAS[table].names]
        runs = self.runs if trial_ids is None else self.runs.only(trial_ids)
        found = runs.table(table, [field.name for field in fields]).drop_columns(["run"])
        schema = [field.with_nullable(field.nullable or found[field.name].null_count > 0) for field in fields]
        metadata = SCHEMAS[table].metadata if columns is None else None
        return found.cast(pa.schema(schema, metadata)).unify_dictionaries()

    def records(self, trial_ids: Collection[str]) -> list[TrialRecord]:
        """Return these trials in the order of commits, with generations, without steps, signals and KL."""
        chosen = self.runs.only(trial_ids).runs[0].commits
        trials, answers = self.read("trials", None, trial_ids), self.read("generations", None, trial_ids)
        trials = _filled(trials)
        nothing = {table: schema.empty_table() for table, schema in SCHEMAS.items()}
        records, start = [], 0
        for place, commit in enumerate(chosen):
            own = answers.slice(start, commit.files["generations"].rows)
            start += own.num_rows
            records.append(to_record({**nothing, "trials": trials.slice(place, 1), "generations": own}))
        return records

    def rows(self, table: TableName) -> dict[str, int]:
        """Return trial id -> number of rows in `table`, from the commits alone."""
        commits = self.opened.commits
        return {one.trial_id: one.files[table].rows if table in one.files else 0 for one in commits}


def open_source(run: str) -> Source:
    """Return the run at a path or an fsspec URL. Raises `StoreError` as `open_runs` does."""
    return Source(open_runs([run]))


def _filled(trials: pa.Table) -> pa.Table:
    """Fill the nulls of schema version 2 with the values that records require."""
    for name, value in (("objectives", []), ("restarts", 0)):
        place = trials.schema.get_field_index(name)
        known = [value if one is None else one for one in trials[name].to_pylist()]
        trials = trials.set_column(place, name, pa.array(known, trials.schema.field(name).type))
    return trials
