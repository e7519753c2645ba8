"""Training by the peers, TRL's SFTTrainer and Transformers' Trainer: one process, the same token ids.

Their defaults are changed only where the work would differ (batch, updates, learning rate), for device and
precision, and to disable saving. Attention, optimiser, padding, logging and gradient checkpointing (on in
TRL) are their own.
"""

import importlib
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.common import Raw
from benchmarks.training import TRAINER, TRL, TRL_BEST, TRL_PACKED, TrainingSettings
from benchmarks.training_rows import MODEL, Clock, training_rows
from lookahead_ray.hardware.precision import torch_dtype

IGNORED = -100
KEPT: dict[str, Any] = {"gradient_checkpointing": False}
SETTINGS: dict[str, dict[str, Any]] = {
    TRL.name: {},
    TRL_BEST.name: KEPT,
    TRL_PACKED.name: KEPT | {"packing": True, "packing_strategy": "wrapped", "max_length": 1024},
    TRAINER.name: {},
}
"""Options of each variant in addition to the shared work."""
PACKED = 8  # rows of a micro-batch that one packed row replaces; a conservative estimate


def measure(variant: str, settings: dict[str, Any]) -> Raw:
    """Train with the library that `variant` names."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

    from lookahead_ray.model.load import resolve

    chosen = TrainingSettings(**settings)
    torch.set_num_threads(chosen.threads)
    tokenizer = AutoTokenizer.from_pretrained(resolve(MODEL), trust_remote_code=False)
    model = AutoModelForCausalLM.from_pretrained(
        resolve(MODEL), dtype=torch_dtype(chosen.precision), trust_remote_code=False
    )
    dataset = Dataset.from_list(
        [
            {
                "input_ids": [*row.prompt_ids, *row.answer_ids],
                "labels": [IGNORED] * len(row.prompt_ids) + list(row.answer_ids),
            }
            for row in training_rows(tokenizer, chosen)
        ]
    )
    clock = Clock()

    class Watch(TrainerCallback):
        def on_step_end(self, *arguments: Any, **more: Any) -> None:
            clock.step_ended()

    with tempfile.TemporaryDirectory(prefix="lookahead-ray-bench-") as scratch:
        make = _trainer if variant == TRAINER.name else _trl
        trainer = make(model, tokenizer, dataset, [Watch()], training_arguments(variant, chosen, scratch))
        counting = _Counting(trainer.data_collator)
        trainer.data_collator = counting
        done = trainer.train()
    raw = clock.raw(
        counting.by_step("tokens", trainer.args.gradient_accumulation_steps),
        counting.by_step("answer_tokens", trainer.args.gradient_accumulation_steps),
        done.training_loss,
    )
    return {
        **raw,
        "dtype": str(model.dtype),
        "bf16_flag": trainer.args.bf16,
        "attention": model.config._attn_implementation,
        "gradient_checkpointing": trainer.args.gradient_checkpointing,
        "optimiser": trainer.args.optim.value,
    }


def training_arguments(variant: str, settings: TrainingSettings, folder: str) -> dict[str, Any]:
    """Return the arguments of the library's configuration: the shared work and the variant's options."""
    arguments: dict[str, Any] = {
        "output_dir": folder,
        "per_device_train_batch_size": settings.micro_batch_size,
        "gradient_accumulation_steps": settings.batch_size // settings.micro_batch_size,
        "num_train_epochs": 1,
        "learning_rate": settings.learning_rate,
        "seed": settings.seed,
        "bf16": settings.precision == "bf16",  # TRL's default is true
        "use_cpu": settings.device == "cpu",
        "save_strategy": "no",
        "report_to": "none",
    }
    if variant == TRL_PACKED.name:
        arguments["per_device_train_batch_size"] = max(1, settings.micro_batch_size // PACKED)
    return arguments | SETTINGS[variant]


def _trl(model: Any, tokenizer: Any, dataset: Any, callbacks: list[Any], arguments: dict[str, Any]) -> Any:
    trl: Any = importlib.import_module("trl")  # its exports are lazy, which type checkers can't follow
    return trl.SFTTrainer(
        model=model,
        args=trl.SFTConfig(**arguments),
        train_dataset=dataset,
        processing_class=tokenizer,
        callbacks=callbacks,
    )


def _trainer(
    model: Any, tokenizer: Any, dataset: Any, callbacks: list[Any], arguments: dict[str, Any]
) -> Any:
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    return Trainer(
        model=model,
        args=TrainingArguments(**arguments),
        train_dataset=dataset,
        data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED),
        processing_class=tokenizer,
        callbacks=callbacks,
    )


class _Counting:
    """A collator that counts tokens; loaders request batches ahead of time but in order."""

    def __init__(self, collate: Callable[[Sequence[Any]], Any]) -> None:
        self._collate = collate
        self._batches: list[dict[str, int]] = []

    def __call__(self, rows: Sequence[Any]) -> Any:
        batch = self._collate(rows)
        self._batches.append(
            {
                "tokens": int(batch["attention_mask"].sum()),
                "answer_tokens": int((batch["labels"] != IGNORED).sum()),
            }
        )
        return batch

    def by_step(self, name: str, accumulation: int) -> list[int]:
        """Return the sums over the micro-batches of each optimiser step."""
        counts = [batch[name] for batch in self._batches]
        return [sum(counts[start : start + accumulation]) for start in range(0, len(counts), accumulation)]
