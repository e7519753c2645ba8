"""Labels of configurations."""

from typing import Any

import pytest

from lookahead_ray.trial.label import label


@pytest.mark.parametrize(
    ("preview", "expected"),
    [
        ({"strategy": "none"}, "no preview"),
        ({"strategy": "true", "length_tokens": 6}, "true, 6 tokens"),
        ({"strategy": "true", "length_tokens": 1}, "true, 1 token"),
        (
            {"strategy": "virtual", "prefix": "Let's solve this problem. "},
            "virtual, “Let's solve this problem.”",
        ),
        ({"strategy": "virtual", "prefix": " a\n\tb\x1b[31m "}, "virtual, “a b”"),
    ],
)
def test_previews(preview: dict[str, Any], expected: str) -> None:
    assert label({"preview": preview}) == expected


def test_references_go_by_their_role() -> None:
    config = {"preview": {"strategy": "none"}}
    assert label(config, "seed") == "seed model"
    assert label(config, "vanilla") == "vanilla"


def test_an_evaluated_model_goes_by_its_path() -> None:
    config: dict[str, Any] = {
        "preview": {"strategy": "none"},
        "model": {"path": "./a/model", "revision": None},
    }
    assert label(config, "evaluate") == "./a/model"
    assert label({**config, "model": {"path": "me/chat", "revision": "v1"}}, "evaluate") == "me/chat v1"
    long = label({**config, "model": {"path": "/data/" + "deep/" * 20 + "b\x1b[31m"}}, "evaluate")
    assert (len(long), long[0], long[-5:]) == (40, "…", "eep/b")
    assert label({"preview": {"strategy": "none"}}, "evaluate") == "model"


def test_a_long_phrase_is_cut() -> None:
    text = label({"preview": {"strategy": "virtual", "prefix": "word " * 50}})
    assert text.endswith("…”")
    assert len(text) < 64


def test_methods_and_defences_follow_the_preview() -> None:
    config: dict[str, Any] = {"preview": {"strategy": "none"}, "method": {"name": "sdft"}}
    assert label(config) == "no preview, sdft"
    config["method"]["name"] = "vanilla"
    config["defence"] = {"mix": {"share": 0.125}, "prompt": "Be safe."}
    assert label(config) == "no preview, safety mix 12.5 %, safety prompt"
    assert label(config, "vanilla") == "vanilla"


@pytest.mark.parametrize(
    ("merge", "expected"),
    [
        ({"name": "linear", "share": 0.5}, "no preview, sdft, share 0.5"),
        ({"name": "linear", "share": 0.637483}, "no preview, sdft, share 0.637"),
        ({"name": "layers", "share": 0.0, "threshold": 0.7}, "no preview, sdft, layers share 0"),
    ],
)
def test_the_share_of_a_merge_follows(merge: dict[str, Any], expected: str) -> None:
    config = {"preview": {"strategy": "none"}, "method": {"name": "sdft"}, "merge": merge}
    assert label(config) == expected
    names = ("merge", "merge.share", "merge.linear.share", "merge.layers.share")
    assert label(config, "search", dict.fromkeys(names, 0.5)) == expected
    searched = label(config, "search", {"merge.layers.threshold": 0.4})
    assert searched == f"{expected}, threshold 0.4"
    assert label(config, "vanilla") == "vanilla"


def test_a_searched_share_of_safety_examples_is_named_once() -> None:
    config = {
        "preview": {"strategy": "none"},
        "defence": {"mix": {"share": 0.1}},
        "merge": {"name": "linear", "share": 0.7},
    }
    params = {"defence.mix.share": 0.1, "merge.share": 0.7}
    assert label(config, params=params) == "no preview, safety mix 10 %, share 0.7"


def test_other_searched_dimensions_follow() -> None:
    config: dict[str, Any] = {"preview": {"strategy": "true", "length_tokens": 6}, "seed": 3}
    params = {
        "preview": "true",
        "preview.true.length_tokens": 6,
        "method": "vanilla",
        "method.sdft.new_tokens": 160,
        "training.learning_rate": 4e-4,
        "training.epochs": 2,
        "training.lora.target_modules": "all\x1b[31m-linear",
    }
    shown = "true, 6 tokens, new tokens 160, learning rate 0.0004, epochs 2, target modules all-linear"
    assert label(config, params=params) == shown
    connector = {"preview.connector": " The answer\nbegins with: ", "preview.true.protocol": "paper"}
    assert (
        label(config, params=connector)
        == "true, 6 tokens, connector “The answer begins with:”, protocol paper"
    )
    assert label(config, "repeat", params) == f"{shown}, seed 3"
    assert label(config, "vanilla", params) == "vanilla"
