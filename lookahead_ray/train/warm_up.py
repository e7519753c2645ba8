"""Fill the caches that the first sweep would otherwise fill: `python -m lookahead_ray.train.warm_up`.

Compiles DeepSpeed's CPU operator, which takes most of a minute, and converts the embedded model meanwhile.
"""

from concurrent.futures import ThreadPoolExecutor

from lookahead_ray.config.model import EMBEDDED, ModelConfig
from lookahead_ray.model.load import resolve
from lookahead_ray.train.engine import prepare_environment
from lookahead_ray.train.shared_memory_op import load_operation


def main() -> None:
    """Compile and convert, unless done before. On a machine with a GPU nothing is compiled."""
    import torch

    with ThreadPoolExecutor(max_workers=1) as pool:
        compiled = None
        if not torch.cuda.is_available():
            prepare_environment(on_gpu=False)
            compiled = pool.submit(load_operation)
        resolve(ModelConfig(path=EMBEDDED))
        if compiled:
            compiled.result()


if __name__ == "__main__":
    main()
