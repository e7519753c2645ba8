"""Which of two configurations is the simpler one."""

from math import inf

from lookahead_ray.trial.label import beside
from lookahead_ray.trial.record import TrialRecord

CHARACTERS_A_TOKEN = 4
"""What a previewed token counts as, to set true previews beside prefixes: usual for English text."""


def complexity(record: TrialRecord) -> tuple[float, ...]:
    """Sorts the simplest first.

    By what is done besides the preview (another method than vanilla, defences), then by how much the preview
    shows in characters (none, a short one, a long one), then by the cost in FLOPs, then by epochs.
    """
    training = record.config.get("training", {})
    return (
        len(list(beside(record.config))),
        _shown(record.config.get("preview", {})),
        inf if record.flops is None else record.flops,
        training.get("epochs", 0),
    )


def _shown(preview: dict[str, object]) -> float:
    match preview:
        case {"strategy": "true", "length_tokens": int(tokens)}:
            return CHARACTERS_A_TOKEN * tokens
        case {"strategy": "virtual", "prefix": str(prefix)}:
            return len(prefix)
        case _:
            return 0
