"""Speed measurements of lookahead-ray and its peers in one run: `python -m benchmarks`. No pass or fail."""
