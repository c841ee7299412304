"""Accounts, signing in, sessions and invitations: who gets in, for how long, and what ends it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from studio.access import Actor, Role, local_admin, passwords, stranger, users
from studio.access.tables import audit, invites
from studio.access.tables import sessions as session_rows
from studio.access.tables import users as user_rows
from studio.access.users import User, UserService
from studio.db import Database
from studio.errors import AccessError, StorageError, StudioError
from studio.ids import is_id
from tests.unit.access.guests import Clock

pytestmark = pytest.mark.backends("sqlite", "postgresql")

GOOD, BETTER = "seven tired herons", "eight quiet otters"
ADMIN = local_admin()
GUEST = stranger("zh", "192.0.2.1")
AGENT = "Firefox 140"


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a hash costs is tested in test_passwords.py."""
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", cheap)
    monkeypatch.setattr(passwords, "_NOBODYS", cheap.hash("nobody's"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(db: Database, clock: Clock) -> UserService:
    return UserService(db, clock)


@pytest.fixture
def anna(service: UserService) -> User:
    """The first account, an admin's."""
    return service.add(ADMIN, "Anna", Role.ADMIN, password=GOOD)


@pytest.fixture
def ben(service: UserService, anna: User) -> User:
    return service.add(ADMIN, "Ben", Role.EDITOR, password=GOOD)


def sign_in(service: UserService, user: User, password: str = GOOD) -> str:
    return service.login(GUEST, user.name, password, agent=AGENT)


def who(service: UserService, token: str | None) -> Actor | None:
    return service.actor_of(token, "en", "192.0.2.1")


def acting(service: UserService, token: str) -> Actor:
    actor = who(service, token)
    assert actor is not None
    return actor


def key_of(call: Callable[[], object]) -> str:
    """The key of the error that a call raises."""
    with pytest.raises(StudioError) as caught:
        call()
    return caught.value.key


def cells(db: Database, query: sa.Select[Any]) -> list[Any]:
    with db.read() as connection:
        return list(connection.execute(query).scalars())


def trail(db: Database, action: str) -> list[tuple[str, str, str]]:
    """(outcome, who, target), oldest first."""
    wanted = sa.select(audit).where(audit.c.action == action).order_by(audit.c.id)
    with db.read() as connection:
        return [(row["outcome"], row["user_id"], row["target"]) for row in connection.execute(wanted).mappings()]


# --- accounts ---------------------------------------------------------------------------------------------------------


def test_the_studio_is_open_until_somebody_has_a_password(service: UserService) -> None:
    assert service.is_open()
    service.add(ADMIN, "Anna", Role.ADMIN, password=GOOD)
    assert not service.is_open()


def test_a_new_account_is_as_it_was_asked_for(service: UserService, anna: User, clock: Clock) -> None:
    made = service.add(ADMIN, "  李雷 ", Role.VIEWER)
    assert is_id(made.id, "usr")
    assert made == User(made.id, "李雷", Role.VIEWER, True, False, None, clock.at, None)
    assert service.get(ADMIN, made.id) == made
    assert [item.name for item in service.list(ADMIN)] == ["Anna", "李雷"]


@pytest.mark.parametrize(("role", "password"), [(Role.EDITOR, GOOD), (Role.ADMIN, None)], ids=["no admin", "no password"])
def test_the_first_account_is_an_admins_with_a_password(service: UserService, role: Role, password: str | None) -> None:
    assert key_of(lambda: service.add(ADMIN, "Anna", role, password=password)) == "error.user.first_admin"
    assert service.list(ADMIN) == []


@pytest.mark.parametrize("name", ["anna", "ANNA", " Anna", "Ａｎｎａ", "ａｎｎａ", "An\u200dna"])
def test_names_that_differ_only_in_case_or_width_are_the_same(service: UserService, anna: User, name: str) -> None:
    assert key_of(lambda: service.add(ADMIN, name, Role.VIEWER)) == "error.user.taken"


@pytest.mark.parametrize(
    "name",
    ["", "   ", "x" * 81, "a\nb", "a\x1b[31mb", "a\u202eb", "a\u2066b", "\u200d", "\ufdfa" * 5],
    ids=["empty", "blank", "long", "lines", "escape", "override", "isolate", "unseen", "grows"],
)
def test_a_name_that_cannot_be_shown_or_kept_is_refused(service: UserService, anna: User, name: str) -> None:
    assert key_of(lambda: service.add(ADMIN, name, Role.VIEWER)) == "error.user.bad_name"


@pytest.mark.parametrize("role", [Role.DEMO, Role.RATE, Role.REPORT, Role.STRANGER, "owner"])
def test_an_account_has_a_role_of_the_staff(service: UserService, ben: User, role: Any) -> None:
    assert key_of(lambda: service.add(ADMIN, "Carla", role)) == "error.user.role"
    assert key_of(lambda: service.set_role(ADMIN, ben.id, role)) == "error.user.role"


def test_a_weak_password_is_refused_wherever_one_is_chosen(service: UserService, ben: User) -> None:
    invitation, token = service.invite(ADMIN, ben.id), sign_in(service, ben)
    ways: list[Callable[[], object]] = [
        lambda: service.add(ADMIN, "Carla", Role.VIEWER, password="short"),
        lambda: service.set_password(ADMIN, ben.id, "short"),
        lambda: service.accept(GUEST, invitation, "short", agent=AGENT),
        lambda: service.change_password(acting(service, token), GOOD, "short", keep=token),
    ]
    assert [key_of(way) for way in ways] == ["error.password.length"] * 4
    assert sign_in(service, ben)


def test_what_is_kept_of_secrets_is_a_hash(service: UserService, ben: User, db: Database) -> None:
    token, invitation = sign_in(service, ben), service.invite(ADMIN, ben.id)
    assert [kept[:10] for kept in cells(db, sa.select(user_rows.c.password_hash))] == ["$argon2id$"] * 2
    assert cells(db, sa.select(session_rows.c.token_hash)) == [hashlib.sha256(token.encode()).hexdigest()]
    assert cells(db, sa.select(invites.c.token_hash)) == [hashlib.sha256(invitation.encode()).hexdigest()]


@pytest.mark.parametrize("user_id", ["usr_local", "", "../anna", "usr_06h06takh6w1ge974039djh9pf"])
def test_an_unknown_account_is_said_to_be_unknown(service: UserService, anna: User, user_id: str) -> None:
    ways: list[Callable[[], object]] = [
        lambda: service.get(ADMIN, user_id),
        lambda: service.invite(ADMIN, user_id),
        lambda: service.set_role(ADMIN, user_id, Role.VIEWER),
        lambda: service.set_active(ADMIN, user_id, False),
        lambda: service.set_password(ADMIN, user_id, BETTER),
        lambda: service.logout_user(ADMIN, user_id),
        lambda: service.me(Actor(user_id, Role.VIEWER)),
    ]
    assert [key_of(way) for way in ways] == ["error.user.unknown"] * 7


def test_the_last_admin_stays_one(service: UserService, anna: User, ben: User) -> None:
    carla = service.add(ADMIN, "Carla", Role.ADMIN)  # has no password: could let nobody in
    disabled = service.add(ADMIN, "Dora", Role.ADMIN, password=GOOD)
    service.set_active(ADMIN, disabled.id, False)
    assert key_of(lambda: service.set_role(ADMIN, anna.id, Role.EDITOR)) == "error.user.last_admin"
    assert key_of(lambda: service.set_active(ADMIN, anna.id, False)) == "error.user.last_admin"
    assert service.get(ADMIN, anna.id) == anna
    service.set_role(ADMIN, anna.id, Role.ADMIN)  # nothing changes: nothing to refuse
    service.set_role(ADMIN, carla.id, Role.VIEWER)
    assert service.get(ADMIN, carla.id).role is Role.VIEWER


@pytest.mark.parametrize("way", ["demoted", "disabled"])
def test_one_of_two_admins_may_go(service: UserService, anna: User, ben: User, way: str) -> None:
    service.set_role(ADMIN, ben.id, Role.ADMIN)
    _ = service.set_role(ADMIN, anna.id, Role.VIEWER) if way == "demoted" else service.set_active(ADMIN, anna.id, False)
    after = service.get(ADMIN, anna.id)
    assert (after.role, after.active) == ((Role.VIEWER, True) if way == "demoted" else (Role.ADMIN, False))
    assert key_of(lambda: service.set_role(ADMIN, ben.id, Role.EDITOR)) == "error.user.last_admin"


# --- signing in -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Ben", "ben", " ＢＥＮ "])
def test_who_knows_the_password_gets_in(service: UserService, ben: User, clock: Clock, name: str) -> None:
    token = service.login(GUEST, name, GOOD, agent=AGENT)
    assert service.actor_of(token, "zh", "192.0.2.9") == Actor(ben.id, Role.EDITOR, "zh", None, "192.0.2.9")
    assert service.me(acting(service, token)).last_login_at == clock.at


def test_all_who_are_refused_hear_the_same_and_are_recorded(service: UserService, ben: User, db: Database) -> None:
    service.invite(ADMIN, service.add(ADMIN, "Carla", Role.VIEWER).id)
    gone = service.add(ADMIN, "Dora", Role.VIEWER, password=GOOD)
    service.set_active(ADMIN, gone.id, False)
    told = set()
    for name, password in [("Nobody", GOOD), ("Ben", BETTER), ("Carla", ""), ("Dora", GOOD), ("", GOOD), ("a\0\ud800", "\ud800")]:
        with pytest.raises(AccessError) as caught:
            service.login(GUEST, name, password, agent=AGENT)
        told.add((caught.value.key, caught.value.field, str(caught.value.params)))
    outcomes = [outcome for outcome, _, _ in trail(db, "session.begin")]
    assert (told, outcomes) == ({("error.access.wrong_login", None, "{}")}, ["refused"] * 6)


@pytest.mark.parametrize("name", ["Nobody", "Carla", "a\0b"], ids=["unknown", "no password", "no name"])
def test_a_password_is_checked_even_where_there_is_none(
    service: UserService, anna: User, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Otherwise the time that the refusal takes would tell who has an account."""
    service.add(ADMIN, "Carla", Role.VIEWER)
    checked: list[tuple[str | None, str]] = []
    monkeypatch.setattr(users, "verify", lambda kept, password: checked.append((kept, password)))
    assert key_of(lambda: service.login(GUEST, name, GOOD, agent=AGENT)) == "error.access.wrong_login"
    assert checked == [(None, GOOD)]


def test_who_guesses_too_often_waits_even_with_the_right_password(service: UserService, ben: User, clock: Clock) -> None:
    keys = [key_of(lambda: sign_in(service, ben, BETTER)) for _ in range(6)]
    assert keys == ["error.access.wrong_login"] * 5 + ["error.access.too_many"]
    assert key_of(lambda: service.login(GUEST, "ＢＥＮ", GOOD, agent=AGENT)) == "error.access.too_many"
    assert service.login(stranger("en", "192.0.2.2"), "Ben", GOOD, agent=AGENT)
    clock.at += timedelta(minutes=15)
    assert sign_in(service, ben)


def test_a_name_that_is_unknown_is_throttled_as_a_known_one(service: UserService, anna: User) -> None:
    keys = [key_of(lambda: service.login(GUEST, "Nobody", GOOD, agent=AGENT)) for _ in range(6)]
    assert keys == ["error.access.wrong_login"] * 5 + ["error.access.too_many"]


def test_the_trail_tells_who_got_in_and_who_did_not(service: UserService, ben: User, db: Database) -> None:
    sign_in(service, ben)
    for _ in range(9):  # the last four are throttled
        with pytest.raises(AccessError):
            service.login(GUEST, " bEn ", BETTER, agent=AGENT)
    assert trail(db, "session.begin") == [("done", ben.id, ben.id)] + [("refused", "", "bEn")] * 5
    assert set(cells(db, sa.select(audit.c.address).where(audit.c.action == "session.begin"))) == {GUEST.address}


def test_the_trail_keeps_no_password_and_no_token(service: UserService, ben: User, db: Database) -> None:
    first, invitation = sign_in(service, ben), service.invite(ADMIN, ben.id)
    token = service.accept(GUEST, invitation, BETTER, agent=AGENT)
    service.change_password(acting(service, token), BETTER, GOOD, keep=token)
    service.set_password(ADMIN, ben.id, BETTER)
    with pytest.raises(AccessError):
        sign_in(service, ben, GOOD)
    last = sign_in(service, ben, BETTER)
    service.logout(acting(service, last), last)
    with db.read() as connection:
        written = json.dumps([list(row) for row in connection.execute(sa.select(audit)).all()], default=str)
    assert ben.id in written
    assert [secret for secret in (GOOD, BETTER, first, invitation, token, last) if secret in written] == []


def test_the_trail_tells_which_role_somebody_got(service: UserService, ben: User, db: Database) -> None:
    service.set_role(ADMIN, ben.id, Role.VIEWER)
    service.set_active(ADMIN, ben.id, False)
    assert cells(db, sa.select(audit.c.detail).order_by(audit.c.id))[-2:] == [{"role": "viewer"}, {"active": False}]
    assert trail(db, "user.write")[-1] == ("done", ADMIN.user_id, ben.id)


def test_a_hash_of_yesterdays_cost_is_made_anew_at_the_next_login(service: UserService, ben: User, db: Database) -> None:
    old = PasswordHasher(time_cost=2, memory_cost=128, parallelism=1).hash(GOOD)
    with db.write() as connection:
        connection.execute(user_rows.update().where(user_rows.c.id == ben.id).values(password_hash=old))
    assert sign_in(service, ben)
    assert "m=64,t=1,p=1" in cells(db, sa.select(user_rows.c.password_hash).where(user_rows.c.id == ben.id))[0]
    assert sign_in(service, ben)


@pytest.mark.parametrize("what", ["disabled", "password"])
def test_who_is_shut_out_while_the_password_is_checked_stays_out(
    service: UserService, ben: User, monkeypatch: pytest.MonkeyPatch, db: Database, what: str
) -> None:
    def slow(kept: str | None, password: str) -> bool:
        if what == "disabled":
            service.set_active(ADMIN, ben.id, False)
        else:
            service.set_password(ADMIN, ben.id, BETTER)
        return True

    monkeypatch.setattr(users, "verify", slow)
    assert key_of(lambda: sign_in(service, ben)) == "error.access.wrong_login"
    assert cells(db, sa.select(session_rows.c.token_hash)) == []


# --- sessions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "", "nonsense", "\ud800\0"])
def test_a_cookie_that_is_no_sessions_is_nobodys(service: UserService, anna: User, token: str | None) -> None:
    assert who(service, token) is None


def test_a_session_ends_when_its_time_is_over(service: UserService, ben: User, db: Database, clock: Clock) -> None:
    token, other = sign_in(service, ben), sign_in(service, ben)
    with db.write() as connection:
        mine = session_rows.c.token_hash == hashlib.sha256(token.encode()).hexdigest()
        connection.execute(session_rows.update().where(mine).values(expires_at=clock.at))
    assert who(service, token) is None
    assert who(service, other) is not None
    assert len(service.sessions(acting(service, other), other)) == 1
    sign_in(service, ben)
    assert len(cells(db, sa.select(session_rows.c.token_hash))) == 2  # a login clears away what is over


def test_a_session_lives_14_days_unused(service: UserService, ben: User, clock: Clock) -> None:
    used, unused = sign_in(service, ben), sign_in(service, ben)
    clock.at += timedelta(days=13)
    assert who(service, used) is not None
    clock.at += timedelta(days=1)
    assert who(service, unused) is None
    clock.at += timedelta(days=13, seconds=-1)
    assert who(service, used) is not None


def test_a_session_lives_90_days_at_most(service: UserService, ben: User, clock: Clock) -> None:
    token, began = sign_in(service, ben), clock.at
    for day in range(0, 90, 10):
        clock.at = began + timedelta(days=day)
        assert who(service, token) is not None, day
    clock.at = began + timedelta(days=90, seconds=-1)
    assert who(service, token) is not None
    clock.at = began + timedelta(days=90)
    assert who(service, token) is None


def test_a_use_is_noted_every_five_minutes_at_most(service: UserService, ben: User, db: Database, clock: Clock) -> None:
    token, began = sign_in(service, ben), clock.at
    seen = []
    for minutes in (4, 5, 9, 10):
        clock.at = began + timedelta(minutes=minutes)
        assert who(service, token) is not None
        seen += [(at - began) / timedelta(minutes=1) for at in cells(db, sa.select(session_rows.c.seen_at))]
    assert seen == [0, 5, 5, 10]


def test_a_database_that_cannot_be_written_signs_nobody_out(
    service: UserService, ben: User, db: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = sign_in(service, ben)
    clock.at += timedelta(minutes=6)

    def full() -> None:
        raise StorageError("error.db.disk_full", place="here")

    monkeypatch.setattr(db, "write", full)
    assert acting(service, token).user_id == ben.id


def test_a_new_role_holds_from_the_next_request(service: UserService, ben: User) -> None:
    token = sign_in(service, ben)
    service.set_role(ADMIN, ben.id, Role.VIEWER)
    assert acting(service, token).role is Role.VIEWER


def test_a_disabled_account_is_out_at_once_and_for_good(service: UserService, ben: User) -> None:
    token, invitation = sign_in(service, ben), service.invite(ADMIN, ben.id)
    service.set_active(ADMIN, ben.id, False)
    assert who(service, token) is None
    assert key_of(lambda: service.invite(ADMIN, ben.id)) == "error.user.inactive"
    service.set_active(ADMIN, ben.id, True)
    assert who(service, token) is None
    assert key_of(lambda: service.invited(GUEST, invitation)) == "error.access.no_invite"
    assert sign_in(service, ben)


def test_a_session_of_a_disabled_account_opens_nothing(service: UserService, ben: User, db: Database) -> None:
    """Even one whose row is still there."""
    token = sign_in(service, ben)
    with db.write() as connection:
        connection.execute(user_rows.update().where(user_rows.c.id == ben.id).values(active=False))
    assert who(service, token) is None


def test_one_sees_where_one_is_signed_in(service: UserService, anna: User, ben: User, clock: Clock) -> None:
    sign_in(service, anna)
    other = service.login(stranger("en", "198.51.100.7"), "Ben", GOOD, agent="Safari\n\0" + "x" * 500)
    clock.at += timedelta(minutes=1)
    token = sign_in(service, ben)
    found = service.sessions(acting(service, token), token)
    assert [(item.is_this, item.address, item.agent) for item in found] == [
        (True, "192.0.2.1", AGENT),
        (False, "198.51.100.7", "Safari" + "x" * 194),
    ]
    assert [item.id for item in found] == [hashlib.sha256(mine.encode()).hexdigest()[:12] for mine in (token, other)]
    assert (found[0].created_at, found[0].seen_at) == (clock.at, clock.at)


def test_signing_out_ends_one_session(service: UserService, anna: User, ben: User) -> None:
    token, other, annas = sign_in(service, ben), sign_in(service, ben), sign_in(service, anna)
    actor = acting(service, token)
    service.logout(actor, token)
    service.logout(actor, annas)  # not Ben's to end
    assert [who(service, each) is not None for each in (token, other, annas)] == [False, True, True]


@pytest.mark.parametrize("by", ["oneself", "an admin"])
def test_signing_out_everywhere_ends_all_sessions_of_the_account(service: UserService, anna: User, ben: User, by: str) -> None:
    tokens, annas = [sign_in(service, ben), sign_in(service, ben)], sign_in(service, anna)
    _ = service.logout_everywhere(acting(service, tokens[0])) if by == "oneself" else service.logout_user(ADMIN, ben.id)
    assert [who(service, each) for each in tokens] == [None, None]
    assert who(service, annas) is not None


def test_a_changed_password_ends_all_other_sessions_and_the_invitation(service: UserService, anna: User, ben: User) -> None:
    token, other, annas = sign_in(service, ben), sign_in(service, ben), sign_in(service, anna)
    invitation = service.invite(ADMIN, ben.id)
    service.change_password(acting(service, token), GOOD, BETTER, keep=token)
    assert [who(service, each) is not None for each in (token, other, annas)] == [True, False, True]
    assert key_of(lambda: service.invited(GUEST, invitation)) == "error.access.no_invite"
    assert key_of(lambda: sign_in(service, ben, GOOD)) == "error.access.wrong_login"
    assert sign_in(service, ben, BETTER)


def test_a_wrong_old_password_changes_nothing_and_is_throttled(service: UserService, ben: User) -> None:
    token = sign_in(service, ben)
    actor = acting(service, token)
    keys = [key_of(lambda: service.change_password(actor, BETTER, BETTER, keep=token)) for _ in range(6)]
    assert keys == ["error.access.wrong_password"] * 5 + ["error.access.too_many"]
    assert key_of(lambda: service.change_password(actor, GOOD, BETTER, keep=token)) == "error.access.too_many"
    assert service.login(stranger("en", "192.0.2.2"), "Ben", GOOD, agent=AGENT)


def test_a_password_that_an_admin_sets_ends_sessions_and_invitation(service: UserService, ben: User) -> None:
    token, invitation = sign_in(service, ben), service.invite(ADMIN, ben.id)
    service.set_password(ADMIN, ben.id, BETTER)
    assert who(service, token) is None
    assert key_of(lambda: service.invited(GUEST, invitation)) == "error.access.no_invite"
    assert sign_in(service, ben, BETTER)


# --- invitations ------------------------------------------------------------------------------------------------------


def test_who_is_invited_chooses_a_password_and_is_in(service: UserService, anna: User, clock: Clock, db: Database) -> None:
    carla = service.add(ADMIN, "Carla", Role.VIEWER)
    invitation = service.invite(ADMIN, carla.id)
    assert service.invited(GUEST, invitation).invited_until == clock.at + timedelta(days=7)
    token = service.accept(GUEST, invitation, GOOD, agent=AGENT)
    assert acting(service, token).user_id == carla.id
    after = service.get(ADMIN, carla.id)
    assert (after.has_password, after.invited_until, after.last_login_at) == (True, None, clock.at)
    assert trail(db, "session.begin") == [("done", carla.id, carla.id)]
    assert sign_in(service, carla)


def test_an_invitation_opens_once(service: UserService, ben: User) -> None:
    before, invitation = sign_in(service, ben), service.invite(ADMIN, ben.id)
    service.accept(GUEST, invitation, BETTER, agent=AGENT)
    assert who(service, before) is None  # a new password ends what began with the old one
    assert key_of(lambda: service.accept(GUEST, invitation, GOOD, agent=AGENT)) == "error.access.no_invite"
    assert key_of(lambda: service.invited(GUEST, invitation)) == "error.access.no_invite"
    assert sign_in(service, ben, BETTER)


def test_of_two_who_accept_at_once_one_is_too_late(service: UserService, ben: User, monkeypatch: pytest.MonkeyPatch) -> None:
    invitation = service.invite(ADMIN, ben.id)
    real = users.hash_password

    def slow(password: str) -> str:
        monkeypatch.setattr(users, "hash_password", real)
        service.accept(GUEST, invitation, GOOD, agent=AGENT)
        return real(password)

    monkeypatch.setattr(users, "hash_password", slow)
    assert key_of(lambda: service.accept(GUEST, invitation, BETTER, agent=AGENT)) == "error.access.no_invite"
    assert sign_in(service, ben, GOOD)


def test_a_new_invitation_replaces_the_earlier_one(service: UserService, ben: User) -> None:
    first, second = service.invite(ADMIN, ben.id), service.invite(ADMIN, ben.id)
    assert key_of(lambda: service.invited(GUEST, first)) == "error.access.no_invite"
    assert service.invited(GUEST, second).id == ben.id


def test_an_invitation_ends_after_seven_days(service: UserService, ben: User, clock: Clock) -> None:
    invitation = service.invite(ADMIN, ben.id)
    clock.at += timedelta(days=7, seconds=-1)
    assert service.invited(GUEST, invitation).id == ben.id
    clock.at += timedelta(seconds=1)
    assert key_of(lambda: service.accept(GUEST, invitation, BETTER, agent=AGENT)) == "error.access.no_invite"
    assert service.get(ADMIN, ben.id).invited_until is None


def test_an_unknown_invitation_is_refused_and_not_recorded(service: UserService, anna: User, db: Database) -> None:
    for token in ("", "nonsense", "\ud800\0"):
        assert key_of(lambda token=token: service.accept(GUEST, token, GOOD, agent=AGENT)) == "error.access.no_invite"
    assert trail(db, "session.begin") == []
