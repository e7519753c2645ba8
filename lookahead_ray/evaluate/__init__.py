"""From a model's answers to verdicts, rates and paired tests."""
