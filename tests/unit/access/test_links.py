"""Links as their authors see them: made, limited, paused, ended, renewed. What guests see of them is in test_link_guests.py."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from studio.access import Actor, Role
from studio.access.links import Link, LinkService, LinkSpec
from studio.access.tables import audit, links, visits
from studio.db import Database
from studio.errors import AccessError, ConfigError, NotFoundError
from studio.ids import is_id
from tests.unit.access.guests import GUEST, TARGET, Clock, assert_closed, come, make_link, opened, rows

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


# --- making one -------------------------------------------------------------------------------------------------------


def test_a_new_link_is_as_its_author_wished(service: LinkService, clock: Clock, actor: Actor) -> None:
    end = clock.at + timedelta(days=7)
    limits = {"expires_at": end, "max_visits": 5, "questions_per_hour": 10, "tokens_per_day": 2000}
    spec = LinkSpec(scope="rate", name="  第一轮 ", target=TARGET, password="correct horse", **limits)
    link, token = service.create(actor, spec, warned=True)
    assert is_id(link.id, "lnk")
    assert len(token) == 43  # 32 random bytes in base64
    expected = {"scope": Role.RATE, "name": "第一轮", "target": TARGET, "has_password": True, "state": "open", "visits": 0}
    expected |= limits | {"id": link.id, "author": actor.user_id, "created_at": clock.at, "used_at": None}
    assert link == Link(**expected)
    assert service.get(actor, link.id) == link


def test_a_link_that_asks_for_nothing_has_the_usual_limits(make: Callable[..., tuple[Link, str]]) -> None:
    link, _ = make()
    limits = (link.expires_at, link.max_visits, link.questions_per_hour, link.tokens_per_day, link.has_password)
    assert limits == (None, None, 60, 50_000, False)


def test_nobody_makes_a_link_without_having_read_the_warning(service: LinkService, db: Database, actor: Actor) -> None:
    with pytest.raises(ConfigError) as caught:
        service.create(actor, LinkSpec(scope="demo", name="x", target={}), warned=False)
    assert (caught.value.key, caught.value.field) == ("error.link.not_warned", "warned")
    assert rows(db, links) == []


def test_links_are_listed_newest_first(service: LinkService, clock: Clock, actor: Actor, make: Any) -> None:
    made = []
    for _ in range(3):
        made.append(make()[0].id)
        clock.at += SECOND
    assert [link.id for link in service.list(actor)] == made[::-1]


def test_a_viewer_may_not_even_see_links(service: LinkService, viewer: Actor, make: Any) -> None:
    link, _ = make()
    calls = [service.list, lambda who: service.get(who, link.id), lambda who: service.revoke(who, link.id)]
    for call in calls:
        with pytest.raises(AccessError):
            call(viewer)


@pytest.mark.parametrize("link_id", ["lnk_", "", "../../etc/passwd", "lnk_" + "0" * 26])
def test_an_author_is_told_that_a_link_is_unknown(service: LinkService, actor: Actor, link_id: str) -> None:
    limits = {"expires_at": None, "max_visits": None, "questions_per_hour": 1, "tokens_per_day": 100}
    calls: list[Callable[[], Any]] = [
        lambda: service.get(actor, link_id),
        lambda: service.pause(actor, link_id, True),
        lambda: service.revoke(actor, link_id),
        lambda: service.renew(actor, link_id),
        lambda: service.change(actor, link_id, **limits),
    ]
    for call in calls:
        with pytest.raises(NotFoundError) as caught:
            call()
        assert caught.value.key == "error.link.unknown"


@pytest.mark.parametrize(
    "fields",
    [
        {"scope": "admin"},
        {"scope": "stranger"},
        {"name": ""},
        {"name": " \t "},
        {"name": "x" * 121},
        {"name": "two\nlines"},
        {"name": "nul\0"},
        {"name": "ring\x07it"},
        {"name": "two\u2028lines"},
        {"name": "invoice\u202efdp.exe"},
        {"name": "a\u2066b\u2069"},
        {"name": "a\u200fb"},
        {"password": "short"},
        {"expires_at": datetime(2030, 1, 1)},  # no zone: a guess
        {"expires_at": datetime.max.replace(tzinfo=timezone(-timedelta(hours=5)))},
        {"max_visits": 0},
        {"max_visits": 2**31},
        {"questions_per_hour": 0},
        {"questions_per_hour": 10_001},
        {"tokens_per_day": 99},
        {"tokens_per_day": 10**9 + 1},
        {"target": "run_a"},
        {"target": {"file": object()}},
        {"token": "mine"},
    ],
)
@pytest.mark.backends("sqlite")
def test_a_spec_refuses_what_no_link_can_be(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        LinkSpec(**{"scope": "demo", "name": "x", "target": {}} | fields)
    assert {item["loc"][0] for item in caught.value.errors()} == set(fields)


@pytest.mark.parametrize("name", ["x" * 120, "青光眼 · 第 2 轮", "زيارة", "👩‍⚕️ demo", "O'Hara; DROP TABLE links --"])
def test_a_name_may_be_in_any_script(make: Any, name: str) -> None:
    assert make(name=name)[0].name == name


@pytest.mark.parametrize("wrong", [{}, {"name": ""}, {"surprise": 1}, {"password": "hush7"}])
@pytest.mark.backends("sqlite")
def test_no_text_of_a_spec_nor_of_its_errors_shows_the_password(wrong: dict[str, Any]) -> None:
    fields = {"scope": "demo", "name": "x", "target": {}, "password": "hush7hush7"} | wrong
    if not wrong:
        spec = LinkSpec(**fields)
        assert "hush7" not in f"{spec!r} {spec} {spec.model_dump()} {spec.model_dump_json()}"
        assert spec.password is not None
        assert spec.password.get_secret_value() == "hush7hush7"
        return
    with pytest.raises(ValidationError) as caught:
        LinkSpec(**fields)
    error = caught.value
    assert "hush7" not in f"{error!r} {error} {error.errors()} {error.json()}"


def test_a_missing_field_does_not_show_the_password(backend: str) -> None:
    with pytest.raises(ValidationError) as caught:
        LinkSpec(scope="demo", name="x", password="hush7hush7")  # type: ignore[call-arg]
    assert "hush7" not in f"{caught.value!r} {caught.value.errors()} {caught.value.json()}"


def test_times_are_in_utc(make: Any, clock: Clock) -> None:
    link, _ = make(expires_at=(clock.at + SECOND).astimezone(timezone(timedelta(hours=-5))))
    assert link.expires_at is not None
    assert (link.expires_at, link.expires_at.tzinfo) == (clock.at + SECOND, UTC)


def test_the_trail_names_the_link_that_was_made(db: Database, make: Any, actor: Actor) -> None:
    link, _ = make()
    told = [(e["action"], e["outcome"], e["target"], e["user_id"], e["detail"]) for e in rows(db, audit)]
    assert told == [("link.make", "done", link.id, actor.user_id, {"warned": True})]


# --- a use limit ------------------------------------------------------------------------------------------------------


def test_a_full_link_is_closed_to_new_visitors_and_open_to_those_it_let_in(
    service: LinkService, make: Any, actor: Actor
) -> None:
    link, token = make(max_visits=1)
    late = service.enter(GUEST, link.id, token, None)
    cookie = come(service, link, token)
    assert service.get(actor, link.id).state == "full"
    assert_closed(lambda: service.enter(GUEST, link.id, token, None))
    assert_closed(lambda: service.enter(GUEST, link.id, token, late))
    assert_closed(lambda: service.visit(GUEST, link.id, late))
    assert service.enter(GUEST, link.id, token, cookie) == cookie
    assert service.visit(GUEST, link.id, cookie).link.state == "full"
    assert service.is_open(link.id)


def test_of_many_who_come_at_once_exactly_as_many_are_let_in_as_may(
    service: LinkService, db: Database, make: Any, actor: Actor
) -> None:
    link, token = make(max_visits=3)
    cookies = [service.enter(GUEST, link.id, token, None) for _ in range(8)]
    start, let_in, kept_out, problems = threading.Barrier(8), [], [], []

    def visit(cookie: str) -> None:
        start.wait(10)
        try:
            let_in.append(service.visit(GUEST, link.id, cookie).actor.user_id)
        except NotFoundError as error:
            kept_out.append(error.key)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=visit, args=(cookie,)) for cookie in cookies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []
    assert (len(let_in), kept_out) == (3, ["error.link.closed"] * 5)
    assert service.get(actor, link.id).visits == 3
    assert sorted(entry["user_id"] for entry in opened(db)) == sorted(let_in)


def test_one_browser_that_comes_by_eight_tabs_at_once_is_one_visit(
    service: LinkService, db: Database, make: Any, actor: Actor
) -> None:
    link, token = make(max_visits=1)
    cookie = service.enter(GUEST, link.id, token, None)
    start, guests = threading.Barrier(8), []

    def visit() -> None:
        start.wait(10)
        guests.append(service.visit(GUEST, link.id, cookie).actor.user_id)

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(guests) == 8
    assert len(set(guests)) == 1
    assert service.get(actor, link.id).visits == 1
    assert len(opened(db)) == 1


# --- pausing, ending, renewing ----------------------------------------------------------------------------------------


def test_a_paused_link_is_closed_to_everybody_and_may_be_opened_again(service: LinkService, make: Any, actor: Actor) -> None:
    link, token = make()
    cookie = come(service, link, token)
    service.pause(actor, link.id, True)
    assert service.get(actor, link.id).state == "paused"
    assert not service.is_open(link.id)
    assert_closed(lambda: service.enter(GUEST, link.id, token, None))
    assert_closed(lambda: service.enter(GUEST, link.id, token, cookie))
    assert_closed(lambda: service.visit(GUEST, link.id, cookie))
    service.pause(actor, link.id, False)
    assert service.get(actor, link.id).state == "open"
    assert service.is_open(link.id)
    assert service.enter(GUEST, link.id, token, cookie) == cookie
    service.visit(GUEST, link.id, cookie)


def test_a_revoked_link_is_closed_for_good(service: LinkService, make: Any, clock: Clock, db: Database, actor: Actor) -> None:
    link, token = make()
    cookie, revoked_at = come(service, link, token), clock.at
    service.revoke(actor, link.id)
    clock.at += SECOND
    service.revoke(actor, link.id)
    assert rows(db, links)[0]["revoked_at"] == revoked_at
    limits = {"expires_at": None, "max_visits": None, "questions_per_hour": 1, "tokens_per_day": 100}
    again: list[Callable[[], Any]] = [
        lambda: service.pause(actor, link.id, False),
        lambda: service.renew(actor, link.id),
        lambda: service.change(actor, link.id, **limits),
    ]
    for call in again:
        with pytest.raises(ConfigError) as caught:
            call()
        assert caught.value.key == "error.link.revoked"
    assert service.get(actor, link.id).state == "revoked"
    assert not service.is_open(link.id)
    assert_closed(lambda: service.enter(GUEST, link.id, token, cookie))
    assert_closed(lambda: service.visit(GUEST, link.id, cookie))


def test_a_link_ends_at_the_very_moment_it_says(service: LinkService, clock: Clock, make: Any, actor: Actor) -> None:
    end = clock.at + timedelta(hours=1)
    link, token = make(expires_at=end.astimezone(timezone(timedelta(hours=8))))
    clock.at = end - timedelta(milliseconds=1)
    cookie = come(service, link, token)
    assert service.get(actor, link.id).state == "open"
    assert service.is_open(link.id)
    clock.at = end
    assert service.get(actor, link.id).state == "expired"
    assert not service.is_open(link.id)
    assert_closed(lambda: service.enter(GUEST, link.id, token, None))
    assert_closed(lambda: service.enter(GUEST, link.id, token, cookie))
    assert_closed(lambda: service.visit(GUEST, link.id, cookie))


def test_a_visit_lives_thirty_days_and_then_is_a_new_one(service: LinkService, clock: Clock, make: Any, actor: Actor) -> None:
    link, token = make()
    cookie, end = come(service, link, token), clock.at + timedelta(days=30)
    clock.at = end - SECOND
    service.visit(GUEST, link.id, cookie)
    assert service.enter(GUEST, link.id, token, cookie) == cookie
    clock.at = end
    assert_closed(lambda: service.visit(GUEST, link.id, cookie))
    renewed = service.enter(GUEST, link.id, token, cookie)
    assert renewed != cookie
    service.visit(GUEST, link.id, renewed)
    assert service.get(actor, link.id).visits == 2


def test_who_never_came_back_is_forgotten_after_a_day(service: LinkService, db: Database, clock: Clock, make: Any) -> None:
    link, token = make()
    counted, preview = come(service, link, token), service.enter(GUEST, link.id, token, None)
    clock.at += timedelta(days=1) - SECOND
    service.enter(GUEST, link.id, token, None)
    assert len(rows(db, visits)) == 3
    clock.at += SECOND
    assert_closed(lambda: service.visit(GUEST, link.id, preview))
    service.enter(GUEST, link.id, token, None)
    assert [row["counted"] for row in sorted(rows(db, visits), key=lambda row: row["created_at"])] == [True, False, False]
    service.visit(GUEST, link.id, counted)


def test_a_renewed_link_has_a_new_address_and_knows_nobody(service: LinkService, make: Any, actor: Actor) -> None:
    link, token = make()
    cookies = [come(service, link, token), come(service, link, token), service.enter(GUEST, link.id, token, None)]
    other, other_token = make()
    elsewhere = come(service, other, other_token)
    new = service.renew(actor, link.id)
    assert new != token
    for cookie in cookies:
        assert_closed(lambda cookie=cookie: service.visit(GUEST, link.id, cookie))
        assert_closed(lambda cookie=cookie: service.enter(GUEST, link.id, token, cookie))
    assert service.enter(GUEST, link.id, new, cookies[0]) != cookies[0]
    come(service, link, new)
    service.visit(GUEST, other.id, elsewhere)


def test_renewing_twice_ends_the_visits_of_both_addresses(service: LinkService, make: Any, actor: Actor) -> None:
    link, token = make()
    come(service, link, token)
    token = service.renew(actor, link.id)
    cookie = come(service, link, token)
    service.renew(actor, link.id)
    assert_closed(lambda: service.visit(GUEST, link.id, cookie))


def test_renewing_ends_more_visits_than_one_write_takes(
    service: LinkService, db: Database, make: Any, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.access.links._BATCH", 2)
    link, token = make()
    cookies = [come(service, link, token) for _ in range(5)]
    service.renew(actor, link.id)
    for cookie in cookies:
        assert_closed(lambda cookie=cookie: service.visit(GUEST, link.id, cookie))


def test_after_a_renewal_it_is_still_known_whose_the_answers_are(
    service: LinkService, db: Database, make: Any, actor: Actor
) -> None:
    link, token = make()
    guest = service.visit(GUEST, link.id, come(service, link, token)).actor
    service.renew(actor, link.id)
    assert [(row["link_id"], row["guest_id"]) for row in rows(db, visits)] == [(link.id, guest.user_id)]
    assert_closed(lambda: service.visit(GUEST, link.id, f"ended_{guest.user_id}"))


def test_limits_may_be_changed(service: LinkService, clock: Clock, make: Any, actor: Actor) -> None:
    link, token = make(max_visits=1, expires_at=clock.at + SECOND)
    come(service, link, token)
    end = clock.at + timedelta(days=1)
    service.change(actor, link.id, expires_at=end, max_visits=2, questions_per_hour=7, tokens_per_day=700)
    changed = service.get(actor, link.id)
    limits = (changed.expires_at, changed.max_visits, changed.questions_per_hour, changed.tokens_per_day, changed.state)
    assert limits == (end, 2, 7, 700, "open")
    come(service, link, token)
    service.change(actor, link.id, expires_at=None, max_visits=None, questions_per_hour=7, tokens_per_day=700)
    assert (service.get(actor, link.id).max_visits, service.get(actor, link.id).expires_at) == (None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires_at": datetime(2030, 1, 1)},
        {"max_visits": 0},
        {"questions_per_hour": 0},
        {"tokens_per_day": 99},
        {"questions_per_hour": None},
    ],
)
def test_limits_that_no_link_can_have_are_refused(
    service: LinkService, make: Any, actor: Actor, wrong: dict[str, Any]
) -> None:
    link, _ = make()
    limits = {"expires_at": None, "max_visits": None, "questions_per_hour": 7, "tokens_per_day": 700}
    with pytest.raises(ConfigError) as caught:
        service.change(actor, link.id, **limits | wrong)
    assert [caught.value.key, caught.value.field] == ["error.config.invalid", *wrong]
    assert service.get(actor, link.id) == link
