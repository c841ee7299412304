"""Entry points. Each puts rooms together into one process and does nothing else."""
