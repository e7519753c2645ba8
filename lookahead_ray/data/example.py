"""One row of training or test data.

A sample row:

    Example(
        system="You are a helpful assistant.",
        instruction="Mia has 3 apples and gets 4 more. She gives away 2. How many apples are left?",
        answer="Mia has 3 + 4 = 7 apples.\\nShe gives away 2, so 7 - 2 = 5 are left.\\n#### 5",
    )
"""

from dataclasses import dataclass

from lookahead_ray.config.task import DEFAULT_SYSTEM_PROMPT

SYSTEM_PROMPT = DEFAULT_SYSTEM_PROMPT
"""System prompt of arithmetic tasks, and of users' own files unless they set another."""


@dataclass(frozen=True, slots=True)
class Example:
    """One single-turn chat as plain text, before the chat template and the tokenizer.

    `system` is the system prompt (None: the chat has no system turn), `instruction` the user's turn and
    `answer` the assistant's turn, the only part that the loss counts.
    """

    system: str | None
    instruction: str
    answer: str
