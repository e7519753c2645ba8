"""Experiment trackers (MLflow, Weights & Biases, TensorBoard), through the logger callbacks of Ray."""
