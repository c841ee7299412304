"""Looking after the worker: whatever the database says at the first look, one is started, and it ends when it should."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from studio.db import Database
from studio.errors import StorageError
from studio.jobs import launch
from studio.settings import Settings


class FakeChild:
    """A worker that does nothing and never enters itself."""

    pid = 0

    def __init__(self) -> None:
        self.is_ended = False

    def poll(self) -> int | None:
        return 0 if self.is_ended else None

    def terminate(self) -> None:
        self.is_ended = True


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[FakeChild]:
    made: list[FakeChild] = []

    def start(settings: Settings) -> FakeChild:
        made.append(FakeChild())
        return made[-1]

    monkeypatch.setattr(launch, "start_worker", start)  # a real one takes seconds, and what counts is when it is wanted
    monkeypatch.setattr(launch, "_LOOK_S", 0.02)
    return made


@pytest.fixture
def keep(settings: Settings, db: Database) -> Iterator[Callable[..., Callable[[], None]]]:
    """`keep()` begins to look after the worker in a thread; what it gives back ends that."""
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def begin(**options: Any) -> Callable[[], None]:
        threads.append(threading.Thread(target=launch.keep_worker, args=(settings, db, ended), kwargs=options))
        threads[-1].start()
        return end

    def end() -> None:
        ended.set()
        for thread in threads:
            thread.join(10)

    yield begin
    end()


def test_a_database_that_is_locked_at_the_first_look_is_asked_again(
    db: Database,
    started: list[FakeChild],
    keep: Callable[..., Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
    wait_until: Callable[..., Any],
) -> None:
    looks = []
    has_worker = launch.has_worker

    def locked_once(connection: Any) -> bool:
        looks.append(connection)
        if len(looks) == 1:
            raise StorageError("error.db.locked", place=db.place, waited_s=30)
        return has_worker(connection)

    monkeypatch.setattr(launch, "has_worker", locked_once)
    keep()
    wait_until(lambda: started)
    assert len(looks) > 1


@pytest.mark.parametrize("foreground", [True, False])
def test_the_worker_ends_with_its_keeper_in_the_foreground_only(
    started: list[FakeChild], keep: Callable[..., Callable[[], None]], wait_until: Callable[..., Any], foreground: bool
) -> None:
    end = keep(foreground=foreground)
    wait_until(lambda: started)
    end()
    assert [child.is_ended for child in started] == [foreground]
