"""Results of benchmarks: summaries, ratios, tables and JSON."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from rich.console import Console

from benchmarks import generation, machine, preview, training
from benchmarks.common import (
    Benchmark,
    Summary,
    Variant,
    in_turn,
    make_ratios,
    make_series,
    repeat,
    summarise,
    to_json,
    write_json,
)
from benchmarks.tables import print_benchmark

OURS, PEER = Variant("ours", "our loop"), Variant("peer", "their loop")


def benchmark() -> Benchmark:
    series = [
        make_series(OURS, [{"pace": 300}, {"pace": 200}, {"pace": 330}], "pace"),
        make_series(PEER, [{"pace": 150}, {"pace": 50}, {"pace": 300.0}], "pace"),
    ]
    ratios = make_ratios(series, [("ours", "peer")])
    return Benchmark("training", "tokens/s", True, tuple(series), ratios, {"share": 0.5, "more": {"a": 1}})


def test_summary() -> None:
    assert summarise([4, 1, 2]) == Summary(2, 1, 4, 1.5)
    assert summarise([3.0]) == Summary(3.0, 3.0, 3.0, 0.0)
    assert summarise([0.0, 0.0]).spread == 0.0


def test_ratios_are_formed_within_repetitions() -> None:
    (ratio,) = benchmark().ratios
    assert ratio.values == (2.0, 4.0, 1.1)
    assert ratio.summary == summarise([2.0, 4.0, 1.1])


def test_variants_take_turns() -> None:
    assert in_turn([OURS, PEER], 0) == [OURS, PEER]
    assert in_turn([OURS, PEER], 1) == [PEER, OURS]
    calls: list[tuple[str, int]] = []

    def measure(variant: Variant, repetition: int) -> dict[str, Any]:
        calls.append((variant.name, repetition))
        return {"pace": 1.0}

    raw = repeat([OURS, PEER], 2, measure)
    assert calls == [("ours", 0), ("peer", 0), ("peer", 1), ("ours", 1)]
    assert raw[OURS] == [
        {"repetition": 0, "place": 0, "pace": 1.0},
        {"repetition": 1, "place": 1, "pace": 1.0},
    ]


def test_table_shows_figures_and_ratios() -> None:
    text = io.StringIO()
    print_benchmark(Console(file=text, width=110), benchmark())
    lines = text.getvalue().splitlines()
    assert any(all(cell in line for cell in ("our loop", "300.0", "200.0", "330.0", "43%")) for line in lines)
    assert any(all(cell in line for cell in ("our loop", "2.00", "1.10", "4.00", "their")) for line in lines)
    assert "share: 0.5" in lines


def test_json_schema(tmp_path: Path) -> None:
    facts = {
        "date": "2025-01-01T00:00:00+00:00",
        "machine": machine.machine(),
        "versions": machine.versions(),
    }
    content = to_json(
        [benchmark()], {"trial": "it broke"}, **facts, git=machine.git(), settings={"repetitions": 3}
    )
    path = tmp_path / "new" / "results.json"
    write_json(path, content)
    read = json.loads(path.read_text(encoding="utf-8"))
    assert set(read) == {
        "schema_version",
        "date",
        "git",
        "machine",
        "versions",
        "settings",
        "benchmarks",
        "errors",
    }
    assert read["schema_version"] == 2
    assert {"cpu_model", "cores", "load_average_1min"} <= set(read["machine"])
    assert {"python", "torch", "trl"} <= set(read["versions"])
    assert set(read["git"]) == {"commit", "dirty"}
    assert read["errors"] == {"trial": "it broke"}
    restored = TypeAdapter(tuple[Benchmark, ...]).validate_json(json.dumps(read["benchmarks"]), strict=True)
    assert restored == (benchmark(),)


def test_json_refuses_nan_and_infinity(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", {"value": float("nan")})


@pytest.mark.parametrize("module", [training, generation, preview])
def test_ratios_name_variants(module: Any) -> None:
    names = {variant.name for variant in module.VARIANTS}
    assert len(names) == len(module.VARIANTS)
    assert {name for pair in module.PAIRS for name in pair} == names
