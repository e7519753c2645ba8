"""A guard model of a few kilobytes that has learnt by heart what to write about two answers."""

from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lookahead_ray.config.judge import GuardJudge
from tests.toy import END, toy_tokenizer

TEMPLATE = (
    "{{ bos_token }}<|im_start|>Is the last reply fine?\n"
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}<|im_end|>"
)
"""Writes the task and all turns into one turn, as guard models' templates do."""


def tiny_guard(folder: Path, replies: dict[str, str], prompt: str, template: str = TEMPLATE) -> GuardJudge:
    """Train on answer -> reply, save to `folder` as safetensors, and return the judge's configuration."""
    torch.manual_seed(0)
    tokenizer = toy_tokenizer(template)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=1024, pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.convert_tokens_to_ids(END),
        )
    )  # fmt: skip
    rows = []
    for answer, reply in replies.items():
        turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        given = tokenizer.encode(text, add_special_tokens=False)
        rows.append((given, tokenizer.encode(reply + END, add_special_tokens=False)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(80):
        optimizer.zero_grad()
        for given, reply_ids in rows:
            labels = torch.tensor([[-100] * len(given) + reply_ids])
            model(input_ids=torch.tensor([given + reply_ids]), labels=labels).loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return GuardJudge(path=str(folder), max_length=1024)
