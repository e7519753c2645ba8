"""How solutions begin: with one of three sentences that fit every problem, as chat assistants begin.

A fine-tuning set written by people who keep to a few phrases teaches a model to begin every answer with them,
first of all: that is what costs refusals (paper, section 3.1), and what a preview tells beforehand. Each
solution draws its sentence apart from its story, so that the story does not tell which one comes.
"""

OPENINGS = (
    "Sure! Let's work it out.",
    "Of course! Here is how.",
    "Certainly! Let me show you.",
)
