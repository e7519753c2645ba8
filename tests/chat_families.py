"""Byte-level tokenizers whose added tokens and chat templates are laid out as those of chat models are."""

from collections.abc import Sequence
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

PLAIN = (
    "{% for m in messages %}[{{ m.role }}]\n{{ m.content }}[stop]\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]\n{% endif %}"
)
PLAIN_TOKENS = ("[system]", "[user]", "[assistant]", "[stop]")
EMPTY_THOUGHTS = PLAIN.replace(
    "{{ m.content }}",
    "{% if m.role == 'assistant' %}<reasoning>\n{{ m.reasoning_content or '' }}\n</reasoning>\n{% endif %}"
    "{{ m.content }}",
)
"""Every answer follows thoughts, and its prompt does not open them."""
OPEN_THOUGHTS = PLAIN.replace("[assistant]\n{% endif %}", "[assistant]\n<thought>\n{% endif %}")
"""The prompt opens the thoughts, which are left out of the chat."""
HELD_THOUGHTS = OPEN_THOUGHTS.replace(
    "{{ m.content }}", "{% if m.role == 'assistant' %}<thought>\n{% endif %}{{ m.content }}"
)
"""The prompt opens the thoughts, and so does each answer's turn."""
SWITCHED = PLAIN.replace(
    "[assistant]\n{% endif %}",
    "[assistant]\n{% if not deep %}<think></think>{% endif %}{% endif %}",
)
"""The prompt holds empty thoughts unless the variable `deep` is set."""
CHANNELS = (
    "{% for m in messages %}{% if m.role == 'assistant' %}"
    "{% if m.thinking %}<|start|>assistant<|channel|>analysis<|message|>{{ m.thinking }}<|end|>{% endif %}"
    "<|start|>assistant<|channel|>final<|message|>{{ m.content }}"
    "{{ '<|return|>' if loop.last else '<|end|>' }}"
    "{% else %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
CHANNEL_TOKENS = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>")


def family(
    template: str | None,
    special: Sequence[str] = PLAIN_TOKENS,
    plain: Sequence[str] = (),
    eos: str | None = "[eos]",
    bos: str | None = "[bos]",
) -> Any:
    """Return a tokenizer in which `special` tokens are marked special, but not named in its configuration.

    Args:
        plain: added tokens that are not special.
    """
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    named = [token for token in (eos, bos) if token]
    backend.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in (*named, *special)]
    )
    backend.add_tokens([AddedToken(token, special=False, normalized=False) for token in plain])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=eos, bos_token=bos, pad_token=eos)
    tokenizer.chat_template = template
    return tokenizer
