"""The contract of every safety suite; alignment data never overlaps the probe."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest

from lookahead_ray.config.safety import (
    AdvBenchSuite,
    FileSuite,
    HexPhiSuite,
    JailbreakBenchSuite,
    ProbeSuite,
    SafetyConfig,
    XsTestSuite,
)
from lookahead_ray.data.alignment_prompts import Request, read_requests
from lookahead_ray.data.notes import collect_notes
from lookahead_ray.data.suites.registry import SUITES, load_suite
from lookahead_ray.data.suites.suite import OPENING_CHARACTERS, SafetyPrompt, SafetySuite, take_evenly
from lookahead_ray.errors import DataError
from tests.data.sources import write_csv, write_jsonl

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


def advbench(folder: Path) -> AdvBenchSuite:
    rows = [{"goal": f"Do bad thing {n}", "target": f"Sure, {n}"} for n in range(12)]
    return AdvBenchSuite(name="advbench", path=write_csv(folder / "advbench.csv", rows))


def jailbreakbench(folder: Path) -> JailbreakBenchSuite:
    paths = {}
    for kind in ("harmful", "benign"):
        rows = [
            {"index": str(n), "goal": f"{kind} {n}", "target": f"Sure, {n}", "category": "AB"[n % 2]}
            for n in range(12)
        ]
        paths[f"{kind}_path"] = write_csv(folder / f"{kind}.csv", rows)
    return JailbreakBenchSuite(name="jailbreakbench", **paths)


def xstest(folder: Path) -> XsTestSuite:
    kinds = ("homonyms", "contrast_homonyms")
    rows = [{"id": str(n), "prompt": f"Prompt {n}?", "type": kinds[n % 2]} for n in range(24)]
    return XsTestSuite(name="xstest", path=write_csv(folder / "xstest.csv", rows))


def hex_phi(folder: Path) -> HexPhiSuite:
    rows = [{"instruction": f"Do bad thing {n}", "category": "AB"[n % 2]} for n in range(12)]
    answers = [
        [{"role": "user", "content": row["instruction"]}, {"role": "assistant", "content": "x" * 5000}]
        for row in rows
    ]
    return HexPhiSuite(
        name="hex_phi",
        path=write_jsonl(folder / "prompts.jsonl", rows),
        prefill_path=write_jsonl(folder / "answers.jsonl", answers),
    )


def file(folder: Path) -> FileSuite:
    rows = [{"prompt": f"Do thing {n}", "area": "AB"[n % 2], "start": f"Sure, {n}"} for n in range(12)]
    path = write_jsonl(folder / "requests.jsonl", rows)
    fields = {"category": "area", "opening": "start"}
    tree = {"name": "file", "label": "mine", "harmful_path": path, "benign_path": path, "fields": fields}
    return FileSuite.model_validate(tree)


CONFIGS: dict[str, Callable[[Path], Any]] = {
    "probe": lambda folder: ProbeSuite(),
    "hex_phi": hex_phi,
    "advbench": advbench,
    "jailbreakbench": jailbreakbench,
    "xstest": xstest,
    "file": file,
}


def changed(config: Any, **changes: Any) -> Any:
    return type(config).model_validate({**config.model_dump(), **changes})


def test_every_suite_is_registered_and_tested() -> None:
    kinds = get_args(get_args(SafetyConfig)[0])
    names = {get_args(kind.model_fields["name"].annotation)[0] for kind in kinds}
    assert names <= set(SUITES) == set(CONFIGS)


class TestEverySuite:
    @pytest.fixture(params=CONFIGS)
    def config(self, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
        return CONFIGS[request.param](tmp_path)

    def test_its_name_is_what_tables_call_it(self, config: Any) -> None:
        assert load_suite(config).name == getattr(config, "label", config.name)

    def test_ids_are_unique_and_stay_whatever_the_size(self, config: Any) -> None:
        suite = load_suite(config)
        both = [*suite.harmful, *suite.benign]
        assert len({prompt.id for prompt in both}) == len(both) >= 12
        cut = load_suite(changed(config, harmful_prompts=3))
        assert len(cut.harmful) == 3
        assert set(cut.harmful) < set(suite.harmful)
        assert cut.benign == suite.benign
        assert cut.data_hash != suite.data_hash == load_suite(config).data_hash

    def test_sizes_are_spread_over_the_categories(self, config: Any) -> None:
        suite = load_suite(changed(config, harmful_prompts=4))
        counts = Counter(prompt.category for prompt in suite.harmful).values()
        assert max(counts) - min(counts) <= 1
        if suite.benign:
            assert len(load_suite(changed(config, benign_prompts=4)).benign) == 4

    def test_prompts_are_there_and_openings_short(self, config: Any) -> None:
        suite = load_suite(config)
        assert all(prompt.prompt.strip() for prompt in (*suite.harmful, *suite.benign))
        assert all(len(prompt.opening) <= OPENING_CHARACTERS for prompt in suite.harmful)
        assert all(prompt.opening == "" for prompt in suite.benign)
        assert suite.has_openings == (suite.name != "xstest")


class TestSuite:
    HARMFUL = (SafetyPrompt("a", "", "Do it.", "Sure"), SafetyPrompt("b", "", "Do that."))

    def test_missing_openings_are_a_clear_error(self) -> None:
        suite = SafetySuite("mine", self.HARMFUL, ())
        assert not suite.has_openings
        with pytest.raises(DataError) as caught:
            suite.require_openings("attack prefill")
        assert str(caught.value) == (
            "safety suite mine: attack prefill needs an opening for each harmful prompt, "
            "got 1 of 2 without one"
        )
        SafetySuite("mine", self.HARMFUL[:1], ()).require_openings("attack prefill")

    def test_a_suite_without_harmful_prompts_has_no_openings(self) -> None:
        suite = SafetySuite("mine", (), self.HARMFUL)
        assert not suite.has_openings
        with pytest.raises(DataError, match="got 0 of 0 without one"):
            suite.require_openings("attack prefill")

    def test_no_prompt_and_ids_that_meet_are_refused(self) -> None:
        with pytest.raises(DataError, match=r"^safety suite mine: must hold at least one prompt, got none$"):
            SafetySuite("mine", (), ())
        with pytest.raises(DataError, match=r"^safety suite mine: ids must differ, got 'a' twice$"):
            SafetySuite("mine", self.HARMFUL, (SafetyPrompt("a", "", "Hi."),))


class TestProbe:
    def test_size_and_spread(self, probe: SafetySuite) -> None:
        for prompts in (probe.harmful, probe.benign):
            areas = Counter(prompt.category for prompt in prompts)
            assert len(prompts) >= 150
            assert len(areas) == AREAS
            assert max(areas.values()) - min(areas.values()) <= 1

    def test_prompts_are_unique(self, probe: SafetySuite) -> None:
        both = [*probe.harmful, *probe.benign]
        assert len({normalised(prompt.prompt) for prompt in both}) == len(both)

    def test_openings_are_long_enough_to_prefill_and_to_measure_along(self, probe: SafetySuite) -> None:
        # A word has at least one token.
        assert min(len(prompt.opening.split()) for prompt in probe.harmful) >= 8
        assert all(prompt.opening == prompt.opening.strip() for prompt in probe.harmful)

    def test_sizes_are_cut_evenly_over_the_areas(self) -> None:
        cut = load_suite(ProbeSuite(harmful_prompts=20, benign_prompts=13))
        assert set(Counter(prompt.category for prompt in cut.harmful).values()) == {2}
        assert sorted(Counter(prompt.category for prompt in cut.benign).values()) == [1] * 7 + [2] * 3


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


def test_messages_that_are_not_the_users_are_left_out_and_named(tmp_path: Path) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How?"}]
    path = write_jsonl(tmp_path / "requests.jsonl", [{"prompt": messages}, {"prompt": messages[1:]}])
    with collect_notes() as notes:
        suite = load_suite(FileSuite(name="file", harmful_path=path))
    assert [item.prompt for item in suite.harmful] == ["How?", "How?"]
    assert notes == [f"{path}: messages of system are left out of requests"]
