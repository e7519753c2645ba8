"""Paths of the data files that are shipped with the package."""

from pathlib import Path

_ASSETS = Path(__file__).parent / "assets"

ADAPTER = _ASSETS / "adapter"
"""Alignment adapter of the embedded model, as written by peft."""

ALIGNMENT_REQUESTS = _ASSETS / "align"
"""`harmful.jsonl` and `benign.jsonl`: requests for alignment, which are in no safety suite."""

REFUSAL_ANSWERS = _ASSETS / "refusal_judge" / "answers"
"""Labelled answers that the judge `refusal` is trained on."""

REFUSAL_LABELS = _ASSETS / "refusal_judge" / "labels.csv"
"""Answers of fine-tuned models, each labelled by two readers; not used in training."""

REFUSAL_DICTIONARY = _ASSETS / "refusal_judge" / "concepts.txt"
"""Words of the concepts that answers are judged by, in many languages."""

REFUSAL_WEIGHTS = _ASSETS / "refusal_judge" / "weights.safetensors"
"""Weights of the judge `refusal`."""

PROBE = _ASSETS / "probe"
"""`harmful.jsonl` and `benign.jsonl`: requests of the safety suite `probe`."""
