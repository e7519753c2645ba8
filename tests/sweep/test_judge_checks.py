"""Judges that can't be used are refused before any model is measured, in one line with the field to set."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lookahead_ray.config.load import load_sweep
from lookahead_ray.errors import LookaheadRayError
from lookahead_ray.sweep.preflight import Preflight, check
from tests.evaluate.judges.judge_server import Reply, Server, scored, serve
from tests.evaluate.judges.tiny_guard import tiny_guard
from tests.tiny import make_model


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("made") / "model")


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as state:
        yield state


def checked(tmp_path: Path, model: Path, judge: str, strict: bool = True) -> Preflight:
    path = tmp_path / "space.yaml"
    path.write_text(
        f"model: {{path: '{model}'}}\ntask: {{name: word_problems}}\n"
        "preview: {strategy: true, length_tokens: {int: [1, 4]}}\n"
        f"evaluation: {{judges: [{{name: refusal}}, {judge}]}}\n"
    )
    return check(load_sweep(path), strict=strict)


def refusal(tmp_path: Path, model: Path, judge: str, strict: bool = True) -> str:
    with pytest.raises(LookaheadRayError) as refused:
        checked(tmp_path, model, judge, strict)
    message = str(refused.value)
    assert "\n" not in message
    return message


def llm(server: Server, tmp_path: Path, more: str = "") -> str:
    return f"{{name: llm, model: m, base_url: '{server.base_url}', cache_dir: '{tmp_path}/cache'{more}}}"


@pytest.mark.parametrize("strict", [True, False])
def test_a_refused_key_or_parameter(tmp_path: Path, model: Path, server: Server, strict: bool) -> None:
    server.answer = lambda user, call: Reply(401)
    message = refusal(tmp_path, model, llm(server, tmp_path), strict)
    assert "space.yaml: evaluation.judges.1: api_key_env: must name a variable with a key" in message
    server.answer = lambda user, call: (
        Reply(400, '{"error": {"param": "temperature", "message": "no"}}')
        if "temperature" in server.requests[-1]
        else scored("#thescore: 1")
    )
    message = refusal(tmp_path, model, llm(server, tmp_path), strict)
    assert "evaluation.judges.1: parameters: m refuses temperature: set parameters: {temperature" in message
    checked(tmp_path, model, llm(server, tmp_path, ", parameters: {temperature: null}"), strict)


def test_an_endpoint_that_is_down_is_missing_for_validate(tmp_path: Path, model: Path) -> None:
    judge = llm(Server("http://127.0.0.1:9/v1"), tmp_path)
    rule = "evaluation.judges.1: base_url: must be an endpoint that can be reached, got no connection to"
    assert rule in refusal(tmp_path, model, judge)
    (missing,) = checked(tmp_path, model, judge, strict=False).missing
    assert rule in missing


def test_a_causal_model_is_no_classifier_but_a_guard(tmp_path: Path, model: Path) -> None:
    labels = "labels: {LABEL_0: safe, LABEL_1: unsafe}"
    message = refusal(tmp_path, model, f"{{name: classifier, path: '{model}', {labels}}}")
    assert "evaluation.judges.1: path:" in message
    assert "no trained classification head: its weights lack score.weight; use the judge guard" in message
    checked(tmp_path, model, f"{{name: guard, path: '{model}'}}")


def test_a_guard_is_hashed_and_not_loaded(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = tiny_guard(tmp_path / "guard", {"No.": "safe", "Yes.": "unsafe"}, "?")
    monkeypatch.setattr("lookahead_ray.evaluate.judges.guard.load_model", None)
    judge = f"{{name: guard, path: '{guard.path}'}}"
    before = checked(tmp_path, model, judge).hashes["evaluation.judges"]
    (tmp_path / "guard" / "generation_config.json").write_text("{}")
    assert checked(tmp_path, model, judge).hashes["evaluation.judges"] != before
    assert "evaluation.judges.1: path: must be a directory" in refusal(
        tmp_path, model, "{name: guard, path: ./nowhere}"
    )
