"""A measurement in portions: the same answers as a whole one, unless a rule ends it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.config.model import ModelConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.evaluate.results import Generation
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.progress import TrialProgress
from lookahead_ray.trial.record import completed_records
from lookahead_ray.trial.worker import run_worker
from tests.tiny import make_model
from tests.trial.test_finishing import TREE

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("group")]


class Ending:
    """A rule that ends the model with this index at this look."""

    looks = (0.25, 0.5)

    def __init__(self, model: int = 0, look: int | None = None) -> None:
        self.ends = (model, look)
        self.seen: list[tuple[int, list[Generation]]] = []

    def reason_to_end(self, look: int, generations: Sequence[Generation]) -> str | None:
        model = sum(one == 0 for one, _ in self.seen) - (look > 0)
        self.seen.append((look, list(generations)))
        return "below" if (model, look) == self.ends else None


@pytest.fixture
def config(tmp_path: Path) -> TrialConfig:
    model = ModelConfig(path=str(make_model(tmp_path)))
    sizes = {**TREE.get("safety", {}), "harmful_prompts": 8, "benign_prompts": 4}
    tree = {**TREE, "safety": sizes, "model": model.model_dump(), "merge": {"share": [1.0, 0.5]}}
    return TrialConfig.model_validate(tree)


def test_a_rule_that_never_ends_changes_no_answer(config: TrialConfig) -> None:
    whole = run_worker(config, True, lambda progress: None)
    told: list[TrialProgress] = []
    rule = Ending()
    in_parts = run_worker(config, True, told.append, end_measuring=rule)
    assert whole
    assert in_parts
    for one, other in zip((whole, *whole.further), (in_parts, *in_parts.further), strict=True):
        assert one.generations == other.generations
        assert one.token_kl == other.token_kl
        assert (one.asked, one.ended_because) == (other.asked, other.ended_because)
    assert whole.asked == len(whole.generations)  # one judge
    assert [look for look, _ in rule.seen] == [0, 1, 0, 1]
    last = [progress for progress in told if progress.phase == "answering"][-1]
    assert last.done == last.total > 0


def test_a_point_ends_after_its_first_prompts_and_the_next_one_is_measured(config: TrialConfig) -> None:
    rule = Ending(look=0)
    measured = run_worker(config, True, lambda progress: None, end_measuring=rule)
    assert measured
    (second,) = measured.further
    assert (measured.ended_because, second.ended_because) == ("below", None)
    assert measured.generations == tuple(rule.seen[0][1])
    assert measured.asked == len(measured.generations) < len(second.generations)
    harmful = {row.prompt_id for row in measured.generations if row.metric == "rsr"}
    assert len(harmful) == 2
    assert harmful == {row.prompt_id for row in second.generations[:8] if row.prompt_id in harmful}
    assert measured.token_kl
    job = Job("search-001", "search", config.model_dump(mode="json"), {}, "")
    first, other = completed_records(job, "s", "2025-01-01T00:00:00+00:00", 1.0, measured)
    assert (first.status, other.status) == ("partial", "completed")
    assert first.rsr
    assert first.rsr.n == 2


def test_the_seed_model_is_measured_whole(config: TrialConfig) -> None:
    rule: Any = Ending(look=0)
    measured = run_worker(config, False, lambda progress: None, end_measuring=rule)
    assert measured
    assert (measured.ended_because, rule.seen) == (None, [])
