"""The review queue: what waits there until a person has said yes or no. Pure; knows no page.

Two kinds of rows wait: those that somebody or the doctor has flagged, and drafts, which a model or a vote made. A draft stands in
no split, so no training, no export of a split and no test ever sees it; a person who accepts it gives it one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from studio.data.rows import NewRow, content_hash
from studio.data.tables import rows

__all__ = ["accepted", "are_drafts", "drafted", "flagged", "is_draft", "is_settled", "waits"]

#: Types of an origin that no person stands behind.
_MADE = ("model", "vote")


def is_draft(origin: dict[str, Any] | None) -> bool:
    return origin is not None and origin.get("type") in _MADE and not origin.get("reviewed")


def waits(flag: str | None, origin: dict[str, Any] | None) -> bool:
    return flag is not None or is_draft(origin)


def are_drafts() -> sa.ColumnElement[bool]:
    """The same for the database, by the JSON as it is stored: compact, and with a quotation mark inside a text escaped."""
    stored = sa.func.coalesce(sa.type_coerce(rows.c.origin, sa.Text), "")
    made = sa.or_(*(stored.contains(f'"type":"{made}"', autoescape=True) for made in _MADE))
    return sa.and_(made, ~stored.contains('"reviewed":true', autoescape=True))


def drafted(row: NewRow, **origin: Any) -> NewRow:
    """The row as a draft."""
    return replace(row, split=None, origin=(row.origin or {}) | {"type": "model"} | origin)


def accepted(row: NewRow) -> NewRow:
    """The row after a person has said yes: a draft is trained on from now on, a flag is gone, and what the doctor had flagged it
    for is settled as long as the row says the same.
    """
    origin = dict(row.origin or {})
    if asked := origin.pop("asked", None):
        origin["settled"] = origin.get("settled", {}) | dict.fromkeys(asked, content_hash(row.content))
    if not is_draft(row.origin):
        return replace(row, flag=None, origin=origin or None)
    return replace(row, flag=None, split=row.split or "train", origin=origin | {"reviewed": True})


def flagged(row: NewRow, flag: str | None, check: str = "") -> NewRow:
    """The row with a flag, or without one. `check` is the doctor's that asks, in `origin.asked` until a person has answered."""
    origin = dict(row.origin or {})
    if flag is None:
        origin.pop("asked", None)
    elif check:
        origin["asked"] = sorted({*origin.get("asked", ()), check})
    return replace(row, flag=flag, origin=origin or None)


def is_settled(origin: dict[str, Any] | None, check: str, hash_of_content: str) -> bool:
    """Whether a person has accepted the row, as it is, although a check of the doctor had found it."""
    return origin is not None and origin.get("settled", {}).get(check) == hash_of_content
