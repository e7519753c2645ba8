"""Ranks share prompts: each once, and the expected work in equal parts."""

import random
from typing import Any, cast

import pytest

from lookahead_ray.config.defence import DefenceConfig
from lookahead_ray.evaluate.generation.prompting import PromptRunner

RNG = random.Random(3)
LENGTHS = [RNG.randrange(20, 100) * (1 if index % 8 else 8) for index in range(101)]  # each eighth is long


def shards(world_size: int, **options: Any) -> list[list[int]]:
    items = list(range(len(LENGTHS)))
    return [
        PromptRunner(cast(Any, None), DefenceConfig(), rank, world_size).shard(items, **options)
        for rank in range(world_size)
    ]


@pytest.mark.parametrize("options", [{}, {"length": LENGTHS.__getitem__}])
@pytest.mark.parametrize("world_size", [1, 2, 3, 8, 128])
def test_each_item_goes_to_one_rank_in_order(world_size: int, options: dict[str, Any]) -> None:
    found = shards(world_size, **options)
    assert sorted(item for shard in found for item in shard) == list(range(len(LENGTHS)))
    assert all(shard == sorted(shard) for shard in found)
    assert max(map(len, found)) - min(map(len, found)) <= 1


@pytest.mark.parametrize("world_size", [2, 4, 8])
def test_ranks_get_equal_work(world_size: int) -> None:
    def spread(found: list[list[int]]) -> float:
        work = [sum(LENGTHS[item] for item in shard) for shard in found]
        return max(work) / (sum(work) / world_size)

    dealt = spread(shards(world_size, length=LENGTHS.__getitem__))
    assert dealt < 1.1  # 101 items can't be dealt evenly
    assert dealt < spread(shards(world_size))
