"""Who may do what: the table, and that no service can be used past it."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import pytest

from studio.access import RULES, SCOPES, STAFF, Actor, Role, allows, check, local_admin
from studio.errors import AccessError
from studio.services import Services
from studio.settings import ROOT
from studio.text import text

#: The table of CONTRACTS 8 in its own words: "viewer: read, own chats · editor: also data, runs, links · admin: also users,
#: settings, purge, audit. Link scopes: `demo` (chat with its checkpoints)". Whoever is not signed in opens what is public.
ANYBODY = {"page.public", "session.begin", "link.open", "link.unlock"}
VIEWER = ANYBODY | {
    "page.use",
    "dataset.read",
    "model.read",
    "run.read",
    "job.read",
    "settings.read",
    "chat.read",
    "chat.write",
    "engine.use",
    "storage.read",
    "account.read",
    "account.password",
    "account.leave",
    "chat.adopt",
    "dataset.export",
}
EDITOR = VIEWER | {"dataset.look", "dataset.import", "dataset.write", "dataset.lock", "dataset.delete"}
EDITOR = EDITOR | {"model.fetch", "job.resume", "job.stop", "job.order", "engine.unload"}
EDITOR = EDITOR | {"run.pin", "run.resume", "run.start", "run.stop"}
EDITOR = EDITOR | {"model.label", "model.merge", "model.export", "model.push", "model.delete"}
EDITOR = EDITOR | {"link.read", "link.make", "link.write", "link.renew", "link.revoke"}
ADMIN = EDITOR | {"settings.write", "storage.clean", "backup.save", "backup.restore"}
ADMIN = ADMIN | {"user.read", "user.add", "user.invite", "user.write", "user.password", "user.logout"}
ADMIN = ADMIN | {"audit.read", "audit.export", "purge.look", "purge.run"}
TABLE: dict[Role, set[str]] = {
    Role.STRANGER: ANYBODY,
    Role.VIEWER: VIEWER,
    Role.EDITOR: EDITOR,
    Role.ADMIN: ADMIN,
    Role.DEMO: ANYBODY | {"demo.read", "demo.write", "engine.use"},
    Role.RATE: ANYBODY,
    Role.REPORT: ANYBODY,
}

#: Roles as the printed table has them, from left to right.
COLUMNS = (*STAFF, *SCOPES, Role.STRANGER)

#: Allowed, and not recorded each time: reading; what records itself, because a stranger must not be able to fill the trail;
#: and the token of an engine, which each answer asks for.
UNRECORDED = {action for action in ADMIN if action.endswith(".read")} | {
    "page.use",
    "page.public",
    "session.begin",
    "link.open",
    "link.unlock",
    "chat.adopt",
    "dataset.look",
    "demo.read",
    "engine.use",
    "purge.look",
}

#: Public methods that carry no action, each with its reason.
WITHOUT_ACTION = {
    "ChatService.recover": "called once by the web server at its start, before anybody can act; changes only dead answers",
    "DataService.recover": "called once at a start, before anybody can act; takes back what a killed import left",
    "ChatService.close": "called once by the web server at its end: stops the thread of answers, which nobody owns by then",
    "UserService.is_open": "asked by the web server of each request, before it knows who asks; says only whether accounts exist",
    "UserService.actor_of": "is how the web server finds out who asks: there is no actor before it has answered",
    "LinkService.is_open": "asked between two pieces of an answer, so that it ends when its link is closed; says yes or no",
    "ChatService.wait": "waits for answers by ids that whoever calls it just got from `get`; reads nothing, for CLI and tests",
}


def actor_with(role: Role) -> Actor:
    return Actor("usr_someone", role)


# --- the table --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_do_what_the_contract_says(role: Role) -> None:
    assert {action for action, rule in RULES.items() if role in rule.roles} == TABLE[role]


def test_whatever_changes_something_is_recorded() -> None:
    assert {action for action, rule in RULES.items() if not rule.recorded} == UNRECORDED


@pytest.mark.parametrize("action", sorted(RULES))
@pytest.mark.parametrize("role", list(Role))
def test_check_agrees_with_the_table(role: Role, action: str) -> None:
    if action in TABLE[role]:
        check(actor_with(role), action)
        return
    with pytest.raises(AccessError) as caught:
        check(actor_with(role), action)
    assert caught.value.key == "error.access.refused"
    assert caught.value.params == {"action": action, "role": str(role)}


def test_an_action_without_a_rule_is_allowed_to_nobody() -> None:
    with pytest.raises(AccessError):
        check(local_admin(), "dataset.burn")


def test_a_method_cannot_carry_an_action_without_a_rule() -> None:
    with pytest.raises(ValueError, match=r"dataset\.burn"):
        allows("dataset.burn")


def test_the_check_comes_before_the_method_in_plain_and_async_ones() -> None:
    ran: list[str] = []

    class Service:
        @allows("chat.read")
        def plain(self, actor: Actor) -> None:
            ran.append("plain")

        @allows("chat.read")
        async def later(self, actor: Actor) -> str:
            ran.append("later")
            return "done"

    with pytest.raises(AccessError):
        Service().plain(actor_with(Role.DEMO))
    with pytest.raises(AccessError):
        asyncio.run(Service().later(actor_with(Role.DEMO)))
    assert ran == []
    Service().plain(actor_with(Role.EDITOR))
    assert asyncio.run(Service().later(actor_with(Role.EDITOR))) == "done"
    assert ran == ["plain", "later"]


def test_a_recorded_method_cannot_be_a_coroutine() -> None:
    """The trail is written before it runs, which would hold up everything else in the event loop."""
    with pytest.raises(ValueError, match=r"run\.start"):

        @allows("run.start")
        async def later(self: object, actor: Actor) -> None: ...


# --- the table in print -----------------------------------------------------------------------------------------------

PAGE = ROOT / "docs" / "access.md"


def printed_table() -> str:
    """The rules as docs/access.md shows them: an action in words, who may, whether it is recorded."""
    heads = ["action", "in words", *(str(role) for role in COLUMNS), "recorded"]
    lines = [heads, ["---", "---", *[":-:"] * (len(heads) - 2)]]
    for action, rule in RULES.items():
        room, what = action.split(".")
        ticks = ["✓" if role in rule.roles else "" for role in COLUMNS]
        lines.append([f"`{action}`", text("en", f"action.{room}.{what}"), *ticks, "✓" if rule.recorded else ""])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def test_the_page_about_access_shows_the_table_as_it_is() -> None:
    """With WRITE_DOCS set the page is written first."""
    before, begin, rest = re.split(r"(<!-- table of rules: begin .*-->\n)", PAGE.read_text("utf-8"))
    shown, end, after = re.split("(<!-- table of rules: end -->)", rest)
    if "WRITE_DOCS" in os.environ:
        shown = f"{printed_table()}\n"
        PAGE.write_text(before + begin + shown + end + after, "utf-8")
    assert shown == f"{printed_table()}\n"


def test_the_printed_table_has_a_column_for_every_role() -> None:
    assert sorted(COLUMNS) == sorted(Role)


# --- the services -----------------------------------------------------------------------------------------------------


def service_classes() -> dict[str, type]:
    """Every field of `Services` that is a service: all but the settings and the database."""
    hints = get_type_hints(Services)
    return {field.name: hints[field.name] for field in dataclasses.fields(Services) if field.name not in ("settings", "db")}


def public_methods() -> Iterator[tuple[str, Callable[..., Any]]]:
    for kind in service_classes().values():
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_"):
                yield f"{kind.__name__}.{name}", method


METHODS = dict(public_methods())


def test_the_walk_finds_all_services() -> None:
    """Guards the tests below, which would pass on an empty list."""
    found = {kind.__name__ for kind in service_classes().values()}
    assert found >= {"DataService", "ModelService", "JobService", "TrainService", "EngineManager", "ChatService", "SystemService"}
    assert found >= {"UserService", "LinkService", "DemoService", "PurgeService", "AuditService"}
    assert {"TrainService.start", "DataService.import_upload", "EngineManager.client"} <= set(METHODS)


@pytest.mark.parametrize("name", sorted(set(METHODS) - set(WITHOUT_ACTION)))
def test_a_public_service_method_carries_an_action_and_takes_the_actor_first(name: str) -> None:
    method = METHODS[name]
    assert getattr(method, "studio_action", None) in RULES
    assert list(inspect.signature(inspect.unwrap(method)).parameters)[:2] == ["self", "actor"]


def test_the_exceptions_exist_and_are_still_needed() -> None:
    assert [name for name in WITHOUT_ACTION if hasattr(METHODS[name], "studio_action")] == []


def test_every_action_but_deleting_is_carried_by_some_method() -> None:
    """`dataset.delete` waits for its method; a page is used before any service is asked for something."""
    carried = {getattr(method, "studio_action", None) for method in METHODS.values()}
    assert set(RULES) - carried == {"dataset.delete", "page.use", "page.public"}


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
@pytest.mark.parametrize("field", list(service_classes()))
def test_a_role_is_refused_whatever_is_not_for_it(services: Services, field: str, role: Role) -> None:
    service = getattr(services, field)
    methods = inspect.getmembers(service, lambda member: hasattr(member, "studio_action"))
    for name, method in methods:
        if method.studio_action in TABLE[role]:
            continue
        with pytest.raises(AccessError) as caught:  # refused before the missing arguments are missed
            outcome = method(actor_with(role))
            if inspect.iscoroutine(outcome):
                asyncio.run(outcome)
        assert caught.value.params["action"] == method.studio_action, name


def test_a_viewer_cannot_start_a_run(services: Services, viewer: Actor) -> None:
    with pytest.raises(AccessError) as caught:
        services.train.start(viewer, None)  # type: ignore[arg-type]
    assert caught.value.params == {"action": "run.start", "role": "viewer"}
