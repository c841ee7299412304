"""Actors, roles and the table of what they may do; accounts, links, and the trail of who did what."""

from studio.access.actor import SCOPES, STAFF, Actor, Role, local_admin, stranger
from studio.access.rules import RULES, allows, check

__all__ = ["RULES", "SCOPES", "STAFF", "Actor", "Role", "allows", "check", "local_admin", "stranger"]
