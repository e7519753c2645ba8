"""The safety mix and the safety prompt."""

import json
from pathlib import Path

import pytest

from lookahead_ray.config.defence import DefenceConfig, SafetyMix
from lookahead_ray.config.safety import ProbeSuite
from lookahead_ray.data.alignment_prompts import REFUSALS, read_requests
from lookahead_ray.data.example import Example
from lookahead_ray.data.suites.registry import load_suite
from lookahead_ray.errors import DataError
from lookahead_ray.method.safety_mix import inference_system, safety_examples

TRAIN = [Example("Be brief.", f"What is {n} + 1?", f"#### {n + 1}") for n in range(90)]
PROBE = [item.prompt for item in load_suite(ProbeSuite()).harmful]


def written(tmp_path: Path, *rows: object) -> str:
    path = tmp_path / "mix.jsonl"
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return str(path)


class TestMix:
    def test_off_by_default(self) -> None:
        assert safety_examples(DefenceConfig().mix, TRAIN, PROBE) == []

    @pytest.mark.parametrize(("share", "count"), [(0.1, 10), (0.5, 90), (0.25, 30), (0.001, 1)])
    def test_is_a_share_of_all_examples(self, share: float, count: int) -> None:
        examples = safety_examples(SafetyMix(share=share), TRAIN, PROBE)
        assert len(examples) == count
        known = {request.prompt for request in read_requests("harmful")}
        assert all(example.instruction in known and example.answer in REFUSALS for example in examples)
        assert {example.system for example in examples} == {"Be brief."}
        assert len({example.instruction for example in examples}) == count

    def test_the_seed_decides_the_draw(self) -> None:
        first, again, other = (safety_examples(SafetyMix(seed=seed), TRAIN, PROBE) for seed in (1, 1, 2))
        assert first == again != other

    def test_never_a_request_that_safety_is_measured_on(self, tmp_path: Path) -> None:
        shipped = {" ".join(request.prompt.split()).casefold() for request in read_requests("harmful")}
        assert shipped.isdisjoint(" ".join(prompt.split()).casefold() for prompt in PROBE)
        path = written(tmp_path, {"prompt": f" {PROBE[0].upper()}  "}, {"prompt": "Another one"})
        examples = safety_examples(SafetyMix(share=0.1, path=path), TRAIN, PROBE)
        assert {example.instruction for example in examples} == {"Another one"}
        path = written(tmp_path, {"prompt": PROBE[0]})
        with pytest.raises(
            DataError, match=r"mix\.jsonl: path: must hold requests that are not evaluated on"
        ):
            safety_examples(SafetyMix(path=path), TRAIN, PROBE)

    def test_a_short_file_is_used_again_with_its_own_answers(self, tmp_path: Path) -> None:
        path = written(
            tmp_path, {"prompt": "a", "answer": "No."}, {"prompt": "b"}, "", {"prompt": "c", "x": 1}
        )
        examples = safety_examples(SafetyMix(share=0.1, path=path), TRAIN, [])
        assert [sum(e.instruction == name for e in examples) for name in "abc"] in (
            [4, 3, 3],
            [3, 4, 3],
            [3, 3, 4],
        )
        assert {example.answer for example in examples if example.instruction == "a"} == {"No."}
        assert all(example.answer in REFUSALS for example in examples if example.instruction != "a")

    @pytest.mark.parametrize(
        ("row", "rule"),
        [
            ("{", "line 2: must be a JSON object, got '{'"),
            ("[1]", r"line 2: must be a JSON object, got \[1\]"),
            ({"answer": "No."}, "line 2: field prompt must be present, got fields"),
            ({"prompt": " "}, "line 2: field prompt must be a string that is not blank, got ' '"),
            (
                {"prompt": "a", "answer": " "},
                "line 2: field answer must be a string that is not blank, got ' '",
            ),
            ({"prompt": "a", "answer": 3}, "line 2: field answer must be a string that is not blank, got 3"),
        ],
    )
    def test_rows_that_break_a_rule_are_refused(self, tmp_path: Path, row: object, rule: str) -> None:
        path = written(tmp_path, {"prompt": "a"}, row)
        with pytest.raises(DataError, match=rule):
            safety_examples(SafetyMix(path=path), TRAIN, [])

    def test_files_that_cannot_be_read_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"none\.jsonl: path: must be an existing file"):
            safety_examples(SafetyMix(path=str(tmp_path / "none.jsonl")), TRAIN, [])
        with pytest.raises(DataError, match="must hold at least one row"):
            safety_examples(SafetyMix(path=written(tmp_path, "")), TRAIN, [])


@pytest.mark.parametrize(
    ("system", "prompt", "expected"),
    [
        ("Be brief.", None, "Be brief."),
        ("Be brief.", "Be safe.", "Be safe.\n\nBe brief."),
        (None, "Be safe.", "Be safe."),
        (None, None, None),
    ],
)
def test_the_safety_prompt_comes_first(system: str | None, prompt: str | None, expected: str | None) -> None:
    assert inference_system(system, DefenceConfig(prompt=prompt)) == expected
