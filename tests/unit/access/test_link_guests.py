"""Links as guests see them: whom they let in, the password, and that a stranger learns nothing from a closed one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from studio.access import Actor, Role
from studio.access.links import Link, LinkService
from studio.access.tables import audit, links, visits
from studio.db import Database, metadata
from studio.errors import AccessError, NotFoundError
from studio.ids import new_id
from tests.unit.access.guests import GUEST, Clock, assert_closed, come, make_link, opened, rows

pytestmark = pytest.mark.backends("sqlite", "postgresql")

SECOND = timedelta(seconds=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(db: Database, clock: Clock) -> LinkService:
    return LinkService(db, clock)


@pytest.fixture
def make(service: LinkService, actor: Actor) -> Callable[..., tuple[Link, str]]:
    return functools.partial(make_link, service, actor)


# --- coming by one ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["demo", "rate", "report"])
def test_a_guest_acts_in_the_scope_of_the_link(service: LinkService, make: Any, scope: str) -> None:
    link, token = make(scope=scope)
    visit = service.visit(GUEST, link.id, service.enter(GUEST, link.id, token, None))
    assert visit.actor == Actor(visit.actor.user_id, Role(scope), "zh", link.id, address="")
    assert visit.actor.user_id not in ("", GUEST.user_id)
    assert (visit.link.id, visit.unlocked) == (link.id, True)


def test_a_guest_stays_the_same_one(service: LinkService, make: Any) -> None:
    link, token = make()
    cookie = come(service, link, token)
    first, second = (service.visit(GUEST, link.id, cookie).actor for _ in range(2))
    assert first == second


def test_two_browsers_are_two_guests(service: LinkService, make: Any) -> None:
    link, token = make()
    cookies = [come(service, link, token) for _ in range(2)]
    assert len(set(cookies)) == 2
    assert len({service.visit(GUEST, link.id, cookie).actor.user_id for cookie in cookies}) == 2


def test_somebody_with_an_account_is_a_guest_behind_a_link(service: LinkService, make: Any, actor: Actor) -> None:
    link, token = make()
    guest = service.visit(actor, link.id, service.enter(actor, link.id, token, None)).actor
    assert guest.role is Role.DEMO
    assert guest.user_id != actor.user_id


def test_a_preview_that_follows_the_link_is_no_visit(service: LinkService, db: Database, make: Any, actor: Actor) -> None:
    link, token = make(max_visits=1)
    for _ in range(3):
        service.enter(GUEST, link.id, token, None)
    now_ = service.get(actor, link.id)
    assert (now_.visits, now_.used_at, now_.state) == (0, None, "open")
    assert opened(db) == []
    come(service, link, token)
    assert service.get(actor, link.id).visits == 1


def test_a_second_tap_on_the_link_is_no_second_visit(service: LinkService, make: Any, actor: Actor) -> None:
    link, token = make()
    cookie = come(service, link, token)
    assert service.enter(GUEST, link.id, token, cookie) == cookie
    service.visit(GUEST, link.id, cookie)
    assert service.get(actor, link.id).visits == 1


def test_a_cookie_that_was_never_given_out_is_not_adopted(service: LinkService, make: Any) -> None:
    """Otherwise somebody could plant a cookie that they know in another's browser."""
    link, token = make()
    assert service.enter(GUEST, link.id, token, "planted") != "planted"
    assert_closed(lambda: service.visit(GUEST, link.id, "planted"))


def test_the_trail_tells_of_a_visit_once_and_by_its_guest(service: LinkService, db: Database, make: Any) -> None:
    link, token = make()
    cookie = come(service, link, token)
    guest = service.visit(GUEST, link.id, cookie).actor
    (entry,) = opened(db)
    told = {name: entry[name] for name in ("user_id", "role", "link_id", "address", "outcome", "target", "detail")}
    told_guest = {"user_id": guest.user_id, "role": "demo", "link_id": link.id, "address": ""}
    assert told == told_guest | {"outcome": "done", "target": link.id, "detail": {}}


def test_times_of_use_are_written_at_most_once_a_minute(
    service: LinkService, db: Database, clock: Clock, make: Any, actor: Actor
) -> None:
    link, token = make()
    began = clock.at
    cookie = come(service, link, token)
    for seconds, expected in [(59, 0), (60, 60), (119, 60), (120, 120)]:
        clock.at = began + seconds * SECOND
        service.visit(GUEST, link.id, cookie)
        assert rows(db, visits)[0]["seen_at"] == began + expected * SECOND
        assert service.get(actor, link.id).used_at == began + expected * SECOND
    assert service.get(actor, link.id).visits == 1


# --- a password -------------------------------------------------------------------------------------------------------


def test_a_link_with_a_password_waits_for_it(service: LinkService, make: Any) -> None:
    link, token = make(password="correct horse")
    cookie = service.enter(GUEST, link.id, token, None)
    locked = service.visit(GUEST, link.id, cookie)
    assert (locked.link.has_password, locked.unlocked) == (True, False)
    service.unlock(GUEST, link.id, cookie, "correct horse")
    opened_visit = service.visit(GUEST, link.id, cookie)
    assert opened_visit.unlocked
    assert opened_visit.actor == locked.actor


def test_a_password_opens_one_browser_and_not_the_others(service: LinkService, make: Any) -> None:
    link, token = make(password="correct horse")
    mine, other = come(service, link, token), come(service, link, token)
    service.unlock(GUEST, link.id, mine, "correct horse")
    assert service.visit(GUEST, link.id, mine).unlocked
    assert not service.visit(GUEST, link.id, other).unlocked


def test_where_there_is_a_password_the_address_alone_uses_nothing_up(service: LinkService, make: Any) -> None:
    link, token = make(password="correct horse", max_visits=1)
    curious, invited = (come(service, link, token) for _ in range(2))
    for cookie in (curious, invited, curious):
        assert not service.visit(GUEST, link.id, cookie).unlocked
    service.unlock(GUEST, link.id, invited, "correct horse")
    assert service.visit(GUEST, link.id, invited).link.visits == 1
    with pytest.raises(NotFoundError):
        service.visit(GUEST, link.id, curious)


def test_a_wrong_password_is_refused_and_recorded(service: LinkService, db: Database, make: Any) -> None:
    link, token = make(password="correct horse")
    cookie = come(service, link, token)
    guest = service.visit(GUEST, link.id, cookie).actor
    with pytest.raises(AccessError) as caught:
        service.unlock(GUEST, link.id, cookie, "wrong horse")
    assert (caught.value.key, caught.value.params) == ("error.link.wrong_password", {})
    assert not service.visit(GUEST, link.id, cookie).unlocked
    told = [(entry["outcome"], entry["user_id"], entry["link_id"], entry["target"]) for entry in opened(db)]
    assert told == [("refused", guest.user_id, link.id, link.id)]


def test_who_guesses_too_often_waits_even_with_the_right_password(service: LinkService, clock: Clock, make: Any) -> None:
    link, token = make(password="correct horse")
    cookie = come(service, link, token)
    keys = []
    for number in range(30):
        with pytest.raises(AccessError) as caught:
            service.unlock(GUEST, link.id, cookie, f"guess {number}")
        keys.append(caught.value.key)
        if keys[-1] != "error.link.wrong_password":
            break
    assert len(keys) > 2
    assert set(keys[:-1]) == {"error.link.wrong_password"}
    assert keys[-1] == "error.access.too_many"
    with pytest.raises(AccessError) as caught:
        service.unlock(GUEST, link.id, cookie, "correct horse")
    assert caught.value.key == "error.access.too_many"
    assert not service.visit(GUEST, link.id, cookie).unlocked
    clock.at += timedelta(hours=1)
    service.unlock(GUEST, link.id, cookie, "correct horse")
    assert service.visit(GUEST, link.id, cookie).unlocked


def test_an_open_visit_needs_no_password(service: LinkService, db: Database, make: Any) -> None:
    link, token = make()
    cookie = come(service, link, token)
    service.unlock(GUEST, link.id, cookie, "whatever it is")
    assert service.visit(GUEST, link.id, cookie).unlocked
    assert [entry["outcome"] for entry in opened(db)] == ["done"]


def test_a_password_cannot_be_tried_at_a_closed_link(service: LinkService, db: Database, make: Any, actor: Actor) -> None:
    link, token = make(password="correct horse")
    cookie = come(service, link, token)
    service.pause(actor, link.id, True)
    for password in ("correct horse", "wrong horse"):
        assert_closed(lambda password=password: service.unlock(GUEST, link.id, cookie, password))
    assert [entry["outcome"] for entry in opened(db)] == []
    service.pause(actor, link.id, False)
    assert not service.visit(GUEST, link.id, cookie).unlocked


# --- what a stranger may learn ----------------------------------------------------------------------------------------

ODD = [
    "",
    "lnk_",
    "lnk_" + "0" * 26,
    "LNK_" + "0" * 26,
    "usr_" + "0" * 26,
    "lnk_" + "0" * 26 + "\n",
    "../../../etc/passwd",
    "..%2f..%2fstudio.db",
    "x" * 10_240,
    "lnk_" + "0" * 10_240,
    "nul\0byte",
    "lnk_\0" + "0" * 25,
    "' OR '1'='1",
    "lnk_'; DROP TABLE links; --",
    "%",
    "\ud800",
    "lnk_" + "０" * 26,
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: ascii(odd)[:30])
def test_an_odd_id_token_or_cookie_opens_nothing(service: LinkService, db: Database, make: Any, odd: str) -> None:
    link, token = make(password="correct horse")
    cookie = come(service, link, token)
    before = rows(db, links), rows(db, visits), rows(db, audit)
    calls: list[Callable[[], Any]] = [
        lambda: service.enter(GUEST, odd, token, None),
        lambda: service.enter(GUEST, odd, token, cookie),
        lambda: service.enter(GUEST, odd, "", ""),
        lambda: service.enter(GUEST, link.id, odd, None),
        lambda: service.enter(GUEST, link.id, odd, cookie),
        lambda: service.visit(GUEST, odd, cookie),
        lambda: service.visit(GUEST, link.id, odd),
        lambda: service.visit(GUEST, link.id, None),
        lambda: service.unlock(GUEST, odd, cookie, "correct horse"),
        lambda: service.unlock(GUEST, link.id, odd, "correct horse"),
    ]
    for call in calls:
        assert_closed(call)
    assert not service.is_open(odd)
    assert (rows(db, links), rows(db, visits), rows(db, audit)) == before
    assert service.enter(GUEST, link.id, token, odd) not in (odd, cookie)


def test_neither_the_token_nor_the_cookie_of_another_link_opens_this_one(service: LinkService, make: Any) -> None:
    (link, token), (other, other_token) = make(), make()
    cookie = come(service, other, other_token)
    assert_closed(lambda: service.enter(GUEST, link.id, other_token, None))
    assert_closed(lambda: service.enter(GUEST, link.id, other_token, cookie))
    assert_closed(lambda: service.visit(GUEST, link.id, cookie))
    assert_closed(lambda: service.unlock(GUEST, link.id, cookie, "x"))
    assert service.enter(GUEST, link.id, token, cookie) != cookie


def test_a_token_is_no_cookie_and_a_cookie_no_token(service: LinkService, make: Any) -> None:
    link, token = make()
    cookie = come(service, link, token)
    assert_closed(lambda: service.visit(GUEST, link.id, token))
    assert_closed(lambda: service.enter(GUEST, link.id, cookie, None))


def test_what_the_database_holds_of_a_secret_opens_nothing(service: LinkService, db: Database, make: Any) -> None:
    link, token = make()
    come(service, link, token)
    assert_closed(lambda: service.enter(GUEST, link.id, rows(db, links)[0]["token_hash"], None))
    assert_closed(lambda: service.visit(GUEST, link.id, rows(db, visits)[0]["token_hash"]))


def test_an_unknown_link_costs_as_many_statements_as_a_known_one(service: LinkService, db: Database, make: Any) -> None:
    link, _ = make()
    asked: list[str] = []
    sa.event.listen(db.engine, "before_cursor_execute", lambda _c, _u, statement, *_: asked.append(statement))
    wanted = []
    for link_id in (link.id, new_id("lnk"), "nothing"):
        asked.clear()
        assert_closed(lambda link_id=link_id: service.enter(GUEST, link_id, "wrong", None))
        wanted.append(list(asked))
    assert wanted[0] == wanted[1] == wanted[2]
    assert any("FROM links" in statement for statement in wanted[0])


def test_a_stranger_with_a_wrong_token_holds_up_no_writer(
    service: LinkService, db: Database, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, _ = make()
    monkeypatch.setattr(db, "write", lambda: pytest.fail("took the write lock"))
    assert_closed(lambda: service.enter(GUEST, link.id, "wrong", None))
    assert_closed(lambda: service.visit(GUEST, link.id, "wrong"))


def test_only_hashes_are_in_the_database(service: LinkService, db: Database, make: Any, actor: Actor) -> None:
    link, token = make(password="correct horse")
    cookie = come(service, link, token)
    service.unlock(GUEST, link.id, cookie, "correct horse")
    with pytest.raises(AccessError):
        service.unlock(GUEST, link.id, come(service, link, token), "battery staple")
    renewed = service.renew(actor, link.id)
    last = come(service, link, renewed)
    dump = "\n".join(f"{table.name}: {rows(db, table)}" for table in metadata.sorted_tables)
    assert link.id in dump
    found = [secret for secret in (token, cookie, renewed, last, "correct horse", "battery staple") if secret in dump]
    assert found == []
