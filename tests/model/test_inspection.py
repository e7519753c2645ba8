"""Transformers as `validate` imports it: the same models, without what only running them takes."""

import json
import subprocess
import sys
from typing import Any

import pytest

from lookahead_ray.model.inspection import COMPILER, NOT_NEEDED

QUICK = "from lookahead_ray.model.inspection import import_for_inspection as quick\nquick()\n"

LLAMA = """
import sys, torch
from transformers import LlamaConfig
from lookahead_ray.model.meta_weights import build_without_weights
model = build_without_weights(LlamaConfig(num_hidden_layers=2, vocab_size=96, tie_word_embeddings=True))
names = [name for name in (*{names!r}, "torch.distributed.tensor") if name in sys.modules]
import accelerate, scipy
assert torch.distributed.tensor.DTensor and not hasattr(torch.distributed, "nothing")
weights = sum(weight.numel() for weight in model.parameters())
print([names, torch.distributed.is_available(), str(model.device), weights])
"""

ALL = """
import json, sys
from transformers import AutoModelForCausalLM
from lookahead_ray.model.meta_weights import build_without_weights

def described(kind):
    try:
        config = kind()
        config.num_hidden_layers = min(config.num_hidden_layers, 4)
    except Exception:
        pass
    try:
        model = build_without_weights(config)
    except Exception as error:
        return [type(error).__name__, str(error)]
    weights = {name: list(weight.shape) for name, weight in model.state_dict().items()}
    return [weights, [name for name, _ in model.named_modules()], sum(p.numel() for p in model.parameters())]

print(json.dumps({kind.__name__: described(kind) for kind in AutoModelForCausalLM._model_mapping}))
"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=900
    )
    return done.stdout.splitlines()[-1]


def test_a_model_is_built_without_the_compiler_and_both_can_be_used_later() -> None:
    found = run(QUICK + LLAMA.replace("{names!r}", repr((COMPILER, "sympy", *NOT_NEEDED))))
    weights = 96 * 4096 + 2 * (4 * 4096**2 + 3 * 4096 * 11008 + 2 * 4096) + 4096
    assert found == f"[[], True, 'meta', {weights}]"


@pytest.mark.slow
def test_what_is_imported_already_stays() -> None:
    assert (
        run(f"import transformers.masking_utils\n{QUICK}import sys\nprint({COMPILER!r} in sys.modules)")
        == "True"
    )


@pytest.mark.slow
def test_all_architectures_of_transformers_are_the_same() -> None:
    quick: dict[str, Any] = json.loads(run(QUICK + ALL))
    whole: dict[str, Any] = json.loads(run(ALL))
    assert len(whole) > 150
    assert sum(len(found) == 3 for found in whole.values()) > 150
    assert quick == whole
