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

Exchange = tuple[str, str]
"""An earlier turn of the user, and the assistant's answer to it."""

SYSTEM_PROMPT = DEFAULT_SYSTEM_PROMPT
"""System prompt of arithmetic tasks, and of users' own files unless they set another."""


@dataclass(frozen=True, slots=True)
class Example:
    """One chat as plain text, before the chat template and the tokenizer.

    `system` is the system prompt (None: the chat has no system turn), `instruction` the user's last turn and
    `answer` the assistant's answer to it, the only part that the loss counts. `history` holds the turns
    before, in their order; it is empty for a single-turn chat.
    """

    system: str | None
    instruction: str
    answer: str
    history: tuple[Exchange, ...] = ()
