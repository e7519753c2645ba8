"""A measurement in portions: the same answers as a whole one, unless a rule ends it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from lookahead_ray.config.model import ModelConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.suites.registry import load_suite
from lookahead_ray.data.tasks.registry import load_task
from lookahead_ray.evaluate.evaluation import Evaluation
from lookahead_ray.evaluate.results import Generation
from lookahead_ray.model.load import load_model, load_tokenizer
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.measuring import Measuring
from lookahead_ray.trial.progress import TrialProgress
from lookahead_ray.trial.record import completed_records
from lookahead_ray.trial.reporter import ProgressReporter
from lookahead_ray.trial.worker import run_worker
from tests.tiny import make_model
from tests.trial.test_finishing import TREE

pytestmark = pytest.mark.slow


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


@pytest.mark.usefixtures("group")
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


@pytest.mark.usefixtures("group")
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


@pytest.mark.usefixtures("group")
def test_the_seed_model_is_measured_whole(config: TrialConfig) -> None:
    rule: Any = Ending(look=0)
    measured = run_worker(config, False, lambda progress: None, end_measuring=rule)
    assert measured
    assert (measured.ended_because, rule.seen) == (None, [])


def answer_on_rank(rank: int, store: str, config: TrialConfig) -> None:
    """Answer on one of two ranks, of which the first decides, and save the answers and the reason."""
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    tokenizer, task = load_tokenizer(config.model), load_task(config.task)
    suites = [load_suite(suite) for suite in config.safety]
    evaluation = Evaluation(tokenizer, task, suites, config.evaluation, rank=rank, world_size=2)
    reporter = ProgressReporter(lambda progress: None)
    unused: Any = None
    rule = Ending(look=1)
    measuring = Measuring(config, evaluation, unused, unused, reporter, "", 1, False, rule)
    model = load_model(config.model, torch.float32)
    torch.save((*measuring._answers(model, 0), rule.seen), f"{store}-{rank}")
    dist.destroy_process_group()


def test_the_first_rank_decides_for_all_by_the_answers_of_all(tmp_path: Path, config: TrialConfig) -> None:
    store = str(tmp_path / "store")
    mp.spawn(answer_on_rank, (store, config), nprocs=2)
    first, second = (torch.load(f"{store}-{rank}", weights_only=False) for rank in (0, 1))
    assert first[1] == second[1] == "below"
    assert [look for look, _ in first[2]] == [0, 1]
    assert second[2] == []
    assert set(first[2][-1][1]) == {*first[0], *second[0]}
    assert len({row.prompt_id for row in (*first[0], *second[0]) if row.metric == "rsr"}) == 4
