"""The commands as a user starts them: output, one-line errors, imports."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from analysis.__main__ import app
from analysis.views import VIEWS
from lookahead_ray import store
from lookahead_ray.store.schemas import SCHEMAS
from tests.analysis.runs import IDENTITY, as_version_2, judge_again, set_version, sweep, write_run
from tests.factory import make_failed

ROOT = Path(__file__).parents[2]
COUNT = "SELECT run, count(*) AS n FROM trials GROUP BY run ORDER BY run"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_run(tmp_path_factory.mktemp("runs") / "one", sweep())


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def refused(*arguments: str) -> str:
    """Run a command that exits with 2, and return the one line of its stderr."""
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    return result.stderr.removeprefix("error: ").strip()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_an_output_without_unicode_shows_question_marks(encoding: str, run: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "analysis", "paper", run, "--table", "1"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert b"RSR ? vanilla" in done.stdout


@pytest.mark.slow
def test_no_command_imports_torch_or_ray(run: str, tmp_path: Path) -> None:
    commands = [
        ["query", COUNT, run],
        ["schema"],
        ["compare", run],
        ["paper", run, "--table", "1"],
        ["paper", run, "--table", "2"],
        *(["paper", run, "--figure", n, "--format", "png", "--out", str(tmp_path / n)] for n in "345"),
        ["report", run, "--out", str(tmp_path / "report.html")],
    ]
    code = (
        "import sys\nfrom analysis.__main__ import app\n"
        f"for command in {commands!r}:\n"
        "    app(command, standalone_mode=False)\n"
        "    heavy = {'torch', 'ray'} & set(sys.modules)\n"
        "    assert not heavy, (command, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").stat().st_size > 1_000_000
    assert all((tmp_path / n).read_bytes().startswith(b"\x89PNG") for n in "345")


def test_help_imports_nothing_heavy() -> None:
    heavy = ("duckdb", "pyarrow", "scipy", "rich")
    code = f"import sys, analysis.__main__; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_query_formats(run: str) -> None:
    assert call("query", COUNT, run, "--format", "csv").stdout == "run,n\none,7\n"
    assert json.loads(call("query", COUNT, run, "--format", "json").stdout) == [{"run": "one", "n": 7}]
    assert (
        call("query", COUNT, run, "--format", "markdown").stdout
        == "| run | n |\n| --- | --- |\n| one | 7 |\n"
    )
    assert call("query", COUNT, run).stdout.split() == ["run", "n", "one", "7"]


def test_a_limit_is_reported(run: str) -> None:
    result = call("query", "SELECT trial_id FROM trials", run, "--limit", "2", "--format", "csv")
    assert result.stdout.count("\n") == 3
    assert result.stderr == "more than 2 rows; see --limit, or --format csv\n"
    whole = call("query", "SELECT trial_id FROM trials", run, "--limit", "7", "--format", "csv")
    assert (whole.stdout.count("\n"), whole.stderr) == (8, "")


def test_json_has_every_column_and_numbers_as_numbers(run: str) -> None:
    sql = "SELECT 1 AS a, 2 AS a_1, 3 AS a, sum(restarts) AS sum, 1.5 AS half FROM trials"
    rows = json.loads(call("query", sql, run, "--format", "json").stdout)
    assert rows == [{"a": 1, "a_1": 2, "a_2": 3, "sum": 4, "half": 1.5}]
    assert call("query", sql, run, "--format", "csv").stdout.splitlines()[0] == "a,a_1,a_2,sum,half"


def test_a_terminal_gets_no_escape_sequences(run: str) -> None:
    shown = call("query", "SELECT error, '\x1b[2J\u202e' AS evil FROM trials WHERE status = 'failed'", run)
    assert "worker 1 died red" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "\u202e" not in shown.stdout


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "COPY trials TO '{run}/tables/steps/trial-0.parquet'",
        "EXPLAIN ANALYZE COPY trials TO '{run}/tables/x'",
        "ATTACH '/tmp/x.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SELECT 1; DROP VIEW trials",
        "CREATE TABLE x AS SELECT 1",
        "SELEC 1",
        "SELECT nothing FROM trials",
        "SELECT 'x'::INT",
        "",
    ],
)
def test_a_query_reads_the_tables_alone(run: str, sql: str) -> None:
    before = {path: path.read_bytes() for path in Path(run).rglob("*") if path.is_file()}
    assert refused("query", sql.replace("{run}", run), run).startswith("query: ")
    assert {path: path.read_bytes() for path in Path(run).rglob("*") if path.is_file()} == before


def test_schema_has_every_field() -> None:
    rows = json.loads(call("schema", "--format", "json").stdout)
    assert [(row["table"], row["field"]) for row in rows] == [
        (table, field.name) for table, schema in VIEWS.items() for field in schema
    ]
    assert all(row["description"] for row in rows)
    kl = next(row for row in rows if (row["table"], row["field"]) == ("trials", "kl"))
    assert (kl["type"], kl["unit"], kl["null"]) == ("list of double", "nats", "no")
    assert "| token\\_kl | value | double | no | nats |" in call("schema", "--format", "markdown").stdout


COMMANDS = (
    ("query", COUNT),
    ("compare",),
    ("paper", "--table", "1"),
    ("paper", "--figure", "3"),
    ("report",),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_errors_name_the_file(command: tuple[str, ...], tmp_path: Path) -> None:
    assert f"{tmp_path}/nope: must be" in refused(*command, f"{tmp_path}/nope")
    cut = write_run(tmp_path / "cut", sweep())
    file = Path(cut, "tables/generations/trial-1.parquet")
    file.write_bytes(file.read_bytes()[:-100])
    assert f"{file}: must have the " in refused(*command, cut)
    unknown = write_run(tmp_path / "unknown", [])
    set_version(unknown, 99)
    assert f"{unknown}/sweep.json: schema_version must be" in refused(*command, unknown)


def test_a_damaged_file_of_the_right_length_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", sweep())
    for trial_id in ("trial-1", "trial-900"):  # in the middle, and the first one
        file = Path(run, f"tables/trials/{trial_id}.parquet")
        whole = file.read_bytes()
        file.write_bytes(b"x" * len(whole))
        assert f"{file}: cannot be read as trials" in refused("query", COUNT, run)
        file.write_bytes(whole)


def test_verdicts_given_afterwards(tmp_path: Path) -> None:
    records = sweep()
    run = write_run(tmp_path / "run", records)
    for record in records[:2]:
        judge_again(run, record)
    sql = (
        "SELECT trial_id, judge, count(*) AS n FROM verdicts WHERE verdict = 'safe' GROUP BY ALL ORDER BY ALL"
    )
    rows = json.loads(call("query", sql, run, "--format", "json").stdout)
    assert [(row["trial_id"], row["judge"], row["n"]) for row in rows] == [
        (record.trial_id, "keywords-1a2b", 12) for record in records[:2]
    ]
    file = Path(run, "verdicts/keywords-1a2b/trial-900.parquet")
    file.write_bytes(b"x" * file.stat().st_size)
    assert f"{file}: cannot be read as verdicts" in refused("query", sql, run)


def test_only_failed_trials(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [make_failed(1), make_failed(2)])
    assert call("query", COUNT, run, "--format", "csv").stdout == "run,n\nrun,2\n"
    for command in (
        ("compare",),
        ("paper", "--table", "1"),
        ("paper", "--table", "2"),
        ("paper", "--figure", "3"),
    ):
        assert refused(*command, run) == f"{run}: must have a completed trial, got none (2 others)"


def test_no_trial_yet(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [])
    for table in SCHEMAS:
        assert call("query", f"SELECT * FROM {table}", run).exit_code == 0
    assert "must have a completed trial" in refused("compare", run)


def test_while_the_sweep_is_running(tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    records = sweep()
    with store.lock(run):
        write_run(tmp_path / "run", records[:3])
        Path(run, "tables/trials/half.parquet").write_bytes(b"PAR1")  # still being written
        assert call("query", COUNT, run, "--format", "csv").stdout == "run,n\nrun,3\n"
        assert "yes" in call("compare", run).stdout.splitlines()[3]
        write_run(tmp_path / "run", records[3:])
        assert call("query", COUNT, run, "--format", "csv").stdout == "run,n\nrun,7\n"
    assert "yes" not in call("compare", run).stdout.splitlines()[3]


def test_two_schema_versions(tmp_path: Path) -> None:
    old, new, mixed = (write_run(tmp_path / name, sweep()) for name in ("old", "new", "mixed"))
    as_version_2(old)
    as_version_2(mixed, ["trial-1"])
    sql = (
        "SELECT run, count(*) AS n, count(restarts) AS known, max(rsr) AS rsr "
        "FROM trials GROUP BY run ORDER BY run"
    )
    rows = json.loads(call("query", sql, old, new, mixed, "--format", "json").stdout)
    assert [(row["run"], row["n"], row["known"]) for row in rows] == [
        ("mixed", 7, 6),
        ("new", 7, 7),
        ("old", 7, 0),
    ]
    assert len({row["rsr"] for row in rows}) == 1
    signals = "SELECT run, count(*) AS n FROM signals GROUP BY run ORDER BY run"
    assert call("query", signals, old, new, mixed, "--format", "csv").stdout == "run,n\nmixed,15\nnew,18\n"
    tables = [call("paper", run, "--table", "1", "--format", "csv").stdout for run in (old, new, mixed)]
    assert len(set(tables)) == 1
    assert len(tables[0].splitlines()) == 7


def test_compare_prints_what_differs_and_writes_all(tmp_path: Path) -> None:
    one, two = (write_run(tmp_path / str(seed), sweep(prompts=60, seeds=(seed,))) for seed in (0, 1))
    printed = call("compare", one, two, "--out", str(tmp_path / "all.csv")).stdout
    assert max(map(len, printed.splitlines())) <= 110
    whole = call("compare", one, two, "--format", "csv").stdout
    assert (tmp_path / "all.csv").read_text() == whole
    rows = list(csv.DictReader(io.StringIO(whole)))
    assert len(rows) == 2 * 4 * 4  # runs, previews, metrics
    differing = sum(row["differs"] == "True" for row in rows)
    shown = printed.split("Those that differ")[1].split("\n\n")[0]
    assert len(re.findall(r"0\.\d{3} *$", shown, re.M)) == differing > 0
    assert call("compare", one, "--format", "json", "--out", str(tmp_path / "all.json")).stdout == ""
    assert len(json.loads((tmp_path / "all.json").read_text())) == 4 * 4


def test_whether_it_runs_may_not_be_known() -> None:
    writer = store.create("memory://analysis/compared", IDENTITY)
    for record in sweep():
        writer.commit(record)
    assert call("compare", "memory://analysis/compared").stdout.splitlines()[3].endswith("not known")


def test_runs_of_one_name_get_different_names(tmp_path: Path) -> None:
    one, two = (write_run(tmp_path / name / "run [1] *", sweep()) for name in ("a", "b"))
    assert call("query", COUNT, one, two, "--format", "csv").stdout == "run,n\na/run [1] *,7\nb/run [1] *,7\n"
    assert "must be given once" in refused("query", COUNT, one, f"{one}/")


def test_other_file_systems() -> None:
    store_run = "memory://analysis/run"
    writer = store.create(store_run, IDENTITY)
    for record in sweep():
        writer.commit(record)
    sql = "SELECT verdict, count(*) AS n FROM generations WHERE metric = 'rsr' GROUP BY ALL ORDER BY ALL"
    rows = json.loads(call("query", sql, store_run, "--format", "json").stdout)
    assert sum(row["n"] for row in rows) == 6 * 12
