"""How passwords are kept, which ones are refused, and who has to wait before trying another one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher, Type, extract_parameters

from studio.access import passwords
from studio.access.passwords import Throttle, check_password, folded, hash_password, needs_rehash, verify
from studio.access.tables import attempts
from studio.db import Database
from studio.errors import AccessError, ConfigError
from studio.text import error_text
from tests.unit.access.guests import Clock

GOOD = "seven tired herons"
both_databases = pytest.mark.backends("sqlite", "postgresql")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(db: Database, clock: Clock) -> Throttle:
    return Throttle(db, clock)


def minutes_to_wait(throttle: Throttle, target: str, address: str) -> int:
    """0: may try."""
    try:
        throttle.check(target, address)
    except AccessError as error:
        assert error.key == "error.access.too_many"
        return int(error.params["minutes"])
    return 0


def n_attempts(db: Database) -> int:
    with db.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(attempts)).scalar_one())


# --- hashes -----------------------------------------------------------------------------------------------------------


def test_a_hash_is_argon2id_with_64_mib() -> None:
    kept = hash_password(GOOD)
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert GOOD not in kept


def test_the_right_password_fits_and_others_do_not() -> None:
    kept = hash_password(GOOD)
    assert verify(kept, GOOD)
    assert not verify(kept, GOOD.upper())
    assert not verify(kept, "")


def test_the_same_password_twice_is_kept_in_two_ways() -> None:
    assert hash_password(GOOD) != hash_password(GOOD)


def test_a_password_fits_in_the_code_points_of_another_keyboard() -> None:
    """é in one code point and in two; digits in full width, as a Chinese keyboard writes them."""
    kept = hash_password("caf\u00e9 12345")
    assert verify(kept, "cafe\u0301 １２３４５")


@pytest.mark.parametrize("password", ["", GOOD, "\ud800", "a\0b", "x" * 100_000])
def test_no_password_fits_where_there_is_none(password: str) -> None:
    assert not verify(None, password)


@pytest.mark.parametrize("kept", ["nonsense", "$argon2id$v=19$m=65536", "$2b$12$abcdefghijklmnopqrstuv"])
def test_nothing_fits_a_hash_that_is_none(kept: str) -> None:
    assert not verify(kept, GOOD)


def test_where_there_is_no_password_the_check_costs_as_much() -> None:
    """The stand-in hash has the parameters of the others, so argon2 does the same work for it."""
    assert extract_parameters(passwords._NOBODYS) == extract_parameters(hash_password(GOOD))


def test_where_there_is_no_password_argon2_is_asked_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Asked:
        def verify(self, kept: str, password: bytes) -> bool:
            asked.append(kept)
            return False

    monkeypatch.setattr(passwords, "_HASHER", Asked())
    verify(None, GOOD)
    assert asked == [passwords._NOBODYS]


def test_a_hash_at_another_cost_is_to_be_made_anew() -> None:
    assert not needs_rehash(hash_password(GOOD))
    assert needs_rehash(PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(GOOD))
    assert needs_rehash(PasswordHasher(time_cost=3, memory_cost=65536, parallelism=4, type=Type.I).hash(GOOD))


def test_no_more_than_two_hashes_are_made_at_once(monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., object]) -> None:
    """Five want to; those inside stay until all who can have come in."""
    inside, most, may_go, guard = 0, 0, threading.Event(), threading.Lock()

    class Slow:
        def hash(self, password: bytes) -> str:
            nonlocal inside, most
            with guard:
                inside += 1
                most = max(most, inside)
            assert may_go.wait(30)
            with guard:
                inside -= 1
            return "kept"

    monkeypatch.setattr(passwords, "_HASHER", Slow())
    threads = [threading.Thread(target=hash_password, args=(GOOD,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    wait_until(lambda: inside >= 2)
    may_go.set()
    for thread in threads:
        thread.join(30)
    assert most == 2


# --- which passwords are refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "key"),
    [
        ("ninechars", "error.password.length"),
        ("x1" * 129, "error.password.length"),
        ("Anna Schmidt", "error.password.is_name"),
        ("ａｎｎａ ｓｃｈｍｉｄｔ", "error.password.is_name"),
        ("password123", "error.password.easy"),
        ("Pass Word 123", "error.password.easy"),
        ("１２３４５６７８９０", "error.password.easy"),
        ("aaaaaaaaaaaa", "error.password.easy"),
        ("aAaAaAaAaAaA", "error.password.easy"),
        (" " * 12, "error.password.easy"),
    ],
)
def test_a_weak_password_is_refused_with_its_reason(password: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_password(password, "Anna Schmidt")
    assert (caught.value.key, caught.value.field) == (key, "password")
    assert password not in str(caught.value) + error_text("en", caught.value)


@pytest.mark.parametrize("password", ["tencharsok", "x1" * 128, GOOD, "青光眼会损害视神经与视野", "Anna Schmidt 1"])
def test_other_passwords_are_taken(password: str) -> None:
    check_password(password, "Anna Schmidt")


def test_no_password_of_the_list_is_too_short_to_matter() -> None:
    assert [word for word in passwords._COMMON.split() if len(word) < 10 or folded(word) != word] == []


# --- the throttle -----------------------------------------------------------------------------------------------------


@both_databases
@pytest.mark.parametrize(
    ("most", "target", "address"),
    [
        (5, lambda n: "anna", lambda n: "192.0.2.1"),
        (20, lambda n: f"name {n}", lambda n: "192.0.2.1"),
        (50, lambda n: "anna", lambda n: f"192.0.2.{n}"),
    ],
    ids=["one target from one address", "an address over all targets", "a target over all addresses"],
)
def test_after_so_many_wrong_ones_one_has_to_wait(
    throttle: Throttle, most: int, target: Callable[[int], str], address: Callable[[int], str]
) -> None:
    for number in range(most):
        assert minutes_to_wait(throttle, target(200), address(200)) == 0, number
        throttle.failed(target(number), address(number))
    assert minutes_to_wait(throttle, target(200), address(200)) == 15


@both_databases
def test_others_need_not_wait(throttle: Throttle) -> None:
    for _ in range(5):
        throttle.failed("anna", "192.0.2.1")
    assert minutes_to_wait(throttle, "anna", "192.0.2.1") == 15
    assert minutes_to_wait(throttle, "anna", "192.0.2.2") == 0
    assert minutes_to_wait(throttle, "ben", "192.0.2.1") == 0


@both_databases
def test_the_wait_ends_when_the_first_of_them_is_15_minutes_old(throttle: Throttle, clock: Clock) -> None:
    began = clock.at
    for number in range(5):
        clock.at = began + timedelta(minutes=number)
        throttle.failed("anna", "192.0.2.1")
    assert minutes_to_wait(throttle, "anna", "192.0.2.1") == 11
    clock.at = began + timedelta(minutes=15, seconds=-1)
    assert minutes_to_wait(throttle, "anna", "192.0.2.1") == 1
    clock.at = began + timedelta(minutes=15)
    assert minutes_to_wait(throttle, "anna", "192.0.2.1") == 0
    throttle.failed("anna", "192.0.2.1")
    assert minutes_to_wait(throttle, "anna", "192.0.2.1") == 1  # until the second one, of minute 1, is old


@both_databases
def test_a_right_password_forgets_the_wrong_ones_of_this_target_from_this_address(throttle: Throttle, db: Database) -> None:
    for _ in range(4):
        throttle.failed("anna", "192.0.2.1")
    throttle.failed("anna", "192.0.2.2")
    throttle.failed("ben", "192.0.2.1")
    throttle.succeeded("anna", "192.0.2.1")
    assert n_attempts(db) == 2
    for _ in range(4):
        throttle.failed("anna", "192.0.2.1")
    assert minutes_to_wait(throttle, "anna", "192.0.2.1") == 0


@both_databases
def test_old_attempts_are_removed_when_a_new_one_is_written(throttle: Throttle, clock: Clock, db: Database) -> None:
    for number in range(7):
        throttle.failed(f"name {number}", "192.0.2.1")
    clock.at += timedelta(minutes=15)
    throttle.failed("anna", "192.0.2.9")
    assert n_attempts(db) == 1


@both_databases
def test_neighbours_of_one_ipv6_network_count_as_one_address(throttle: Throttle) -> None:
    for number in range(5):
        throttle.failed("anna", f"2001:db8:1:2::{number}")
    assert minutes_to_wait(throttle, "anna", "2001:db8:1:2:ffff::9") == 15
    assert minutes_to_wait(throttle, "anna", "2001:db8:1:3::1") == 0


@both_databases
def test_an_ipv4_address_in_the_clothes_of_ipv6_is_that_address(throttle: Throttle) -> None:
    for _ in range(5):
        throttle.failed("anna", "::ffff:192.0.2.1")
    assert minutes_to_wait(throttle, "anna", "192.0.2.1") == 15
    assert minutes_to_wait(throttle, "anna", "::ffff:192.0.2.2") == 0


@both_databases
def test_a_target_that_no_column_can_hold_is_counted_all_the_same(throttle: Throttle) -> None:
    for _ in range(5):
        throttle.failed("a\0\ud800" * 100, "an address\0" * 20)
    assert minutes_to_wait(throttle, "a\0\ud800" * 100, "an address\0" * 20) == 15


@both_databases
def test_guesses_that_come_all_at_once_are_counted_one_by_one(throttle: Throttle) -> None:
    heard: list[int] = []
    start = threading.Barrier(12)

    def guess(number: int) -> None:
        start.wait(30)
        try:
            with throttle.trying("anna", "192.0.2.1"):
                heard.append(number)
                throttle.failed("anna", "192.0.2.1")
        except AccessError:
            pass

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(heard) == 5


@both_databases
def test_who_has_to_wait_does_not_get_to_try(throttle: Throttle) -> None:
    for _ in range(5):
        throttle.failed("anna", "192.0.2.1")
    with pytest.raises(AccessError) as caught, throttle.trying("anna", "192.0.2.1"):
        pytest.fail("was let in")
    assert (caught.value.key, caught.value.params) == ("error.access.too_many", {"minutes": 15})
