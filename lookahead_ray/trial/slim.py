"""Records as a sweep keeps them once they are committed: verdicts without texts.

Objects of one trial's answers, steps and KL values take a megabyte or so; its verdicts alone, equal rows of
all trials being one object, a few kilobytes. The tables hold everything.
"""

from dataclasses import replace

from lookahead_ray.trial.record import Generation, TrialRecord


class Slimmer:
    """Slims records one by one; those of one slimmer share their rows."""

    def __init__(self) -> None:
        self._rows: dict[Generation, Generation] = {}

    def slim(self, record: TrialRecord) -> TrialRecord:
        """The record without steps, and its generations without what was asked and answered.

        Only vanilla keeps its `token_kl`, which says on which prompts KL was measured.
        """
        bare = (replace(row, prompt="", suffix="", prefill="", answer="") for row in record.generations)
        return replace(
            record,
            steps=(),
            generations=tuple(self._rows.setdefault(row, row) for row in bare),
            token_kl=record.token_kl if record.role == "vanilla" else (),
        )
