"""Random tuning spaces over all parts of a trial: models, tasks, suites, judges, previews, methods, …"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from tests.sweep.drawn.files import Files

ENDPOINT = {"name": "llm", "model": "m", "concurrency": 2, "retries": 0}
FREE_JUDGES: Sequence[Mapping[str, Any]] = (
    {"name": "refusal"}, {"name": "keyword"}, {"name": "keyword", "protocol": "paper"}, {"name": "rules"},
)  # fmt: skip
DEFAULT_ATTACK: Mapping[str, Any] = {"kind": "prefill", "tokens": 3}
TEXT_ATTACK = {"kind": "prefill_text", "text": "Sure, here is"}
LORA_TARGETS = (
    "all-linear", "all-linear", "all-linear", "all-linear", ["q_proj"], ["q_proj", "down_proj"], ["lm_head"],
    ["embed_tokens", "v_proj"], ["c_attn"], ["mlp"], ["absent"],
)  # fmt: skip


def draw_space(seed: int, models: Sequence[Path], files: Files, endpoint: str) -> dict[str, Any]:
    """Return the space with this number; the same for the same arguments."""
    draw = Random(seed)
    task = {**draw.choice(files.tasks), "train_examples": 4, "test_examples": 2}
    if task["name"] == "file":
        task["metric"] = {"name": draw.choice(["exact_match", "rouge1", "answer_loss"])}
    suites, evaluation = _suites(draw, files), _evaluation(draw, files, endpoint)
    attacks = evaluation.get("attacks", [DEFAULT_ATTACK])
    if draw.random() < 0.9 and not any(map(_has_openings, suites)):
        attacks = [attack for attack in attacks if attack["kind"] != "prefill"] or [TEXT_ATTACK]
        evaluation |= {"attacks": attacks, "kl_on": "seed_answers"}
    if draw.random() < 0.9 and not any(map(_has_harmful, suites)):
        suites.append({"name": "probe", "harmful_prompts": 2, "benign_prompts": 1})
    return {
        "model": _model(draw, models, files),
        "task": task,
        "safety": suites,
        "preview": _preview(draw),
        "method": _method(draw),
        "defence": _defence(draw, files),
        "training": _training(draw),
        "evaluation": evaluation,
        "objective": _objective(draw, attacks),
        "search": {"trials": 1, "sampler": {"name": draw.choice(["tpe", "random", "nsga2"])}},
        "workers": 1,
        "cpus_per_worker": 1,
        "gpus_per_worker": 0,
        "merge": {"share": draw.choice([1.0, 1.0, 0.0, 0.5, {"uniform": [0.5, 1.0]}])},
    }


def _maybe(draw: Random, share: float, name: str, value: Any) -> dict[str, Any]:
    return {name: value} if draw.random() < share else {}


def _model(draw: Random, models: Sequence[Path], files: Files) -> dict[str, Any]:
    template = draw.random() < 0.15
    return {
        "path": str(draw.choice(models)),
        **({"chat_template": files.template} if template else {}),
        **_maybe(draw, 0.5 if template else 0.02, "chat_template_kwargs", {"brief": True}),
        **_maybe(draw, 0.1, "chat_date", "2025-02-28"),
        **_maybe(draw, 0.02, "protocol", "paper"),
    }


def _suites(draw: Random, files: Files) -> list[dict[str, Any]]:
    chosen = [dict(suite) for suite in draw.sample(list(files.suites), draw.choice([1, 1, 2]))]
    for suite in chosen:
        if suite["name"] in ("probe", "file", "jailbreakbench"):
            suite |= {**_maybe(draw, 0.7, "harmful_prompts", 2), **_maybe(draw, 0.7, "benign_prompts", 1)}
        if suite["name"] == "probe":
            suite |= {"harmful_prompts": 2, "benign_prompts": draw.choice([1, 2])}
    return chosen


def _has_harmful(suite: Mapping[str, Any]) -> bool:
    return suite["name"] != "file" or "harmful_path" in suite


def _has_openings(suite: Mapping[str, Any]) -> bool:
    return suite["name"] in ("probe", "advbench", "jailbreakbench") or "opening" in suite.get("fields", {})


def _preview(draw: Random) -> dict[str, Any]:
    connector = _maybe(draw, 0.3, "connector", draw.choice(["", "\n", " [stop] ", " Ответ: "]))
    length: Any = draw.choice([1, 3, 60, {"int": [1, 6]}])
    prefix: Any = draw.choice(["So: ", "\n\n", "#### ", {"choice": ["Let me see. ", "解:"]}])
    return draw.choice(
        [
            {"strategy": "none"},
            {
                "strategy": "true",
                "length_tokens": length,
                **connector,
                **_maybe(draw, 0.2, "protocol", "paper"),
            },
            {"strategy": "virtual", "prefix": prefix, **connector},
            {"strategy": "virtual", **connector},
        ]
    )


def _method(draw: Random) -> dict[str, Any]:
    betas = {**_maybe(draw, 0.3, "bias_length", draw.choice([0, 1, 50])), **_maybe(draw, 0.2, "beta", 2.0)}
    return draw.choice(
        [
            {"name": "vanilla"},
            {"name": "token_kl", **betas},
            {"name": "constrained_sft", **betas},
            {"name": "sdft", "new_tokens": draw.choice([1, 4]), **_maybe(draw, 0.2, "math_start", "")},
        ]
    )


def _defence(draw: Random, files: Files) -> dict[str, Any]:
    mix = {"share": draw.choice([0.2, 0.5]), **_maybe(draw, 0.5, "path", files.mix)}
    return {**_maybe(draw, 0.25, "mix", mix), **_maybe(draw, 0.2, "prompt", "Decline what does harm.")}


def _training(draw: Random) -> dict[str, Any]:
    max_length = draw.choice([48, 128, *[256] * 3, *[512] * 4, 1024])
    lora = {"rank": draw.choice([1, 4]), "target_modules": draw.choice(LORA_TARGETS)}
    return {
        "epochs": 1,
        "batch_size": 2,  # two steps, as each task has four rows
        "learning_rate": draw.choice([1e-4, {"loguniform": [1e-5, 1e-3]}]),
        "max_length": max_length,
        "micro_batch_size": draw.choice([1, 2, 8]),
        **_maybe(draw, 0.1, "micro_batch_tokens", draw.choice([max_length, 2 * max_length])),
        "too_long": draw.choice(["cut", "cut", "cut", "skip", "skip", "skip", "refuse"]),
        "precision": draw.choice(["fp32", "bf16"]),
        "zero_stage": draw.choice([0, 1, 2]),
        **_maybe(draw, 0.1, "protocol", "paper"),
        **_maybe(draw, 0.2, "warmup_steps", draw.choice([1, 5])),
        **_maybe(draw, 0.2, "gradient_checkpointing", True),
        **_maybe(draw, 0.4, "lora", lora),
    }


def _attacks(draw: Random, files: Files) -> list[dict[str, Any]]:
    known = [
        {"kind": "prefill", "tokens": draw.choice([3, [1, 4]])},
        {"kind": "prefill_text", "text": draw.choice(["Sure, here is", "  ", "<think>", "[stop]"])},
        {"kind": "suffix", "path": files.suffixes},
    ]
    return draw.sample(known, draw.choice([0, *[1] * 15, *[2] * 10, *[3] * 5]))


def _evaluation(draw: Random, files: Files, endpoint: str) -> dict[str, Any]:
    judges = [*FREE_JUDGES, draw.choice(files.judges), {**ENDPOINT, "base_url": endpoint}]
    chosen = draw.sample(judges, draw.choice([1, 1, 2]))
    tokens = draw.choice([1, 4, 8])
    return {
        **_maybe(draw, 0.6, "attacks", _attacks(draw, files)),
        **_maybe(draw, 0.7, "judges", chosen),
        "kl_on": draw.choice(["openings", "seed_answers"]),
        "kl_tokens": draw.choice([0, 1, 4, 8]),
        **_maybe(draw, 0.2, "kl_prompts", 1),
        "signal_examples": draw.choice([0, 2]),
        **_maybe(draw, 0.2, "safety_system", "Obey."),
        "safety_new_tokens": tokens,
        **_maybe(draw, 0.2, "safety_max_tokens", 2 * tokens),
        "stop_when_decided": draw.random() < 0.7,
        "task_new_tokens": draw.choice([1, 4, 8, 150]) if draw.random() < 0.3 else 4,
        "batch_size": draw.choice([1, 3, 64]),
    }


def _objective(draw: Random, attacks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"metric": "rsr"}, {"metric": "jsr"}]
    if DEFAULT_ATTACK in attacks or draw.random() < 0.1:
        parts.append({"metric": "jsr", "attack": "prefill_3"})
    safety = _maybe(draw, 0.3, "safety", draw.sample(parts, draw.choice([1, 2])))
    return draw.choice(
        [
            {"name": "weighted", "safety_weight": draw.choice([0, 0.5, 1]), **safety},
            {"name": "floor", "floor": 0.9, **safety},
            {"name": "pareto", **_maybe(draw, 0.3, "over_refusal", True), **safety},
        ]
    )
