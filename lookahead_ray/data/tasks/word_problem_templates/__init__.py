"""Hand-written word problems, by number of steps; `TEMPLATES` contains all of them."""

from lookahead_ray.data.tasks.word_problem_templates.one_step import ONE_STEP
from lookahead_ray.data.tasks.word_problem_templates.template import Template
from lookahead_ray.data.tasks.word_problem_templates.three_steps import THREE_STEPS
from lookahead_ray.data.tasks.word_problem_templates.two_steps import TWO_STEPS

TEMPLATES: tuple[Template, ...] = (*ONE_STEP, *TWO_STEPS, *THREE_STEPS)

__all__ = ["TEMPLATES", "Template"]
