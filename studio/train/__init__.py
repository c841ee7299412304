"""Trainings: the spec, the checks before, the job, and reading runs."""
