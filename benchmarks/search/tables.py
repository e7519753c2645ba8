"""Results of the replay and of the signals, as tables and as JSON values."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import NamedTuple

from rich.table import Table

from benchmarks.common import Raw
from benchmarks.search.figures import SHARE, Cost, Prices, Ratio, Spread, prices, ratio, spread
from benchmarks.search.signals import Discards, Rank
from benchmarks.search.visits import Trace
from benchmarks.tables import column_heads

BUDGET = 0.25  # share of the grid's tokens at which regrets are compared
COSTS: Mapping[Cost, str] = {"tokens": "training tokens", "generated": "generated tokens"}


class Wanted(NamedTuple):
    """A demand on the median cost to `SHARE` of a searcher, relative to that of a peer."""

    searcher: str
    peer: str
    cost: Cost
    most: float  # largest allowed ratio


TARGETS = (Wanted("ours", "random", "tokens", 0.5), Wanted("ours", "optunasearch", "tokens", 0.75))
TARGETS_OF_SHARES = (
    Wanted("ours", "random", "tokens", 0.5),
    Wanted("ours", "optunasearch", "tokens", 0.6),
    Wanted("ours_sequential", "ours", "generated", 0.7),
)
"""Demands for grids with several shares, which all but `tpe_share` measure after every training."""


@dataclass(frozen=True, slots=True)
class Whole:
    """The costs of the whole grid."""

    tokens: int
    generated: int = 0  # 0: not recorded


@dataclass(frozen=True, slots=True)
class Standing:
    """Statistics of one searcher over all random seeds."""

    prices: Prices
    regret: Spread  # of the weighted objective, when `BUDGET` of the grid's tokens are spent
    trials: float  # median
    stopped: float  # median
    generated: Prices | None = None  # None: not recorded

    def cost(self, cost: Cost) -> Prices | None:
        """Return the prices of one kind."""
        return self.prices if cost == "tokens" else self.generated


@dataclass(frozen=True, slots=True)
class Target:
    """A demand, and the measured ratio."""

    wanted: Wanted
    ratio: Ratio

    @property
    def met(self) -> bool:
        """Whether the ratio itself meets the target; its interval shows the uncertainty."""
        return self.ratio.value <= self.wanted.most


def standing(traces: Sequence[Trace], whole: Whole) -> Standing:
    """Return the statistics of one searcher."""
    regrets = [
        trace.regret[max(i for i, t in enumerate(trace.tokens) if i == 0 or t <= BUDGET * whole.tokens)]
        for trace in traces
    ]
    return Standing(
        prices(traces, whole.tokens),
        spread(regrets),
        median(trace.trials for trace in traces),
        median(trace.stopped for trace in traces),
        prices(traces, whole.generated, "generated") if whole.generated else None,
    )


def targets(standings: Mapping[str, Standing], demands: Sequence[Wanted] = TARGETS) -> list[Target]:
    """Return the demands on searchers that were replayed, with the measured ratios."""
    found = []
    for wanted in demands:
        pair = [standings[name].cost(wanted.cost) for name in wanted[:2] if name in standings]
        ours, theirs = pair if len(pair) == 2 else (None, None)
        if ours and theirs:
            found.append(Target(wanted, ratio(ours.values, theirs.values)))
    return found


def standing_table(standings: Mapping[str, Standing], labels: Mapping[str, str], whole: Whole) -> Table:
    """Return a table with one row per searcher."""
    heads = ["searcher", f"tokens to {SHARE:.0%}", "% of grid", "quartiles", "never"]
    heads += ["generated", "% of grid"] if whole.generated else []
    table = Table(
        *column_heads(*heads, "regret", "trials"),
        title=f"training tokens to {SHARE:.0%} of the grid's hypervolume, medians over seeds",
        title_justify="left",
    )
    for name, each in standings.items():
        found, measured = each.prices.spread, each.generated
        cells = [
            labels[name],
            f"{found.median:,.0f}",
            f"{found.median / whole.tokens:.0%}",
            f"{found.q25 / whole.tokens:.0%} to {found.q75 / whole.tokens:.0%}",
            str(each.prices.censored),
        ]
        if measured:
            middle = measured.spread.median
            cells += [f"{middle:,.0f}", f"{middle / whole.generated:.0%}"]
        stopped = f", {each.stopped:.0f} stopped" if each.stopped else ""
        table.add_row(*cells, f"{each.regret.median:.3f}", f"{each.trials:.0f}{stopped}")
    return table


def target_line(target: Target, labels: Mapping[str, str]) -> str:
    """Return a sentence that says whether the target is met."""
    found, wanted = target.ratio, target.wanted
    said = "met" if target.met else "NOT met"
    return (
        f"{said}: {labels[wanted.searcher]} needs {found.value:.2f} [{found.low:.2f}, {found.high:.2f}] of "
        f"the {COSTS[wanted.cost]} that {labels[wanted.peer]} needs; the target is at most {wanted.most:g}"
    )


def rank_table(ranks: Sequence[Rank]) -> Table:
    """Return a table of Spearman's rho by signal and epoch."""
    columns = column_heads("signal", "after epoch", "rho", "95 % interval", "trials")
    table = Table(*columns, title="rank correlation with the final results", title_justify="left")
    against = {"kl": "KL with safety", "answer_loss": "answer loss with utility"}
    for each in ranks:
        interval = f"[{each.low:+.2f}, {each.high:+.2f}]"
        table.add_row(against[each.signal], str(each.epoch), f"{each.rho:+.2f}", interval, str(each.n))
    return table


def discard_table(discards: Sequence[Discards]) -> Table:
    """Return a table of how often stopping discards the best configuration, by objective."""
    table = Table(
        *column_heads("objective", "discarded", "rate", "95 % interval", "tokens saved"),
        title="orders in which stopping discards the best configuration (pareto: any of the front)",
        title_justify="left",
    )
    for each in discards:
        table.add_row(
            each.objective,
            f"{each.count} of {each.orders}",
            f"{each.count / each.orders:.0%}",
            f"[{each.low:.0%}, {each.high:.0%}]",
            f"{each.saved:.0%}",
        )
    return table


def standing_json(standings: Mapping[str, Standing], found: Sequence[Target]) -> Raw:
    """Return the replay's part of the JSON file."""
    return {
        "searchers": {name: asdict(each) for name, each in standings.items()},
        "targets": [
            {**target.wanted._asdict(), "ratio": asdict(target.ratio), "met": target.met} for target in found
        ],
    }
