"""The one table of what each role may do, and the decorator that holds every public service function to it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

from studio.access.actor import SCOPES, STAFF, Actor, Role
from studio.access.trail import Entry, recording, refuse
from studio.errors import AccessError

__all__ = ["RULES", "Rule", "allows", "check"]


class Rule(NamedTuple):
    """Who may do it, and whether each time is recorded in the audit trail. What is refused is recorded always."""

    roles: frozenset[Role]
    recorded: bool = False


_VIEW = frozenset(STAFF)
_EDIT = frozenset({Role.EDITOR, Role.ADMIN})
_ADMIN = frozenset({Role.ADMIN})
_DEMO = frozenset({Role.DEMO})
_ANYBODY = frozenset({Role.STRANGER, *STAFF, *SCOPES})

#: action → rule. An action that is not here is allowed to nobody.
RULES: dict[str, Rule] = {
    "page.use": Rule(_VIEW),
    "page.public": Rule(_ANYBODY),
    "dataset.read": Rule(_VIEW),
    "dataset.look": Rule(_EDIT),  # into an upload, before anything is imported
    "dataset.import": Rule(_EDIT, recorded=True),
    "dataset.write": Rule(_EDIT, recorded=True),
    "dataset.lock": Rule(_EDIT, recorded=True),
    "dataset.export": Rule(_VIEW, recorded=True),
    "dataset.delete": Rule(_EDIT, recorded=True),
    "model.read": Rule(_VIEW),
    "model.fetch": Rule(_EDIT, recorded=True),
    "run.read": Rule(_VIEW),
    "run.start": Rule(_EDIT, recorded=True),
    "run.stop": Rule(_EDIT, recorded=True),
    "run.resume": Rule(_EDIT, recorded=True),
    "run.pin": Rule(_EDIT, recorded=True),
    "model.label": Rule(_EDIT, recorded=True),
    "model.merge": Rule(_EDIT, recorded=True),
    "model.export": Rule(_EDIT, recorded=True),
    "model.push": Rule(_EDIT, recorded=True),
    "model.delete": Rule(_EDIT, recorded=True),
    "job.read": Rule(_VIEW),
    "job.stop": Rule(_EDIT, recorded=True),
    "job.resume": Rule(_EDIT, recorded=True),
    "job.order": Rule(_EDIT, recorded=True),
    "chat.read": Rule(_VIEW),
    "chat.write": Rule(_VIEW, recorded=True),
    "chat.adopt": Rule(_VIEW),  # records itself when there was something
    "engine.use": Rule(_VIEW | _DEMO),
    "engine.unload": Rule(_EDIT, recorded=True),
    "demo.read": Rule(_DEMO),
    "demo.write": Rule(_DEMO, recorded=True),
    "account.read": Rule(_VIEW),
    "account.password": Rule(_VIEW, recorded=True),
    "account.leave": Rule(_VIEW, recorded=True),
    # What anybody may try records itself, and only so often: a stranger must not be able to fill the trail.
    "session.begin": Rule(_ANYBODY),
    "user.read": Rule(_ADMIN),
    "user.add": Rule(_ADMIN, recorded=True),
    "user.invite": Rule(_ADMIN, recorded=True),
    "user.write": Rule(_ADMIN, recorded=True),
    "user.password": Rule(_ADMIN, recorded=True),
    "user.logout": Rule(_ADMIN, recorded=True),
    "link.read": Rule(_EDIT),
    "link.make": Rule(_EDIT, recorded=True),
    "link.write": Rule(_EDIT, recorded=True),
    "link.renew": Rule(_EDIT, recorded=True),
    "link.revoke": Rule(_EDIT, recorded=True),
    "link.open": Rule(_ANYBODY),
    "link.unlock": Rule(_ANYBODY),
    "audit.read": Rule(_ADMIN),
    "audit.export": Rule(_ADMIN, recorded=True),
    "purge.look": Rule(_ADMIN),
    "purge.run": Rule(_ADMIN, recorded=True),
    "settings.read": Rule(_VIEW),
    "settings.write": Rule(_ADMIN, recorded=True),
    "storage.read": Rule(_VIEW),
    "storage.clean": Rule(_ADMIN, recorded=True),
    "backup.save": Rule(_ADMIN, recorded=True),
    "backup.restore": Rule(_ADMIN, recorded=True),
}

_NOBODY = Rule(frozenset())
_F = TypeVar("_F", bound=Callable[..., Any])


def check(actor: Actor, action: str) -> None:
    """Raises AccessError unless the actor's role may do `action`."""
    if actor.role not in RULES.get(action, _NOBODY).roles:
        raise AccessError("error.access.refused", action=action, role=str(actor.role))


def allows(action: str, *, tells: tuple[str, ...] = ()) -> Callable[[_F], _F]:
    """Mark a service method `(self, actor, …)` with its action: the role is checked before the method runs.

    Where the table says so, the call is recorded in the audit trail of `self._db`: before it runs, so that nothing happens
    unrecorded, and again with how it ended. `tells` names arguments that the entry keeps: never a secret, never what people
    wrote. A method that another recorded one calls belongs to that one's entry.
    """
    if action not in RULES:
        raise ValueError(f"no rule for {action}")

    def decorate(function: _F) -> _F:
        signature = inspect.signature(function)

        def entry(self: Any, actor: Actor, args: Any, kwargs: Any) -> Entry:
            try:
                given = signature.bind(self, actor, *args, **kwargs).arguments
            except TypeError:  # the call itself will say what is missing
                given = {}
            return Entry.of(actor, action, given, tells)

        def checked(self: Any, actor: Actor, args: Any, kwargs: Any) -> None:
            try:
                check(actor, action)
            except AccessError:
                refuse(getattr(self, "_db", None), entry(self, actor, args, kwargs))
                raise

        recorded = RULES[action].recorded
        if inspect.iscoroutinefunction(function):
            if recorded:
                raise ValueError(f"{action} is recorded, which blocks: its method cannot be a coroutine")

            @functools.wraps(function)
            async def run_async(self: Any, actor: Actor, *args: Any, **kwargs: Any) -> Any:
                checked(self, actor, args, kwargs)
                return await function(self, actor, *args, **kwargs)

            run: Any = run_async
        else:

            @functools.wraps(function)
            def run_plain(self: Any, actor: Actor, *args: Any, **kwargs: Any) -> Any:
                checked(self, actor, args, kwargs)
                if not recorded:
                    return function(self, actor, *args, **kwargs)
                with recording(getattr(self, "_db", None), entry(self, actor, args, kwargs)) as made:
                    made.result = function(self, actor, *args, **kwargs)
                    return made.result

            run = run_plain
        run.studio_action = action
        return cast("_F", run)

    return decorate
