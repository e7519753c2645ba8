"""Tokens paid for each real one, from a file of rows."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks import packing
from benchmarks.packing import PackingSettings, paid_per_real, run, run_speed
from benchmarks.training import TrainingSettings


def test_each_number_of_ranks_is_a_json_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(0)
    rows = [
        {"question": "How many? " * rng.randint(1, 20), "answer": "one " * rng.randint(1, 30) + "#### 3"}
        for _ in range(128)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    said: list[str] = []
    found = run(PackingSettings(data=str(path)), said.append)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["ranks"] for line in lines] == [1, 4, 8]
    figures = [line["paid_per_real"] for line in lines]
    assert figures[0] == 1.0
    assert 1.0 <= figures[1] <= 1.02
    assert 1.0 <= figures[2] <= 1.03
    assert found.extra["rows"] == 128
    assert [series.values[0] for series in found.series[::2]] == pytest.approx(figures, abs=1e-4)


def test_paid_tokens_by_hand() -> None:
    settings = PackingSettings(batch_size=4, micro_batch_size=2)
    lengths = [10, 20, 30, 40]
    assert paid_per_real(lengths, settings, 1, packed=True) == 1.0
    assert paid_per_real(lengths, settings, 1, packed=False) == (2 * 20 + 2 * 40) / 100
    assert paid_per_real(lengths, settings, 2, packed=True) == 1.0  # 10 + 40 and 20 + 30
    assert paid_per_real(lengths, settings, 2, packed=False) == 2 * 2 * 40 / 100
    assert paid_per_real([10, 40], settings, 2, packed=True) == 2 * 40 / 50


def test_packed_and_padded_rows_are_measured_in_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []

    def measure(worker: str, variant: str, settings: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        measured.append((worker, variant, settings["data"]))
        pace = 120.0 if variant == "packed" else 100.0
        return {"tokens_per_second": pace, "tokens_per_cpu_second": pace**2}

    monkeypatch.setattr(packing, "measure", measure)
    found = run_speed(TrainingSettings(precision="fp32", data="rows"), 2, tmp_path, print)
    turns = [variant for _, variant, _ in measured]
    assert turns == ["packed", "padded", "padded", "packed"]
    assert {(worker, data) for worker, _, data in measured} == {("training_ours", "rows")}
    assert found.ratios[0].values == (1.2, 1.2)
    assert found.extra["ratio_by_cpu_time"] == pytest.approx(1.44)
