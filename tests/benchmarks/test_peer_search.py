"""How a peer's best settings are found."""

from pathlib import Path

import pytest

from benchmarks import generation_search, training_search, training_settings
from benchmarks.common import BenchmarkError
from benchmarks.generation_settings import GENERATE_BATCH, VLLM, GenerationSettings
from benchmarks.peer_search import KnownTries, search
from benchmarks.training_peers import training_arguments

START = {"rows": "padded", "size": 8}
ROUNDS = [[{"rows": "free"}, {"rows": "grouped"}], [{"size": 16}, {"size": 4}], [{"size": 0}]]


def speed(options: dict[str, object]) -> float:
    if options["size"] == 0:
        raise BenchmarkError("worker, try: process 0 ended\nRuntimeError: nothing to do\n")
    return {"padded": 1.0, "free": 3.0, "grouped": 2.0}[str(options["rows"])] * int(str(options["size"]))


def test_each_round_changes_the_best_so_far(tmp_path: Path) -> None:
    said: list[str] = []
    known = KnownTries(tmp_path / "tries.json", {})
    found = search(START, ROUNDS, speed, lambda options: None, known, said.append)
    assert found.best == {"rows": "free", "size": 16}
    assert [each.figure for each in found.tries] == [8.0, 24.0, 16.0, 48.0, 12.0, None]
    assert found.tries[-1].problem == "RuntimeError: nothing to do"
    assert said[-1] == "best: rows free, size 16"
    assert found.best_with(rows="grouped") == {"rows": "grouped", "size": 8}
    with pytest.raises(BenchmarkError, match="no setting with size 0 runs"):
        found.best_with(size=0)


def test_a_search_continues_where_it_was_interrupted_and_only_for_the_same_work(tmp_path: Path) -> None:
    path = tmp_path / "peers" / "tries.json"
    measured: list[dict[str, object]] = []

    def once(options: dict[str, object]) -> float:
        if len(measured) == 3:
            raise KeyboardInterrupt
        measured.append(options)
        return speed(options)

    def run(work: dict[str, int]) -> None:
        search(START, ROUNDS, once, lambda options: None, KnownTries(path, work), lambda text: None)

    with pytest.raises(KeyboardInterrupt):
        run({"steps": 4})
    first = list(measured)
    measured.clear()
    run({"steps": 4})
    assert [options["size"] for options in measured] == [16, 4, 0]
    assert not [options for options in measured if options in first]
    measured.clear()
    with pytest.raises(KeyboardInterrupt):
        run({"steps": 5})
    assert measured == first


def test_nothing_that_runs_is_an_error_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="vllm is not installed"):
        search(START, [], speed, lambda options: "vllm is not installed", KnownTries(None, {}), print)


def test_what_is_not_installed_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    settings = training_settings.QUICK
    options = dict(training_search.start(settings))
    assert training_search.unavailable(options) is None
    assert training_search.unavailable({**options, "liger": True}) == "liger_kernel is not installed"
    flash = {**options, "attention": "flash_attention_2"}
    assert training_search.unavailable(flash) == "flash_attn is not installed"
    ways = [change for changes in generation_search.rounds(GenerationSettings()) for change in changes]
    assert {"way": GENERATE_BATCH}.items() <= ways[-2].items()
    assert generation_search.unavailable(ways[-1]) == "vllm is not installed"
    assert ways[-1]["way"] == VLLM


def test_every_try_trains_on_the_same_batch_and_keeps_activations() -> None:
    settings = training_settings.TrainingSettings(precision="fp32")
    options = dict(training_search.start(settings))
    for changes in training_search.rounds(settings):
        for change in changes:
            peer = {**options, **change}
            arguments = training_arguments(
                training_settings.TRL_BEST.name,
                training_settings.TrainingSettings(precision="fp32", peer=peer),
                "out",
            )
            assert arguments["gradient_checkpointing"] is False
            per_step = arguments["per_device_train_batch_size"] * arguments["gradient_accumulation_steps"]
            # a packed row replaces eight
            assert per_step == (settings.batch_size if peer["rows"] != "packed" else settings.batch_size // 8)
            assert arguments.get("padding_free", False) is (peer["rows"] == "padding_free")
