"""The stages of `benchmarks.gpu`: each measures with the project's own code, or a peer's."""
