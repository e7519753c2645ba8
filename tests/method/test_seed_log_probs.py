"""log p_0: the seed model's own values, sharded over ranks, cached on disk by content."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lookahead_ray.data.chat import Rendered
from lookahead_ray.disk_cache import DiskCache
from lookahead_ray.method.seed_log_probs import reference_log_probs
from tests.method.contexts import Ranks
from tests.toy import toy_model
from tests.train.reference import make_rows

ROWS = [*make_rows(8), Rendered((4, 5), (6,))]


class Counting:
    """A model that counts the rows of its forward passes."""

    def __init__(self, model: Any) -> None:
        self.module, self.device, self.rows = model, model.device, 0

    def __call__(self, **inputs: Any) -> Any:
        if "position_ids" in inputs:  # packed: each row but the first begins with a smaller position
            self.rows += int((inputs["position_ids"].diff() <= 0).sum()) + 1
        else:
            self.rows += len(inputs["input_ids"])
        return self.module(**inputs)


def by_hand(model: Any, row: Rendered) -> list[float]:
    ids = torch.tensor([[*row.prompt_ids, *row.answer_ids]])
    with torch.no_grad():
        log_probs = model(input_ids=ids).logits[0].float().log_softmax(-1)
    first = len(row.prompt_ids) - 1
    return [log_probs[first + place, token].item() for place, token in enumerate(row.answer_ids)]


@pytest.mark.parametrize("world_size", [1, 2, 3, 12])
def test_every_rank_gets_the_seed_models_values(tmp_path: Path, world_size: int) -> None:
    model = Counting(toy_model())
    found = Ranks(world_size, DiskCache(tmp_path), model).run(lambda c: reference_log_probs(ROWS, c))
    assert model.rows == len(ROWS)  # each row once, by some rank; of twelve ranks three have none
    for rank in found:
        assert rank == found[0]
        for row in ROWS:
            assert rank[row] == pytest.approx(by_hand(toy_model(), row), rel=1e-4, abs=1e-5)


def test_a_model_in_half_precision_answers_in_full(tmp_path: Path) -> None:
    model = toy_model().to(torch.bfloat16)
    (found,) = Ranks(1, DiskCache(tmp_path), model, batch_size=1).run(lambda c: reference_log_probs(ROWS, c))
    for row in ROWS:
        # A log-softmax in bf16 would keep 8 bits; this equals that of the logits widened to fp32.
        assert found[row] == pytest.approx(by_hand(model, row), rel=1e-6, abs=1e-6)


class TestCache:
    def ask(self, folder: Path, rows: Any = ROWS, seed_hash: str = "seed", world_size: int = 2) -> Any:
        model = Counting(toy_model())
        ranks = Ranks(world_size, DiskCache(folder), model, seed_hash=seed_hash)
        return ranks.run(lambda c: reference_log_probs(rows, c))[-1], model.rows

    def test_equal_rows_are_computed_once(self, tmp_path: Path) -> None:
        first, asked = self.ask(tmp_path)
        assert asked == len(ROWS)
        assert self.ask(tmp_path) == (first, 0)  # to the last bit
        assert self.ask(tmp_path, world_size=1) == (first, 0)

    def test_other_rows_or_another_model_are_another_matter(self, tmp_path: Path) -> None:
        self.ask(tmp_path)
        assert self.ask(tmp_path, rows=ROWS[:-1])[1] == len(ROWS) - 1
        moved = [
            Rendered(ROWS[0].prompt_ids + ROWS[0].answer_ids[:1], ROWS[0].answer_ids[1:] or (3,)),
            *ROWS[1:],
        ]
        assert self.ask(tmp_path, rows=moved)[1] == len(ROWS)
        assert self.ask(tmp_path, seed_hash="other")[1] == len(ROWS)

    @pytest.mark.parametrize("damage", ["cut", "other number", "empty", "not JSON"])
    def test_a_damaged_file_is_computed_again(self, tmp_path: Path, damage: str) -> None:
        first, _ = self.ask(tmp_path)
        (file,) = tmp_path.rglob("*.json")
        whole = file.read_text()
        kept = json.loads(whole)
        kept["value"][0][0] -= 0.5
        file.write_text(
            {"cut": whole[:-40], "other number": json.dumps(kept), "empty": "", "not JSON": "{"}[damage]
        )
        assert self.ask(tmp_path) == (first, len(ROWS))
        assert self.ask(tmp_path) == (first, 0)

    def test_without_a_finite_number_training_does_not_begin(self, tmp_path: Path) -> None:
        model = toy_model()
        with torch.no_grad():
            model.lm_head.weight[0, 0] = torch.nan
        with pytest.raises(FloatingPointError, match="not finite"):
            Ranks(2, DiskCache(tmp_path), model).run(lambda c: reference_log_probs(ROWS, c))
        assert list(tmp_path.rglob("*.json")) == []
