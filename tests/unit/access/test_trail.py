"""The audit trail as it is written: before something happens, how it ended, and nothing that is not its business."""

from __future__ import annotations

import contextlib
import inspect
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from studio.access import RULES, Actor, Role, allows, stranger
from studio.access.tables import audit
from studio.db import Database
from studio.errors import AccessError, DataError, StudioError
from studio.ids import new_id
from studio.services import Services
from studio.settings import ROOT, Settings
from tests.unit.access.test_rules import METHODS, service_classes

pytestmark = pytest.mark.backends("sqlite", "postgresql")

#: Arguments that hold a secret, or what people wrote: nothing of them is in the trail, whatever the method.
FORBIDDEN = {"password", "token", "cookie", "text", "question", "old", "new", "keep", "confirm", "wanted", "spec", "agent"}


def entries(db: Database) -> list[dict[str, Any]]:
    with db.read() as connection:
        return [dict(row) for row in connection.execute(sa.select(audit).order_by(audit.c.id)).mappings()]


def outcomes(db: Database) -> list[tuple[str, str]]:
    return [(entry["action"], entry["outcome"]) for entry in entries(db)]


class Room:
    """A service whose methods do what the test wants."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @allows("run.start", tells=("n", "form"))
    def make(self, actor: Actor, name: str, does: Callable[[], Any], *, n: Any = 1, form: Any = "x", password: str = "") -> Any:
        return does()

    @allows("run.stop")
    def stop(self, actor: Actor, run_id: str, does: Callable[[], Any]) -> Any:
        return does()

    @allows("run.read")
    def read(self, actor: Actor, run_id: str) -> str:
        return run_id


@pytest.fixture
def room(db: Database) -> Room:
    return Room(db)


def nothing() -> None:
    pass


# --- when -------------------------------------------------------------------------------------------------------------


def test_an_entry_is_there_before_it_happens_and_says_how_it_ended(room: Room, db: Database, actor: Actor) -> None:
    meanwhile: list[Any] = []
    room.make(actor, "eyes", lambda: meanwhile.extend(outcomes(db)))
    assert meanwhile == [("run.start", "begun")]
    assert outcomes(db) == [("run.start", "done")]


def test_nothing_happens_that_cannot_be_recorded(room: Room, db: Database, actor: Actor) -> None:
    happened: list[str] = []
    with db.write() as connection:
        audit.drop(connection)
    with pytest.raises(sa.exc.DBAPIError):
        room.make(actor, "eyes", lambda: happened.append("it"))
    assert happened == []


@pytest.mark.backends("sqlite")
def test_a_process_that_is_killed_in_the_middle_leaves_its_entry_begun(db: Database, settings: Settings) -> None:
    program = (
        "import os\n"
        "from studio.access import local_admin\n"
        "from studio.db import Database\n"
        "from tests.unit.access.test_trail import Room\n"
        f"Room(Database({settings.url!r})).stop(local_admin(), 'run_x', lambda: os._exit(9))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 9
    assert outcomes(db) == [("run.stop", "begun")]


@pytest.mark.parametrize("stop", [SystemExit(3), KeyboardInterrupt()])
def test_a_call_that_ends_the_process_in_good_order_has_failed(
    room: Room, db: Database, actor: Actor, stop: BaseException
) -> None:
    def ends() -> None:
        raise stop

    with pytest.raises(type(stop)):
        room.make(actor, "eyes", ends)
    assert outcomes(db) == [("run.start", "failed")]


def test_an_error_is_told_by_its_key_and_nothing_that_it_holds(room: Room, db: Database, actor: Actor) -> None:
    def fails() -> None:
        raise DataError("error.data.name_taken", field="name", name="marker")

    with pytest.raises(DataError):
        room.make(actor, "eyes", fails)
    (entry,) = entries(db)
    assert (entry["outcome"], entry["detail"]["error"]) == ("failed", "error.data.name_taken")
    assert "marker" not in json.dumps(entry, default=str)


def test_a_defect_is_told_by_its_kind_and_nothing_that_it_says(room: Room, db: Database, actor: Actor) -> None:
    def breaks() -> None:
        raise ValueError("marker")

    with pytest.raises(ValueError, match="marker"):
        room.make(actor, "eyes", breaks)
    (entry,) = entries(db)
    assert (entry["outcome"], entry["detail"]["error"]) == ("failed", "ValueError")
    assert "marker" not in json.dumps(entry, default=str)


def test_reading_leaves_no_entry(room: Room, db: Database, actor: Actor) -> None:
    assert room.read(actor, "run_x") == "run_x"
    assert entries(db) == []


# --- one thing that somebody did is one entry -------------------------------------------------------------------------


def test_what_a_recorded_call_calls_belongs_to_its_entry(room: Room, db: Database, actor: Actor) -> None:
    room.make(actor, "eyes", lambda: room.stop(actor, "run_x", nothing))
    assert outcomes(db) == [("run.start", "done")]


def test_after_a_recorded_call_that_failed_the_next_one_is_recorded_again(room: Room, db: Database, actor: Actor) -> None:
    def breaks() -> None:
        raise ValueError

    with contextlib.suppress(ValueError):
        room.make(actor, "eyes", breaks)
    room.stop(actor, "run_x", nothing)
    assert outcomes(db) == [("run.start", "failed"), ("run.stop", "done")]


def test_two_threads_have_an_entry_each(room: Room, db: Database, actor: Actor) -> None:
    """What one thread is in the middle of is not what the other one does."""
    inside, may_end = threading.Event(), threading.Event()

    def waits() -> None:
        inside.set()
        assert may_end.wait(30)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(room.make, actor, "eyes", waits)
        assert inside.wait(30)
        room.stop(actor, "run_x", nothing)
        assert outcomes(db) == [("run.start", "begun"), ("run.stop", "done")]
        may_end.set()
        first.result(30)
    assert outcomes(db) == [("run.start", "done"), ("run.stop", "done")]


# --- what it tells ----------------------------------------------------------------------------------------------------


def test_an_entry_says_who_from_where_and_through_which_link(room: Room, db: Database) -> None:
    editor = Actor("usr_ann", Role.EDITOR, link_id="lnk_x", address="192.0.2.7")
    room.stop(editor, "run_x", nothing)
    (entry,) = entries(db)
    assert {name: entry[name] for name in ("user_id", "role", "link_id", "address")} == {
        "user_id": "usr_ann",
        "role": "editor",
        "link_id": "lnk_x",
        "address": "192.0.2.7",
    }


def test_the_target_is_the_id_that_was_given(room: Room, db: Database, actor: Actor) -> None:
    room.stop(actor, "run_x", nothing)
    assert [entry["target"] for entry in entries(db)] == ["run_x"]


def test_the_target_of_what_makes_something_is_what_was_made(room: Room, db: Database, actor: Actor) -> None:
    made = new_id("run")
    room.make(actor, "eyes", lambda: made)
    assert [entry["target"] for entry in entries(db)] == [made]


def test_an_answer_that_is_no_id_is_not_kept(room: Room, db: Database, actor: Actor) -> None:
    assert room.make(actor, "eyes", lambda: "marker") == "marker"
    assert [entry["target"] for entry in entries(db)] == ["eyes"]


def test_only_what_is_told_is_kept_by_position_or_by_name(room: Room, db: Database, actor: Actor) -> None:
    room.make(actor, "eyes", nothing, n=7, form="csv", password="marker")
    room.make(actor, name="eyes", does=nothing, password="marker")
    found = entries(db)
    assert [entry["detail"] for entry in found] == [{"n": 7, "form": "csv"}, {}]
    assert "marker" not in json.dumps(found, default=str)


def test_what_is_told_is_cut_and_never_an_object(room: Room, db: Database, actor: Actor) -> None:
    room.make(actor, "眼" * 500, nothing, n=["x"] * 500, form=None)
    (entry,) = entries(db)
    assert entry["target"] == "眼" * 120
    assert entry["detail"] == {"n": str(["x"] * 500)[:200], "form": None}


def test_a_name_that_no_database_keeps_does_not_stop_the_entry(room: Room, db: Database, actor: Actor) -> None:
    """PostgreSQL refuses null bytes, UTF-8 refuses halves of a pair: whoever sent them must be in the trail all the same."""
    room.make(actor, "a\x00b\ud800", nothing, form="c\x00d\udfff")
    (entry,) = entries(db)
    assert (entry["target"], entry["detail"]) == ("ab?", {"form": "cd?"})


# --- what was refused -------------------------------------------------------------------------------------------------


def test_who_is_refused_is_in_the_trail_even_for_reading(room: Room, db: Database) -> None:
    guest = Actor("usr_guest", Role.RATE, link_id="lnk_x")
    for call in (lambda: room.read(guest, "run_x"), lambda: room.stop(guest, "run_x", nothing)):
        with pytest.raises(AccessError):
            call()
    assert [(entry["action"], entry["outcome"], entry["target"], entry["role"]) for entry in entries(db)] == [
        ("run.read", "refused", "run_x", "rate"),
        ("run.stop", "refused", "run_x", "rate"),
    ]


def test_a_call_without_its_arguments_is_refused_and_recorded_all_the_same(room: Room, db: Database, viewer: Actor) -> None:
    with pytest.raises(AccessError):
        room.stop(viewer)  # type: ignore[call-arg]
    assert outcomes(db) == [("run.stop", "refused")]


# --- the services -----------------------------------------------------------------------------------------------------


def recorded_methods() -> Iterator[tuple[str, str]]:
    """(field of Services, method) for each one whose calls are recorded."""
    for field, kind in service_classes().items():
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            action = getattr(method, "studio_action", None)
            if not name.startswith("_") and action in RULES and RULES[action].recorded:
                yield field, name


RECORDED = sorted(recorded_methods())


def test_the_walk_finds_recorded_methods() -> None:
    """Guards the tests below, which would pass on an empty list."""
    assert {("train", "start"), ("users", "set_password"), ("chats", "ask"), ("audit", "export")} <= set(RECORDED)


@pytest.mark.parametrize(("field", "name"), RECORDED)
def test_no_secret_and_nothing_that_people_wrote_gets_into_the_trail(
    services: Services, db: Database, field: str, name: str
) -> None:
    """Each argument is a word of its own; the entry is the one that an allowed call begins with, but nothing runs."""
    service = getattr(services, field)
    method = getattr(service, name)
    given = {parameter: f"marker-{parameter}" for parameter in list(inspect.signature(method).parameters)[1:]}
    with pytest.raises(AccessError):
        method(Actor("usr_guest", Role.RATE), **given)
    if field == "backup":  # opens databases of its own: the CLI runs it on the machine itself
        assert entries(db) == []
        return
    (entry,) = entries(db)
    written = json.dumps([entry["target"], entry["detail"]])
    assert [parameter for parameter in given if parameter in FORBIDDEN and f"marker-{parameter}" in written] == []
    assert set(entry["detail"]) <= set(given)
    told = {parameter for parameter in given if f'"marker-{parameter}"' in written}
    assert told - set(entry["detail"]) <= {parameter for parameter in given if parameter == "name" or parameter.endswith("id")}


@pytest.mark.parametrize(("field", "name"), RECORDED)
def test_a_recorded_method_has_done_its_work_when_it_returns(field: str, name: str) -> None:
    """A generator would begin when its entry says "done" already."""
    method = inspect.unwrap(METHODS[f"{service_classes()[field].__name__}.{name}"])
    assert not inspect.isgeneratorfunction(method)
    assert not inspect.iscoroutinefunction(method)


def test_wrong_passwords_and_tokens_of_strangers_are_not_in_the_trail(services: Services, db: Database) -> None:
    """What records itself, because anybody may try it."""
    who, link = stranger(address="192.0.2.7"), new_id("lnk")
    tries: list[Callable[[], Any]] = [
        lambda: services.users.login(who, "ann", "marker-password", agent="marker-agent"),
        lambda: services.users.invited(who, "marker-token"),
        lambda: services.users.accept(who, "marker-token", "marker-password", agent="marker-agent"),
        lambda: services.links.enter(who, link, "marker-token", "marker-cookie"),
        lambda: services.links.visit(who, link, "marker-cookie"),
        lambda: services.links.unlock(who, link, "marker-cookie", "marker-password"),
    ]
    for attempt in tries:
        with pytest.raises(StudioError):
            attempt()
    assert "marker" not in json.dumps(entries(db), default=str)
