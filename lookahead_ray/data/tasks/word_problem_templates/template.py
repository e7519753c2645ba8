"""Word-problem templates: plain data, and the arithmetic that fills them in."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lookahead_ray.config.task import Solutions

RESULTS = range(2, 100)
"""Allowed results of a step: above 1 keeps plural nouns right, below 100 keeps the sums learnable."""

OPERATORS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.floordiv,
}


@dataclass(frozen=True, slots=True)
class Template:
    """One story with placeholders.

    text:    the question. Placeholders: {name} and another person {friend}; {she}, {She}, {her}, {Her} for
             `name`; {item}, one of `items`; the letters of `numbers`.
    answer:  one line of working per step. Placeholders as in `text`; for a step "x = a + b" also {x}, its
             result (7), and {X}, its working (3 + 4 = 7). `fill` appends the last result as final answer.
    steps:   "x = a + b", in order; operators + - * / (exact only); operands are letters or integers.
    numbers: letter -> lowest and highest value, both included.
    items:   nouns for {item}; empty if the story has none.
    """

    text: str
    answer: str
    steps: tuple[str, ...]
    numbers: Mapping[str, tuple[int, int]]
    items: tuple[str, ...] = ()

    def solve(self, numbers: Mapping[str, int]) -> dict[str, str] | None:
        """Return the steps' placeholder values; None if a result is not in `RESULTS` or does not divide."""
        values, places = dict(numbers), {}
        for step in self.steps:
            name, _, left_name, symbol, right_name = step.split()
            left, right = (values[x] if x in values else int(x) for x in (left_name, right_name))
            result = OPERATORS[symbol](left, right)
            if result not in RESULTS or (symbol == "/" and left % right):
                return None
            values[name] = result
            places[name], places[name.upper()] = str(result), f"{left} {symbol} {right} = {result}"
        return places

    def fill(self, places: Mapping[str, str], solutions: Solutions = "sentences") -> tuple[str, str]:
        """Return the question and the answer in GSM8K's format, with every placeholder filled in.

        With "calculations" the answer is the working of each step without the sentence around it.
        """
        results = [step.split()[0] for step in self.steps]
        answer = self.answer if solutions == "sentences" else "\n".join(f"{{{x.upper()}}}" for x in results)
        return self.text.format_map(places), f"{answer.format_map(places)}\n#### {places[results[-1]]}"
