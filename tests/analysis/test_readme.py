"""The examples of analysis/README.md work."""

import re
from pathlib import Path

import pandas as pd
import polars
import pytest

import analysis
from analysis.query import query
from analysis.runs import open_runs
from lookahead_ray import store
from tests.analysis.runs import judge_again, sweep, write_run

TEXT = Path(analysis.__file__).with_name("README.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", TEXT, re.S)
RECIPES = re.findall(r"```python\n(.*?)```", TEXT, re.S)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    records = sweep(prompts=40)
    run = write_run(tmp_path_factory.mktemp("readme") / "run", records)
    for record in records[:2]:
        judge_again(run, record)
    return run


@pytest.mark.parametrize("sql", QUERIES)
def test_ready_queries_find_something(sql: str, run: str) -> None:
    assert query(sql, [run]).num_rows > 0


def test_there_are_queries_of_every_table() -> None:
    assert all(re.search(rf"FROM {table}\b", "".join(QUERIES)) for table in (*store.TABLES, "verdicts"))


def test_recipes_are_one_line_and_work(run: str) -> None:
    names = {"polars": polars, "store": store, "open_runs": open_runs, "RUN": run}
    made = [eval(recipe, names) for recipe in RECIPES]
    assert all(recipe.count("\n") == 1 for recipe in RECIPES)
    by_strategy, counts, unsafe, roles = made
    trials = store.open(run).trials().to_pandas()
    for strategy, rsr in by_strategy.iter_rows():
        assert rsr == pytest.approx(trials[trials["strategy"] == strategy]["rsr"].mean())
    verdicts = store.open(run).generations()["verdict"].to_pylist()
    assert counts.sum() == len(verdicts)
    assert len(unsafe) == verdicts.count("unsafe")
    assert isinstance(roles, pd.DataFrame)
    assert dict(zip(roles["role"], roles["trials"], strict=True)) == {"seed": 1, "vanilla": 1, "search": 5}
