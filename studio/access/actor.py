"""Who acts: a user, a role, a language, and perhaps the link through which they came (CONTRACTS 8)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from studio.text import Lang

__all__ = ["SCOPES", "STAFF", "Actor", "Role", "local_admin", "stranger"]


class Role(StrEnum):
    """What somebody is here: with an account, through a link of one scope, or neither."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"
    DEMO = "demo"
    RATE = "rate"
    REPORT = "report"
    STRANGER = "stranger"


#: Roles that an account can have.
STAFF = (Role.VIEWER, Role.EDITOR, Role.ADMIN)
#: Roles of a guest: the scope of the link that let them in.
SCOPES = (Role.DEMO, Role.RATE, Role.REPORT)


@dataclass(frozen=True)
class Actor:
    """`user_id` is an account's, a guest's (one for each browser that a link let in), or "" for a stranger.

    `address` is where a request came from, for the trail and the throttle; empty for guests and for a shell.
    """

    user_id: str
    role: Role
    lang: Lang = "en"
    link_id: str | None = None
    address: str = ""


def local_admin(user_id: str = "usr_local", lang: Lang = "en") -> Actor:
    """Everybody on the loopback address before accounts exist; the CLI on the machine itself."""
    return Actor(user_id=user_id, role=Role.ADMIN, lang=lang)


def stranger(lang: Lang = "en", address: str = "") -> Actor:
    """Somebody who has neither signed in nor come by a link."""
    return Actor(user_id="", role=Role.STRANGER, lang=lang, address=address)
