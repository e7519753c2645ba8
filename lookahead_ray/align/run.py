"""The alignment of a chat model: its own answers, the rows, the training of an adapter, and its files."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lookahead_ray.align.checkpoints import AlignmentCheckpoints
from lookahead_ray.align.distillation_loss import align_loss
from lookahead_ray.align.evaluate import mean_answer_loss
from lookahead_ray.align.examples import SYSTEM_PROMPTS, alignment_rows
from lookahead_ray.config.align import AlignConfig
from lookahead_ray.config.load import content_hash
from lookahead_ray.config.model import EMBEDDED, EMBEDDED_UNALIGNED, ModelConfig
from lookahead_ray.data.alignment_prompts import read_requests
from lookahead_ray.data.chat import Rendered, prompt_ids, render_all
from lookahead_ray.data.suites.suite import take_evenly
from lookahead_ray.data.tasks.registry import load_task
from lookahead_ray.disk_cache import DiskCache
from lookahead_ray.evaluate.generation.base import DecodingSettings
from lookahead_ray.evaluate.generation.registry import build_generator, release_backends
from lookahead_ray.filesystem import replacing
from lookahead_ray.hardware.precision import torch_dtype
from lookahead_ray.method import vanilla
from lookahead_ray.method.reporting import GenerationProgress
from lookahead_ray.model.files import ADAPTER_CONFIG, is_local
from lookahead_ray.model.load import check_length, load_model, load_tokenizer
from lookahead_ray.train.batches import optimiser_steps, plan_batches
from lookahead_ray.train.engine import build_engine, release_engine
from lookahead_ray.train.loop import train
from lookahead_ray.train.model import prepare_model
from lookahead_ray.train.packing import packs
from lookahead_ray.train.step import Step
from lookahead_ray.trial.job import Saving
from lookahead_ray.trial.model_export import write_model
from lookahead_ray.trial.reporter import ProgressReporter

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ANSWER_BATCH = 96


@dataclass(frozen=True)
class AlignmentData:
    """The rows of an alignment, and the unaligned model's loss on the task.

    Attributes:
        rows: of all draws, in order.
        task_rows: the task's test examples with their reference answers.
        answer_loss: the unaligned model's on `task_rows`, in nats per answer token.
    """

    rows: list[Rendered]
    task_rows: list[Rendered]
    answer_loss: float

    @property
    def data_hash(self) -> str:
        """Return the SHA-256 of all rows."""
        return content_hash([[*row.prompt_ids, *row.answer_ids] for row in self.rows])


def prepare_data(
    config: AlignConfig, device: torch.device, cache: DiskCache, reporter: ProgressReporter
) -> AlignmentData:
    """Let the unaligned model answer the benign requests, and make the rows; answers are kept in `cache`.

    Raises:
        DataError: a row can't be rendered.
        ModelError: the model can't be loaded, or a row is longer than its context.
    """
    reporter.report("starting", "loading the model")
    tokenizer = load_tokenizer(config.model)
    model = load_model(config.model, torch_dtype(config.training.precision), device)
    task_rows = render_all(tokenizer, load_task(config.task).test, config.training.max_length)
    harmful = take_evenly(read_requests("harmful"), config.harmful_requests)
    benign = take_evenly(read_requests("benign"), config.benign_requests)
    what = f"{len(harmful)} harmful and {len(benign)} benign requests; the model answers the benign ones"
    reporter.report("preparing", what)
    answers = _own_answers(model, tokenizer, [request.prompt for request in benign], config, cache, reporter)
    rows = alignment_rows(tokenizer, config, harmful, benign, answers)
    longest = max(row.length for row in rows)
    check_length(model, longest, "model.path: the alignment has rows of")
    reporter.report("preparing", f"{len(rows)} rows, at most {longest} tokens; measuring the task's loss")
    return AlignmentData(rows, task_rows, mean_answer_loss(model, task_rows, tokenizer.pad_token_id))


def train_adapter(
    config: AlignConfig,
    data: AlignmentData,
    device: torch.device,
    checkpoints: AlignmentCheckpoints,
    reporter: ProgressReporter,
    directory: Path,
) -> list[Step]:
    """Train the adapter on `data`, from the last of `checkpoints` if there is one; write it to `directory`.

    Needs an initialised process group. Returns all steps.

    Raises:
        FloatingPointError: training diverged.
        ModelError: the model can't be loaded.
    """
    reporter.report("building", "loading the model")
    tokenizer = load_tokenizer(config.model)
    model = load_model(config.model, torch_dtype(config.training.precision), device)
    # Each epoch is a separate draw, so the engine does one pass over all draws. The loss turns the adapters
    # off and on in each micro-batch, so `auto` compiles nothing.
    compiles = config.training.compile is True
    training = config.training.model_copy(update={"epochs": 1, "compile": compiles})
    rows = data.rows
    reporter.total_steps = optimiser_steps(len(rows), 1, training.batch_size)
    torch.manual_seed(config.seed)
    wrapped = prepare_model(model, training)
    lengths = [row.length for row in rows]
    plan = plan_batches(lengths, training, world_size=1, seed=config.seed, packed=packs(wrapped))
    accumulation = len(plan[0].micro)
    release_backends()
    engine = build_engine(
        wrapped, training, world_size=1, total_steps=reporter.total_steps, accumulation=accumulation
    )
    row_loss = align_loss(vanilla.answer_loss, tokenizer.pad_token_id, config.opening_weight)
    steps = checkpoints.restore(engine)
    reporter.training_begins(len(steps))

    def on_step(step: Step) -> None:
        reporter.on_step(step)
        steps.append(step)
        checkpoints.save(engine, steps, is_last=step.step == reporter.total_steps)

    try:
        train(
            engine,
            rows,
            reporter.report_micro_batches(row_loss, accumulation),
            training,
            seed=config.seed,
            on_step=on_step,
            done=tuple(steps),
        )
    finally:
        release_engine(engine)
    reporter.report("saving", "writing the adapter")
    _write_adapter(wrapped, tokenizer, config, directory)
    return steps


def write_merged(
    adapter: ModelConfig, precision: str, directory: Path, device: torch.device, reporter: ProgressReporter
) -> None:
    """Write the model with its adapter merged in as a directory that Transformers loads."""
    reporter.report("saving", "merging the adapter")
    model = load_model(adapter, torch_dtype(precision), device)
    write_model(model, load_tokenizer(adapter), Saving(str(directory), adapter=False))


def aligned_answer_loss(
    adapter: ModelConfig, precision: str, task_rows: Sequence[Rendered], device: torch.device
) -> float:
    """Return the loss of the model with its adapter on the task's reference answers, in nats per token."""
    pad_id = load_tokenizer(adapter).pad_token_id
    return mean_answer_loss(load_model(adapter, torch_dtype(precision), device), task_rows, pad_id)


def name_base(config: ModelConfig) -> str:
    """Return the base model's name in an adapter's files: a hub name, `embedded…`, or an absolute path."""
    if config.path in (EMBEDDED, EMBEDDED_UNALIGNED) or not is_local(config.path):
        return config.path
    return str(Path(config.path).expanduser().resolve())


def _own_answers(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[str],
    config: AlignConfig,
    cache: DiskCache,
    reporter: ProgressReporter,
) -> list[list[int]]:
    rendered = [prompt_ids(tokenizer, prompt, SYSTEM_PROMPTS[1]) for prompt in prompts]
    key = content_hash([*rendered, config.answer_tokens, config.training.precision])
    kept: list[list[int]] | None = cache.get(key)
    if kept is not None:
        reporter.report("preparing", "the answers to benign requests are those of the interrupted alignment")
        return kept

    def on_generation(progress: GenerationProgress) -> None:
        detail = f"answering {len(prompts)} prompts · {progress}"
        reporter.report("preparing", detail, progress.done, progress.total)

    generator = build_generator(model, DecodingSettings.of(model, tokenizer, ANSWER_BATCH))
    answers = generator.generate(rendered, config.answer_tokens, on_generation)
    with suppress(OSError):  # they are generated again if the disk is full
        cache.put(key, answers)
    return answers


def _write_adapter(
    wrapped: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    config: AlignConfig,
    directory: Path,
) -> None:
    adapter: Any = wrapped.peft_config["default"]
    adapter.lora_alpha *= config.scale
    write_model(wrapped, tokenizer, Saving(str(directory), adapter=True))
    (directory / "README.md").unlink(missing_ok=True)  # peft's empty model card
    file = directory / ADAPTER_CONFIG
    settings = json.loads(file.read_text(encoding="utf-8"))
    # peft has written where Transformers loaded the weights from, which may be a place in the cache
    settings |= {"base_model_name_or_path": name_base(config.model), "revision": config.model.revision}
    with replacing(file) as stream:
        stream.write((json.dumps(settings, indent=2, sort_keys=True) + "\n").encode())
