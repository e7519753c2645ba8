"""Fine-tune a chat model on your own data without losing its safety, and search the trade-off."""

__version__ = "0.1.0"
