"""One date for a run whose template writes today's."""

import datetime
from dataclasses import replace
from pathlib import Path

import pytest

from lookahead_ray import store
from lookahead_ray.config.load import Sweep, load_sweep
from lookahead_ray.entrypoints.chat_date import fix_chat_date
from lookahead_ray.entrypoints.sweep import open_sink
from tests.model.test_chat_settings import DATED
from tests.tiny import make_model

SPACE = """
name: dated
model: {{path: {model}, chat_template: {template}{more}}}
task: {{name: word_problems, train_examples: 4, test_examples: 2}}
preview: {{strategy: "true", length_tokens: {{int: [1, 4]}}}}
search: {{trials: 1}}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "model")


def space(folder: Path, model: Path, template: str, more: str = "") -> Sweep:
    jinja, file = folder / "mine.jinja", folder / "mine.yaml"
    jinja.write_text(template)
    file.write_text(SPACE.format(model=model, template=jinja, more=more))
    return load_sweep(file)


def test_a_new_run_gets_today_and_keeps_it(tmp_path: Path, model: Path) -> None:
    run, today = str(tmp_path / "run"), datetime.date.today().isoformat()
    sweep = fix_chat_date(space(tmp_path, model, DATED), run)
    assert sweep.chat_date == sweep.reference().model.chat_date == today
    assert sweep.resolved == space(tmp_path, model, DATED).resolved
    yesterday = replace(sweep, chat_date="2026-01-02")
    open_sink(yesterday, store.Hold(run), {"model": "m"})
    assert store.chat_date_of(run) == "2026-01-02"
    again = fix_chat_date(space(tmp_path, model, DATED), run)
    assert again.reference().model.chat_date == "2026-01-02"
    open_sink(again, store.Hold(run), {"model": "m"})  # the same sweep


def test_the_configuration_decides(tmp_path: Path, model: Path) -> None:
    sweep = fix_chat_date(space(tmp_path, model, DATED, ", chat_date: 2020-02-29"), str(tmp_path / "run"))
    assert sweep.reference().model.chat_date == "2020-02-29"


def test_an_older_run_has_its_first_day(tmp_path: Path, model: Path) -> None:
    run = str(tmp_path / "run")
    store.create(
        run, replace(store.SweepIdentity.new("dated", "h", {}), created_at="2024-05-06T23:59:59+00:00")
    )
    assert fix_chat_date(space(tmp_path, model, DATED), run).chat_date == "2024-05-06"


def test_other_templates_record_none(tmp_path: Path, model: Path) -> None:
    plain = "{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"
    sweep = fix_chat_date(space(tmp_path, model, plain), str(tmp_path / "run"))
    assert sweep.chat_date is None
    assert sweep.reference().model.chat_date is None
