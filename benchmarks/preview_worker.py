"""One measurement of `lookahead-ray preview` on a generated file."""

import hashlib
import json
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import Raw
from benchmarks.preview import BATCHED, PreviewSettings
from lookahead_ray.config.base import Fidelity
from lookahead_ray.config.model import EMBEDDED, ModelConfig
from lookahead_ray.config.preview import TruePreview
from lookahead_ray.data.tasks.word_problems import generate
from lookahead_ray.model.load import load_tokenizer
from lookahead_ray.preview import apply
from lookahead_ray.preview.rewrite_file import BATCH_ROWS, rewrite
from lookahead_ray.preview.true_preview import shown_text

os.environ["TOKENIZERS_PARALLELISM"] = "true"  # the default outside benchmarks


def measure(variant: str, settings: dict[str, Any]) -> Raw:
    """Measure one of `preview.VARIANTS`; the time includes reading and writing the file."""
    chosen = PreviewSettings(**settings)
    preview = TruePreview.model_validate(
        {"strategy": "true", "length_tokens": chosen.length_tokens, "protocol": chosen.protocol}
    )
    tokenizer = load_tokenizer(ModelConfig(path=EMBEDDED))
    if variant != BATCHED.name:
        apply.shown_texts = _row_by_row  # type: ignore[attr-defined]  # the name that it imports
    with tempfile.TemporaryDirectory(prefix="lookahead-ray-bench-") as folder:
        source, target = Path(folder, "in.jsonl"), Path(folder, "out.jsonl")
        _write(source, chosen)
        early = [0.0]

        def note(rows: int, read_bytes: int) -> None:
            if rows <= max(chosen.rows // 10, BATCH_ROWS):
                early[0] = _memory_mib()

        start, start_cpu = time.perf_counter(), time.process_time()
        rows = rewrite(source, target, preview, tokenizer, progress=note)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
        with target.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        size = source.stat().st_size
    return {
        "rows_per_second": rows / seconds,
        "rows_per_cpu_second": rows / cpu_seconds,
        "rows": rows,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "bytes_read": size,
        "memory_growth_mib": _memory_mib() - early[0],  # of the peak, after the first tenth of the rows
        "peak_memory_mib": _memory_mib(),
        "sha256": digest,
    }


def _row_by_row(tokenizer: Any, answers: Sequence[str], length_tokens: int, protocol: Fidelity) -> list[str]:
    return [shown_text(tokenizer, answer, length_tokens, protocol) for answer in answers]


def _write(path: Path, settings: PreviewSettings) -> None:
    step = settings.solutions
    problems = generate("train", settings.distinct * step, settings.seed)
    lines = []
    for start in range(0, len(problems), step):
        answer = "\n".join(problem.answer for problem in problems[start : start + step])
        lines.append(json.dumps({"input": problems[start].instruction, "output": answer}) + "\n")
    with path.open("w", encoding="utf-8") as stream:
        for row in range(settings.rows):
            stream.write(lines[row % len(lines)])


def _memory_mib() -> float:
    """Return the peak memory of the process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
