"""A sample of generated answers for the answer browser; only the sampled trials' answers are read."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.report.source import Source
from analysis.report.text import cut, short

MOST_ANSWERS = 2400
LONGEST = {"answer": 2000, "prompt": 1200, "prefill": 400, "suffix": 400}
"""Maximum number of characters kept of each text."""
WORDS = ("suite", "attack", "metric", "judge", "verdict")
STRATUM = ("suite", "attack", "metric", "judge", "verdict")


def sample(
    source: Source, trial_ids: list[str], most: int = MOST_ANSWERS, seed: int = 0
) -> list[dict[str, Any]]:
    """Return at most `most` generations of these trials.

    Each trial's share is drawn evenly from its suites, attacks, judges and verdicts. Texts are made visible
    and cut; the number of characters cut is TEXT_cut.
    """
    rng = np.random.default_rng(seed)
    share = max(most // max(len(trial_ids), 1), 1)
    rows = source.rows("generations")
    if sum(rows[trial_id] for trial_id in trial_ids) <= most:
        share = most
    found: list[dict[str, Any]] = []
    for trial_id in trial_ids:
        found += _of_trial(source, trial_id, share, rng)
    return found[:most]


def pick(words: pa.Table, most: int, rng: np.random.Generator) -> list[int]:
    """Return sorted indices of at most `most` rows, drawn in turns from all strata (sets of equal rows)."""
    n = words.num_rows
    if n <= most:
        return list(range(n))
    mixed = pa.table(
        {**{name: words[name].cast(pa.string()) for name in words.column_names}, "place": range(n)}
    )
    mixed = mixed.take(pa.array(rng.permutation(n)))
    groups = mixed.group_by(words.column_names, use_threads=False).aggregate([("place", "list")])
    lists = groups["place_list"].combine_chunks()
    turn = np.concatenate([np.arange(len(one)) for one in lists]) if len(lists) else np.array([], int)
    places = lists.flatten().to_numpy()
    order = np.lexsort((places, turn))
    return sorted(places[order[:most]].tolist())


def _of_trial(source: Source, trial_id: str, most: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    words = source.read("generations", STRATUM, [trial_id])
    places = pa.array(pick(words, most, rng), pa.int64())
    texts = source.read("generations", [*LONGEST, "prompt_id", "score"], [trial_id]).take(places)
    lengths = {name: pc.utf8_length(texts[name]).to_pylist() for name in LONGEST}
    kept = {name: pc.utf8_slice_codeunits(texts[name], 0, most).to_pylist() for name, most in LONGEST.items()}
    chosen = words.take(places).to_pylist()
    others = texts.select(["prompt_id", "score"]).to_pylist()
    for index, (row, other) in enumerate(zip(chosen, others, strict=True)):
        shown: dict[str, Any] = {
            "trial": trial_id,
            "prompt_id": short(other["prompt_id"]),
            "score": other["score"],
        }
        shown |= {name: short(row[name]) for name in WORDS}
        for name, most_of in LONGEST.items():
            shown[name] = cut(kept[name][index], most_of)[0]
            shown[f"{name}_cut"] = max(lengths[name][index] - most_of, 0)
        yield shown
