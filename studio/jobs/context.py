"""What a job sees of the world: its spec, its folder, the settings, a way to tell what happened, a wish to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from studio.db import Database
from studio.jobs.events import Event, EventWriter
from studio.jobs.runfolder import RunFolder
from studio.settings import Settings

__all__ = ["JobContext", "StoppedByRequest"]


class StoppedByRequest(Exception):
    """Raised by a job that ended because it was asked to; `result` is what it leaves."""

    def __init__(self, result: dict[str, Any] | None = None) -> None:
        super().__init__("stopped")
        self.result = result or {}


@dataclass
class JobContext:
    """Handed to a job kind's function; lives as long as one attempt.

    `history` are the events of the attempts before this one, `resumed_from_step` is where this one goes on.
    """

    job_id: str
    attempt: int
    author: str
    spec: dict[str, Any]
    folder: RunFolder
    settings: Settings
    db: Database
    events: EventWriter
    stop: threading.Event = field(default_factory=threading.Event)
    history: Sequence[Event] = ()
    resumed_from_step: int = 0
    _last_progress: float = 0.0

    def phase(self, phase: str, **facts: Any) -> None:
        """A new phase begins; `facts` are what is known by now and stays so."""
        self.events.write("phase_changed", phase=phase, **facts)

    def warn(self, key: str, params: dict[str, Any], rows: Sequence[int] = ()) -> None:
        """Tell what a person should look at; what an earlier attempt has told is not told again."""
        told = {"key": key, "params": params, "rows": list(rows)}
        if not any(event.kind == "warned" and event.body == told for event in self.history):
            self.events.write("warned", **told)

    def progress(self, done: float, total: float, unit: str, eta_s: float | None = None) -> None:
        """Tell how far the job is; at most twice a second, the last one always."""
        moment = time.monotonic()
        if done >= total or moment - self._last_progress >= 0.5:
            self._last_progress = moment
            self.events.write("progress", done=done, total=total, unit=unit, eta_s=eta_s)

    def check_stop(self) -> None:
        """Raises StoppedByRequest when somebody asked the job to stop."""
        if self.stop.is_set():
            raise StoppedByRequest
