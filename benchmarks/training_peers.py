"""Training by the peers, TRL's SFTTrainer and Transformers' Trainer: one process, the same token ids.

Their defaults are changed only where the work would differ (batch, updates, learning rate), for device and
precision, and to disable saving. Attention, optimiser, padding, logging and gradient checkpointing (on in
TRL) are their own, except for the options of a search for TRL's best settings (`training_search`).
"""

import importlib
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.clock import Clock
from benchmarks.common import Raw
from benchmarks.training_search import COMPILED_WARM_UP, GPU_ATTENTION
from benchmarks.training_settings import TRAINER, TrainingSettings
from lookahead_ray.data.chat import Rendered
from lookahead_ray.hardware.precision import torch_dtype

IGNORED = -100
LIGER = {"rms_norm": True, "rope": True, "swiglu": True, "fused_linear_cross_entropy": False}
PACKED_LENGTH = 1024
PACKED = 8  # rows of a micro-batch that one packed row replaces; a conservative estimate
ROWS: dict[str, dict[str, Any]] = {
    "padded": {},
    "grouped": {"train_sampling_strategy": "group_by_length"},
    "padding_free": {"padding_free": True, "max_length": None},
    "packed": {"packing": True, "packing_strategy": "bfd", "max_length": PACKED_LENGTH},
}
"""Arguments of TRL for each shape of rows that `training_search` tries."""


def measure(variant: str, settings: dict[str, Any]) -> Raw:
    """Train the embedded model with the library that `variant` names."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from benchmarks.training_rows import MODEL, training_rows
    from lookahead_ray.model.load import resolve

    chosen = TrainingSettings(**settings)
    torch.set_num_threads(chosen.threads)
    tokenizer = AutoTokenizer.from_pretrained(resolve(MODEL), trust_remote_code=False)
    model: Any = AutoModelForCausalLM.from_pretrained(
        resolve(MODEL), dtype=torch_dtype(chosen.precision), trust_remote_code=False, **attention(chosen)
    )
    model.to(chosen.device)
    return train(variant, chosen, model, tokenizer, training_rows(tokenizer, chosen))


def train(
    variant: str, settings: TrainingSettings, model: Any, tokenizer: Any, rows: Sequence[Rendered]
) -> Raw:
    """Train `model` on `rows` with the library that `variant` names."""
    from datasets import Dataset
    from transformers import TrainerCallback

    dataset = Dataset.from_list(
        [
            {
                "input_ids": [*row.prompt_ids, *row.answer_ids],
                "labels": [IGNORED] * len(row.prompt_ids) + list(row.answer_ids),
            }
            for row in rows
        ]
    )
    clock = Clock(COMPILED_WARM_UP if settings.peer and settings.peer["compile"] else 1)

    class Watch(TrainerCallback):
        def on_step_end(self, *arguments: Any, **more: Any) -> None:
            clock.step_ended()

    with tempfile.TemporaryDirectory(prefix="lookahead-ray-bench-") as scratch:
        make = _trainer if variant == TRAINER.name else _trl
        trainer = make(model, tokenizer, dataset, [Watch()], training_arguments(variant, settings, scratch))
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
    return arguments | trl_options(settings) if settings.peer else arguments


def trl_options(settings: TrainingSettings) -> dict[str, Any]:
    """Return the arguments of TRL for the options in `settings.peer`."""
    options = settings.peer or {}
    size = options["micro_batch_size"]
    per_pass = max(1, size // PACKED) if options["rows"] == "packed" else size
    return {
        "gradient_checkpointing": False,
        "per_device_train_batch_size": per_pass,
        "gradient_accumulation_steps": settings.batch_size // size,
        "torch_compile": options["compile"],
        "use_liger_kernel": options["liger"],
        **({"liger_kernel_config": LIGER} if options["liger"] else {}),
        **ROWS[options["rows"]],
    }


def attention(settings: TrainingSettings) -> dict[str, str]:
    """Return the argument of `from_pretrained` for the attention in `settings.peer`; none: the default."""
    return {"attn_implementation": prepare_attention(settings.peer["attention"])} if settings.peer else {}


def prepare_attention(name: str) -> str:
    """Return the name of an attention for Transformers; our attention of packed rows is registered first."""
    if name == GPU_ATTENTION:
        from transformers import AttentionInterface, AttentionMaskInterface
        from transformers.masking_utils import flash_attention_mask

        from lookahead_ray.train.packed_attention import attend

        def without_index(*arguments: Any, seq_idx: Any = None, **more: Any) -> Any:
            return attend(*arguments, **more)

        AttentionInterface.register(name, without_index)
        AttentionMaskInterface.register(name, flash_attention_mask)
    return name


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
                # rows without padding have no mask
                "tokens": int(
                    batch["attention_mask"].sum() if "attention_mask" in batch else batch["input_ids"].numel()
                ),
                "answer_tokens": int((batch["labels"] != IGNORED).sum()),
            }
        )
        return batch

    def by_step(self, name: str, accumulation: int) -> list[int]:
        """Return the sums over the micro-batches of each optimiser step."""
        counts = [batch[name] for batch in self._batches]
        return [sum(counts[start : start + accumulation]) for start in range(0, len(counts), accumulation)]
