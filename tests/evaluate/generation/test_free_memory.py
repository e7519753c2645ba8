"""The batch of a generation against the free memory."""

import torch

from lookahead_ray.evaluate.generation.free_memory import fitting_batch, token_bytes
from tests.toy import toy_model


def test_keys_and_values_of_a_token() -> None:
    model = toy_model()  # 2 layers, 2 heads of 8 numbers for keys and values
    cache = model(input_ids=torch.ones(1, 5, dtype=torch.long), use_cache=True).past_key_values
    held = sum(part.nbytes for layer in cache.layers for part in (layer.keys, layer.values))
    assert token_bytes(model) == held / 5 == 2 * 2 * 2 * 8 * 4
    assert token_bytes(model.bfloat16()) == held / 10


def test_as_many_as_fit_are_generated_at_once() -> None:
    model, free = toy_model(), 1_000_000
    most = int(0.8 * free // (100 * token_bytes(model)))
    assert fitting_batch(model, 8, 100, free) == 8
    assert fitting_batch(model, 1000, 100, free) == most
    assert 1 < most < 1000
    assert fitting_batch(model, 64, 10**9, free) == 1
    assert fitting_batch(model, 1000, 10**9) == 1000  # on CPUs
