"""A classifier of a few kilobytes that has learnt two answers by heart."""

from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForSequenceClassification

from lookahead_ray.config.judge import ClassifierJudge
from tests.toy import toy_tokenizer

LABELS = ("bad", "fine")


def tiny_classifier(folder: Path, labelled: dict[str, str], prompt: str) -> ClassifierJudge:
    """Train on answer -> label, save to `folder` as safetensors, and return the judge's configuration."""
    torch.manual_seed(0)
    tokenizer = toy_tokenizer()
    tokenizer.padding_side = "right"
    model = LlamaForSequenceClassification(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
            num_attention_heads=2, max_position_embeddings=512, pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None, eos_token_id=None, id2label=dict(enumerate(LABELS)),
            label2id={label: index for index, label in enumerate(LABELS)},
        )
    )  # fmt: skip
    batch = tokenizer([prompt] * len(labelled), list(labelled), padding=True, return_tensors="pt")
    batch.pop("token_type_ids", None)
    wanted = torch.tensor([LABELS.index(label) for label in labelled.values()])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(30):
        loss = model(**batch, labels=wanted).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return ClassifierJudge(path=str(folder), labels={"bad": "unsafe", "fine": "safe"}, max_length=256)
