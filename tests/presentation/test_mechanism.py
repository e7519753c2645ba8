import io
from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.console import Console

from lookahead_ray.evaluate.results import TokenKl
from lookahead_ray.presentation.mechanism import print_mechanism
from lookahead_ray.trial.record import TrialRecord
from tests.presentation.records import record, sweep, true


def printed(records: Sequence[TrialRecord], width: int = 110) -> str:
    out = io.StringIO()
    print_mechanism(Console(file=out, width=width), records)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 110])
def test_kl_by_position_and_flops_over_vanilla(width: int) -> None:
    rows = tuple(TokenKl("probe", f"p{prompt}", 1, 0.5) for prompt in range(3))
    vanilla = replace(record("v", "vanilla"), kl=(0.5, 0.25, 0.125))
    shorter = replace(record("t", preview=true(6)), kl=(0.1, 0.05))
    measured = [
        vanilla.with_measured(flops=2e12, token_kl=rows),
        shorter.with_measured(flops=2.1e12, token_kl=rows),
    ]
    text = printed([record("s", "seed"), *reversed(measured)], width)
    lines = {line.split("  ")[0]: line.split()[-4:] for line in text.splitlines() if "×" in line}
    assert lines == {
        "vanilla": ["0.50", "0.25", "0.12", "1.00×"],
        "true, 6 tokens": ["0.10", "0.05", "–", "1.05×"],
    }
    assert "mean over 3 harmful requests" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= width


def test_at_most_eight_positions_show() -> None:
    trial = replace(record("t"), kl=tuple(range(12))).with_measured(flops=1.0)
    line = next(line for line in printed([trial]).splitlines() if line.startswith("no preview"))
    assert line.split()[2:] == [*(f"{value}.00" for value in range(8)), "–"]


def test_nothing_without_kl() -> None:
    assert printed(sweep()) == ""
