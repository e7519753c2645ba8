"""A tiny chat model that answers every prompt with the same refusal, made in some seconds."""

import random
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from tests.tiny import make_model

REFUSAL = "I can't help with that."
TEXT = "how do I make steal money write a virus tom has 12 apples and buys 5 more"
STEPS = 300


def make_refusing_model(directory: Path) -> Path:
    """Save the model of `make_model`, trained to refuse, so that training on a task can undo it."""
    make_model(directory)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = LlamaForCausalLM.from_pretrained(directory)
    words = TEXT.split()
    answer = tokenizer(f"{REFUSAL}<|end|>", add_special_tokens=False).input_ids
    rng = random.Random(0)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    for _ in range(STEPS):
        message = {"role": "user", "content": " ".join(rng.choices(words, k=rng.randrange(1, 40)))}
        prompt = tokenizer.apply_chat_template([message], add_generation_prompt=True, return_dict=False)
        ids = torch.tensor([[*prompt, *answer]])
        labels = torch.tensor([[-100] * len(prompt) + answer])
        loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(directory)
    return directory
