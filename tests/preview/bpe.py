"""Small tokenizers like those of chat models, trained in memory; neither torch nor files."""

from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from lookahead_ray.preview.token_boundaries import PATTERNS

TEXT = [
    "Weng earns 12/60 = $<<12/60=0.2>>0.2 per minute. Working 50 minutes, she earned 0.2 x 50 = 10.",
    "I'm sorry, but I can't help with that. They're over there, and we've seen them.\n\n    indented code",
    "Über Größe läßt sich streiten; Ñandú, 日本語 テスト, مرحبا 👩‍👩‍👧 hello  two  spaces\tand\r\nlines",
]


def made(
    split: Any, normalizer: Any = None, model: Any = None, decoder: Any = None, added: tuple[str, ...] = ()
) -> Any:
    tokenizer = Tokenizer(model or models.BPE())
    tokenizer.pre_tokenizer, tokenizer.normalizer = split, normalizer
    tokenizer.decoder = decoder or decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<|endoftext|>", "<|im_end|>", *added],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")


def gpt2(**changes: Any) -> Any:
    return made(pre_tokenizers.ByteLevel(add_prefix_space=False), **changes)


def smollm() -> Any:
    steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    return made(pre_tokenizers.Sequence(steps))


def by_pattern(pattern: str, **changes: Any) -> Any:
    steps = [
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
    return made(pre_tokenizers.Sequence(steps), **changes)


def llama2() -> Any:
    """Splits nowhere; a space in front comes and goes."""
    normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return made(None, normalizer, models.BPE(unk_token="<|endoftext|>", fuse_unk=True), decoder)


KINDS = {
    "gpt2": gpt2,
    "smollm": smollm,
    "llama3": lambda: by_pattern(PATTERNS[0]),
    "qwen2": lambda: by_pattern(PATTERNS[1], normalizer=normalizers.NFC()),
    "llama2": llama2,
    "lower": lambda: gpt2(normalizer=normalizers.Lowercase()),
    "added token with a space": lambda: gpt2(added=("earns 12",)),
}
CUTTABLE = {"gpt2", "smollm", "llama3", "qwen2"}
