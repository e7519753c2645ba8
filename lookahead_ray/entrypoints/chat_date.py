"""The date that chat templates write as today's: one for a whole run, also after midnight and on resume."""

from dataclasses import replace
from datetime import date

from lookahead_ray.config.dimension import corners
from lookahead_ray.config.load import Sweep
from lookahead_ray.config.model import EMBEDDED, EMBEDDED_UNALIGNED, ModelConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ModelError


def fix_chat_date(sweep: Sweep, run: str) -> Sweep:
    """Return the sweep with the date of `run` for its models whose templates write today's; else unchanged.

    It is the day on which the run began; today's for a new run.
    """
    models = {model.model_dump_json(): model for model in map(_model, corners(sweep.template))}
    if not any(model.chat_date is None and _writes_date(model) for model in models.values()):
        return sweep
    from lookahead_ray import store

    return replace(sweep, chat_date=store.chat_date_of(run) or date.today().isoformat())


def _model(tree: object) -> ModelConfig:
    return TrialConfig.model_validate(tree).model


def _writes_date(config: ModelConfig) -> bool:
    if config.path in (EMBEDDED, EMBEDDED_UNALIGNED) and config.chat_template is None:
        return False
    from lookahead_ray.model.chat_settings import writes_date
    from lookahead_ray.trial.seed_model import tokenizer_of

    try:
        return writes_date(tokenizer_of(config))
    except ModelError:
        return False  # trials report it
