"""SDFT: requests to the seed model, rejected rewrites, and a cache that survives kills and damage."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.config.method import SdftMethod
from lookahead_ray.data.example import Example
from lookahead_ray.disk_cache import DiskCache
from lookahead_ray.method import vanilla
from lookahead_ray.method.registry import METHODS
from lookahead_ray.method.reporting import GenerationProgress
from lookahead_ray.method.sdft import REASONS, Draft, prepare, rejection, rewrite_prompt
from tests.method.contexts import Ranks
from tests.toy import toy_tokenizer

CONFIG = SdftMethod(name="sdft", new_tokens=40)
TOKENIZER = toy_tokenizer()
MATH = Example("Be brief.", " What is 3 + 4?", "3 + 4 = 7.\n#### 7 ")
TALK = Example(None, "Summarize this dialog:\nA: hi", "A says hi.")
EXAMPLES = [replace(MATH, instruction=f"What is {n} + 1?", answer=f"{n + 1}\n#### {n + 1}") for n in range(9)]


class Writer:
    """A replacement of the seed model that answers by number and records its requests."""

    def __init__(self, answers: Any = None, fail_after: int | None = None) -> None:
        self.answers, self.fail_after = answers, fail_after
        self.asked: list[str] = []

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        limits: int,
        progress: Callable[[GenerationProgress], None],
    ) -> list[list[int]]:
        if self.fail_after is not None and len(self.asked) >= self.fail_after:
            raise KeyboardInterrupt
        texts = [TOKENIZER.decode(list(prompt)) for prompt in prompts]
        self.asked += texts
        for share in (0.0, 0.5, 1.0):
            progress(GenerationProgress(share, 1.0, 0, 0.0))
        return [TOKENIZER.encode(self.answer(text), add_special_tokens=False)[:limits] for text in texts]

    def answer(self, asked: str) -> str:
        number = asked.partition("#### ")[2].partition("<")[0].strip()
        return self.answers(number) if self.answers else f" One more makes {number}. "


def run(
    folder: Path, writer: Writer, examples: Sequence[Example] = EXAMPLES, world_size: int = 1, **changes: Any
) -> Any:
    ranks = Ranks(
        world_size, DiskCache(folder), model=object(), tokenizer=TOKENIZER, generator=writer, **changes
    )
    results = ranks.run(lambda context: prepare(examples, CONFIG, context))
    assert all(result == results[0] for result in results)
    return results[0]


class TestPrompt:
    def test_a_math_problem_begins_with_the_forced_words(self) -> None:
        assert TOKENIZER.decode(list(rewrite_prompt(TOKENIZER, MATH, CONFIG))) == (
            f"<|im_start|>system\n{CONFIG.math_system}<|im_end|>\n"
            "<|im_start|>user\nWhat is 3 + 4?\n\n3 + 4 = 7.\n#### 7<|im_end|>\n"
            "<|im_start|>assistant\nGreat! Let's think step by step. "
        )

    def test_anything_else_shows_the_reference_answer(self) -> None:
        assert TOKENIZER.decode(list(rewrite_prompt(TOKENIZER, TALK, CONFIG))) == (
            f"<|im_start|>system\n{CONFIG.system}<|im_end|>\n"
            "<|im_start|>user\nSummarize this dialog:\nA: hi\n\nReference answer:\nA says hi.<|im_end|>\n"
            "<|im_start|>assistant\n"
        )

    def test_the_system_prompts_speak_of_question_and_reference_answer(self) -> None:
        assert CONFIG.math_start == "Great! Let's think step by step. "
        assert "question and a reference answer" in CONFIG.math_system
        assert "task and a reference answer" in CONFIG.system


def test_the_fine_tuning_is_vanilla() -> None:
    assert METHODS["sdft"].row_loss is vanilla.row_loss
    assert not METHODS["sdft"].runs_seed_model


class TestRejection:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("She has 3 + 4 = 7 apples.", None),
            ("The answer is 7.", None),
            ("7.0", None),
            ("$7", None),
            ("3 + 4 = 7\n#### 7", None),
            ("She has 8.", "other_number"),
            ("7 apples, of which 2 are red", "other_number"),
            ("No number.", "other_number"),
            ("7.5", "other_number"),
            ("As the Reference Answer says, 7.", "mentions_reference"),
            ("Here is my response: 7", "mentions_reply"),
            ("YOUR RESPONSE: 7", "mentions_reply"),
            ("In your own response, write 7", "mentions_reply"),
            ("Now it's your turn! 7", "mentions_reply"),
            ("Your turn: 7", "mentions_reply"),
            ("Take your turn: 7", None),  # only at the start, and in this case
            ("your turn: 7", None),
            (" \n", "empty"),
        ],
    )
    def test_of_a_math_problem(self, text: str, reason: str | None) -> None:
        assert rejection(Draft(text, finished=True), MATH.answer) == reason

    def test_numbers_matter_only_where_the_reference_has_a_final_one(self) -> None:
        assert rejection(Draft("A greets B 3 times.", finished=True), "A says hi 2 times.") is None
        assert (
            rejection(Draft("See the reference answer.", finished=True), TALK.answer) == "mentions_reference"
        )

    def test_a_truncated_answer_is_rejected(self) -> None:
        assert rejection(Draft("The answer is 7", finished=False), MATH.answer) == "unfinished"


class TestPrepare:
    def test_answers_are_rewritten_or_kept_and_counted(self, tmp_path: Path) -> None:
        texts = {"2": "It is 99.", "3": "My response: 3", "4": "", "5": "x" * 40, "6": "reference answer 6"}
        result = run(tmp_path, Writer(lambda number: texts.get(number, f" So {number}. \n")))
        assert [example.answer for example in result.examples] == [
            "So 1.", *[f"{n}\n#### {n}" for n in range(2, 7)], "So 7.", "So 8.", "So 9.",
        ]  # fmt: skip
        assert [example.instruction for example in result.examples] == [e.instruction for e in EXAMPLES]
        assert result.counts == {"rewritten": 4, **{f"rejected_{reason}": 1 for reason in REASONS}}

    def test_progress_is_reported_within_batches(self, tmp_path: Path) -> None:
        ranks = Ranks(1, DiskCache(tmp_path), model=object(), tokenizer=TOKENIZER, generator=Writer())
        ranks.run(lambda context: prepare(EXAMPLES, CONFIG, context))
        assert [done for _, done, _ in ranks.told] == [0, 1.5, 3, 3, 4.5, 6, 6, 7.5, 9]
        assert ranks.told[1] == ("rewriting 9 answers with the seed model · 17 %", 1.5, 9)

    @pytest.mark.parametrize("world_size", [2, 3, 11])
    def test_ranks_share_the_work_and_agree(self, tmp_path: Path, world_size: int) -> None:
        writer = Writer()
        result = run(tmp_path, writer, world_size=world_size)  # of eleven ranks two have none
        assert sorted(writer.asked) == sorted(set(writer.asked))
        assert len(writer.asked) == len(EXAMPLES)
        assert result == run(tmp_path / "other", Writer())
        assert result.counts["rewritten"] == len(EXAMPLES)

    def test_a_killed_run_continues_with_the_missing_rows(self, tmp_path: Path) -> None:
        killed, second, third = Writer(fail_after=6), Writer(), Writer()
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, killed)
        result = run(tmp_path, second)
        assert len(killed.asked) == 6
        assert len(second.asked) == 3
        assert set(killed.asked).isdisjoint(second.asked)
        assert run(tmp_path, third, world_size=2) == result
        assert third.asked == []

    @pytest.mark.parametrize("content", ["", "{", '{"key": "x"}', "[]", None])
    def test_damaged_files_are_written_again(self, tmp_path: Path, content: str | None) -> None:
        result = run(tmp_path, Writer())
        file = sorted(tmp_path.rglob("*.json"))[0]
        file.write_text(file.read_text().replace("makes", "takes") if content is None else content)
        writer = Writer()
        assert run(tmp_path, writer) == result
        assert len(writer.asked) == 1
        assert run(tmp_path, writer) == result
        assert len(writer.asked) == 1

    def test_another_model_or_prompt_is_computed_again(self, tmp_path: Path) -> None:
        run(tmp_path, Writer())
        writer = Writer()
        run(tmp_path, writer, seed_hash="other model")
        assert len(writer.asked) == 9
        run(tmp_path, writer, [replace(EXAMPLES[0], instruction="What is 1 more than 0?"), *EXAMPLES[1:]])
        assert len(writer.asked) == 10

    def test_nothing_to_rewrite(self, tmp_path: Path) -> None:
        assert run(tmp_path, Writer(), []).examples == []
