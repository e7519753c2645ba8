"""Greedy generation in left-padded static batches, for models whose attention counts cache positions."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache

from lookahead_ray.evaluate.generation.base import Backend
from lookahead_ray.evaluate.generation.meter import Meter
from lookahead_ray.method.reporting import OnGeneration
from lookahead_ray.model.load import CACHES, cache_argument, makes_own_cache
from lookahead_ray.train.batches import left_pad

if TYPE_CHECKING:
    from transformers import PreTrainedModel

COMPACT_BELOW = 0.8  # share of computed rows still running, below which finished rows are dropped


class StaticBatching(Backend):
    """A backend that answers one batch of prompts after the other."""

    @staticmethod
    def supports(model: "PreTrainedModel") -> bool:
        """Return True: every causal language model accepts left-padded batches."""
        return True

    def answers(
        self, prompts: Sequence[Sequence[int]], limits: Sequence[int], progress: OnGeneration | None
    ) -> Iterator[tuple[int, list[int]]]:
        """Yield (index, answer) in the order of `prompts`; arguments as in `Backend.answers`."""
        size = self.settings.batch_size
        meter = Meter(self.model, sum(map(len, prompts)), limits, size, progress)
        starts = range(0, len(prompts), size)
        later = [max(limits[start : start + size]) for start in starts]  # steps of each batch
        for start in starts:
            later.pop(0)
            batch = slice(start, start + size)
            answers: list[list[int]] = [[] for _ in prompts[batch]]

            def may_stop(row: int, start: int = start, answers: list[list[int]] = answers) -> bool:
                return self.may_stop(start + row, answers[row])

            for row, token in self._tokens(prompts[batch], limits[batch], meter, sum(later), may_stop):
                answers[row].append(token)
            yield from enumerate(answers, start=start)

    def _tokens(
        self,
        prompts: Sequence[Sequence[int]],
        limits: Sequence[int],
        meter: Meter,
        later: int,
        may_stop: Callable[[int], bool],
    ) -> Iterator[tuple[int, int]]:
        """Yield (row, token) pairs of one batch, the tokens of each row in order. Finished rows leave it.

        Args:
            later: steps of the batches after this one, for `meter`.
            may_stop: returns whether the row's answer may end with the token that was yielded last.
        """
        model, end_ids = self.model, self.settings.end_ids
        rows = list(range(len(prompts)))  # prompt index of each row still computed
        running = [True] * len(rows)
        cache = None if makes_own_cache(model) else DynamicCache(config=model.config)
        name = cache_argument(model)
        assert name is not None  # others are refused by `load.read_architecture`
        attends = name == CACHES[0]  # Mamba would apply the mask of all tokens to the new one
        inputs, mask = (tensor.to(model.device) for tensor in left_pad(prompts, self.settings.pad_id))
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        prefilled = sum(map(len, prompts))
        for length in range(1, max(limits) + 1):
            output = model(
                input_ids=inputs,
                attention_mask=mask if length == 1 or attends else None,
                position_ids=positions,
                use_cache=True,
                logits_to_keep=1,
                **{name: cache},
            )
            cache = output[name]  # which some models make themselves
            tokens = output.logits[:, -1].argmax(-1)
            generated, spared = sum(running), 0
            for index, token in enumerate(tokens.tolist()):
                if running[index] and token in end_ids:
                    running[index] = False
                    spared += limits[rows[index]] - length
                if running[index]:
                    yield rows[index], token
                    running[index] = length < limits[rows[index]]
                    if running[index] and may_stop(rows[index]):
                        running[index] = False
                        spared += limits[rows[index]] - length
            kept = [index for index, runs in enumerate(running) if runs]
            longest = max((limits[rows[index]] - length for index in kept), default=0)
            meter.passed(longest + later, read=prefilled, tokens=generated, spared=spared)
            prefilled = 0
            if not kept:
                return
            if len(kept) < COMPACT_BELOW * len(running):
                selection = torch.tensor(kept, device=model.device)
                _select(cache, selection)
                tokens, mask, positions = tokens[selection], mask[selection], positions[selection]
                rows, running = [rows[index] for index in kept], [True] * len(kept)
            inputs = tokens[:, None]
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            positions = positions[:, -1:] + 1


def _select(cache: Any, rows: torch.Tensor) -> None:
    """Keep rows of a model's cache, in place."""
    if type(cache) is DynamicCache:
        # `batch_select_indices` leaves out the states of layers
        cache.reorder_cache(rows)  # type: ignore[arg-type]  # any tensor of integers
    else:
        cache.batch_select_indices(rows)
