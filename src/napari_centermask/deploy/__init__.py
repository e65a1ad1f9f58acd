"""Export of models to other runtimes, and benchmarks."""
