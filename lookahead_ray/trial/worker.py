"""What each rank of a trial's worker group does: load, train, evaluate in place, hand its rows to rank 0."""

import time
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import Any

import torch
import torch.distributed as dist

from lookahead_ray.config.load import content_hash
from lookahead_ray.config.safety import ProbeSuite
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.suites import load_suite
from lookahead_ray.data.tasks import load_task
from lookahead_ray.evaluate.generation import Generation, TokenKl
from lookahead_ray.evaluate.passes import Evaluation
from lookahead_ray.method import METHODS
from lookahead_ray.method.defence import safety_examples
from lookahead_ray.model.load import load_model, load_tokenizer, model_hash
from lookahead_ray.train.batches import optimiser_steps
from lookahead_ray.train.engine import build_engine, prepare_environment
from lookahead_ray.train.loop import train
from lookahead_ray.train.model import prepare_model
from lookahead_ray.train.process_group import object_group
from lookahead_ray.train.step import Step
from lookahead_ray.trial.flops import trial_flops
from lookahead_ray.trial.job import Saving
from lookahead_ray.trial.preparation import method_context, training_rows
from lookahead_ray.trial.progress import OnProgress, TrialProgress
from lookahead_ray.trial.saving import check_directory, merged, write_model

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
PACKAGES = (
    "ray",
    "torch",
    "transformers",
    "deepspeed",
    "peft",
    "datasets",
    "optuna",
    "pyarrow",
    "lookahead-ray",
)


@dataclass(frozen=True)
class Measurement:
    """What a trial's ranks measured together; rank 0 returns it."""

    workers: int
    zero_stage: int | None
    train_tokens: int
    flops: float
    seconds_train: float
    seconds_evaluate: float
    data_hash: str
    model_hash: str
    versions: dict[str, str]
    preparation: dict[str, float] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    generations: tuple[Generation, ...] = ()
    token_kl: tuple[TokenKl, ...] = ()


@dataclass
class _Reporter:
    """Turns what a rank is at into `TrialProgress`; every rank reports at the same points."""

    send: OnProgress
    total_steps: int
    progress: TrialProgress = field(init=False)

    def __post_init__(self) -> None:
        self.progress = TrialProgress("starting", "loading the model", 0, self.total_steps, None, None, 0.0)

    def tell(self, **changes: Any) -> None:
        self.progress = replace(self.progress, **changes)
        self.send(self.progress)

    def on_step(self, step: Step) -> None:
        every = max(1, self.total_steps // 50)
        if step.step % every == 0 or step.step == self.total_steps:
            done = step.step / self.total_steps
            self.tell(
                phase="training",
                detail=f"epoch {step.epoch:.1f}",
                step=step.step,
                loss=step.loss,
                tokens_per_second=step.tokens / step.seconds,
                fraction=TRAIN_STARTS + (EVALUATE_STARTS - TRAIN_STARTS) * done,
            )

    def on_phase(self, detail: str, done: float) -> None:
        start = EVALUATE_STARTS if self.total_steps else TRAIN_STARTS
        self.tell(phase="evaluating", detail=detail, fraction=start + (1 - start) * done)


TRAIN_STARTS, EVALUATE_STARTS = 0.15, 0.65  # rough shares of a trial's time, for the progress bar


def run_worker(
    config: TrialConfig, trains: bool, send: OnProgress, saving: Saving | None = None
) -> Measurement | None:
    """Run one trial on this rank; the default process group is initialised. Rank 0 gets the measurement.

    Args:
        trains: False leaves the seed model as it is.
        send: told the progress; only rank 0's is shown.
        saving: rank 0 writes the trained model before it is measured; adapters are merged first, if they are
            to be, so that what is measured is what is written.

    Raises:
        LookaheadRayError: data or model can't be used.
        FloatingPointError: training diverged.
    """
    if saving:
        check_directory(saving)
    rank, world_size = dist.get_rank(), dist.get_world_size()
    device = (
        torch.device("cuda", torch.cuda.current_device()) if config.gpus_per_worker else torch.device("cpu")
    )
    if device.type == "cpu":
        torch.set_num_threads(max(1, int(config.cpus_per_worker)))
    prepare_environment(on_gpu=device.type == "cuda")
    task, suites, probe = (
        load_task(config.task),
        list(map(load_suite, config.safety)),
        load_suite(ProbeSuite()),
    )
    measured_on = [item.prompt for part in (*suites, probe) for item in (*part.harmful, *part.benign)]
    mixed = safety_examples(config.defence.mix if trains else None, task.train, measured_on)
    epochs = config.training.epochs if trains else 0
    total_steps = optimiser_steps(len(task.train) + len(mixed), epochs, config.training.batch_size)
    reporter = _Reporter(send, total_steps)
    reporter.tell(fraction=0.05)

    tokenizer = load_tokenizer(config.model)
    model = load_model(config.model, DTYPES[config.training.precision]).to(device)
    evaluation = Evaluation(tokenizer, task, suites, config.evaluation, config.defence, rank, world_size)
    seed = evaluation.kl_reference(model)
    steps: list[Step] = []
    preparation: dict[str, float] = {}
    flops: dict[str, float] = {}
    zero_stage, start = None, time.perf_counter()
    if trains:
        context = method_context(config, model, tokenizer, lambda detail: reporter.tell(detail=detail))
        rows, counts, work = training_rows(config, task.train, mixed, context)
        torch.manual_seed(config.seed)
        model = prepare_model(model, config.training)
        method = METHODS[config.method.name]
        row_loss = method.row_loss(rows, config.method, replace(context, model=model))
        seconds = time.perf_counter() - start
        preparation = {
            **counts,
            "training_examples": len(rows),
            "safety_examples": len(mixed),
            "seconds": seconds,
        }
        if rank == 0:
            flops = trial_flops(
                model,
                row_loss,
                rows,
                config.training,
                seed=config.seed,
                world_size=world_size,
                prepared=work,
                asks_seed=method.asks_seed,
            )
        engine = build_engine(model, config.training, world_size=world_size, total_steps=total_steps)
        zero_stage = engine.zero_optimization_stage()
        start = time.perf_counter()
        steps = train(engine, rows, row_loss, config.training, seed=config.seed, on_step=reporter.on_step)
        engine.destroy()  # its hooks would keep weights and optimiser alive for as long as the process
        del engine
        if saving:
            reporter.tell(detail="writing the model")
            model = model if saving.adapter else merged(model)
            if rank == 0:
                write_model(model, tokenizer, saving)
    seconds_train = time.perf_counter() - start if trains else 0.0

    start = time.perf_counter()
    model.eval()
    generations = evaluation.generations(model, reporter.on_phase)
    kl = evaluation.token_kl(model, seed)
    gathered = _gather((generations, kl))
    if gathered is None:
        return None
    tokens = sum(step.tokens for step in steps)
    return Measurement(
        workers=world_size,
        zero_stage=zero_stage,
        train_tokens=tokens,
        flops=flops.get("training", 0.0) + flops.get("preparation", 0.0),
        seconds_train=seconds_train,
        seconds_evaluate=time.perf_counter() - start,
        data_hash=content_hash([task.data_hash, *evaluation.data_hashes, *map(asdict, mixed)]),
        model_hash=model_hash(config.model),
        versions={name: version(name) for name in PACKAGES},
        preparation=preparation | {f"{name}_flops": number for name, number in flops.items()},
        steps=tuple(steps),
        generations=tuple(evaluation.in_order(row for rows, _ in gathered for row in rows)),
        token_kl=tuple(evaluation.kl_in_order(row for _, rows in gathered for row in rows)),
    )


def _gather(value: Any) -> list[Any] | None:
    """Every rank's value on rank 0, None elsewhere."""
    gathered = [None] * dist.get_world_size() if dist.get_rank() == 0 else None
    dist.gather_object(value, gathered, dst=0, group=object_group())
    return gathered
