"""The audit trail as it is read: what a filter finds, page by page, and the files that people take away."""

from __future__ import annotations

import csv
import json
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from studio.access import RULES, Actor, Role
from studio.access.audit import AuditService, Filter, Line
from studio.access.tables import audit, links, users
from studio.access.trail import Entry, Outcome, record
from studio.db import Database
from studio.errors import AccessError
from studio.ids import new_id, now
from studio.services import Services
from studio.settings import Settings
from studio.text import LANGS, has_text, text

pytestmark = pytest.mark.backends("sqlite", "postgresql")

EVERYTHING = Filter()


@pytest.fixture
def trail(db: Database, settings: Settings) -> AuditService:
    return AuditService(db, settings)


def entered(db: Database, action: str, outcome: Outcome = "done", *, who: Actor | None = None, **more: Any) -> int:
    return record(db, Entry(who or Actor("usr_ann", Role.EDITOR), action, **more), outcome)


def add_user(db: Database, user_id: str, name: str) -> None:
    values = {"id": user_id, "name": name, "name_key": name, "role": "editor", "author": "usr_local", "created_at": now()}
    with db.write() as connection:
        connection.execute(users.insert().values(**values))


def add_link(db: Database, name: str) -> str:
    values = {"id": new_id("lnk"), "scope": "demo", "name": name, "target": {}, "token_hash": "0", "author": "usr_ann"}
    with db.write() as connection:
        limits = {"questions_per_hour": 1, "tokens_per_day": 1}
        connection.execute(links.insert().values(**values, **limits, created_at=now()))
    return str(values["id"])


# --- reading ----------------------------------------------------------------------------------------------------------


def test_the_newest_entry_is_the_first(trail: AuditService, db: Database, actor: Actor) -> None:
    numbers = [entered(db, action) for action in ("run.start", "run.stop", "run.resume")]
    assert [line.id for line in trail.list(actor, EVERYTHING)] == numbers[::-1]


def test_pages_follow_each_other_without_a_gap_while_new_entries_come(trail: AuditService, db: Database, actor: Actor) -> None:
    numbers = [entered(db, "run.start") for _ in range(7)]
    first = trail.list(actor, EVERYTHING, limit=3)
    entered(db, "run.stop")
    second = trail.list(actor, EVERYTHING, before=first[-1].id, limit=3)
    third = trail.list(actor, EVERYTHING, before=second[-1].id, limit=3)
    assert [line.id for line in (*first, *second, *third)] == numbers[::-1]


@pytest.mark.parametrize(("limit", "found"), [(-5, 1), (0, 1), (10_000, 200)])
def test_a_page_has_one_entry_at_least_and_two_hundred_at_most(
    trail: AuditService, db: Database, actor: Actor, limit: int, found: int
) -> None:
    row = {"at": now(), "user_id": "usr_ann", "role": "editor", "address": "", "action": "run.start", "outcome": "done"}
    with db.write() as connection:
        connection.execute(audit.insert(), [row | {"target": "", "detail": {}}] * 210)
    assert len(trail.list(actor, EVERYTHING, limit=limit)) == found


def test_a_line_says_everything_that_was_recorded(trail: AuditService, db: Database, actor: Actor) -> None:
    link = add_link(db, "Beta 测试")
    guest = Actor("usr_guest", Role.DEMO, link_id=link, address="192.0.2.7")
    number = entered(db, "demo.write", "failed", who=guest, target="run_x", detail={"error": "EngineError", "中": 1})
    (line,) = trail.list(actor, EVERYTHING)
    assert line == Line(
        id=number,
        at=line.at,
        user_id="usr_guest",
        user_name="",
        role="demo",
        link_id=link,
        link_name="Beta 测试",
        address="192.0.2.7",
        action="demo.write",
        outcome="failed",
        target="run_x",
        detail={"error": "EngineError", "中": 1},
    )


def test_a_user_has_the_name_of_today(trail: AuditService, db: Database, actor: Actor) -> None:
    add_user(db, "usr_ann", "Ann")
    entered(db, "run.start")
    with db.write() as connection:
        connection.execute(users.update().values(name="Anna"))
    assert [line.user_name for line in trail.list(actor, EVERYTHING)] == ["Anna"]


def test_each_filter_finds_its_own(trail: AuditService, db: Database, actor: Actor) -> None:
    link = add_link(db, "Beta")
    start = entered(db, "run.start")
    refused = entered(db, "user.write", "refused", who=Actor("usr_bob", Role.VIEWER))
    guest = entered(db, "demo.write", who=Actor("usr_guest", Role.DEMO, link_id=link))
    invited = entered(db, "user.read", "refused")

    def found(**wanted: Any) -> set[int]:
        return {line.id for line in trail.list(actor, Filter(**wanted))}

    assert found(user_id="usr_bob") == {refused}
    assert found(link_id=link) == {guest}
    assert found(action="run.start") == {start}
    assert found(action="user.") == {refused, invited}
    assert found(action="user") == set()
    assert found(outcome="refused") == {refused, invited}
    assert found(outcome="refused", user_id="usr_ann") == {invited}


def test_a_beginning_of_an_action_is_no_pattern(trail: AuditService, db: Database, actor: Actor) -> None:
    entered(db, "run.start")
    assert trail.list(actor, Filter(action="r_n.")) == []


def test_since_is_in_it_and_until_is_not(trail: AuditService, db: Database, actor: Actor) -> None:
    moment = now() - timedelta(days=3)
    numbers = [entered(db, "run.start") for _ in range(3)]
    with db.write() as connection:
        for number, hours in zip(numbers, (-1, 0, 1), strict=True):
            moved = audit.update().where(audit.c.id == number).values(at=moment + timedelta(hours=hours))
            connection.execute(moved)
    assert [line.id for line in trail.list(actor, Filter(since=moment))] == [numbers[2], numbers[1]]
    assert [line.id for line in trail.list(actor, Filter(until=moment))] == [numbers[0]]


@pytest.mark.parametrize("wanted", [{"user_id": "a\x00b"}, {"action": "run' or 1=1"}, {"outcome": "maybe"}, {"who": "x"}])
def test_a_filter_that_names_nothing_is_refused(wanted: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Filter.model_validate(wanted)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_an_admin_reads_the_trail_and_who_tries_is_in_it(
    trail: AuditService, db: Database, actor: Actor, role: Role
) -> None:
    with pytest.raises(AccessError):
        trail.list(Actor("usr_x", role), EVERYTHING)
    with pytest.raises(AccessError):
        trail.export(Actor("usr_x", role), EVERYTHING, "csv")
    assert {(line.action, line.outcome, line.role) for line in trail.list(actor, EVERYTHING)} == {
        ("audit.read", "refused", str(role)),
        ("audit.export", "refused", str(role)),
    }


# --- files ------------------------------------------------------------------------------------------------------------


def cells_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_file_holds_the_oldest_entry_first_and_its_own_last(
    trail: AuditService, db: Database, actor: Actor, settings: Settings, form: Any
) -> None:
    entered(db, "run.start", target="眼")
    entered(db, "run.stop")
    path = trail.export(actor, EVERYTHING, form)
    assert path.parent == settings.home / "exports"
    assert path.suffix == f".{form}"
    lines = cells_of(path) if form == "csv" else [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["action"] for line in lines] == ["run.start", "run.stop", "audit.export"]
    assert [line["outcome"] for line in lines] == ["done", "done", "begun"]
    assert lines[0]["target"] == "眼"
    assert list(lines[0]) == list(Line.__dataclass_fields__)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_file_is_read_by_its_owner_only(trail: AuditService, actor: Actor, form: Any) -> None:
    assert stat.S_IMODE(trail.export(actor, EVERYTHING, form).stat().st_mode) == 0o600


def test_a_file_holds_what_the_filter_finds_and_times_in_utc(trail: AuditService, db: Database, actor: Actor) -> None:
    entered(db, "run.start")
    entered(db, "dataset.delete", detail={"n": 3})
    (line,) = cells_of(trail.export(actor, Filter(action="dataset."), "csv"))
    assert json.loads(line["detail"]) == {"n": 3}
    assert line["at"].endswith("Z")
    assert (line["link_id"], line["user_name"]) == ("", "")


def test_a_spreadsheet_finds_chinese_and_no_formula(trail: AuditService, db: Database, actor: Actor) -> None:
    hostile = ['=HYPERLINK("http://evil.example")', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "眼"]
    for target in hostile:
        entered(db, "run.start", target=target)
    path = trail.export(actor, Filter(action="run.start"), "csv")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert [line["target"] for line in cells_of(path)] == [*(f"'{target}" for target in hostile[:-1]), "眼"]


def test_an_export_is_recorded_with_its_form_and_two_at_once_are_two_files(
    trail: AuditService, db: Database, actor: Actor
) -> None:
    assert trail.export(actor, EVERYTHING, "csv") != trail.export(actor, EVERYTHING, "csv")
    with db.read() as connection:
        found = connection.execute(sa.select(audit.c.action, audit.c.outcome, audit.c.detail)).all()
    assert [tuple(row) for row in found] == [("audit.export", "done", {"form": "csv"})] * 2


def test_an_export_that_fails_leaves_no_file(
    trail: AuditService, actor: Actor, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(line: Line) -> str:
        raise OSError("no space")

    monkeypatch.setattr("studio.access.audit._json_line", broken)
    with pytest.raises(OSError, match="no space"):
        trail.export(actor, EVERYTHING, "jsonl")
    assert list((settings.home / "exports").iterdir()) == []


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("key", [*(f"action.{action}" for action in RULES), *(f"role.{role}" for role in Role)])
def test_every_action_and_every_role_has_words(key: str) -> None:
    assert has_text(key)
    assert text("en", key) != text("zh", key)


def test_no_two_actions_read_alike() -> None:
    for lang in LANGS:
        words = [text(lang, f"action.{action}") for action in RULES]
        assert sorted(words) == sorted(set(words))


@pytest.mark.parametrize("outcome", ["begun", "done", "refused", "failed"])
def test_every_outcome_has_words(outcome: str) -> None:
    assert all(text(lang, f"outcome.{outcome}") for lang in LANGS)


def test_the_services_have_the_trail(services: Services, actor: Actor) -> None:
    assert services.audit.list(actor, EVERYTHING) == []
