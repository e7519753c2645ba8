"""Two cheap defences for use with any method: safety examples in training, a safety prompt at inference."""

import random
from collections.abc import Iterable, Sequence

from lookahead_ray.config.defence import DefenceConfig, SafetyMix
from lookahead_ray.data.alignment_prompts import REFUSALS, read_requests
from lookahead_ray.data.example import Example
from lookahead_ray.data.readers import read_jsonl
from lookahead_ray.errors import DataError


def inference_system(system: str | None, config: DefenceConfig) -> str | None:
    """Return the system prompt of evaluations: `system` with the safety prompt, if any, prepended."""
    return "\n\n".join(filter(None, (config.prompt, system))) or None


def safety_examples(
    config: SafetyMix | None, training: Sequence[Example], held_out: Iterable[str]
) -> list[Example]:
    """Return harmful requests with refusals, at least one, that make up `config.share` of all examples.

    Requests are drawn without repetition until all are used, then again with newly drawn refusals; each gets
    the system prompt of a random training example. Requests in `held_out` (ignoring white space and case) are
    excluded, so that the model is not trained on prompts that measure safety.

    Raises:
        DataError: the file breaks a rule, or all its requests are excluded.
    """
    if config is None:
        return []
    never = {_key(prompt) for prompt in held_out}
    if config.path is None:
        rows: list[tuple[str, str | None]] = [(request.prompt, None) for request in read_requests("harmful")]
    else:
        rows = read_mix(config.path)
    pool = [(prompt, answer) for prompt, answer in rows if _key(prompt) not in never]
    if not pool:
        where = config.path or "the project's alignment requests"
        raise DataError(
            f"{where}: path: must hold requests that are not evaluated on, got {len(rows)} that are"
        )
    draw = random.Random(f"safety-mix/{config.seed}")
    wanted = max(1, round(config.share / (1 - config.share) * len(training)))
    examples: list[Example] = []
    while len(examples) < wanted:
        draw.shuffle(pool)
        for prompt, answer in pool[: wanted - len(examples)]:
            system = draw.choice(training).system
            examples.append(Example(system, prompt, answer or draw.choice(REFUSALS)))
    return examples


def _key(prompt: str) -> str:
    return " ".join(prompt.split()).casefold()


def read_mix(path: str) -> list[tuple[str, str | None]]:
    """Return (prompt, answer or None) of each row of a file. Raises DataError naming file, line and field."""
    return [(row.text("prompt"), row.text_if_given("answer")) for row in read_jsonl(path)]
