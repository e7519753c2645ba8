"""Training FLOPs by hand."""

import pytest

from lookahead_ray.config.training import LoraConfig, TrainingConfig
from lookahead_ray.evaluate.flops import training_flops
from lookahead_ray.train.model import prepare_model
from tests.toy import VOCAB, toy_model

HIDDEN, LAYERS, MLP, KEYS = 32, 2, 64, 16
LAYER = 2 * HIDDEN * HIDDEN + 2 * HIDDEN * KEYS + 3 * HIDDEN * MLP + 2 * HIDDEN
BODY = LAYERS * LAYER + HIDDEN


def test_six_a_parameter_and_token_without_embeddings() -> None:
    assert training_flops(toy_model(tie_word_embeddings=True), 1000) == 6.0 * BODY * 1000
    untied = toy_model(tie_word_embeddings=False)  # its head is no embedding
    assert training_flops(untied, 1000) == 6.0 * (BODY + VOCAB * HIDDEN) * 1000
    assert training_flops(untied, 0) == 0.0


@pytest.mark.parametrize("rank", [1, 4])
def test_adapters_count_with_the_weights_they_sit_on(rank: int) -> None:
    config = TrainingConfig(lora=LoraConfig(rank=rank, target_modules=("q_proj",)))
    model = prepare_model(toy_model(tie_word_embeddings=True), config)
    assert training_flops(model, 10) == 6.0 * (BODY + LAYERS * 2 * HIDDEN * rank) * 10
