"""Evaluation of a model: generated answers, verdicts, rates and losses."""
