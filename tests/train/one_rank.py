"""One rank of DeepSpeed over gloo: `python -m tests.train.one_rank RANK WORLD STORE OUT CONFIG METHOD`.

With a directory or URL it ends after an epoch and continues from a checkpoint in there; a final `save` or
`load` limits it to one of these, with checkpoints for any number of ranks.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def main(
    rank: int,
    world_size: int,
    store: str,
    out: Path,
    config_json: str,
    name: str,
    checkpoints: str = "",
    phase: str = "both",
) -> None:
    """Train the toy model on the test's rows; every rank writes its results."""
    from lookahead_ray.method.reporting import quiet
    from lookahead_ray.train.engine import build_engine, prepare_environment

    os.environ.update({"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world_size)})
    prepare_environment(on_gpu=False)
    import torch
    import torch.distributed as dist

    from lookahead_ray.config.training import TrainingConfig
    from lookahead_ray.config.trial import TrialConfig
    from lookahead_ray.method.registry import METHODS
    from lookahead_ray.train.batches import optimiser_steps, plan_batches
    from lookahead_ray.train.checkpoint.local import unfit
    from lookahead_ray.train.loop import train
    from lookahead_ray.train.model import prepare_model
    from lookahead_ray.train.packing import packs
    from lookahead_ray.train.step import Step
    from lookahead_ray.trial.checkpoint_manager import place_of
    from lookahead_ray.trial.fine_tuning import method_context
    from tests.toy import toy_model, toy_tokenizer
    from tests.train.reference import make_rows

    torch.set_num_threads(1)
    config = TrainingConfig.model_validate(json.loads(config_json))
    rows = make_rows(11)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world_size)
    trial = TrialConfig.model_validate(
        {"task": {"name": "gsm8k"}, "method": {"name": name}, "training": config.model_dump()}
    )

    elastic = phase != "both"

    def train_some(done: Sequence[Any], epochs: int) -> tuple[Any, list[Step]]:
        """Train a fresh model until `epochs` epochs are done, including `done` epochs of a checkpoint."""
        model = toy_model()
        if config.precision == "bf16":
            model = model.to(torch.bfloat16)
        torch.manual_seed(0)
        model = prepare_model(model, config)
        context = method_context(trial, model, toy_tokenizer(), quiet)
        context.__dict__["seed_hash"] = f"toy-{config.precision}"  # instead of hashing weight files
        row_loss = METHODS[name].row_loss(rows, trial.method, context)
        plan = plan_batches(
            [row.length for row in rows], config, world_size=world_size, seed=0, packed=packs(model)
        )
        engine = build_engine(
            model,
            config,
            accumulation=len(plan[0].micro),
            world_size=world_size,
            total_steps=optimiser_steps(len(rows), config.epochs, config.batch_size),
            elastic=elastic,
        )
        place = place_of(f"{checkpoints}/trial")
        if done:
            found = place.read()
            assert found
            assert unfit(found, place.sizes(found), "hash", world_size, elastic) is None
            assert place.load(engine, found, elastic) is None
            done = found.steps

        def on_epoch(steps: list[Step]) -> bool:
            epoch = round(steps[-1].epoch)
            if checkpoints and epoch < config.epochs:
                assert not place.save(engine, config_hash="hash", epoch=epoch, steps=steps, state={})
            return epoch < epochs

        return engine, train(
            engine, rows, row_loss, config, seed=0, on_step=lambda step: None, on_epoch=on_epoch, done=done
        )

    steps: list[Step] = []
    if checkpoints and phase != "load":
        engine, steps = train_some([], 1)
        engine.destroy()
    if phase == "save":
        return
    engine, steps = train_some(["in there"] if phase == "load" else steps, config.epochs)
    weights = [weight.detach().double() for weight in engine.module.parameters()]
    seen = {
        "stage": engine.zero_optimization_stage(),
        "losses": [step.loss for step in steps],
        "learning_rates": [step.learning_rate for step in steps],
        "grad_norms": [step.grad_norm for step in steps],
        "dtypes": sorted({str(weight.dtype) for weight in engine.module.parameters()}),
        "checksum": [sum(float(w.sum()) for w in weights), sum(float(w.square().sum()) for w in weights)],
    }
    out.write_text(json.dumps(seen))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), *sys.argv[5:])
    # all is written; sometimes a process aborted here while the interpreter shut down, which Ray's workers
    # never do either
    os._exit(0)
