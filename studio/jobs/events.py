"""What happened, past tense, one JSON object a line (CONTRACTS 5): the events, their writer and their reader.

The job writes, the worker reads; nothing else is said between the two. A half last line is not yet there.
"""

from __future__ import annotations

import fcntl
import json
import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt

from studio.errors import JobError
from studio.ids import now, time_text

__all__ = ["Event", "EventWriter", "plain_float", "read_events"]

EventKind = Literal[
    "attempt_started",
    "phase_changed",
    "progress",
    "step_finished",
    "evaluated",
    "probe_answered",
    "checkpoint_saved",
    "warned",
    "diverged",
    "attempt_ended",
]

log = logging.getLogger("studio.events")

_MAX_LINE_BYTES = 64_000

#: Events on which later attempts build: they are on the disk when the writer goes on.
_SYNCED = ("attempt_started", "checkpoint_saved", "attempt_ended")


class Event(BaseModel):
    """One line of `events.jsonl`; what belongs to its kind lies in the extra fields, read through `body`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    schema_: Literal[1]
    seq: PositiveInt
    at: str
    attempt: NonNegativeInt
    kind: EventKind

    @property
    def body(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


def plain_float(value: Any) -> float:
    """A number of an event; "nan", "inf" and "-inf" are strings there."""
    return float(value)


def _jsonable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    return value


class EventWriter:
    """Appends events; `seq` goes on from what the file holds, over all attempts. `history` is what it held at the start.

    A half line that a killed attempt left is cut off first, so that the file stays one object a line.
    Only one process writes a file: raises JobError while another one does.
    """

    def __init__(self, path: Path, attempt: int, *, after_seq: int = 0) -> None:
        """`after_seq`: the last one that was taken in; a power cut can take events from the file that are known already."""
        self._attempt = attempt
        self._file = path.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise JobError("error.job.runs_already") from None
        self.history: list[Event] = []
        self.begins_at = 0
        try:
            for event, self.begins_at in read_events(path):
                self.history.append(event)
        except ValueError:
            # A disk that was full leaves lines that are no events. Nobody has read beyond the first of them.
            log.exception("%s is cut at byte %d, where it is no event file any more", path, self.begins_at)
        self._seq = max(after_seq, self.history[-1].seq if self.history else 0)
        if self._file.tell() != self.begins_at:
            self._file.truncate(self.begins_at)

    def write(self, kind: EventKind, **body: Any) -> None:
        head = {"schema": 1, "seq": self._seq + 1, "at": time_text(now()), "attempt": self._attempt, "kind": kind}
        line = json.dumps(head | _jsonable(body), ensure_ascii=False, separators=(",", ":")).encode()
        if len(line) > _MAX_LINE_BYTES:
            raise ValueError(f"event {kind} has {len(line)} bytes")
        self._seq += 1
        self._file.write(line + b"\n")
        self._file.flush()
        if kind in _SYNCED:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


def read_events(path: Path, offset: int = 0) -> Iterator[tuple[Event, int]]:
    """Events from byte `offset` on, each with the offset behind it. Ends before a half last line."""
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            value = json.loads(line)
            value["schema_"] = value.pop("schema")
            yield Event.model_validate(value), offset
