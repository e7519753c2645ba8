"""The measured commands and their limits."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.analysis_scale.watch import watch
from benchmarks.common import Raw

LIMITS: dict[str, dict[str, float]] = {
    "report": {"seconds": 60, "peak_rss_mib": 4e9 / 2**20, "output_mb": 20},
    "query": {"seconds": 2},
    "query only": {"seconds": 2},
}
"""Upper limits for 10,000 trials and 10,000,000 generations."""
SQL = (
    "SELECT trial_id, count(*) AS unsafe FROM generations "
    "WHERE metric = 'jsr' AND verdict = 'unsafe' GROUP BY trial_id ORDER BY unsafe DESC LIMIT 20"
)


def measure_commands(run: Path, other: Path, folder: Path, say: Callable[[str], None]) -> list[Raw]:
    """Return one row per command: name, seconds, cpu_seconds, peak_rss_mib, output_mb, limits, met.

    `met` is true if all limits are met. The commands write their output to `folder`.

    Raises:
        BenchmarkError: a command failed.
    """
    rows = []
    for name, (words, output) in _commands(run, other, folder).items():
        log = folder / f"{name.replace(' ', '-')}.txt"
        row = watch([sys.executable, "-m", *words], log)
        row["output_mb"] = (output or log).stat().st_size / 1e6
        if name == "query only":
            times = json.loads(log.read_text(encoding="utf-8"))
            row |= {"seconds": times["query_s"], "open_s": times["open_s"], "cpu_seconds": None}
        limits = LIMITS.get(name, {})
        rows.append(
            {"name": name, **row, "limits": limits, "met": all(row[k] < v for k, v in limits.items())}
        )
        say(f"{name}: {row['seconds']:.1f} s, {row['peak_rss_mib']:,.0f} MiB, {row['output_mb']:.1f} MB")
    return rows


def _commands(run: Path, other: Path, folder: Path) -> dict[str, tuple[list[str], Path | None]]:
    """Return, by name, the arguments after `python -m` and the file that is written (None: stdout)."""
    html = folder / "report.html"
    files = {name: folder / name for name in ("table.md", "kl.png", "length.png")}
    paper = ["analysis", "paper", str(run)]
    drawn = {
        "paper figure 3": ([*paper, "--figure", "3", "--format", "png"], files["kl.png"]),
        "paper figure 4": ([*paper, "--figure", "4", "--format", "png"], files["length.png"]),
        "paper table 1": ([*paper, "--table", "1"], files["table.md"]),
    }
    return {
        "report": (["analysis", "report", str(run), "--out", str(html)], html),
        **{name: ([*words, "--out", str(file)], file) for name, (words, file) in drawn.items()},
        "compare": (["analysis", "compare", str(run), str(other)], None),
        "query": (["analysis", "query", SQL, str(run)], None),
        "query only": (["benchmarks.analysis_scale.query", SQL, str(run)], None),
    }
