"""Ratios of ours to the best of the peers, from the lines of all stages. No torch."""

from collections.abc import Iterator, Sequence

from benchmarks.common import Raw

COMPARED = (
    ("training at 7B width", ("train_7b_width",)),
    ("training of 135M", ("train_135m",)),
    ("generation at 7B", ("generate_7b",)),
    ("generation of 135M", ("generate_135m",)),
)
"""What is compared, and how the names of its stages begin."""


def summarise(lines: Sequence[Raw]) -> Iterator[Raw]:
    """Yield ours, the best peer, the peer at its defaults, and the ratios, of everything measured."""
    for what, beginnings in COMPARED:
        measured = [
            line
            for line in lines
            if line["stage"].startswith(beginnings) and line.get("tokens_per_second") is not None
        ]
        ours = [line for line in measured if "peer" not in line]
        peers = [line for line in measured if "peer" in line]
        if not ours:
            continue
        best = max(ours, key=_speed)
        line: Raw = {"stage": "summary", "what": what, "ours": _described(best)}
        for name in ("share_of_measured_peak", "share_of_bandwidth_bound"):
            line |= {name: best[name]} if name in best else {}
        if peers:
            peer = max(peers, key=_speed)
            line |= {"best_peer": _described(peer), "ratio": round(_speed(best) / _speed(peer), 3)}
        if defaults := [each for each in peers if each.get("tried") == "defaults"]:
            line |= {"ratio_to_defaults": round(_speed(best) / _speed(defaults[0]), 3)}
        yield line


def _speed(line: Raw) -> float:
    return float(line["tokens_per_second"])


def _described(line: Raw) -> Raw:
    names = ("way", "ours", "peer", "tried", "batch_size", "tokens_per_second")
    return {name: line[name] for name in names if name in line}
