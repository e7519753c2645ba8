"""Greedy generation with continuous batching: a finished row frees its cache slot for the next prompt."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import ceil
from os.path import commonprefix
from typing import TYPE_CHECKING

import torch

from lookahead_ray.evaluate.generation.base import Backend
from lookahead_ray.evaluate.generation.decode_attention import generating
from lookahead_ray.evaluate.generation.decoding import Passes, plan_for
from lookahead_ray.evaluate.generation.kv_cache import Slots
from lookahead_ray.evaluate.generation.meter import Meter
from lookahead_ray.method.reporting import OnGeneration
from lookahead_ray.model.load import sees_positions_alone
from lookahead_ray.train.model import logits_at
from lookahead_ray.train.obstacles import Reasons, describe_obstacle, differs, is_free

if TYPE_CHECKING:
    from transformers import PreTrainedModel

READ_AT_ONCE = 32  # prompts per prefill pass: enough to fill the machine, few enough to be of similar length
CHECKED_AT_ONCE = 512  # tokens of drafts per prefill pass, whose logits over the vocabulary are in memory
REFILL_SHARE = 1 / 8  # of the slots that must be free before the next prefill; one by one is slow

TRIED_PREFIX, TRIED = (1, 2), ((3,), (4, 1, 3))
"""Two prompts on which each architecture is tried, after a prefix that they share."""

_reasons: Reasons = {}


class ContinuousBatching(Backend):
    """A backend that keeps all cache slots busy; the prompts' common prefix is computed once.

    Drafts are checked in the prefill: their tokens are kept up to the first one that the model itself would
    not have generated (speculative decoding, Leviathan et al., arXiv 2211.17192, with given drafts).
    """

    @staticmethod
    def supports(model: "PreTrainedModel") -> bool:
        """Return whether stale values between a sequence's tokens can be masked without changing anything.

        Each architecture is tried once on two short prompts; why it can't is logged.
        """
        instead = "prompts of %s are padded on the left, which costs time"
        return sees_positions_alone(model) and is_free(model, find_slots_obstacle, _reasons, instead)

    def answers(
        self, prompts: Sequence[Sequence[int]], limits: Sequence[int], progress: OnGeneration | None
    ) -> Iterator[tuple[int, list[int]]]:
        """Yield (index, answer) in the order in which answers end; arguments as in `Backend.answers`.

        Prompts that are prefilled together are of similar length, so they need little padding.
        """
        rows = _Rows(self.model, min(self.settings.batch_size, len(prompts)), self.settings.pad_id)
        running: list[int] = []  # prompt index of each slot
        answers: dict[int, list[int]] = {}
        started = 0  # prompts that have been given a slot
        shared = shared_prefix(prompts)
        unread = [len(prompt) - shared for prompt in prompts]
        longest = [*accumulate(reversed(limits), max, initial=0)][::-1]  # largest limit from each prompt on
        meter = Meter(self.model, shared + sum(unread), limits, rows.slots.count, progress)
        with generating(self.model):
            if shared:
                rows.share(prompts[0][:shared])
                meter.passed(longest[0], read=shared)
            while running or started < len(prompts):
                free = rows.slots.count - len(running)
                first = prefilled = 0
                if started < len(prompts) and free >= REFILL_SHARE * rows.slots.count:
                    group = self._next_group(started, min(started + free, len(prompts)))
                    first, started = len(running), group.stop
                    found = rows.begin(
                        [prompts[index][shared:] for index in group],
                        [limits[index] for index in group],
                        [self.draft(index) for index in group],
                    )
                    prefilled = sum(unread[index] for index in group)
                    running += group
                    answers |= {index: [] for index in group}
                else:
                    found = rows.run(max(limits[index] - len(answers[index]) for index in running))
                ended, tokens, spared = [], 0, 0
                for slot, new in enumerate(found, start=first):
                    index = running[slot]
                    before = len(answers[index])
                    taken, has_ended = self.extend(index, answers[index], limits[index], new)
                    tokens += taken
                    if has_ended:
                        spared += limits[index] - before - taken
                        ended.append(slot)
                done = [(running[slot], answers.pop(running[slot])) for slot in ended]
                running = [running[slot] for slot in rows.remove(ended)]
                most = max((limits[index] - len(answers[index]) for index in running), default=0)
                meter.passed(
                    max(most, longest[started]),
                    read=prefilled,
                    tokens=tokens,
                    spared=spared,
                    passes=len(found[0]),
                )
                yield from done

    def _next_group(self, start: int, end: int) -> range:
        """Return the prompts from `start`, below `end`, that one prefill pass reads; at least one."""
        drafted = accumulate(len(self.draft(index)) for index in range(start, end))
        fitting = sum(tokens <= CHECKED_AT_ONCE for tokens in drafted)
        return range(start, start + max(1, min(fitting, READ_AT_ONCE)))


class _Rows:
    """Running rows: `slots` holds their KV cache, `_tokens` (slots,) the last token of each."""

    def __init__(self, model: "PreTrainedModel", count: int, pad_id: int) -> None:
        self._model = model
        self._pad_id = pad_id
        self._device = model.device
        self._plan = plan_for(model.device)
        self._passes = Passes(self._plan)
        layers = model.config.get_text_config().num_hidden_layers
        self.slots = Slots(layers, count, self._plan.stride, self._plan.reads, model.device)
        self._tokens = torch.zeros(count, dtype=torch.long, device=self._device)

    def share(self, prefix: Sequence[int]) -> None:
        """Prefill the prefix that all prompts share."""
        self._read([prefix], [1])
        self.slots.shared = len(prefix)

    def begin(
        self, prompts: Sequence[Sequence[int]], limits: Sequence[int], drafts: Sequence[Sequence[int]]
    ) -> list[list[int]]:
        """Prefill prompts, without the shared prefix; return the first tokens of each answer, at least one.

        `limits` are the maximum tokens of the answers, and `drafts` what they may begin with.
        """
        first = len(self.slots.lengths)
        rows = [[*prompt, *draft] for prompt, draft in zip(prompts, drafts, strict=True)]
        self.slots.add([len(prompt) for prompt in prompts], limits, max(map(len, rows)))
        tokens = iter(self._read(rows, [1 + len(draft) for draft in drafts]).tolist())
        found = [agreed(draft, [next(tokens) for _ in range(1 + len(draft))]) for draft in drafts]
        self.slots.accept([len(answer) - 1 for answer in found])
        self._tokens[first : first + len(rows)] = torch.tensor(
            [answer[-1] for answer in found], device=self._device
        )
        return found

    def run(self, most: int) -> list[list[int]]:
        """Generate the next tokens of each row, at most `most`; return (rows, passes) tokens."""
        used = len(self.slots.lengths)
        steps = min(most, self._plan.passes)
        width = min(self.slots.count, self._plan.width * ceil(used / self._plan.width))
        self.slots.begin_decoding(steps, width)
        found = []
        for _ in range(steps):
            self._passes.run((width, self.slots.places), self._step)
            found.append(self._tokens[:used].clone())
        tokens: list[list[int]] = torch.stack(found, dim=1).tolist()
        return tokens

    def remove(self, ended: Sequence[int]) -> list[int]:
        """Remove rows from their slots; return the old slot of each remaining row."""
        order = self.slots.remove(ended)
        if ended:
            self._tokens[: len(order)] = self._tokens[
                torch.tensor(order, dtype=torch.long, device=self._device)
            ]
        return order

    def _step(self) -> None:
        """Generate the next token of each row, with tensors that stay where they are."""
        slots, width = self.slots, self.slots.width
        positions = slots.positions[:width, None]
        seen = torch.arange(slots.places, device=self._device) <= positions
        tokens = self._next(self._tokens[:width, None], positions, seen[:, None], slots.indices[:width])
        self._tokens[:width] = tokens
        slots.advance()

    def _read(self, rows: Sequence[Sequence[int]], wanted: Sequence[int]) -> torch.Tensor:
        """Prefill rows; return the likeliest tokens after the last `wanted` ones of each, in one row."""
        width, shared = max(map(len, rows)), self.slots.shared
        padded = [[*row, *[self._pad_id] * (width - len(row))] for row in rows]
        last = [
            number * width + place
            for number, (row, count) in enumerate(zip(rows, wanted, strict=True))
            for place in range(len(row) - count, len(row))
        ]
        places = torch.arange(shared + width, device=self._device)
        positions = places[shared:]
        return self._next(
            torch.tensor(padded, device=self._device),
            positions[None],
            (places <= positions[:, None])[None],
            torch.tensor(last, device=self._device),
        )

    def _next(
        self, ids: torch.Tensor, positions: torch.Tensor, seen: torch.Tensor, last: torch.Tensor
    ) -> torch.Tensor:
        """Return the likeliest token after each of `last`, flat indices of `ids` (rows, tokens).

        Args:
            seen: (rows or 1, tokens, positions), the cache positions that each token attends to.
        """
        dtype = self._model.dtype
        hidden = torch.zeros(seen.shape, dtype=dtype, device=self._device)
        hidden.masked_fill_(~seen, torch.finfo(dtype).min)
        logits = logits_at(
            self._model,
            last,
            input_ids=ids,
            position_ids=positions,
            attention_mask=hidden[:, None],
            past_key_values=self.slots.cache,
            use_cache=True,
        )
        return logits.max(-1).indices  # equals argmax, which takes four times as long in bf16 on CPUs


@torch.inference_mode()
def find_slots_obstacle(model: "PreTrainedModel") -> str | None:
    """Return why `model` can't generate in cache slots; None if it can.

    Its outputs must be about those that each row has alone, without a cache and with the model's own
    attention: after a shared prefix, next to a longer row, and in a decoding pass over stale values.
    """
    head: torch.nn.Module = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    outputs: list[torch.Tensor] = []
    was_training = model.training
    model.eval()  # type: ignore[no-untyped-call]
    recording = head.register_forward_hook(lambda _, inputs, output: outputs.append(output.float()))
    try:
        rows = _Rows(model, len(TRIED), pad_id=0)
        with generating(model):
            rows.share(TRIED_PREFIX)
            first = rows.begin(TRIED, [2] * len(TRIED), [()] * len(TRIED))
            rows.run(1)
        in_slots = torch.stack(outputs[1:3], dim=1).flatten(0, 1)
        outputs.clear()
        for prompt, begun in zip(TRIED, first, strict=True):
            ids = torch.tensor([[*TRIED_PREFIX, *prompt, *begun]], device=model.device)
            model(input_ids=ids, use_cache=False)
        alone = torch.cat([output[0, -2:] for output in outputs])
    except Exception as error:  # of any kind, as any architecture may be tried; padding always works
        return describe_obstacle(error)
    finally:
        recording.remove()
        model.train(was_training)
    if differs(in_slots, alone, model.dtype):
        return "it gives other logits in cache slots"
    return None


def agreed(draft: Sequence[int], tokens: Sequence[int]) -> list[int]:
    """Return the first tokens of an answer: those of the draft before the first wrong one, and one more.

    `tokens` are the model's own, after the prompt and after each token of the draft.
    """
    for count, (given, own) in enumerate(zip(draft, tokens, strict=False)):
        if given != own:
            return [*draft[:count], own]
    return [*draft, tokens[-1]]


def shared_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Return the length of the prompts' common prefix, less than each prompt's; 0 for a single prompt."""
    if len(prompts) < 2:
        return 0
    begun = commonprefix([tuple(prompt) for prompt in prompts])  # noqa: RUF071  # of tokens, not of paths
    return min(len(begun), min(map(len, prompts)) - 1)
