"""The one table of what each role may do, and the decorator that holds every public service function to it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from studio.access.actor import Actor, Role
from studio.errors import AccessError

__all__ = ["RULES", "allows", "check"]

_VIEW = frozenset({Role.VIEWER, Role.EDITOR, Role.ADMIN})
_EDIT = frozenset({Role.EDITOR, Role.ADMIN})
_ADMIN = frozenset({Role.ADMIN})

#: action → roles. An action that is not here is allowed to nobody.
RULES: dict[str, frozenset[Role]] = {
    "dataset.read": _VIEW,
    "dataset.import": _EDIT,
    "dataset.delete": _EDIT,
    "model.read": _VIEW,
    "model.fetch": _EDIT,
    "run.read": _VIEW,
    "run.start": _EDIT,
    "run.stop": _EDIT,
    "run.resume": _EDIT,
    "run.pin": _EDIT,
    "job.read": _VIEW,
    "job.stop": _EDIT,
    "job.resume": _EDIT,
    "chat.read": _VIEW,
    "chat.write": _VIEW,
    "engine.use": _VIEW,
    "settings.read": _VIEW,
    "settings.write": _ADMIN,
    "storage.read": _VIEW,
    "storage.clean": _ADMIN,
    "backup.save": _ADMIN,
    "backup.restore": _ADMIN,
}

_F = TypeVar("_F", bound=Callable[..., Any])


def check(actor: Actor, action: str) -> None:
    """Raises AccessError unless the actor's role may do `action`."""
    if actor.role not in RULES.get(action, frozenset()):
        raise AccessError("error.access.refused", action=action, role=str(actor.role))


def allows(action: str) -> Callable[[_F], _F]:
    """Mark a service method `(self, actor, …)` with its action; the check runs before the method does."""
    if action not in RULES:
        raise ValueError(f"no rule for {action}")

    def decorate(function: _F) -> _F:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(self: Any, actor: Actor, *args: Any, **kwargs: Any) -> Any:
                check(actor, action)
                return await function(self, actor, *args, **kwargs)

            run: Any = run_async
        else:

            @functools.wraps(function)
            def run_plain(self: Any, actor: Actor, *args: Any, **kwargs: Any) -> Any:
                check(actor, action)
                return function(self, actor, *args, **kwargs)

            run = run_plain
        run.studio_action = action
        return cast("_F", run)

    return decorate
