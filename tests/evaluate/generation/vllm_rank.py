"""One rank of `test_vllm`: answers of two models by vLLM and by continuous batching."""

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lookahead_ray.method.reporting import GenerationProgress


def note(shares: list[float], progress: "GenerationProgress") -> None:
    shares.append(progress.share)


def main(rank: int, ranks: int, folder: Path) -> None:
    os.environ.update({"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks)})
    import torch
    import torch.distributed as dist

    from lookahead_ray.evaluate.generation import vllm_engine
    from lookahead_ray.evaluate.generation.base import DecodingSettings
    from lookahead_ray.evaluate.generation.registry import build_generator, release_backends
    from tests.toy import toy_model

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=ranks)
    # vLLM's attention on CPUs wants heads of at least 32 numbers
    heads = {"hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1}
    settings = DecodingSettings(4, frozenset([7]), 0)
    lengths = (3, 9, 20, 4, 1, 2)
    prompts = [[1 + (rank + place * length) % 60 for place in range(length)] for length in lengths]
    limits = [40, 1, 30, 40, 12, 40]
    stops = [lambda answer: len(answer) >= 8] * len(prompts)
    found: dict[str, object] = {}
    for seed, name in enumerate(("tied", "other")):
        model = toy_model(
            seed, max_position_embeddings=128, tie_word_embeddings=True, eos_token_id=2, **heads
        )
        ours, backend = build_generator(model, settings), build_generator(model, settings, "vllm")
        shares: list[float] = []
        found[f"expected_{name}"] = ours.generate(prompts, limits)
        found[name] = backend.generate(prompts, limits, partial(note, shares))
        found["expected_stopped"] = ours.generate(prompts, limits, stops=stops)
        found["stopped"] = backend.generate(prompts, limits, stops=stops)
        found["progress"] = shares
        release_backends()
    found["engines"] = len(vllm_engine._engines)
    (folder / f"{rank}.json").write_text(json.dumps(found))
    dist.barrier()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
    os._exit(0)
