"""The plan of a run, the same for any number of ranks, and the tensors of a micro-batch."""

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from lookahead_ray.data.chat import Rendered
from lookahead_ray.train.batches import (
    GlobalBatch,
    accumulation_steps,
    collate,
    left_pad,
    optimiser_steps,
    plan_batches,
)
from tests.model.families import make
from tests.toy import toy_model

LENGTHS = [random.Random(0).randint(3, 90) for _ in range(23)]
WORLDS = (1, 2, 3, 8)


def planned(
    world_size: int, seed: int = 0, batch_size: int = 8, micro: int = 2, lengths: Sequence[int] = LENGTHS
) -> list[GlobalBatch]:
    return list(
        plan_batches(
            lengths,
            epochs=3,
            batch_size=batch_size,
            micro_batch_size=micro,
            world_size=world_size,
            seed=seed,
        )
    )


class TestPlan:
    def test_ranks_do_not_change_the_global_batches(self) -> None:
        alone = [(batch.epoch, batch.examples) for batch in planned(1)]
        for world_size in WORLDS:
            shared = [(batch.epoch, batch.examples) for batch in planned(world_size)]
            assert shared == alone

    @pytest.mark.parametrize("world_size", WORLDS)
    def test_every_example_occurs_once_per_epoch(self, world_size: int) -> None:
        batches = planned(world_size)
        assert [batch.epoch for batch in batches] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        for epoch in range(3):
            seen = [index for batch in batches if batch.epoch == epoch for index in batch.examples]
            assert sorted(seen) == list(range(len(LENGTHS)))
        assert [len(batch.examples) for batch in batches] == [
            8,
            8,
            7,
        ] * 3  # the last one of an epoch is partial

    @pytest.mark.parametrize("world_size", WORLDS)
    @pytest.mark.parametrize(("batch_size", "micro"), [(8, 2), (8, 8), (8, 100), (7, 2), (5, 3), (1, 1)])
    def test_shares_stay_within_the_micro_batch(self, world_size: int, batch_size: int, micro: int) -> None:
        steps = accumulation_steps(batch_size, micro, world_size)
        for batch in planned(world_size, batch_size=batch_size, micro=micro):
            assert len(batch.micro) == steps
            for step in batch.micro:
                sizes = [len(share) for share in step]
                assert len(sizes) == world_size
                assert max(sizes) <= micro
                assert max(sizes) - min(sizes) <= 1

    def test_a_batch_is_sorted_by_length(self) -> None:
        for batch in planned(2):
            lengths = [LENGTHS[index] for index in batch.examples]
            assert lengths == sorted(lengths)

    def test_the_seed_decides_the_order_and_epochs_differ(self) -> None:
        first = planned(1)
        assert planned(1) == first
        assert planned(1, seed=1) != first
        epochs = [[batch.examples for batch in first if batch.epoch == epoch] for epoch in range(3)]
        assert epochs[0] != epochs[1] != epochs[2]

    def test_ranks_may_go_without_examples(self) -> None:
        (batch,) = list(
            plan_batches([5, 4, 3], epochs=1, batch_size=8, micro_batch_size=1, world_size=2, seed=0)
        )
        assert batch.micro == (((2,), (1,)), ((0,), ()), ((), ()), ((), ()))

    @pytest.mark.parametrize(("examples", "steps"), [(1, 3), (8, 3), (9, 6), (23, 9)])
    def test_the_number_of_steps_is_known_beforehand(self, examples: int, steps: int) -> None:
        assert optimiser_steps(examples, 3, 8) == steps
        assert len(planned(2, lengths=LENGTHS[:examples])) == steps


PADDED, PACKED = make("gpt2, absolute positions"), toy_model()


class TestCollate:
    def test_targets_are_aligned_with_their_inputs(self) -> None:
        rows = [
            Rendered((11, 12), (21, 22, 23)),
            Rendered((13,), (24, 25)),
            Rendered((14, 15, 16, 17), (26,)),
        ]
        micro = collate(rows, pad_id=0, model=PADDED)
        assert micro.inputs["input_ids"].tolist() == [[11, 12, 21, 22], [13, 24, 0, 0], [14, 15, 16, 17]]
        # 12 is followed by 21, 21 by 22, …, 17 by 26.
        assert micro.positions.tolist() == [1, 2, 3, 4, 5, 11]
        assert micro.targets.tolist() == [21, 22, 23, 24, 25, 26]

    @pytest.mark.parametrize("model", [PADDED, PACKED], ids=["padded", "packed"])
    def test_every_answer_token_follows_the_token_before_it(self, model: Any) -> None:
        rng = random.Random(1)
        rows = [
            Rendered(
                tuple(rng.randrange(1, 60) for _ in range(rng.randint(1, 9))),
                tuple(rng.randrange(1, 60) for _ in range(rng.randint(1, 9))),
            )
            for _ in range(12)
        ]
        micro = collate(rows, pad_id=0, model=model)
        inputs = micro.inputs["input_ids"].flatten()[micro.positions].tolist()
        expected = [
            pair
            for row in rows
            for pair in list(pairwise([*row.prompt_ids, *row.answer_ids]))[len(row.prompt_ids) - 1 :]
        ]
        assert list(zip(inputs, micro.targets.tolist(), strict=True)) == expected

    def test_left_pad_keeps_token_zero_visible(self) -> None:
        ids, mask = left_pad([[0], [5, 0, 6]], pad_id=0)
        assert ids.tolist() == [[0, 0, 0], [5, 0, 6]]
        assert mask.tolist() == [[0, 0, 1], [1, 1, 1]]
