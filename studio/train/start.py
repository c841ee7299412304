"""The checkpoint that a run begins with, where it does not begin with its base."""

from __future__ import annotations

from pathlib import Path

from studio.errors import ConfigError
from studio.jobs.runfolder import RunFolder
from studio.settings import Settings
from studio.train.spec import TrainSpec

__all__ = ["started_from"]


def started_from(settings: Settings, spec: TrainSpec) -> Path | None:
    """Its folder; None for a run that begins with its base. Raises ConfigError for one that is gone."""
    if not spec.start_from:
        return None
    run_id, _, step = spec.start_from.partition("@")
    folder = RunFolder(settings.home / "runs" / run_id).checkpoint(int(step))
    if not folder.is_dir():
        raise ConfigError("error.train.start_gone", field="start_from", step=int(step))
    return folder
