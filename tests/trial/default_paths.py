"""A script: all default paths of a trial on a tiny model, while every product of bf16 matrices fails.

The model's and the classifier's files hold bf16 weights, as most do.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from lookahead_ray.config.load import load_sweep
from lookahead_ray.config.phrases import PhraseSource
from lookahead_ray.errors import ModelError
from lookahead_ray.hardware.precision import measure_matmul
from lookahead_ray.sweep.evaluate_model import evaluate_model
from lookahead_ray.sweep.hardware import fit_to_hardware
from lookahead_ray.sweep.search.seed_openings import seed_openings
from lookahead_ray.train.process_group import single_process_group
from lookahead_ray.trial.worker import run_worker
from tests.evaluate.judges.tiny_classifier import tiny_classifier
from tests.tiny import make_model

PRODUCTS = ("mm", "bmm", "addmm", "baddbmm", "attention", "linear", "matmul", "convolution")
CONFIGURATIONS = (
    [],
    ["training.lora={rank: 2}"],
    ["training.gradient_checkpointing=true"],
    ["method={name: token_kl}"],
    ["method={name: constrained_sft}"],
    ["method={name: sdft}"],
    ["merge={share: 0.5}"],
    ["training.lora={rank: 2}", "merge={share: 0.5}"],
    ["evaluation.kl_on=seed_answers"],
)


class NoBf16Products(TorchDispatchMode):
    """Raises an error when an operation multiplies bf16 matrices."""

    products = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        if any(product in name for product in PRODUCTS):
            self.products += 1
            tensors = [
                value for value in (*args, *(kwargs or {}).values()) if isinstance(value, torch.Tensor)
            ]
            assert not any(tensor.dtype == torch.bfloat16 for tensor in tensors), f"{name} in bf16"
        return func(*args, **(kwargs or {}))


def in_bf16(kind: Any, folder: Path) -> None:
    """Convert the weights in `folder` to bf16."""
    kind.from_pretrained(folder).to(torch.bfloat16).save_pretrained(folder)


def main(folder: Path) -> None:
    """Run everything; print the number of products."""
    make_model(folder / "model")
    in_bf16(AutoModelForCausalLM, folder / "model")
    judge = tiny_classifier(folder / "classifier", {"No.": "fine", "Sure!": "bad"}, "How?")
    in_bf16(AutoModelForSequenceClassification, folder / "classifier")
    space = folder / "space.yaml"
    space.write_text(
        f"model: {{path: '{folder / 'model'}'}}\n"
        "task: {name: word_problems, train_examples: 4, test_examples: 2}\n"
        "safety: {harmful_prompts: 2, benign_prompts: 1}\n"
        "preview: {strategy: true, length_tokens: 2}\n"
        "training: {epochs: 1, batch_size: 2, micro_batch_size: 1}\n"
        "evaluation: {safety_new_tokens: 2, task_new_tokens: 2}\n"
        "workers: 1\n"
    )
    judges = f"evaluation.judges=[{{name: refusal}}, {judge.model_dump_json()}]"
    measure_matmul("cpu")  # the choice itself multiplies both, once per process
    mode = NoBf16Products()
    with mode:
        with single_process_group():  # one for all, because DeepSpeed keeps the first it sees
            for overrides in CONFIGURATIONS:
                sweep = load_sweep(space, [judges, *overrides])
                config = fit_to_hardware(sweep, folder / "log", print).sweep.trial(lambda dimension: None)
                for trains in (False, True):
                    assert run_worker(config, trains, lambda progress: None)
        evaluate_model(load_sweep(space).reference(), "sweep", "trial", folder / "log", print)
        with suppress(ModelError):  # with random weights no two answers begin alike
            seed_openings(config, PhraseSource(model_openings=1, prompts=2, tokens=2), print)
    print("products", mode.products)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
