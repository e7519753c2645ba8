"""Results of the replay and of the signals, as tables and as JSON values."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from rich.table import Table

from benchmarks.common import Raw
from benchmarks.search.figures import SHARE, Prices, Ratio, Spread, prices, ratio, spread
from benchmarks.search.signals import Discards, Rank
from benchmarks.search.visits import Trace
from benchmarks.tables import column_heads

TARGETS: Mapping[str, float] = {"random": 0.5, "optunasearch": 0.75}
"""Largest allowed ratio of our median training tokens to `SHARE` to the peer's."""
BUDGET = 0.25  # share of the grid's tokens at which regrets are compared


@dataclass(frozen=True, slots=True)
class Standing:
    """Statistics of one searcher over all random seeds."""

    prices: Prices
    regret: Spread  # of the weighted objective, when `BUDGET` of the grid's tokens are spent
    trials: float  # median
    stopped: float  # median


@dataclass(frozen=True, slots=True)
class Target:
    """The comparison with one peer, and the largest ratio that meets the target."""

    peer: str
    most: float
    ratio: Ratio

    @property
    def met(self) -> bool:
        """Whether the ratio itself meets the target; its interval shows the uncertainty."""
        return self.ratio.value <= self.most


def standing(traces: Sequence[Trace], whole: int) -> Standing:
    """Return the statistics of one searcher; `whole`: training tokens of the whole grid."""
    regrets = [
        trace.regret[max(i for i, t in enumerate(trace.tokens) if i == 0 or t <= BUDGET * whole)]
        for trace in traces
    ]
    return Standing(
        prices(traces, whole),
        spread(regrets),
        median(trace.trials for trace in traces),
        median(trace.stopped for trace in traces),
    )


def targets(standings: Mapping[str, Standing]) -> list[Target]:
    """Return the comparisons with the peers that were replayed."""
    ours = standings["ours"].prices.values
    return [
        Target(peer, most, ratio(ours, standings[peer].prices.values))
        for peer, most in TARGETS.items()
        if peer in standings
    ]


def standing_table(standings: Mapping[str, Standing], labels: Mapping[str, str], whole: int) -> Table:
    """Return a table with one row per searcher."""
    table = Table(
        *column_heads(
            "searcher", f"tokens to {SHARE:.0%}", "% of grid", "quartiles", "never", "regret", "trials"
        ),
        title=f"training tokens to {SHARE:.0%} of the grid's hypervolume, medians over seeds",
        title_justify="left",
    )
    for name, each in standings.items():
        found = each.prices.spread
        table.add_row(
            labels[name],
            f"{found.median:,.0f}",
            f"{found.median / whole:.0%}",
            f"{found.q25 / whole:.0%} to {found.q75 / whole:.0%}",
            str(each.prices.censored),
            f"{each.regret.median:.3f}",
            f"{each.trials:.0f}, {each.stopped:.0f} stopped",
        )
    return table


def target_line(target: Target, labels: Mapping[str, str]) -> str:
    """Return a sentence that says whether the target is met."""
    found = target.ratio
    said = "met" if target.met else "NOT met"
    return (
        f"{said}: ours needs {found.value:.2f} [{found.low:.2f}, {found.high:.2f}] of what "
        f"{labels[target.peer]} needs; the target is at most {target.most:g}"
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
        "targets": [{**asdict(target), "met": target.met} for target in found],
    }
