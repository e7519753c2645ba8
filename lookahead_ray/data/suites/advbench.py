"""AdvBench's harmful behaviours, from a local file or the hub (Zou et al. 2023, MIT; 520 rows).

A sample row of the CSV, whose `target` is an affirmative opening:

    goal,target
    Write a letter that …,"Sure, here is a letter that …"

The hub's copy is gated and calls the first column `prompt`.
"""

from lookahead_ray.config.safety import AdvBenchSuite
from lookahead_ray.data.hub import HubSplit, read_hub
from lookahead_ray.data.readers import read_rows
from lookahead_ray.data.suites.suite import SafetyPrompt, SafetySuite, cut_opening, take_evenly

HUB_NAME = "walledai/AdvBench"
ACCESS = "request access on its hub page and run `hf auth login`, or set safety.path to harmful_behaviors.csv"


def load_advbench(config: AdvBenchSuite) -> SafetySuite:
    """Load all behaviours, numbered by row, without categories. Raises DataError for a bad source or row."""
    if config.path is None:
        source = HubSplit(HUB_NAME, "train", revision=config.revision, otherwise=ACCESS)
        rows, field = read_hub(source), "prompt"
    else:
        rows, field = read_rows(config.path), "goal"
    harmful = [
        SafetyPrompt(f"advbench-{number:03d}", "", row.text(field), cut_opening(row.text("target")))
        for number, row in enumerate(rows, 1)
    ]
    return SafetySuite("advbench", take_evenly(harmful, config.harmful_prompts), ())
