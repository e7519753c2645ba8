"""The view of a run's status: a few lines, the same on a terminal and in a file."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

from lookahead_ray.cli.notes import METRICS
from lookahead_ray.cli.report import interval
from lookahead_ray.cli.run_status import Best, RunStatus
from lookahead_ray.cli.text import decimal, duration, shorten

MOST_FAILURES = 5


def print_status(status: RunStatus, tell: Callable[[str], None], now: datetime | None = None) -> None:
    """Tell it line by line; `now` is for "3 min ago"."""
    asked = "?" if status.asked is None else status.asked
    counts = ", ".join(f"{count} {name}" for name, count in status.by_status.items() if count)
    lines = [
        ("run", f"{status.run} (sweep {status.name}, begun {status.created_at})"),
        ("trials", f"{status.committed} of {asked} committed" + (f": {counts}" if counts else "")),
        ("last", _last(status, now or datetime.now(UTC))),
        ("budget", " · ".join(status.budget)),
        ("best", _best(status.best)),
        ("driver", _driver(status)),
    ]
    for name, text in lines:
        if text:
            tell(f"{name:<8} {text}")
    for label, error in status.failures[-MOST_FAILURES:]:
        tell(f"{'failed':<8} {label}: {shorten(error, 200)}")


def status_json(status: RunStatus) -> str:
    """The status as JSON text; escaped, so that a terminal takes nothing in it for a command."""
    return json.dumps(status.as_json(), indent=2, allow_nan=False)


def _last(status: RunStatus, now: datetime) -> str:
    if status.last_commit_at is None:
        return "nothing committed yet"
    ago = (now - datetime.fromisoformat(status.last_commit_at)).total_seconds()
    return f"commit {duration(ago)} ago, {status.last_commit_at}"


def _best(best: Best | None) -> str:
    if best is None:
        return "no searched trial is scored yet"
    figures = [] if best.objective is None else [f"objective {decimal(best.objective)}"]
    rates = [(name, rate) for key, name in METRICS.items() if (rate := best.rates[key])]
    figures += [f"{name} {interval(rate)}" for name, rate in rates]
    if any(rate.unparsed for _, rate in rates):
        figures.append("2? is two unparsed answers, counted as not safe or not right")
    return f"{shorten(best.label, 60)}: {', '.join(figures)}"


def _driver(status: RunStatus) -> str:
    job = f", job {status.driver.job}" if status.driver.job else ""
    state = {"running": "runs", "ended": "ended", "unknown": "can't be told"}[status.driver.state]
    return f"{state}: {status.driver.told}{job}"
