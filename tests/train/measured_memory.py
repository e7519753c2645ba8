"""One rank that measures the memory of training: `python -m tests.train.measured_memory RANK RANKS FOLDER`.

Rank 0 writes a line to FOLDER/measured for each precision and ZeRO stage: both, the model's parameters, and
the bytes of tensors before the engine, between steps, at most in a step, and after the engine's release.
"""

import os
import sys
from pathlib import Path

from transformers import LlamaConfig

SHAPE = LlamaConfig(
    vocab_size=64,
    hidden_size=256,
    intermediate_size=512,
    num_hidden_layers=8,
    num_attention_heads=4,
    num_key_value_heads=2,
    pad_token_id=0,
)
"""Few tokens' activations are small beside this model."""

STEPS = 10


def main(rank: int, ranks: int, folder: Path) -> None:
    """Measure all cases, one after another."""
    from lookahead_ray.train.engine import build_engine, prepare_environment, release_engine

    os.environ.update({"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks)})
    prepare_environment(on_gpu=False)
    import torch
    import torch.distributed as dist
    from transformers import LlamaForCausalLM

    from lookahead_ray.config.training import TrainingConfig
    from lookahead_ray.data.chat import Rendered
    from lookahead_ray.hardware.precision import torch_dtype
    from lookahead_ray.method.vanilla import answer_loss
    from lookahead_ray.train.loop import train
    from lookahead_ray.train.model import prepare_model, supervised
    from tests.train.tensors import live_bytes, peak_bytes

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=ranks)
    rows = [Rendered((1, 2), (3, 4))] * 4
    lines = []
    for precision in ("bf16", "fp32"):
        for stage in (0, 1, 2):
            config = TrainingConfig.model_validate(
                {
                    "epochs": 1,
                    "batch_size": 4,
                    "micro_batch_size": 1,
                    "precision": precision,
                    "zero_stage": stage,
                }
            )
            torch.manual_seed(0)
            model = prepare_model(LlamaForCausalLM(SHAPE).to(torch_dtype(precision)), config)
            before = live_bytes()
            engine = build_engine(model, config, world_size=ranks, total_steps=2)

            def step(engine=engine, config=config) -> None:  # type: ignore[no-untyped-def]
                loss = supervised(answer_loss, 0)
                train(engine, rows, loss, config, seed=0, on_step=lambda step: None)

            step()
            rest = live_bytes()
            # gloo's threads free what they sent some time later, so one step may seem to take more
            peak = rest + min(peak_bytes(step) for _ in range(STEPS))
            release_engine(engine)
            del engine, step
            numbers = [model.num_parameters(), before, rest, peak, live_bytes()]
            lines.append(" ".join(map(str, [precision, stage, *numbers])))
            del model
    if rank == 0:
        (folder / "measured").write_text("\n".join(lines))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
    os._exit(0)  # see `one_rank`
