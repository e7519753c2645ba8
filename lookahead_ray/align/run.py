"""`lookahead-ray align`: training of the adapter in `assets/adapter` from the unaligned embedded model."""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lookahead_ray.align.distillation_loss import align_loss
from lookahead_ray.align.evaluate import LINE_EVERY_S, measure
from lookahead_ray.align.examples import SYSTEM_PROMPTS, benign_rows, harmful_rows, opening_rows, problem_rows
from lookahead_ray.config.align import AlignConfig
from lookahead_ray.config.load import content_hash, validate_tree
from lookahead_ray.config.model import EMBEDDED_UNALIGNED, ModelConfig
from lookahead_ray.data.alignment_prompts import read_requests
from lookahead_ray.data.chat import Rendered, prompt_ids
from lookahead_ray.evaluate.generation.base import DecodingSettings
from lookahead_ray.evaluate.generation.registry import build_generator
from lookahead_ray.hardware.precision import local_precision, measure_matmul, torch_dtype
from lookahead_ray.method import vanilla
from lookahead_ray.method.reporting import Every, GenerationProgress
from lookahead_ray.model.load import load_model, load_tokenizer, model_hash
from lookahead_ray.train.batches import optimiser_steps, plan_batches
from lookahead_ray.train.engine import build_engine, prepare_environment, release_engine
from lookahead_ray.train.loop import train
from lookahead_ray.train.model import prepare_model
from lookahead_ray.train.packing import packs
from lookahead_ray.train.process_group import single_process_group
from lookahead_ray.train.step import Step

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BASE = ModelConfig(path=EMBEDDED_UNALIGNED)
ANSWER_BATCH = 96


def align(out: Path, overrides: Sequence[str], report: Callable[[str], None]) -> None:
    """Train the adapter and write it, with provenance.json, to `out`.

    Raises:
        ConfigError: an override is invalid.
        ModelError: the embedded model's package is missing.
    """
    config = validate_tree(AlignConfig, overrides)
    start = time.monotonic()
    prepare_environment(on_gpu=False)
    torch.set_num_threads(config.threads or os.cpu_count() or 1)
    tokenizer = load_tokenizer(BASE)
    if config.training.precision == "auto":
        precision = local_precision("cpu")
        training = config.training.model_copy(update={"precision": precision})
        config = config.model_copy(update={"training": training})
        report(f"{precision}: {measure_matmul('cpu').reason()}")
    dtype = torch_dtype(config.training.precision)
    model = load_model(BASE, dtype)
    harmful, benign = read_requests("harmful"), read_requests("benign")
    report(f"{len(harmful)} harmful and {len(benign)} benign requests; the model answers the benign ones")
    answers = _own_answers(model, tokenizer, [request.prompt for request in benign], config, report)
    rows: list[Rendered] = []
    for draw in range(config.training.epochs):
        seed = config.seed * 1000 + draw
        rows += harmful_rows(tokenizer, harmful, seed)
        rows += benign_rows(tokenizer, benign, answers, config.answer_tokens, seed)
        rows += opening_rows(tokenizer, harmful, benign, answers, config.openings, seed)
        rows += problem_rows(tokenizer, config.word_problems, config.training.max_length, seed)
    # Each epoch is a separate draw, so the engine does one pass over all draws.
    training = config.training.model_copy(update={"epochs": 1})
    total = optimiser_steps(len(rows), 1, training.batch_size)
    torch.manual_seed(config.seed)
    wrapped = prepare_model(model, training)

    def on_step(step: Step) -> None:
        if step.step % 10 == 0 or step.step == total:
            left = (time.monotonic() - trained_from) / step.step * (total - step.step)
            report(
                f"step {step.step}/{total}, loss {step.loss:.3f} nats per answer token, "
                f"{step.tokens / step.seconds:.0f} tokens/s, about {left / 60:.0f} min left"
            )

    trained_from = time.monotonic()
    with single_process_group():
        lengths = [row.length for row in rows]
        plan = plan_batches(lengths, training, world_size=1, seed=config.seed, packed=packs(wrapped))
        engine = build_engine(
            wrapped, training, world_size=1, total_steps=total, accumulation=len(plan[0].micro)
        )
        steps = train(
            engine,
            rows,
            align_loss(vanilla.answer_loss, tokenizer.pad_token_id, config.opening_weight),
            training,
            seed=config.seed,
            on_step=on_step,
        )
        release_engine(engine)
    adapter_config: Any = wrapped.peft_config["default"]
    adapter_config.lora_alpha *= config.scale
    adapter_config.base_model_name_or_path = "HuggingFaceTB/SmolLM2-135M-Instruct"
    wrapped.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)  # peft's empty model card
    provenance = {
        "command": " ".join(["lookahead-ray align", *(f"--set {assignment}" for assignment in overrides)]),
        "config": config.model_dump(mode="json"),
        "base_model_hash": model_hash(BASE),
        "data_hash": content_hash([[*row.prompt_ids, *row.answer_ids] for row in rows]),
        "rows": len(rows),
        "final_loss": steps[-1].loss,
        "figures": measure(out, dtype, report),
        "seconds": round(time.monotonic() - start),
        "versions": {"python": sys.version.split()[0], "torch": torch.__version__},
    }
    (out / "provenance.json").write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")
    report(f"adapter written to {out} after {time.monotonic() - start:.0f} s")


def _own_answers(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[str],
    config: AlignConfig,
    report: Callable[[str], None],
) -> list[list[int]]:
    every = Every(LINE_EVERY_S)

    def on_generation(progress: GenerationProgress) -> None:
        if every.due(progress.done >= progress.total):
            report(f"answering {len(prompts)} prompts · {progress}")

    generator = build_generator(model, DecodingSettings.of(model, tokenizer, ANSWER_BATCH))
    rendered = [prompt_ids(tokenizer, prompt, SYSTEM_PROMPTS[1]) for prompt in prompts]
    return generator.generate(rendered, config.answer_tokens, on_generation)
