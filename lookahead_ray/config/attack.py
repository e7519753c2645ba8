"""What JSR tries against the model: one model for each kind of attack, told apart by `kind`.

An attack's name begins with `prefill_` or `suffix_` and says all that tells it from another's, so it can be
neither another's name nor a metric's:

    {kind: prefill, tokens: [1, 3]}                    prefill_1, prefill_3
    {kind: prefill_text, text: "Sure, here is"}        prefill_text_ and 8 digits of the text's hash
    {kind: prefill_text, text: …, label: sure}         prefill_text_sure
    {kind: suffix, path: suffixes.txt}                 suffix_ and 8 digits of a line's hash, for each line
    {kind: suffix, path: suffixes.txt, label: gcg}     suffix_gcg_1, suffix_gcg_2, … by line
"""

import hashlib
from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from lookahead_ray.config.base import Config

Label = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]


def short_hash(text: str) -> str:
    """8 hexadecimal digits that stand for a text in a name."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


class PrefillAttack(Config):
    """The answer is started with the first tokens of a harmful opening (the paper's JSR, with k = 3)."""

    kind: Literal["prefill"] = "prefill"

    tokens: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...],
        Field(strict=False, min_length=1),
        BeforeValidator(_as_list),
    ] = (3,)
    """How many tokens (k), without special ones; several, as in [1, 3, 5, 10], are an attack each and give
    the curve JSR(k). An opening with fewer tokens is prefilled whole."""

    @property
    def names(self) -> tuple[str, ...]:
        """One a number of tokens."""
        return tuple(f"prefill_{count}" for count in self.tokens)


class PrefillTextAttack(Config):
    """The answer is started with the same text for every request."""

    kind: Literal["prefill_text"]

    text: str = Field(min_length=1)
    """The text, as it is."""

    label: Label | None = None
    """What the attack is called after `prefill_text_`; null takes a hash of the text."""

    @property
    def names(self) -> tuple[str, ...]:
        """The one name."""
        return (f"prefill_text_{self.label or short_hash(self.text)}",)


class SuffixAttack(Config):
    """A text is put behind the request, with a space between; each line of a file is an attack."""

    kind: Literal["suffix"]

    path: str = Field(min_length=1)
    """Local UTF-8 file with a suffix a line; blank lines and white space around a line don't count."""

    label: Label | None = None
    """What the attacks are called after `suffix_`, before their number; null takes hashes of the lines."""

    def name(self, number: int, text: str) -> str:
        """The name of the suffix `text`, the file's `number`th, from 1."""
        return f"suffix_{self.label}_{number}" if self.label else f"suffix_{short_hash(text)}"

    @property
    def names(self) -> tuple[str, ...]:
        """What is known of the names before the file is read."""
        return (f"suffix_{self.label}" if self.label else f"suffix file {self.path}",)


AttackConfig = Annotated[PrefillAttack | PrefillTextAttack | SuffixAttack, Field(discriminator="kind")]


def _names_differ(attacks: tuple[AttackConfig, ...]) -> tuple[AttackConfig, ...]:
    names = Counter(name for attack in attacks for name in attack.names)
    for name, count in names.items():
        if count > 1:
            raise ValueError(f"must be attacks with names that differ, got {name} twice")
    return attacks


AttackList = Annotated[tuple[AttackConfig, ...], Field(strict=False), AfterValidator(_names_differ)]
"""Several attacks on the same requests, no two with the same name; the first one's JSR is the trial's."""
