"""Attacks for JSR: one configuration model per kind of attack, selected by `kind`.

An attack's name begins with `prefill_` or `suffix_` and contains everything that distinguishes the attack, so
it never equals the name of another attack or of a metric:

    {kind: prefill, tokens: [1, 3]}                    prefill_1, prefill_3
    {kind: prefill_text, text: "Sure, here is"}        prefill_text_ and 8 digits of the text's hash
    {kind: prefill_text, text: …, label: sure}         prefill_text_sure
    {kind: suffix, path: suffixes.txt}                 suffix_ and 8 digits of the line's hash, for each line
    {kind: suffix, path: suffixes.txt, label: gcg}     suffix_gcg_1, suffix_gcg_2, … in the order of lines
"""

import hashlib
from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from lookahead_ray.config.base import Config

Label = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]


def short_hash(text: str) -> str:
    """Return the first 8 hexadecimal digits of the text's SHA-256, which represent the text in names."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


class PrefillAttack(Config):
    """Prefill attack: the answer starts with the first tokens of a harmful opening (paper's JSR, k = 3)."""

    kind: Literal["prefill"] = "prefill"

    tokens: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...],
        Field(strict=False, min_length=1),
        BeforeValidator(_as_list),
    ] = (3,)
    """Number of prefilled tokens (k), without special tokens. A list such as [1, 3, 5, 10] defines one attack
    per entry and gives the curve JSR(k). A shorter opening is prefilled whole."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return one name for each number of tokens."""
        return tuple(f"prefill_{count}" for count in self.tokens)


class PrefillTextAttack(Config):
    """Prefill attack that starts the answer with the same text for every request."""

    kind: Literal["prefill_text"]

    text: str = Field(min_length=1)
    """The prefilled text, used verbatim."""

    label: Label | None = None
    """Name of the attack after `prefill_text_`; null uses a hash of the text."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the attack's name as a tuple of one."""
        return (f"prefill_text_{self.label or short_hash(self.text)}",)


class SuffixAttack(Config):
    """Suffix attack: a text is appended to the request after a space; each line of a file is an attack."""

    kind: Literal["suffix"]

    path: str = Field(min_length=1)
    """Text file, also at an fsspec URL, with one suffix per line. Blank lines and white space around a line
    are ignored."""

    label: Label | None = None
    """Name of the attacks between `suffix_` and their number; null uses a hash of each line instead."""

    def name(self, number: int, text: str) -> str:
        """Return the name of the suffix `text`, which is number `number` in the file, counted from 1."""
        return f"suffix_{self.label}_{number}" if self.label else f"suffix_{short_hash(text)}"

    @property
    def names(self) -> tuple[str, ...]:
        """Return what is known about the names before the file is read, as a tuple of one."""
        return (f"suffix_{self.label}" if self.label else f"suffix file {self.path}",)


AttackConfig = Annotated[PrefillAttack | PrefillTextAttack | SuffixAttack, Field(discriminator="kind")]


def _names_differ(attacks: tuple[AttackConfig, ...]) -> tuple[AttackConfig, ...]:
    names = Counter(name for attack in attacks for name in attack.names)
    for name, count in names.items():
        if count > 1:
            raise ValueError(f"must be attacks with names that differ, got {name} twice")
    return attacks


AttackList = Annotated[tuple[AttackConfig, ...], Field(strict=False), AfterValidator(_names_differ)]
"""Attacks on the same requests, with distinct names. The JSR of the first attack is the trial's JSR."""
