"""How a sweep differs from the one to which a run belongs."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from lookahead_ray.store import SweepIdentity
from lookahead_ray.store.identity_diff import changes, refusal

CONFIG: dict[str, Any] = {
    "model": {"path": "/models/mine"},
    "task": {"name": "gsm8k", "path": "/data/train.jsonl"},
    "safety": [{"name": "probe"}, {"name": "xstest", "path": "xstest.csv"}],
    "preview": {"choice": [{"strategy": True, "length_tokens": {"int": [1, 12]}}, {"strategy": "virtual"}]},
    "training": {"learning_rate": 2e-5, "epochs": 3},
    "search": {"seed": 0, "reference": {}},
}
HASHES = {"model": "m", "task": "t", "safety[probe]": "p", "safety[xstest]": "x", "evaluation.attacks": "a"}
BEFORE = SweepIdentity("id", "mine", "", CONFIG, "2026-01-01T00:00:00+00:00", HASHES)


def changes_after(*fields: tuple[str, Any], **hashes: str) -> list[str]:
    """Return the changes after each dotted field was set (Ellipsis: removed) and each hash."""
    config = copy.deepcopy(CONFIG)
    for field, value in fields:
        *parents, last = field.split(".")
        node: Any = config
        for key in parents:
            node = node[int(key) if isinstance(node, list) else key]
        if value is ...:
            del node[last]
        else:
            node[last] = value
    return changes(BEFORE, replace(BEFORE, config=config, hashes={**HASHES, **hashes}, name="other"))


def test_nothing_changed() -> None:
    assert changes_after() == []
    assert changes_after(("training.learning_rate", 0.00002), ("search", {"seed": 0})) == []


def test_fields_are_named_with_both_values() -> None:
    assert changes_after(("training.learning_rate", 1e-4), ("training.epochs", ...), ("task.seed", 1)) == [
        "task.seed (1, was not set)",
        "training.learning_rate (0.0001, was 2e-05)",
        "training.epochs (not set, was 3)",
    ]


def test_dimensions_and_options_are_named() -> None:
    options = CONFIG["preview"]["choice"]
    assert changes_after(
        ("preview.choice", [{**options[0], "length_tokens": {"int": [1, 6]}}, options[1]])
    ) == ["preview.choice.0.length_tokens.int ([1, 6], was [1, 12])"]
    assert changes_after(("training.epochs", {"int": [1, 3]})) == [
        "training.epochs.int ([1, 3], was not set)",
        "training.epochs (not set, was 3)",
    ]


def test_contents_are_named_by_file_or_label() -> None:
    assert changes_after(task="t2") == ["task (contents of train.jsonl)"]
    assert changes_after(model="m2") == ["model (contents of mine)"]
    assert changes_after(**{"safety[xstest]": "x2"}) == ["safety[xstest] (contents)"]
    assert changes_after(**{"evaluation.attacks": "a2"}) == ["evaluation.attacks (contents)"]


def test_the_same_contents_elsewhere_are_no_change() -> None:
    assert changes_after(("task.path", "copy.jsonl"), ("model.path", "/other/mine")) == []
    assert changes_after(("safety.1.path", "/there/xstest.csv")) == []
    assert changes_after(("task.path", "other.jsonl"), task="t2") == [
        'task.path ("other.jsonl", was "/data/train.jsonl")'
    ]


def test_a_path_whose_contents_are_not_known_is_a_change() -> None:
    known = {name: digest for name, digest in HASHES.items() if name != "task"}
    before = replace(BEFORE, hashes=known)
    config = {**CONFIG, "task": {"name": "gsm8k", "path": "copy.jsonl"}}
    assert changes(before, replace(before, config=config)) == [
        'task.path ("copy.jsonl", was "/data/train.jsonl")'
    ]


def test_contents_of_a_changed_field_are_reported_once() -> None:
    assert changes_after(("task.train_examples", 8), task="t2") == ["task.train_examples (8, was not set)"]


def test_added_and_removed_contents_are_reported() -> None:
    assert changes_after(**{"task[2]": "t2"}) == ["task[2] (contents)"]
    assert changes(BEFORE, replace(BEFORE, hashes={})) == []  # not known


@pytest.mark.parametrize(("count", "end"), [(6, "f5 (1, was 0)"), (9, "f5 (1, was 0); and 3 more")])
def test_one_line_lists_all_or_counts_the_rest(count: int, end: str) -> None:
    line = refusal("runs/x", [f"f{index} (1, was 0)" for index in range(count)])
    assert line.startswith(
        "runs/x: can't resume: these settings changed since the sweep began: f0 (1, was 0); f1 "
    )
    assert line.endswith(f"{end}; use another --run, or undo the change")


def test_long_values_are_cut() -> None:
    (line,) = changes_after(("training.notes", "x" * 500))
    assert len(line) < 120


@pytest.mark.parametrize("field", ["workers", "gpus_per_worker", "training.precision", "training.compile"])
def test_auto_agrees_with_any_value(field: str) -> None:
    """Also runs from before `auto`, whose spaces have a number or nothing."""
    before = changes(replace(BEFORE, config=CONFIG | {"workers": 2}), replace(BEFORE, config=CONFIG))
    assert before == []
    assert changes_after((field, "auto")) == []
    assert changes_after((field, 2)) == []


def test_a_share_of_1_is_what_runs_from_before_merges_did() -> None:
    assert changes_after(("merge", {"share": 1.0})) == []
    assert changes_after(("merge", {"name": "linear"})) == []
    assert changes_after(("merge", {"share": 0.5})) == ["merge.share (0.5, was 1.0)"]
    layers = {"name": "layers", "share": 0.5, "base_path": "x"}
    assert set(changes_after(("merge", layers))) == {
        'merge.name ("layers", was "linear")',
        "merge.share (0.5, was 1.0)",
        'merge.base_path ("x", was not set)',
    }


def test_two_numbers_of_ranks_differ() -> None:
    two, four = (replace(BEFORE, config=CONFIG | {"workers": n}) for n in (2, 4))
    assert changes(two, four) == ["workers (4, was 2)"]
