"""The model card of a trained model: its training data, its training, and its measured safety and utility.

Names, paths and phrases in it come from files and configurations: each is put on one line, and escaped so
that it is not markup in Markdown or HTML.
"""

import html
import re
from collections.abc import Iterator, Sequence
from typing import Any

from lookahead_ray.evaluate.rates import rate
from lookahead_ray.presentation.harness_table import harness_scores
from lookahead_ray.sanitize import clean
from lookahead_ray.trial.label import label
from lookahead_ray.trial.record import Metric, Rate, TrialRecord

TITLES: dict[Metric, str] = {
    "rsr": "RSR: harmful requests refused",
    "jsr": "JSR: the same under attack",
    "over_refusal": "over-refusal: harmless requests refused",
    "utility": "utility: mean score on the task's prompts",
}
TRAINING = (
    "protocol", "learning_rate", "epochs", "batch_size", "max_length", "weight_decay", "betas",
    "warmup_steps", "max_grad_norm", "precision", "lora",
)  # fmt: skip
MERGED = {"merge_layers": "linear layers that training changed", "merge_moved_layers": "moved back of these"}
"""Count of a merge in `preparation` -> its title."""
MARKUP = re.compile(r"[\\`*_\[\]|~$#!@]|:(?=//)|(?<=www)\.")


def model_card(record: TrialRecord, adapter: bool, command: str) -> str:
    """Return the card as Markdown that begins with the hub's metadata block."""
    return "\n".join([*_metadata(adapter), *_head(record, adapter), *_training(record), *_measured(record),
                      *_origin(record, command), ""])  # fmt: skip


def escaped(value: object) -> str:
    """Return `value` as one line of text that Markdown shows verbatim."""
    return MARKUP.sub(r"\\\g<0>", html.escape(clean(str(value)), quote=False))


def _metadata(adapter: bool) -> list[str]:
    from huggingface_hub import ModelCardData  # slow; here Transformers has imported it already

    fields = ModelCardData(
        library_name="peft" if adapter else "transformers",
        pipeline_tag="text-generation",
        tags=["lookahead-tuning", "lookahead-ray"],
    )
    return ["---", fields.to_yaml(), "---", ""]


def _head(record: TrialRecord, adapter: bool) -> list[str]:
    config = record.config
    kept = (
        "This directory holds the LoRA adapter alone."
        if adapter
        else "The LoRA adapter is merged into the weights."
        if config["training"]["lora"]
        else "All weights were trained."
    )
    return [
        f"# {escaped(config['model']['path'])}, fine-tuned on {escaped(config['task']['name'])}",
        "",
        " ".join([f"Fine-tuned with lookahead-ray: {escaped(label(config))}. {kept}", *_merged(config)]),
        "",
    ]


def _merged(config: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence on the merge with the seed model, if there was one."""
    if merge := config.get("merge"):
        name = escaped(merge["name"])
        which = "all weights" if name == "linear" else f"the weights that the merge {name} chooses"
        yield (
            f"Then {which} were moved back towards the seed model's: a share of {merge['share']:.6g} of "
            "their change by training is kept."
        )


def _training(record: TrialRecord) -> list[str]:
    config, measured = record.config, record.measurement
    assert measured  # a trained model was measured
    prepared = measured.preparation
    rows: list[tuple[str, object]] = [
        ("seed model", _given(config["model"])),
        ("task", _given(config["task"])),
        ("training examples", f"{prepared.get('training_examples', 0):.0f}"),
        ("safety examples among them", f"{prepared.get('safety_examples', 0):.0f}"),
        ("data hash", measured.data_hash),
        ("model hash of the seed model", measured.model_hash),
        ("method", _given(config["method"])),
        ("preview", _given(config["preview"])),
        *([("merge", _given(merge))] if (merge := config.get("merge")) else []),
        *((title, f"{prepared[name]:.0f}") for name, title in MERGED.items() if name in prepared),
        *((name, config["training"][name]) for name in TRAINING),
        ("random seed", config["seed"]),
        ("workers", measured.workers),
        ("training tokens", f"{measured.train_tokens:,}"),
        ("FLOPs", f"{measured.flops:.3g}"),
        ("last loss, nats per answer token", f"{measured.steps[-1].loss:.4f}" if measured.steps else "–"),
    ]
    return ["## Training", "", *_table(("what", "value"), rows), ""]


def _measured(record: TrialRecord) -> list[str]:
    keys = dict.fromkeys((row.metric, row.suite, row.attack, row.judge) for row in record.generations)
    rows = []
    for metric, suite, attack, judge in keys:
        chosen = [g for g in record.generations if (g.metric, g.suite, g.attack, g.judge) ==
                  (metric, suite, attack, judge)]  # fmt: skip
        found = rate(chosen, metric)
        if found:
            rows.append((TITLES[metric], suite, attack, judge, *_figures(found)))
    for score in harness_scores(record):
        n = "–" if score.n is None else str(score.n)
        rows.append(("lm-eval", score.name, "none", "–", f"{score.value:.3f}", score.interval, n, "–"))
    lines = _table(
        ("measure", "suite or task", "attack", "judge", "rate", "95 % interval", "n", "unparsed"), rows
    )
    notes = [
        "",
        "Intervals: Wilson's, of means of scores Student's. Answers without a verdict are in n and count as "
        "neither safe nor correct, unless the judge's protocol drops them.",
        "Safety depends on the requests: these figures do not cover other requests.",
    ]
    if record.kl:
        values = ", ".join(f"{value:.3f}" for value in record.kl)
        notes += ["", f"KL to the seed model at the first answer tokens of harmful requests, nats: {values}."]
    return ["## Measured", "", *lines, *notes, ""]


def _origin(record: TrialRecord, command: str) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", command)), default=0))
    return [
        "## Reproduction",
        "",
        f"Versions: {escaped(versions)}. Started {escaped(record.started_at)}.",
        "",
        f"{fence}sh",
        clean(command),
        fence,
    ]


def _given(part: dict[str, Any]) -> str:
    """Return a part of the configuration as text, its name first, without null fields."""
    rest = {
        key: value for key, value in part.items() if value is not None and key not in ("name", "strategy")
    }
    name = part.get("name", part.get("strategy"))
    return ", ".join([*([str(name)] if name else []), *(f"{key} {value!r}" for key, value in rest.items())])


def _figures(found: Rate) -> tuple[str, str, str, str]:
    return (
        f"{100 * found.value:.1f} %",
        f"{100 * found.low:.1f} to {100 * found.high:.1f}",
        str(found.n),
        str(found.unparsed),
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(escaped, row))} |"
