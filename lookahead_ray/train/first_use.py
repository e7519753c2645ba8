"""What would else be made at the first use: `python -m lookahead_ray.train.first_use`, as the set-up does.

DeepSpeed compiles its op for communication on CPUs, which takes most of a minute; the embedded model is
converted.
"""

from lookahead_ray.config.model import EMBEDDED, ModelConfig
from lookahead_ray.model.load import resolve
from lookahead_ray.train.engine import break_stale_lock, prepare_environment


def main() -> None:
    """Make both unless they are there. On a machine with a GPU nothing is compiled."""
    resolve(ModelConfig(path=EMBEDDED))
    import torch

    if torch.cuda.is_available():
        return
    prepare_environment(on_gpu=False)
    break_stale_lock()
    from deepspeed.ops.op_builder.cpu import ShareMemCommBuilder

    ShareMemCommBuilder().load(verbose=False)


if __name__ == "__main__":
    main()
