"""Training of the alignment adapter, which makes the embedded seed model refuse."""
