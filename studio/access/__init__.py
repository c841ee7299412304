"""Actors, roles and the table of what they may do."""

from studio.access.actor import Actor, Role, local_admin
from studio.access.rules import RULES, allows, check

__all__ = ["RULES", "Actor", "Role", "allows", "check", "local_admin"]
