"""The command `tables`: prints a run's report again, or exports its tables."""

from rich.text import Text

from lookahead_ray.config.objective import HasObjective
from lookahead_ray.entrypoints.sweep import stdout_console
from lookahead_ray.errors import StoreError
from lookahead_ray.presentation.harness_table import print_harness
from lookahead_ray.presentation.mechanism import print_mechanism
from lookahead_ray.presentation.terminal import export_command, print_recommendation, print_trials
from lookahead_ray.sanitize import clean
from lookahead_ray.store import TABLES, Run
from lookahead_ray.store import open as open_run
from lookahead_ray.store.export import ExportFormat
from lookahead_ray.sweep.recommend.recommend import recommend
from lookahead_ray.sweep.recommend.recommendation import Recommendation
from lookahead_ray.trial.record import TrialRecord


def show(run: str) -> None:
    """Print the trials' figures, the recommendation, and the number of rows in each table."""
    opened = open_run(run)
    records = opened.records()
    if not records:
        raise StoreError(f"{run}: no trial is committed yet")
    console = stdout_console()
    recommendation = _recommendation(opened, records)
    print_trials(console, records, recommendation)
    print_mechanism(console, records)
    print_harness(console, records)
    if recommendation:
        print_recommendation(console, records, recommendation)
    counts = ", ".join(f"{name} {opened.table(name).num_rows:,}" for name in TABLES)
    console.print(Text(f"\nrows     {counts}"), soft_wrap=True)
    console.print(Text(f"export   {clean(export_command(run))}"), soft_wrap=True)


def export(run: str, file_format: ExportFormat, out: str | None, exact: bool = False) -> None:
    """Write every table and print the files' paths; in CSV, texts are guarded unless `exact`."""
    for path in open_run(run).export("all", file_format, out or f"{run.rstrip('/')}/export", not exact):
        print(clean(path))


def _recommendation(run: Run, records: list[TrialRecord]) -> Recommendation | None:
    """Return the current recommendation for the sweep's objective; None if the run has no search trials."""
    config = run.identity.config.get("objective")
    if config is None or not any(record.role == "search" for record in records):
        return None
    return recommend(records, HasObjective.model_validate({"objective": config}).objective)
