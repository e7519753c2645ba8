"""Bad inputs are refused before Ray starts, in one line with the input and the reason."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file as load_numpy
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import load_file, save_file

from lookahead_ray.config.load import load_sweep
from lookahead_ray.errors import ConfigError, DataError, LookaheadRayError, ModelError
from lookahead_ray.evaluate.judges.refusal import load_refusal_classifier
from lookahead_ray.shipped_files import REFUSAL_WEIGHTS
from lookahead_ray.sweep.preflight import Preflight, check
from tests.evaluate.judges.tiny_classifier import tiny_classifier
from tests.tiny import make_model

PREVIEW = "preview: {strategy: true, length_tokens: {int: [1, 4]}}\n"
ROW = json.dumps({"question": "2 + 2?", "answer": "#### 4"})


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a tiny model once."""
    return make_model(tmp_path_factory.mktemp("made") / "model")


@pytest.fixture
def model(tmp_path: Path, made: Path) -> Path:
    """Copy the tiny model, so that a test may change it."""
    return Path(shutil.copytree(made, tmp_path / "model"))


def found(
    tmp_path: Path, model: Path | str, task: str = "{name: word_problems}", more: str = ""
) -> Preflight:
    path = tmp_path / "space.yaml"
    path.write_text(f"model: {{path: '{model}'}}\ntask: {task}\n{PREVIEW}{more}")
    return check(load_sweep(path))


def lines(*arguments: Any, **named: Any) -> list[str]:
    return found(*arguments, **named).lines


def refusal(kind: type[LookaheadRayError], *arguments: Any, **named: Any) -> str:
    with pytest.raises(kind) as caught:
        lines(*arguments, **named)
    message = str(caught.value)
    assert message.isprintable()
    return message


def test_findings_are_printed(tmp_path: Path, model: Path) -> None:
    task = "{name: word_problems, train_examples: 8, test_examples: 4}"
    assert lines(
        tmp_path, model, task, "safety: {harmful_prompts: 10, benign_prompts: 20}\nworkers: 2\n"
    ) == [
        "space: 10 trials after the seed model and vanilla",
        "search: tpe sampler with random seed 0; ends after 10 trials",
        "objective: 0.5 · safety + 0.5 · utility; safety is the mean of rsr, jsr",
        "dimension preview.length_tokens: int from 1 to 4",
        f"model {model} (model.safetensors)",
        "task word_problems: 8 training and 4 test examples",
        "safety probe: 10 harmful and 20 benign prompts",
        "answers end once their verdict is final; after 512 tokens they are unparsed",
    ]


def test_every_task_that_the_space_holds_is_looked_at(tmp_path: Path, model: Path) -> None:
    task = "{choice: [{name: word_problems}, {name: gsm8k, path: none.jsonl}]}"
    assert "none.jsonl: path: must be an existing file" in refusal(DataError, tmp_path, model, task)
    sizes = "{name: word_problems, train_examples: {int: [8, 16]}}"
    told = lines(tmp_path, model, sizes)
    assert [line for line in told if line.startswith("task")] == [
        "task word_problems: 8 training and 128 test examples",
        "task word_problems: 16 training and 128 test examples",
    ]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (None, "path: must be an existing file, got nothing there"),
        ("", "path: must hold at least one row, got 0 bytes"),
        ("\n\n", "path: must hold at least one row, got 2 bytes"),
        (f"{ROW}\n{{", "line 2: must be a JSON object, got '{'"),
        (f"{ROW}\n[1]", "line 2: must be a JSON object, got [1]"),
        ('{"question": "2 + 2?"}', "line 1: field answer must be present, got fields ['question']"),
        (
            '{"question": "2 + 2?", "answer": 4}',
            "line 1: field answer must be a string that is not blank, got 4",
        ),
        (
            '{"question": " ", "answer": "#### 4"}',
            "line 1: field question must be a string that is not blank",
        ),
        (
            '{"question": "2 + 2?", "answer": "4"}',
            'line 1: field answer must end in "#### N" with a number N',
        ),
        (ROW, "train_examples + test_examples: must fit the rows without a question in both"),
    ],
)
def test_a_bad_data_file_is_refused(tmp_path: Path, model: Path, content: str | None, rule: str) -> None:
    data = tmp_path / "rows.jsonl"
    if content is not None:
        data.write_text(content)
    message = refusal(DataError, tmp_path, model, f"{{name: gsm8k, path: '{data}'}}")
    assert message.startswith(f"{tmp_path / 'space.yaml'}: task: {data}: {rule}")


def test_a_folder_is_no_data_file(tmp_path: Path, model: Path) -> None:
    message = refusal(DataError, tmp_path, model, f"{{name: gsm8k, path: '{model}'}}")
    assert "config.json: path: must hold a list of rows, or one object per line, got one object" in message


def test_a_model_path_without_weights_is_refused(tmp_path: Path) -> None:
    where = f"{tmp_path / 'space.yaml'}: model.path: "
    missing = tmp_path / "none"
    message = refusal(ModelError, tmp_path, missing)
    assert message == f"{where}must be a directory with weights, got '{missing}', which does not exist"
    missing.mkdir()
    (missing / "pytorch_model.bin").write_bytes(b"")
    message = refusal(ModelError, tmp_path, missing)
    assert message.startswith(
        f"{where}needs *.safetensors or *.gguf weights, found none in '{missing}', only pytorch_model.bin"
    )
    message = refusal(ModelError, tmp_path, missing / "pytorch_model.bin")
    assert message.startswith(f"{where}must be a directory with weights or a GGUF file, got the file ")


CLOSED = "safety: {name: file, label: mine, harmful_path: '%s'}\n"


@pytest.fixture
def requests(tmp_path: Path) -> str:
    """Harmful requests without openings."""
    path = tmp_path / "requests.jsonl"
    path.write_text('{"prompt": "Steal a car."}\n')
    return str(path)


@pytest.mark.parametrize(
    ("evaluation", "rule"),
    [
        (
            "{}",
            "evaluation.attacks: prefill_3 needs a suite with an opening for each harmful request, "
            "got none in mine",
        ),
        (
            "{attacks: [{kind: prefill_text, text: Sure}]}",
            "evaluation.kl_tokens: must be 0 without a suite with an opening for each harmful request, "
            "or kl_on: seed_answers, got 8 and mine",
        ),
        (
            "{attacks: [], kl_tokens: 0}",
            "evaluation.attacks: must hold at least one attack, as a search compares JSR, got none",
        ),
        (
            "{attacks: [{kind: suffix, path: none.txt}]}",
            "none.txt: evaluation.attacks: path: must be an existing file, got nothing there",
        ),
        (
            "{attacks: [{kind: prefill_text, text: Sure}], kl_tokens: 0, judges: [{name: refusal}, "
            "{name: llm, model: m, base_url: 'http://127.0.0.1:1', api_key_env: NO_SUCH_KEY}]}",
            "evaluation.judges.1: api_key_env: the environment variable NO_SUCH_KEY must hold the key, "
            "it is not set",
        ),
    ],
)
def test_a_measure_without_anything_to_measure_is_refused(
    tmp_path: Path, model: Path, requests: str, evaluation: str, rule: str
) -> None:
    more = f"{CLOSED % requests}evaluation: {evaluation}\n"
    kind = DataError if rule.startswith("none.txt") else ConfigError
    assert refusal(kind, tmp_path, model, more=more) == f"{tmp_path / 'space.yaml'}: {rule}"


def test_missing_parts_of_a_suite_are_reported(tmp_path: Path, model: Path, requests: str) -> None:
    mine = f"{{name: file, label: mine, harmful_path: '{requests}'}}"
    more = f"safety: [{mine}, {{harmful_prompts: 10, benign_prompts: 20}}]\n"
    found = lines(tmp_path, model, more=more)
    assert found[-3:-1] == [
        "safety mine: 1 harmful and 0 benign prompts; without prefill_3, KL",
        "safety probe: 10 harmful and 20 benign prompts",
    ]
    more += "evaluation: {attacks: [{kind: prefill_text, text: Sure}], kl_on: seed_answers}\n"
    assert lines(tmp_path, model, more=more)[-3] == "safety mine: 1 harmful and 0 benign prompts"


def test_measuring_one_model_needs_no_attack(tmp_path: Path, model: Path, requests: str) -> None:
    path = tmp_path / "space.yaml"
    more = f"{CLOSED % requests}evaluation: {{attacks: [], kl_tokens: 0}}\n"
    path.write_text(f"model: {{path: '{model}'}}\ntask: {{name: word_problems}}\n{more}")
    assert check(load_sweep(path), searches=False).lines[-2].startswith("safety mine")


def test_validate_lists_data_that_is_unavailable_here(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*arguments: Any, **named: Any) -> None:
        raise OSError("no connection")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    path = tmp_path / "space.yaml"
    settings = f"task: {{name: word_problems}}\nsafety: {{name: hex_phi}}\n{PREVIEW}"
    path.write_text(f"model: {{path: '{model}'}}\n{settings}")
    found = check(load_sweep(path), strict=False)
    (gated,) = found.missing
    assert "LLM-Tuning-Safety/HEx-PHI/category_1.csv: path: must be readable (request access" in gated
    assert found.lines[-1].startswith("task word_problems")
    with pytest.raises(DataError, match="request access"):
        check(load_sweep(path))
    with pytest.raises(DataError, match="must be an existing file"):
        check(load_sweep(path, ["safety.path=none.jsonl"]), strict=False)


def differing(before: Preflight, after: Preflight) -> set[str]:
    """Return the names of the contents whose hashes differ."""
    assert set(before.hashes) == set(after.hashes)
    return {name for name in before.hashes if before.hashes[name] != after.hashes[name]}


def test_all_that_the_configuration_points_to_is_hashed(tmp_path: Path, model: Path) -> None:
    data, suffixes, mix = (tmp_path / name for name in ("rows.jsonl", "suffixes.txt", "mix.jsonl"))
    suite, judge = tmp_path / "suite.jsonl", tmp_path / "judge"
    rows = [json.dumps({"question": f"{n} + 2?", "answer": f"#### {n + 2}"}) + "\n" for n in range(9)]
    data.write_text("".join(rows))
    suffixes.write_text("please\n")
    mix.write_text('{"prompt": "How?"}\n')
    suite.write_text('{"prompt": "Harm?"}\n')
    tiny_classifier(judge, {"yes": "bad", "no": "fine"}, "Harm?")
    task = f"{{name: gsm8k, path: '{data}', train_examples: 4, test_examples: 4}}"
    more = (
        f"safety: [{{name: probe}}, {{name: file, harmful_path: '{suite}'}}]\n"
        f"defence: {{mix: {{path: '{mix}'}}}}\n"
        f"evaluation:\n  attacks: [{{kind: prefill}}, {{kind: suffix, path: '{suffixes}'}}]\n"
        "  judges: [{name: refusal}, "
        f"{{name: classifier, path: '{judge}', labels: {{bad: unsafe, fine: safe}}}}]\n"
    )
    before = found(tmp_path, model, task, more)
    changes = {
        "task": (data, "".join(rows[::-1])),
        "evaluation.attacks": (suffixes, "please!\n"),
        "defence": (mix, '{"prompt": "Why?"}\n'),
        "safety[file]": (suite, '{"prompt": "More harm?"}\n'),
        "evaluation.judges": (judge / "config.json", (judge / "config.json").read_text() + "\n"),
        "model": (model / "config.json", (model / "config.json").read_text() + "\n"),
    }
    assert set(before.hashes) == {*changes, "safety[probe]"}
    for name, (file, content) in changes.items():
        file.write_text(content)
        after = found(tmp_path, model, task, more)
        assert differing(before, after) == {name}
        before = after


def test_weights_of_the_judge_refusal_are_hashed_and_checked(tmp_path: Path, model: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    more = f"evaluation: {{judges: [{{name: refusal, weights: '{weights}'}}]}}\n"
    shutil.copy(REFUSAL_WEIGHTS, weights)
    before = found(tmp_path, model, more=more)
    tensors = load_numpy(weights)
    save_numpy(tensors | {"bias": tensors["bias"] + 1}, weights)
    load_refusal_classifier.cache_clear()
    assert differing(before, found(tmp_path, model, more=more)) == {"evaluation.judges"}
    weights.write_bytes(b"no weights")
    load_refusal_classifier.cache_clear()
    assert "must be weights of the judge refusal" in refusal(ModelError, tmp_path, model, more=more)


def merged(base: Path | str, share: str = "0.5") -> str:
    return f"merge: {{name: layers, share: {share}, base_path: '{base}'}}\n"


def change_weights(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    changed = {name: weight + torch.randn_like(weight) for name, weight in weights.items()}
    save_file(changed, folder / "model.safetensors", {"format": "pt"})


def test_the_other_model_of_a_merge_is_checked_and_hashed(tmp_path: Path, model: Path) -> None:
    base = Path(shutil.copytree(model, tmp_path / "base"))
    change_weights(base)
    before = found(tmp_path, model, more=merged(base))
    assert f"merge layers: reads {base} (model.safetensors) too" in before.lines
    assert set(before.hashes) - set(found(tmp_path, model).hashes) == {"merge"}
    assert "merge" not in found(tmp_path, model, more=merged(tmp_path / "nothing", "1.0")).hashes
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (base / name).unlink()  # a model before its alignment may have no chat template
    change_weights(base)
    assert differing(found(tmp_path, model, more=merged(base)), before) == {"merge"}


def test_a_model_that_a_merge_can_not_read_is_refused(tmp_path: Path, model: Path) -> None:
    def told(kind: type[LookaheadRayError], base: Path | str) -> str:
        return refusal(kind, tmp_path, model, more=merged(base)).removeprefix(f"{tmp_path}/space.yaml: ")

    same = Path(shutil.copytree(model, tmp_path / "same"))
    assert told(ConfigError, same).startswith("merge.base_path: must be another model than model.path, got ")
    wider = make_model(tmp_path / "wider", 64)
    rule = "model.layers.0.self_attn.q_proj must have the shape [32, 32] as in model.path, got the shape "
    assert told(ConfigError, wider) == f"merge.base_path: {wider}: {rule}[64, 64]"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert told(ModelError, empty).startswith("merge.base_path: needs *.safetensors or *.gguf weights, found")


def test_how_a_data_file_is_written_does_not_count(tmp_path: Path, model: Path) -> None:
    rows = [{"question": f"{n} + 2?", "answer": f"#### {n + 2}"} for n in range(9)]
    first, second = tmp_path / "a.jsonl", tmp_path / "b.json"
    first.write_text("".join(json.dumps(row) + "\n" for row in rows))
    second.write_text(json.dumps(rows, indent=1))
    sizes = "train_examples: 4, test_examples: 4"
    seen = [found(tmp_path, model, f"{{name: gsm8k, path: '{path}', {sizes}}}") for path in (first, second)]
    assert differing(*seen) == set()


def test_each_task_of_a_choice_is_hashed(tmp_path: Path, model: Path) -> None:
    sizes = "{name: word_problems, train_examples: {int: [8, 16]}}"
    hashes = found(tmp_path, model, sizes).hashes
    assert [name for name in hashes if name.startswith("task")] == ["task", "task[2]"]


def test_a_bad_file_to_mix_in_is_refused(tmp_path: Path, model: Path) -> None:
    mix = tmp_path / "mix.jsonl"
    mix.write_text("{}")
    message = refusal(DataError, tmp_path, model, more=f"defence: {{mix: {{path: '{mix}'}}}}\n")
    assert f"defence.mix: {mix}: line 1: field prompt must be present" in message


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            "objective: {safety: [{metric: rsr}, {metric: jsr, attack: prefill_9}]}\n",
            "objective.safety.1.attack: must be an attack of the trial (prefill_3), got 'prefill_9'",
        ),
        (
            "objective: {safety: [{metric: rsr, suite: hex_phi}]}\n",
            "objective.safety.0.suite: must be a suite of the trial (probe), got 'hex_phi'",
        ),
        (
            "evaluation: {attacks: [{kind: suffix, path: SUFFIXES, label: gcg}]}\n"
            "objective: {safety: [{metric: jsr, attack: suffix_gcg_3}]}\n",
            "objective.safety.0: must be a rate that is measured "
            "(jsr probe suffix_gcg_1, jsr probe suffix_gcg_2), got jsr suffix_gcg_3",
        ),
        (
            "evaluation: {attacks: [{kind: suffix, path: SUFFIXES, label: gcg}]}\n"
            "objective: {safety: [{metric: jsr, attack: suffix_other_1}]}\n",
            "objective.safety.0.attack: must be an attack of the trial (suffix_gcg), got 'suffix_other_1'",
        ),
        (
            "evaluation:\n"
            "  judges: [{name: llm, base_url: 'http://127.0.0.1:1/v1', model: m, api_key_env: null}]\n"
            "objective: {name: pareto, over_refusal: true}\n",
            "objective.over_refusal: must be false without harmless requests and a judge that measures "
            "refusal, got true",
        ),
    ],
    ids=["attack", "suite", "number of a suffix", "label of suffixes", "over-refusal"],
)
def test_an_objective_needs_its_measurements(tmp_path: Path, model: Path, more: str, told: str) -> None:
    suffixes = tmp_path / "suffixes.txt"
    suffixes.write_text("one\ntwo\n")
    said = refusal(ConfigError, tmp_path, model, more=more.replace("SUFFIXES", str(suffixes)))
    assert said == f"{tmp_path / 'space.yaml'}: {told}"


def test_an_objective_of_several_attacks_and_suites_is_let_through(tmp_path: Path, model: Path) -> None:
    suffixes = tmp_path / "suffixes.txt"
    suffixes.write_text("one\ntwo\n")
    attacks = f"[{{kind: prefill, tokens: [1, 5]}}, {{kind: suffix, path: {suffixes}, label: gcg}}]"
    parts = (
        "{metric: rsr, suite: probe}, {metric: jsr, attack: prefill_5}, {metric: jsr, attack: suffix_gcg_2}"
    )
    more = f"evaluation: {{attacks: {attacks}}}\nobjective: {{name: floor, floor: 0.8, safety: [{parts}]}}\n"
    assert lines(tmp_path, model, more=more)
