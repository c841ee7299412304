"""Starts a worker that outlives whoever started it."""

from __future__ import annotations

import subprocess
import sys

from studio.settings import ROOT, Settings

__all__ = ["start_worker"]


def start_worker(settings: Settings) -> None:
    """When a worker serves this home already, the new one says so in the log and ends by itself."""
    with (settings.folder("jobs") / "worker.log").open("ab") as log_file:
        subprocess.Popen(
            [sys.executable, "-m", "studio.processes.worker"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
