"""The audit trail as it is read: who did what, newest first, and as a file (written by `trail.py`)."""

from __future__ import annotations

import csv
import io
import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.engine import RowMapping

from studio.access.actor import Actor
from studio.access.rules import allows
from studio.access.tables import audit, links, users
from studio.access.trail import Outcome
from studio.db import Database
from studio.ids import now, time_text
from studio.settings import Settings

__all__ = ["AuditService", "Filter", "Line"]

#: Entries that one reading gives at most.
_MOST = 200

#: Entries that an export holds in memory at a time.
_BATCH = 1_000

#: Beginnings that make a spreadsheet run a cell as a formula (OWASP, "CSV injection"), and the sign that keeps it from it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_AS_TEXT = "'"

#: Excel takes a CSV file without it for the machine's old code page.
_BYTE_ORDER_MARK = "\ufeff"

_Word = Annotated[str, Field(max_length=120, pattern=r"^[\w.-]+$")]


class Filter(BaseModel):
    """What is wanted of the trail; None is everything. An action that ends with a dot is a beginning: "user.".

    `since` is in it, `until` is not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_id: _Word | None = None
    link_id: _Word | None = None
    action: _Word | None = None
    outcome: Outcome | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


@dataclass(frozen=True)
class Line:
    """One entry. The names are those of today: `user_name` is empty for guests, the local admin, and who was purged."""

    id: int
    at: datetime
    user_id: str
    user_name: str
    role: str
    link_id: str | None
    link_name: str
    address: str
    action: str
    outcome: Outcome
    target: str
    detail: dict[str, Any]


class AuditService:
    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings

    @allows("audit.read")
    def list(self, actor: Actor, wanted: Filter, *, before: int | None = None, limit: int = 50) -> list[Line]:
        """Newest first; `before` is the number of the last entry of the page in front. At most 200 at a time."""
        query = _select(wanted).order_by(audit.c.id.desc()).limit(max(1, min(limit, _MOST)))
        if before is not None:
            query = query.where(audit.c.id < before)
        with self._db.read() as connection:
            return [_line(row) for row in connection.execute(query).mappings()]

    @allows("audit.export", tells=("form",))
    def export(self, actor: Actor, wanted: Filter, form: Literal["csv", "jsonl"]) -> Path:
        """A file under `exports/` that only its owner may read, oldest entry first. Its own entry is the last, still begun."""
        write = {"csv": _csv_line, "jsonl": _json_line}[form]
        stamp = now().strftime("%Y%m%d-%H%M%S")
        path = self._settings.folder("exports") / f"audit-{stamp}-{secrets.token_hex(4)}.{form}"
        part = path.with_suffix(f".{form}.part")
        query = _select(wanted).order_by(audit.c.id).execution_options(yield_per=_BATCH)
        try:
            part.touch(mode=0o600, exist_ok=False)
            with part.open("w", encoding="utf-8", newline="") as file:
                if form == "csv":
                    file.write(_BYTE_ORDER_MARK + _csv_row(Line.__dataclass_fields__))
                with self._db.read() as connection:
                    for row in connection.execute(query).mappings():
                        file.write(write(_line(row)))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path


def _select(wanted: Filter) -> sa.Select[Any]:
    query = (
        sa.select(audit, _name_of(users).label("user_name"), _name_of(links).label("link_name"))
        .outerjoin(users, users.c.id == audit.c.user_id)
        .outerjoin(links, links.c.id == audit.c.link_id)
    )
    for column in (audit.c.user_id, audit.c.link_id, audit.c.outcome):
        value = getattr(wanted, column.name)
        if value is not None:
            query = query.where(column == value)
    if wanted.action is not None:
        starts = audit.c.action.startswith(wanted.action, autoescape=True)
        query = query.where(starts if wanted.action.endswith(".") else audit.c.action == wanted.action)
    if wanted.since is not None:
        query = query.where(audit.c.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(audit.c.at < wanted.until)
    return query


def _name_of(table: sa.Table) -> sa.ColumnElement[str]:
    return sa.func.coalesce(table.c.name, "")


def _line(row: RowMapping) -> Line:
    return Line(**row)


def _json_line(line: Line) -> str:
    return json.dumps(asdict(line) | {"at": time_text(line.at)}, ensure_ascii=False) + "\n"


def _csv_line(line: Line) -> str:
    values = asdict(line) | {"at": time_text(line.at), "detail": json.dumps(line.detail, ensure_ascii=False)}
    return _csv_row(["" if value is None else str(value) for value in values.values()])


def _csv_row(cells: Iterable[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerow([_AS_TEXT + cell if cell.startswith(_FORMULA) else cell for cell in cells])
    return text.getvalue()
