"""The questions of a safety evaluation: each is a request under an attack, for a metric."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from lookahead_ray.config.evaluation import EvaluationConfig
from lookahead_ray.config.objective import Objective
from lookahead_ray.data.suites.attacks import Attack
from lookahead_ray.data.suites.suite import SafetyPrompt, SafetySuite
from lookahead_ray.data.thoughts import Reply
from lookahead_ray.errors import ConfigError
from lookahead_ray.evaluate.portion import PromptPlace
from lookahead_ray.evaluate.results import Ended, Generation, Metric

PLAIN = Attack()


@dataclass(frozen=True, slots=True)
class Question:
    """One request under one attack, to be answered once."""

    metric: Metric
    suite: str
    attack: Attack
    item: SafetyPrompt

    @property
    def place(self) -> PromptPlace:
        """Return what identifies the question within its metric."""
        return PromptPlace(self.suite, self.attack.name, self.item.id)

    def answered(self, prefill: str, reply: Reply, ended: Ended) -> Generation:
        """Return the row of an answer that is not judged yet."""
        return Generation(
            metric=self.metric,
            suite=self.suite,
            attack=self.attack.name,
            prompt_id=self.item.id,
            category=self.item.category,
            prompt=self.item.prompt,
            suffix=self.attack.suffix,
            prefill=prefill,
            answer=reply.answer,
            judge="",
            verdict="unparsed",
            score=None,
            ended=ended,
            thoughts=reply.thoughts,
        )


def questions(
    suites: Sequence[SafetySuite], attacks: Sequence[Attack], metrics: Collection[Metric]
) -> Iterator[list[Question]]:
    """Yield the questions of each of RSR, JSR and over-refusal that is in `metrics`, in this order.

    Within a metric they are sorted by attack, then by suite, then in the suite's order: so the first question
    gives the attack and the suite of the trial's own rate. Suites that an attack can't be applied to are
    skipped.
    """
    if "rsr" in metrics:
        yield [Question("rsr", suite.name, PLAIN, item) for suite in suites for item in suite.harmful]
    if "jsr" in metrics:
        yield [
            Question("jsr", suite.name, attack, item)
            for attack in attacks
            for suite in suites
            if attack.applies_to(suite)
            for item in suite.harmful
        ]
    if "over_refusal" in metrics:
        yield [Question("over_refusal", suite.name, PLAIN, item) for suite in suites for item in suite.benign]


def check_measurable(
    suites: Sequence[SafetySuite], attacks: Sequence[Attack], config: EvaluationConfig
) -> None:
    """Raise if no prompts remain for a configured measurement.

    Raises:
        ConfigError: no suite has what an attack or KL needs, or no judge covers any answer of a suite.
    """
    names = ", ".join(suite.name for suite in suites)
    openings, harmful = "an opening for each harmful request", "harmful requests"
    for attack in attacks:
        if not any(map(attack.applies_to, suites)):
            needed = openings if attack.opening_tokens else harmful
            raise ConfigError(
                f"evaluation.attacks: {attack.name} needs a suite with {needed}, got none in {names}"
            )
    along_openings = config.kl_on == "openings"
    usable = (suite.has_openings if along_openings else bool(suite.harmful) for suite in suites)
    if config.kl_tokens and not any(usable):
        needed = f"{openings}, or kl_on: seed_answers" if along_openings else harmful
        raise ConfigError(
            f"evaluation.kl_tokens: must be 0 without a suite with {needed}, "
            f"got {config.kl_tokens} and {names}"
        )
    if not any(judge.measures == "refusal" for judge in config.judges):
        for suite in suites:
            if not suite.harmful:
                judges = ", ".join(judge.name for judge in config.judges)
                rule = f"must hold one that measures refusal, as {suite.name} has no harmful requests"
                raise ConfigError(f"evaluation.judges: {rule}, got {judges}")


def check_parts(
    objective: Objective, suites: Sequence[SafetySuite], attacks: Sequence[Attack], config: EvaluationConfig
) -> None:
    """Raise if the objective uses a rate that the evaluation of these suites and attacks does not give.

    Raises:
        ConfigError: the message begins with the objective's field.
    """
    measured = {
        (question.metric, question.suite, question.attack.name)
        for part in questions(suites, attacks, ("rsr", "jsr", "over_refusal"))
        for question in part
    }
    for index, part in enumerate(objective.safety):
        fits = [
            (metric, suite, attack)
            for metric, suite, attack in measured
            if metric == part.metric and part.suite in (None, suite) and part.attack in (None, attack)
        ]
        if not fits:
            known = ", ".join(sorted(" ".join(rate) for rate in measured if rate[0] == part.metric)) or "none"
            raise ConfigError(
                f"objective.safety.{index}: must be a rate that is measured ({known}), got {part.label}"
            )
    if objective.needs_over_refusal:
        judged = any(judge.measures == "refusal" for judge in config.judges)
        if not judged or all(metric != "over_refusal" for metric, _, _ in measured):
            rule = "must be false without harmless requests and a judge that measures refusal"
            raise ConfigError(f"objective.over_refusal: {rule}, got true")
