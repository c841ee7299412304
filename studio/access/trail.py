"""The audit trail as it is written: an entry before something happens, and how it ended (read by `audit.py`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa

from studio.access.actor import Actor
from studio.access.tables import audit
from studio.db import Database
from studio.errors import StudioError
from studio.ids import is_id, now

__all__ = ["Entry", "Outcome", "record", "recording", "refuse"]

Outcome = Literal["begun", "done", "refused", "failed"]

_MAX_TARGET = 120
_MAX_TOLD = 200

#: True inside a recorded call: what it calls in turn belongs to the same entry.
_inside: ContextVar[bool] = ContextVar("studio_recording", default=False)


@dataclass
class Entry:
    """One thing that somebody did or tried. `target` is an id or a name, `detail` what else may be told."""

    actor: Actor
    action: str
    target: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    result: Any = None

    @classmethod
    def of(cls, actor: Actor, action: str, given: Mapping[str, Any], tells: tuple[str, ...]) -> Entry:
        """From the arguments of a call: the first one that is an id or a name is its target."""
        named = (value for name, value in given.items() if name != "request_id" and (name.endswith("_id") or name == "name"))
        target = next((value for value in named if isinstance(value, str) and value), "")
        return cls(actor, action, target, {name: _told(given[name]) for name in tells if name in given})

    def settle(self) -> None:
        """What was made is the target of what makes something."""
        made = next((found for name in ("id", "dataset_id", "link") if (found := getattr(self.result, name, None))), self.result)
        made = getattr(made, "id", made)
        if isinstance(made, str) and is_id(made):
            self.target = made


def _storable(told: str, limit: int = _MAX_TARGET) -> str:
    """Without what no database takes: what somebody tried is recorded whatever it was."""
    return told.replace("\0", "").encode("utf-8", "replace").decode("utf-8")[:limit]


def _told(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | None) else _storable(str(value), _MAX_TOLD)


def record(db: Database, entry: Entry, outcome: Outcome) -> int:
    """Write one entry; returns its number."""
    with db.write() as connection:
        values = {"target": _storable(entry.target), "detail": entry.detail, "action": entry.action, "outcome": outcome}
        actor = entry.actor
        who = {"user_id": actor.user_id, "role": str(actor.role), "link_id": actor.link_id, "address": actor.address[:64]}
        made = connection.execute(audit.insert().values(at=now(), **values, **who).returning(audit.c.id)).scalar_one()
    return int(made)


def refuse(db: Database | None, entry: Entry) -> None:
    """A try that the table does not allow. A service without a database of its own has nowhere to write it."""
    if db is not None:
        record(db, entry, "refused")


@contextlib.contextmanager
def recording(db: Database | None, entry: Entry) -> Iterator[Entry]:
    """Record what happens inside: before it does, and how it ended.

    An entry that stays "begun" tells of a process that was killed in the middle. Inside another recording, and for a service
    that records by itself because it has no database yet, nothing is written here.
    """
    if db is None or _inside.get():
        yield entry
        return
    number = record(db, entry, "begun")
    mark = _inside.set(True)
    outcome: Outcome = "failed"
    try:
        yield entry
        outcome = "done"
        entry.settle()
    except StudioError as error:
        entry.detail = entry.detail | {"error": error.key}
        raise
    except Exception as error:
        entry.detail = entry.detail | {"error": type(error).__name__}
        raise
    finally:
        _inside.reset(mark)
        with db.write() as connection:
            values = {"outcome": outcome, "target": _storable(entry.target), "detail": entry.detail}
            connection.execute(sa.update(audit).where(audit.c.id == number).values(**values))
