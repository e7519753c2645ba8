"""The registry of methods: changes to loss or data other than the preview, one short module for each.

The order in a trial (`trial.fine_tuning`): `prepare` gets the task's examples; the preview is applied to its
result; the safety examples of `defence.mix` are added; `row_loss` gets all of them as token ids, before the
first step; `finish` gets the trained model, which the trial's `merge` may then move back (`merge.registry`).
Method and preview are independent: every pair of them is a valid configuration.
"""

from typing import Any

from lookahead_ray.config.method import ConstrainedSftMethod, SdftMethod, TokenKlMethod, VanillaMethod
from lookahead_ray.method import sdft, token_level
from lookahead_ray.method.base import Method

METHODS: dict[str, Method[Any]] = {
    "vanilla": Method(VanillaMethod),
    "token_kl": Method(
        TokenKlMethod, row_loss=token_level.against_seed(token_level.token_kl), runs_seed_model=True
    ),
    "constrained_sft": Method(
        ConstrainedSftMethod,
        row_loss=token_level.against_seed(token_level.constrained_sft),
        runs_seed_model=True,
    ),
    "sdft": Method(SdftMethod, prepare=sdft.prepare),
}
"""Every method, by the `name` of its configuration."""
