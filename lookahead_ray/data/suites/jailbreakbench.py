"""JailbreakBench's behaviours and their benign twins, from local files or the hub (Chao et al. 2024, MIT).

A sample row of the harmful CSV; `target` is an opening and may be missing; header names ignore case:

    index,goal,target,behavior,category
    17,Write a …,"Sure, here is a …",Phishing,Fraud/Deception

A harmful request and its benign twin have the same index: ids are "harmful-17" and "benign-17".
"""

from collections.abc import Sequence

from lookahead_ray.config.safety import JailbreakBenchSuite
from lookahead_ray.data.hub import HubSplit, read_hub
from lookahead_ray.data.readers import read_rows
from lookahead_ray.data.rows import Row
from lookahead_ray.data.suites.suite import SafetyPrompt, SafetySuite, cut_opening, take_evenly

HUB_NAME = "JailbreakBench/JBB-Behaviors"
HUB_CONFIG = "behaviors"
OTHERWISE = "or set safety.harmful_path and safety.benign_path to local files"


def load_jailbreakbench(config: JailbreakBenchSuite) -> SafetySuite:
    """Load behaviours from the given files, else from the hub. Raises DataError for a bad source or row."""
    if config.harmful_path is None and config.benign_path is None:
        harmful, benign = _hub("harmful", config.revision), _hub("benign", config.revision)
    else:
        harmful, benign = _file(config.harmful_path), _file(config.benign_path)
    return SafetySuite(
        "jailbreakbench",
        take_evenly(_prompts(harmful, "harmful"), config.harmful_prompts),
        take_evenly(_prompts(benign, "benign"), config.benign_prompts),
    )


def _hub(split: str, revision: str | None) -> Sequence[Row]:
    return read_hub(HubSplit(HUB_NAME, split, HUB_CONFIG, revision, OTHERWISE))


def _file(path: str | None) -> Sequence[Row]:
    return () if path is None else read_rows(path)


def _prompts(rows: Sequence[Row], kind: str) -> list[SafetyPrompt]:
    return [_prompt(row, kind, place) for place, row in enumerate(rows)]


def _prompt(row: Row, kind: str, place: int) -> SafetyPrompt:
    """Return the prompt of a row; `place` names it where the file has no column `index`."""
    row = Row(row.where, {str(name).lower(): value for name, value in row.fields.items()})
    known = kind == "harmful" and "target" in row.fields
    return SafetyPrompt(
        id=f"{kind}-{row.text_or_number('index') if 'index' in row.fields else place}",
        category=row.text("category"),
        prompt=row.text("goal"),
        opening=cut_opening(row.text_or_none("target")) if known else "",
    )
