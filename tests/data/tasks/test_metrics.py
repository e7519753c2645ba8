"""ROUGE-1 and extraction patterns: golden values; no pattern or text can block an evaluation."""

import time

import pytest

from lookahead_ray.config.task import AnswerLossMetric, ExactMatchMetric, Rouge1Metric
from lookahead_ray.data.tasks import metrics
from lookahead_ray.data.tasks.metrics import build_metric, last_match, rouge1
from lookahead_ray.errors import DataError


class TestRouge1:
    @pytest.mark.parametrize(
        ("prediction", "reference", "value"),
        [
            # 5 words in common ("baked" and "baking" have one stem) of 7 and 9: 2 · 5 / (7 + 9)
            (
                "Amanda is baking some cookies for Jerry.",
                "Amanda baked cookies and will bring Jerry some tomorrow.",
                10 / 16,
            ),
            ("a dog runs", "The dogs were running", 4 / 7),
            ("The cat sat", "the CAT sat.", 1.0),
            ("cat cat cat", "cat", 0.5),
            ("x", "y", 0.0),
            ("", "y", 0.0),
            ("\n…", "y", 0.0),
        ],
    )
    def test_golden(self, prediction: str, reference: str, value: float) -> None:
        assert rouge1(prediction, reference) == pytest.approx(value)

    def test_a_reference_without_words_is_refused(self) -> None:
        metric = build_metric(Rouge1Metric(name="rouge1"))
        metric.check("f: line 1", "Кот 2")
        with pytest.raises(
            DataError, match=r"^f: line 1: the answer must have Latin letters or digits, .*'Кот'$"
        ):
            metric.check("f: line 1", "Кот")
        assert (metric.name, metric.score("a b", "a c")) == ("rouge1", pytest.approx(0.5))


class TestExactMatch:
    def test_without_a_pattern_all_the_text_counts(self) -> None:
        metric = build_metric(ExactMatchMetric(name="exact_match"))
        assert metric.score(" yes\n", "yes") == 1.0
        assert metric.score("Yes", "yes") == metric.score("", "yes") == 0.0

    @pytest.mark.parametrize("pattern", [None, "A: (.*)"])
    def test_forms_of_unicode_are_equal(self, pattern: str | None) -> None:
        metric = build_metric(ExactMatchMetric(name="exact_match", pattern=pattern))
        composed, decomposed = "A: d\N{LATIN SMALL LETTER E WITH ACUTE}j", "A: de\N{COMBINING ACUTE ACCENT}j"
        assert metric.score(composed, decomposed) == metric.score(decomposed, composed) == 1.0
        assert metric.score("A: dej", decomposed) == 0.0

    def test_the_last_match_of_the_pattern_counts(self) -> None:
        metric = build_metric(ExactMatchMetric(name="exact_match", pattern=r"answer is (.*)"))
        assert metric.score("The answer is 3.\nNo, the answer is  4 \nSo.", "The answer is 4") == 1.0
        assert metric.score("The answer is 4\nNo, the answer is 3", "The answer is 4") == 0.0
        assert metric.score("4", "The answer is 4") is None
        with pytest.raises(
            DataError, match=r"^exact_match: reference: must match 'answer is \(\.\*\)', got '4'"
        ):
            metric.score("The answer is 4", "4")
        with pytest.raises(
            DataError, match=r"^f: line 2: the answer must match 'answer is \(\.\*\)', got '4'$"
        ):
            metric.check("f: line 2", "4")

    def test_a_group_that_takes_no_part_is_no_match(self) -> None:
        assert last_match("a|(b)", "ba") is None
        assert last_match("a|(b)", "ab") == "b"

    def test_time_is_limited(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(metrics, "SEARCH_SECONDS", 0.1)
        start = time.perf_counter()
        assert last_match(r"((?:a|a)*)$", "a" * 60 + "b") is None  # 2^60 ways
        assert time.perf_counter() - start < 60


def test_answer_loss_scores_nothing() -> None:
    metric = build_metric(AnswerLossMetric(name="answer_loss"))
    metric.check("f: line 1", "anything")
    assert metric.name == "answer_loss"
    with pytest.raises(DataError, match="nothing is generated"):
        metric.score("a", "a")
