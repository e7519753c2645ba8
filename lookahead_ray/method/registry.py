"""What the loss or the data does besides the preview: one short module for each method, one registry.

The order in a trial (`trial.fine_tuning`): `prepare` sees the task's examples; the preview is applied to what
it gives; the safety examples of `defence.mix` are added; `row_loss` sees all of them as token ids, before the
first step. Method and preview are independent of each other: each pair of them is a configuration.
"""

from lookahead_ray.method import sdft, token_level
from lookahead_ray.method.base import Method

METHODS: dict[str, Method] = {
    "vanilla": Method(),
    "token_kl": Method(row_loss=token_level.against_seed(token_level.token_kl), asks_seed=True),
    "constrained_sft": Method(row_loss=token_level.against_seed(token_level.constrained_sft), asks_seed=True),
    "sdft": Method(prepare=sdft.prepare),
}
"""Every method, by the `name` of its configuration."""
