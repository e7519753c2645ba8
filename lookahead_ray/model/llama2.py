"""Llama-2's chat format as the published code writes it (Unispac/shallow-vs-deep-alignment at fb1749e)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lookahead_ray.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MARK = "[/INST]"
SPACE = "▁"  # the token

TEMPLATE = (
    "{%- set ns = namespace(system='') -%}"
    "{%- for turn in messages -%}"
    "{%- if turn.role == 'system' -%}"
    "{%- set ns.system = '<<SYS>>\\n' + turn.content + '\\n<</SYS>>\\n\\n' -%}"
    "{%- elif turn.role == 'user' -%}"
    "{{- bos_token + '[INST] ' + ns.system + turn.content + ' [/INST] ' -}}"
    "{%- set ns.system = '' -%}"
    "{%- else -%}"
    "{{- turn.content + ' ' + eos_token -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
)
"""Nothing is stripped, and a prompt ends in one space after `[/INST]`. In training there are two spaces:
Llama-2's tokenizer prepends one to the answer, which is tokenised separately."""


def ends_in_space(tokenizer: "PreTrainedTokenizerBase", prompt: Sequence[int]) -> bool:
    """Return whether the tokenizer has the published template and `prompt` ends in its space token."""
    return tokenizer.chat_template == TEMPLATE and tokenizer.convert_ids_to_tokens(prompt[-1]) == SPACE


def published_template(own: str | None, path: str) -> str:
    """Return `TEMPLATE`, for a tokenizer whose `own` chat template has Llama-2's format.

    Raises:
        ModelError: it has another format.
    """
    if MARK not in (own or ""):
        raise ModelError(
            f"model.protocol: paper writes Llama-2's chats, but {path} has another chat template: use fixed"
        )
    return TEMPLATE
