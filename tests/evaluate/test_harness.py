"""Tasks of lm-eval on a model in memory, with task files of this test."""

import json
from pathlib import Path

import pytest

from lookahead_ray.config.evaluation import EvaluationConfig
from lookahead_ray.config.harness import HarnessConfig
from lookahead_ray.errors import ConfigError, DataError
from lookahead_ray.evaluate.harness import check_harness, measure_harness, scores_of
from tests.toy import toy_model, toy_tokenizer

TASK = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{{{question}}}}"
doc_to_choice: ["yes", "no"]
doc_to_target: label
metric_list: [{{metric: acc}}]
"""


def write_task(folder: Path, name: str, rows: int) -> None:
    data = folder / f"{name}.jsonl"
    lines = [json.dumps({"question": f"Is {n} even?", "label": n % 2}) for n in range(rows)]
    data.write_text("\n".join(lines), encoding="utf-8")
    (folder / f"{name}.yaml").write_text(TASK.format(name=name, data=data), encoding="utf-8")


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("lm_eval")
    folder = tmp_path_factory.mktemp("tasks")
    write_task(folder, "parity_a", 12)
    write_task(folder, "parity_b", 5)
    return folder


def test_tasks_of_a_folder_are_scored_with_intervals(tasks: Path) -> None:
    config = HarnessConfig(tasks=("parity_a", "parity_b"), include_path=str(tasks), limit=8)
    assert check_harness(config) == "lm-eval: parity_a, parity_b, the first 8 examples of each"
    tokenizer = toy_tokenizer()
    model = toy_model(vocab=len(tokenizer))
    whole = measure_harness(model, tokenizer, config)
    assert {name: score["n"] for name, score in whole.items()} == {"parity_a/acc": 8, "parity_b/acc": 5}
    for score in whole.values():
        assert score["low"] <= score["value"] <= score["high"]
    shares = [measure_harness(model, tokenizer, config, rank, 2) for rank in (0, 1)]
    assert {**shares[0], **shares[1]} == whole  # ranks divide the tasks
    assert measure_harness(model, tokenizer, config, 2, 3) == {}


def test_unknown_tasks_and_folders_are_refused(tasks: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"harness\.tasks\.1: must be a task .* got 'parity_z'"):
        check_harness(HarnessConfig(tasks=("parity_a", "parity_z"), include_path=str(tasks)))
    with pytest.raises(ConfigError, match=r"include_path: must be a folder .* no folder"):
        check_harness(HarnessConfig(tasks=("x",), include_path=str(tmp_path / "absent")))
    (tmp_path / "broken.yaml").write_text(TASK.format(name="broken", data=tmp_path / "none.jsonl"))
    with pytest.raises(DataError, match=r"tasks\.0: broken: can't be loaded"):
        check_harness(HarnessConfig(tasks=("broken",), include_path=str(tmp_path)))


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lookahead_ray.evaluate.harness.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"evaluation\.harness: .* pip install 'lm-eval\[hf\]'"):
        check_harness(HarnessConfig(tasks=("anything",)))


def test_filters_and_missing_errors_are_kept_apart() -> None:
    found = {
        "results": {
            "maths": {"alias": "maths", "match,strict": 0.5, "match_stderr,strict": 0.1, "match,loose": 0.75,
                      "match_stderr,loose": "N/A"},
        },
        "n-samples": {"maths": {"original": 90, "effective": 20}},
    }  # fmt: skip
    assert scores_of(found) == {
        "maths/match/strict": {
            "value": 0.5,
            "low": pytest.approx(0.304),
            "high": pytest.approx(0.696),
            "n": 20,
        },
        "maths/match/loose": {"value": 0.75, "n": 20},
    }


def test_without_a_harness_the_configuration_is_as_before() -> None:
    assert "harness" not in EvaluationConfig().model_dump(mode="json")
    given = EvaluationConfig(harness=HarnessConfig(tasks=("a",))).model_dump(mode="json")
    assert given["harness"]["tasks"] == ["a"]
