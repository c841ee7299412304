"""Who may do what: the table, and that no service can be used past it."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import pytest

from studio.access import RULES, Actor, Role, allows, check, local_admin
from studio.errors import AccessError
from studio.services import Services

#: The table of CONTRACTS 8 in its own words: "viewer: read, own chats · editor: also data, runs … · admin: also … settings".
VIEWER = {
    "dataset.read",
    "model.read",
    "run.read",
    "job.read",
    "settings.read",
    "chat.read",
    "chat.write",
    "engine.use",
    "storage.read",
}
EDITOR = VIEWER | {"dataset.import", "dataset.delete", "model.fetch", "job.resume", "job.stop"}
EDITOR = EDITOR | {"run.pin", "run.resume", "run.start", "run.stop"}
ADMIN = EDITOR | {"settings.write", "storage.clean", "backup.save", "backup.restore"}

#: Public methods that carry no action, each with its reason.
WITHOUT_ACTION = {
    "ChatService.recover": "called once by the web server at its start, before anybody can act; changes only dead answers",
    "DataService.recover": "called once at a start, before anybody can act; takes back what a killed import left",
    "ChatService.close": "called once by the web server at its end: stops the thread of answers, which nobody owns by then",
    "ChatService.wait": "waits for answers by ids that whoever calls it just got from `get`; reads nothing, for CLI and tests",
}


def actor_with(role: Role) -> Actor:
    return Actor("usr_someone", role)


# --- the table --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "actions"), [(Role.VIEWER, VIEWER), (Role.EDITOR, EDITOR), (Role.ADMIN, ADMIN)])
def test_a_role_may_do_what_the_contract_says(role: Role, actions: set[str]) -> None:
    assert {action for action, roles in RULES.items() if role in roles} == actions


@pytest.mark.parametrize("action", sorted(RULES))
@pytest.mark.parametrize("role", list(Role))
def test_check_agrees_with_the_table(role: Role, action: str) -> None:
    if role in RULES[action]:
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
        @allows("run.start")
        def plain(self, actor: Actor) -> None:
            ran.append("plain")

        @allows("run.start")
        async def later(self, actor: Actor) -> str:
            ran.append("later")
            return "done"

    with pytest.raises(AccessError):
        Service().plain(actor_with(Role.VIEWER))
    with pytest.raises(AccessError):
        asyncio.run(Service().later(actor_with(Role.VIEWER)))
    assert ran == []
    Service().plain(actor_with(Role.EDITOR))
    assert asyncio.run(Service().later(actor_with(Role.EDITOR))) == "done"
    assert ran == ["plain", "later"]


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
    assert {"TrainService.start", "DataService.import_upload", "EngineManager.client"} <= set(METHODS)


@pytest.mark.parametrize("name", sorted(set(METHODS) - set(WITHOUT_ACTION)))
def test_a_public_service_method_carries_an_action_and_takes_the_actor_first(name: str) -> None:
    method = METHODS[name]
    assert getattr(method, "studio_action", None) in RULES
    assert list(inspect.signature(inspect.unwrap(method)).parameters)[:2] == ["self", "actor"]


def test_the_exceptions_exist_and_are_still_needed() -> None:
    assert [name for name in WITHOUT_ACTION if hasattr(METHODS[name], "studio_action")] == []


def test_every_action_but_deleting_is_carried_by_some_method() -> None:
    """`dataset.delete` waits for its method."""
    carried = {getattr(method, "studio_action", None) for method in METHODS.values()}
    assert set(RULES) - carried - {"dataset.delete"} == set()


@pytest.mark.parametrize("field", list(service_classes()))
def test_a_viewer_is_refused_whatever_is_not_for_viewers(services: Services, viewer: Actor, field: str) -> None:
    service = getattr(services, field)
    methods = inspect.getmembers(service, lambda member: hasattr(member, "studio_action"))
    forbidden = [(name, method) for name, method in methods if method.studio_action not in VIEWER]
    for name, method in forbidden:
        with pytest.raises(AccessError) as caught:
            method(viewer)  # refused before the missing arguments are missed
        assert caught.value.params["action"] == method.studio_action, name


def test_a_viewer_cannot_start_a_run(services: Services, viewer: Actor) -> None:
    with pytest.raises(AccessError) as caught:
        services.train.start(viewer, None)  # type: ignore[arg-type]
    assert caught.value.params == {"action": "run.start", "role": "viewer"}
