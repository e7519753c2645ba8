"""The end of an answer whose verdict is settled: what follows would be generated for nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lookahead_ray.data.chat import read_reply
from lookahead_ray.evaluate.judges.base import PrefixStable
from lookahead_ray.evaluate.results import Ended
from lookahead_ray.method.generator import STOP_EVERY, Stop

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_INCOMPLETE = "\ufffd"  # a tokenizer's text of the first bytes of a character


@dataclass(frozen=True)
class VerdictStop:
    """A `Stop` for one prompt: all judges' verdicts are final."""

    tokenizer: "PreTrainedTokenizerBase"
    judges: tuple[PrefixStable, ...]
    prompt: str
    prefill: str
    opened: bool = False  # whether the prompt opened a reasoning model's thoughts

    def __call__(self, answer: Sequence[int]) -> bool:
        """Return whether no continuation of `answer`, given as token ids, changes a verdict."""
        reply = read_reply(self.tokenizer, answer, self.opened)
        if reply.is_unfinished:
            return False
        text = reply.answer.rstrip(_INCOMPLETE)
        return all(judge.is_final(self.prompt, self.prefill, text) for judge in self.judges)


def how_it_ended(answer: Sequence[int], limit: int, stop: Stop | None) -> Ended:
    """Return how an answer that was generated with this limit and stop ended."""
    if len(answer) == limit:
        return "limit"
    if stop is not None and answer and len(answer) % STOP_EVERY == 0 and stop(answer):
        return "decided"
    return "end_token"
