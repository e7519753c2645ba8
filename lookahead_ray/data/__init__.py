"""What a trial learns from: examples, tasks and the metrics that score their answers."""
