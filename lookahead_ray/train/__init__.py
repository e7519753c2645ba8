"""Fine-tuning under DeepSpeed ZeRO: batches, the engine, the loop."""
