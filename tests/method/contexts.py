"""Contexts of ranks that take turns in one process, over the toy model."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from lookahead_ray.config.model import ModelConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.disk_cache import DiskCache
from lookahead_ray.evaluate.generation.base import DecodingSettings
from lookahead_ray.evaluate.generation.static_batching import StaticBatching
from lookahead_ray.method.context import Context
from lookahead_ray.method.generator import Generator
from lookahead_ray.train.model import forward
from tests.toy import toy_model


@dataclass
class Ranks:
    """`world_size` ranks as threads; `run` returns the result of each, by rank."""

    world_size: int
    cache: DiskCache
    model: Any = None
    tokenizer: Any = None
    generator: Generator | None = None  # None: never ends an answer early
    batch_size: int = 3
    seed_hash: str = "seed"
    told: list[tuple[str, float, float]] = field(default_factory=list)
    turn: Any = field(default_factory=threading.Lock)

    def run(self, work: Callable[[Context], Any]) -> list[Any]:
        barrier = threading.Barrier(self.world_size, timeout=20)
        board: list[Any] = [None] * self.world_size
        results: list[Any] = [None] * self.world_size
        errors: list[BaseException] = []

        def rank_main(rank: int) -> None:
            def gather(value: Any) -> list[Any]:
                board[rank] = value
                barrier.wait()
                values = list(board)
                barrier.wait()
                return values

            try:
                results[rank] = work(self._context(rank, gather))
            except BaseException as error:
                errors.append(error)
                barrier.abort()

        threads = [threading.Thread(target=rank_main, args=(rank,)) for rank in range(self.world_size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for error in errors:
            if not isinstance(error, threading.BrokenBarrierError):
                raise error
        return results

    def _in_turn(self, model: Any, rows: Sequence[Rendered]) -> tuple[torch.Tensor, torch.Tensor]:
        with self.turn:  # they may share a model, as processes never do
            return forward(pad_id=0)(model, rows)

    def _context(self, rank: int, gather: Callable[[Any], list[Any]]) -> Context:
        model = self.model if self.model is not None else toy_model()
        settings = DecodingSettings(4, frozenset(), pad_id=0)
        context = Context(
            model=model,
            tokenizer=self.tokenizer,
            model_config=ModelConfig(),
            precision="fp32",
            batch_size=self.batch_size,
            prompt_batch_size=self.batch_size,
            rank=rank,
            world_size=self.world_size,
            cache=self.cache,
            forward=self._in_turn,
            generator=self.generator or StaticBatching(model, settings),
            gather=gather,
            report=lambda *what: self.told.append(what),
        )
        context.__dict__["seed_hash"] = self.seed_hash  # instead of hashing weight files
        return context


def alone(folder: Path, **changes: Any) -> Context:
    """Return the context of a single rank."""
    (context,) = Ranks(1, DiskCache(folder), **changes).run(lambda context: context)
    return context
