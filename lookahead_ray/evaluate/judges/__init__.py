"""The judges, by name. A new one is a module beside this file and a line in `JUDGES`."""

from lookahead_ray.evaluate.judges.base import Judge, Judgement, JudgeVerdict, over_refusal_verdict
from lookahead_ray.evaluate.judges.refusal import judge_refusal

JUDGES: dict[str, Judge] = {
    "refusal": judge_refusal,
}
"""Name, as the configuration and the tables have it -> judge."""

__all__ = ["JUDGES", "Judge", "JudgeVerdict", "Judgement", "over_refusal_verdict"]
