"""What tests of links share: a clock that they set, a link, a browser that follows it, and what a closed one says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from studio.access import Actor, stranger
from studio.access.links import Link, LinkService, LinkSpec
from studio.access.tables import audit
from studio.db import Database
from studio.errors import NotFoundError
from studio.ids import now

GUEST = stranger("zh", "203.0.113.7")
TARGET = {"base": "tiny", "models": ["base", "run_a@3"], "问候": "你好"}


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = now()

    def __call__(self) -> datetime:
        return self.at


def make_link(service: LinkService, actor: Actor, **fields: Any) -> tuple[Link, str]:
    """A new link, to a demo unless told otherwise, and its token."""
    return service.create(actor, LinkSpec(**{"scope": "demo", "name": "For Ana", "target": TARGET} | fields), warned=True)


def come(service: LinkService, link: Link, token: str) -> str:
    """A new browser that follows the address and comes back; its cookie."""
    cookie = service.enter(GUEST, link.id, token, None)
    service.visit(GUEST, link.id, cookie)
    return cookie


def assert_closed(call: Callable[[], Any]) -> None:
    """Whatever the reason: nothing in the error differs."""
    with pytest.raises(NotFoundError) as caught:
        call()
    assert type(caught.value) is NotFoundError
    assert caught.value.as_dict() == {"key": "error.link.closed", "field": None, "params": {}}
    assert caught.value.args == ("error.link.closed",)
    assert caught.value.__cause__ is None


def rows(db: Database, table: sa.Table) -> list[dict[str, Any]]:
    with db.read() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def opened(db: Database) -> list[dict[str, Any]]:
    """What the trail says of links that were opened."""
    return [entry for entry in rows(db, audit) if entry["action"] in ("link.open", "link.unlock")]
