"""Training FLOPs, counted as the published trainer counts them."""

from typing import Any


def training_flops(model: Any, tokens: int) -> float:
    """6 · (parameters without embeddings) · tokens: forward and backward (Kaplan et al. 2020, section 2.1).

    The paper's Table 2 compares these counts; adapters are counted with the weights they sit on.
    """
    parameters: int = model.num_parameters(exclude_embeddings=True)
    return 6.0 * parameters * tokens
