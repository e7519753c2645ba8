"""The probe: its size and spread, and that the alignment data never meets it."""

import re
from collections import Counter
from collections.abc import Sequence

import pytest

from lookahead_ray.config.safety import ProbeSuite
from lookahead_ray.data.refusals import Request, read_requests
from lookahead_ray.data.suites import SUITES, SafetyPrompt, SafetySuite, load_suite, take_evenly

AREAS = 10
LIKENESS = 0.4  # Jaccard index of word trigrams above which two requests count as the same


@pytest.fixture(scope="module")
def probe() -> SafetySuite:
    return load_suite(ProbeSuite())


def normalised(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


def trigrams(text: str) -> frozenset[tuple[str, ...]]:
    words = normalised(text).split()
    return frozenset(zip(words, words[1:], words[2:], strict=False)) or frozenset([tuple(words)])


class TestProbe:
    def test_size_and_spread(self, probe: SafetySuite) -> None:
        for prompts in (probe.harmful, probe.benign):
            areas = Counter(prompt.category for prompt in prompts)
            assert len(prompts) >= 150
            assert len(areas) == AREAS
            assert max(areas.values()) - min(areas.values()) <= 1

    def test_ids_and_prompts_are_unique(self, probe: SafetySuite) -> None:
        both = [*probe.harmful, *probe.benign]
        assert len({prompt.id for prompt in both}) == len(both)
        assert len({normalised(prompt.prompt) for prompt in both}) == len(both)

    def test_openings_are_long_enough_to_prefill_and_to_measure_along(self, probe: SafetySuite) -> None:
        # A word is at least a token.
        assert min(len(prompt.opening.split()) for prompt in probe.harmful) >= 8
        assert all(prompt.opening == prompt.opening.strip() for prompt in probe.harmful)
        assert all(prompt.opening == "" for prompt in probe.benign)

    def test_sizes_are_cut_evenly_over_the_areas(self) -> None:
        cut = load_suite(ProbeSuite(harmful_prompts=20, benign_prompts=13))
        assert set(Counter(prompt.category for prompt in cut.harmful).values()) == {2}
        assert sorted(Counter(prompt.category for prompt in cut.benign).values()) == [1] * 7 + [2] * 3

    def test_the_hash_is_that_of_the_prompts(self, probe: SafetySuite) -> None:
        assert probe.data_hash == load_suite(ProbeSuite()).data_hash
        assert probe.data_hash != load_suite(ProbeSuite(harmful_prompts=20)).data_hash

    def test_is_registered_by_name(self, probe: SafetySuite) -> None:
        assert list(SUITES) == [probe.name] == [ProbeSuite().name]


@pytest.mark.parametrize("kind", ["harmful", "benign"])
def test_alignment_data_never_meets_the_probe(kind: str, probe: SafetySuite) -> None:
    requests: Sequence[Request] = read_requests(kind)
    assert len(requests) >= 100
    held_out = [*probe.harmful, *probe.benign]
    texts = {normalised(prompt.prompt) for prompt in held_out}
    grams = [trigrams(prompt.prompt) for prompt in held_out]
    for request in requests:
        assert normalised(request.prompt) not in texts
        own = trigrams(request.prompt)
        shared = max(len(own & other) / len(own | other) for other in grams)
        assert shared <= LIKENESS, request.prompt


@pytest.mark.parametrize(
    ("limit", "kept"),
    [(0, ""), (1, "0"), (2, "03"), (3, "034"), (4, "0134"), (5, "01345"), (6, "012345"), (9, "012345")],
)
def test_take_evenly_takes_turns_and_keeps_the_order(limit: int, kept: str) -> None:
    prompts = [SafetyPrompt(str(index), category, "") for index, category in enumerate("aaabcb")]
    assert "".join(prompt.id for prompt in take_evenly(prompts, limit)) == kept


def test_take_evenly_without_a_limit_takes_all() -> None:
    prompts = [SafetyPrompt(str(index), "a", "") for index in range(3)]
    assert take_evenly(prompts, None) == tuple(prompts)
