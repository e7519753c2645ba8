"""Attacks of a trial, ready for use: their names, texts, and the suites that each applies to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lookahead_ray.config.attack import AttackConfig, PrefillAttack, PrefillTextAttack, SuffixAttack
from lookahead_ray.data.readers import read_lines
from lookahead_ray.data.rows import quote
from lookahead_ray.data.suites.suite import SafetySuite
from lookahead_ray.errors import DataError

NO_ATTACK = "none"
"""Name of the plain request in tables."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack: a suffix appended to the request, or a prefilled start of the answer.

    At most one of the three is set; with none of them the request is sent plainly.
    """

    name: str = NO_ATTACK
    suffix: str = ""
    prefill: str = ""
    opening_tokens: int = 0  # number of first tokens of the prompt's opening to prefill

    def applies_to(self, suite: SafetySuite) -> bool:
        """Return whether the suite has harmful requests and, to prefill openings, an opening for each."""
        return suite.has_openings if self.opening_tokens else bool(suite.harmful)

    def apply(self, request: str) -> str:
        """Return the prompt: the request, a space and the suffix."""
        return f"{request} {self.suffix}" if self.suffix else request


def load_attacks(configs: Sequence[AttackConfig]) -> tuple[Attack, ...]:
    """Load all attacks, in the configuration's order.

    Raises:
        DataError: a file of suffixes is missing, is no UTF-8 text or is empty, or two attacks have the same
            name, because the same line occurs twice.
    """
    attacks: dict[str, Attack] = {}
    for config in configs:
        for attack, where in _attacks(config):
            if attack.name in attacks:
                raise DataError(
                    f"{where}: suffixes must differ unless they have labels, got {quote(attack.suffix)} twice"
                )
            attacks[attack.name] = attack
    return tuple(attacks.values())


def _attacks(config: AttackConfig) -> Iterator[tuple[Attack, str]]:
    """Yield each attack and its source, for messages."""
    if isinstance(config, PrefillAttack):
        for name, count in zip(config.names, config.tokens, strict=True):
            yield Attack(name, opening_tokens=count), name
    elif isinstance(config, PrefillTextAttack):
        yield Attack(config.names[0], prefill=config.text), config.names[0]
    else:
        yield from _suffixes(config)


def _suffixes(config: SuffixAttack) -> Iterator[tuple[Attack, str]]:
    try:
        lines = read_lines(config.path)
    except DataError as error:
        message = str(error).removeprefix(f"{config.path}: ")
        raise DataError(f"{config.path}: evaluation.attacks: {message}") from error
    if not lines:
        rule = "must hold at least one suffix"
        raise DataError(f"{config.path}: evaluation.attacks: path: {rule}, got none")
    for count, (where, line) in enumerate(lines, 1):
        yield Attack(config.name(count, line), suffix=line), where
