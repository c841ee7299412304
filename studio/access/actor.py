"""Who acts: a user, a role, a language, and perhaps the link through which they came (CONTRACTS 8)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from studio.text import Lang

__all__ = ["Actor", "Role", "local_admin"]


class Role(StrEnum):
    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


@dataclass(frozen=True)
class Actor:
    user_id: str
    role: Role
    lang: Lang = "en"
    link_id: str | None = None


def local_admin(user_id: str = "usr_local", lang: Lang = "en") -> Actor:
    """Everybody on the loopback address before accounts exist; the CLI on the machine itself."""
    return Actor(user_id=user_id, role=Role.ADMIN, lang=lang)
