"""The attacks of a trial, ready for use: names, texts, and what each needs of a suite."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lookahead_ray.config.attack import AttackConfig, PrefillAttack, PrefillTextAttack, SuffixAttack
from lookahead_ray.data.rows import shown
from lookahead_ray.data.suites.suite import SafetySuite
from lookahead_ray.errors import DataError

NO_ATTACK = "none"
"""What tables call the plain request."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One way of asking: what is put behind the request, and what the answer is started with.

    At most one of the three is set; with none of them the request is asked plainly.
    """

    name: str = NO_ATTACK
    suffix: str = ""
    prefill: str = ""
    opening_tokens: int = 0  # the first so many tokens of the prompt's opening are prefilled

    def applies_to(self, suite: SafetySuite) -> bool:
        """Whether the suite has harmful requests and, for a prefill of openings, an opening for each."""
        return suite.has_openings if self.opening_tokens else bool(suite.harmful)

    def ask(self, request: str) -> str:
        """What the model is asked: the request, a space and the suffix."""
        return f"{request} {self.suffix}" if self.suffix else request


def load_attacks(configs: Sequence[AttackConfig]) -> tuple[Attack, ...]:
    """All attacks, in the configuration's order.

    Raises:
        DataError: a file of suffixes is missing, is no UTF-8 text, holds nothing, or two attacks would have
            the same name, because the same line comes twice.
    """
    attacks: dict[str, Attack] = {}
    for config in configs:
        for attack, where in _attacks(config):
            if attack.name in attacks:
                raise DataError(
                    f"{where}: suffixes must differ unless they have labels, got {shown(attack.suffix)} twice"
                )
            attacks[attack.name] = attack
    return tuple(attacks.values())


def _attacks(config: AttackConfig) -> Iterator[tuple[Attack, str]]:
    """Each attack, and where it comes from, for messages."""
    if isinstance(config, PrefillAttack):
        for name, count in zip(config.names, config.tokens, strict=True):
            yield Attack(name, opening_tokens=count), name
    elif isinstance(config, PrefillTextAttack):
        yield Attack(config.names[0], prefill=config.text), config.names[0]
    else:
        yield from _suffixes(config)


def _suffixes(config: SuffixAttack) -> Iterator[tuple[Attack, str]]:
    field = "evaluation.attacks: path"
    try:
        text = Path(config.path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DataError(f"{config.path}: {field}: must be a readable UTF-8 file, got {reason}") from error
    lines = [(line.strip(), number) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise DataError(f"{config.path}: {field}: must hold at least one suffix, got none")
    for count, (line, number) in enumerate(lines, 1):
        yield Attack(config.name(count, line), suffix=line), f"{config.path}: line {number}"
