"""The best settings of a peer, found by trying: each round changes the best so far in several ways. No torch.

Every try is written at once, so that a search that was interrupted continues. Tries of another machine, other
versions or other work don't count.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.common import Benchmark, BenchmarkError, Raw, Variant, make_series

Options = Mapping[str, Any]
"""Settings of a peer as JSON values."""


@dataclass(frozen=True, slots=True)
class Try:
    """One setting of a peer: its figure, or the reason why there is none."""

    options: dict[str, Any]
    figure: float | None
    problem: str | None = None

    @property
    def title(self) -> str:
        """The options as words."""
        return describe(self.options)


@dataclass(frozen=True, slots=True)
class Found:
    """All tries of a search in order, and the options of the fastest."""

    tries: tuple[Try, ...]
    best: dict[str, Any]

    def best_with(self, **wanted: Any) -> dict[str, Any]:
        """Return the options of the fastest try with all `wanted` ones.

        Raises:
            BenchmarkError: no such try has a figure.
        """
        fit = [each for each in self.tries if each.figure and wanted.items() <= each.options.items()]
        if not fit:
            raise BenchmarkError(f"no setting with {describe(wanted)} runs")
        return max(fit, key=lambda each: each.figure or 0.0).options


def describe(options: Options) -> str:
    """Return options as words, such as `batch_size 16, attention sdpa`; those that are false are omitted."""
    named = {name: value for name, value in options.items() if value is not False}
    return ", ".join(name if value is True else f"{name} {value}" for name, value in named.items())


def search(
    start: Options,
    rounds: Sequence[Sequence[Options]],
    measure: Callable[[dict[str, Any]], float],
    unavailable: Callable[[Options], str | None],
    known: "KnownTries",
    say: Callable[[str], None],
) -> Found:
    """Try `start`, then in each round every change of the best options so far; more is better.

    Args:
        measure: returns the figure of options; a BenchmarkError counts as a try without a figure.
        unavailable: returns why options can't be tried here, if they can't.
        known: earlier tries, which are not measured again, and where new ones are written.

    Raises:
        BenchmarkError: no try succeeded.
    """
    tries: list[Try] = []

    def once(options: dict[str, Any]) -> Try:
        if problem := unavailable(options):
            return Try(options, None, problem)
        try:
            done = Try(options, measure(options))
        except BenchmarkError as error:  # not kept, so that the next search tries it again
            return Try(options, None, _last_line(error))
        known.add(done)
        return done

    def attempt(options: dict[str, Any]) -> None:
        if any(each.options == options for each in tries):
            return
        done = known.find(options)
        if done is None:
            done = once(options)
        tries.append(done)
        say(f"tried {done.title}: {f'{done.figure:.1f}' if done.figure else done.problem}")

    def best() -> Try:
        return max(tries, key=lambda each: each.figure or 0.0)

    attempt(dict(start))
    for changes in rounds:
        base = best().options
        for change in changes:
            attempt({**base, **change})
    if not best().figure:
        raise BenchmarkError(f"no setting of the peer runs: {tries[0].problem}")
    say(f"best: {best().title}")
    return Found(tuple(tries), best().options)


class KnownTries:
    """The tries in a file, if they were made on this machine with the same versions for the same work."""

    def __init__(self, path: Path | None, work: Raw) -> None:
        here = machine.machine()
        about = {
            "work": work,
            "cpu": here["cpu_model"],
            "cores": here["cores"],
            "versions": machine.versions(),
        }
        self._path = path
        self._about: Raw = json.loads(json.dumps(about))
        self._tries: list[Try] = []
        if path is not None and path.is_file():
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["about"] == self._about:
                self._tries = [Try(**each) for each in content["tries"]]

    def find(self, options: Options) -> Try | None:
        """Return the try of `options`, if there was one."""
        return next((each for each in self._tries if each.options == options), None)

    def add(self, done: Try) -> None:
        """Remember a try and write all to the file."""
        self._tries.append(done)
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            content = {"about": self._about, "tries": [asdict(each) for each in self._tries]}
            self._path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def as_benchmark(name: str, unit: str, found: Mapping[str, Found]) -> Benchmark:
    """Return the tries of each precision as a benchmark; those without a figure are in `extra`."""
    series = [
        make_series(Variant(f"try_{number}", each.title, precision), [{unit: each.figure}], unit)
        for precision, one in found.items()
        for number, each in enumerate(one.tries)
        if each.figure
    ]
    extra: Raw = {
        "best": {precision: one.best for precision, one in found.items()},
        "failed": {
            precision: {each.title: each.problem for each in one.tries if not each.figure}
            for precision, one in found.items()
        },
    }
    return Benchmark(name, unit, True, tuple(series), extra=extra)


def _last_line(error: BenchmarkError) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
