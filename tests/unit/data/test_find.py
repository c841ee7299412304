"""Finding rows gives what looking at all of them one by one gives: in every order, direction and state of the index."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from studio.access import Actor, Role
from studio.data import find, search_index, store
from studio.data.filters import MAX_TEXT, Filter, Matcher
from studio.data.find import END, Page, Sort
from studio.data.index_job import update_index
from studio.data.rows import NewRow
from studio.data.search_tokens import expression
from studio.data.store import DatasetInfo, StoredRow
from studio.db import Database
from studio.errors import AccessError, DataError
from studio.services import Services
from studio.settings import Settings
from tests.unit.data.finding import TAGS, TOPICS, WORDS, change, made_dataset, made_row, naive

pytestmark = pytest.mark.backends("sqlite", "postgresql")

SORTS: tuple[Sort, ...] = get_args(Sort)


@dataclass
class World:
    """A dataset with a history; `rows` are those of each revision."""

    db: Database
    settings: Settings
    dataset_id: str
    rows: dict[int, list[StoredRow]]

    @property
    def info(self) -> DatasetInfo:
        return store.dataset_info(self.db, self.dataset_id)

    def note(self) -> None:
        number = self.info.revision
        self.rows[number] = list(store.iter_rows(self.db, self.dataset_id, number))

    def page(self, wanted: Filter, **how: object) -> Page:
        return find.page(self.db, self.settings, self.info, wanted, **how)  # type: ignore[arg-type]

    def forward(self, wanted: Filter, limit: int, **how: object) -> Iterator[Page]:
        page = self.page(wanted, limit=limit, **how)
        yield page
        while page.next is not None:
            page = self.page(wanted, limit=limit, after=page.next, **how)
            yield page

    def backward(self, wanted: Filter, limit: int, **how: object) -> Iterator[Page]:
        page = self.page(wanted, limit=limit, before=END, **how)
        yield page
        while page.previous is not None:
            page = self.page(wanted, limit=limit, before=page.previous, **how)
            yield page


#: The index: none; made before all changes but one and then brought up to date; made from the beginning, before the changes;
#: of a revision that came after the oldest ones.
STATES = ("none", "whole", "behind", "late")


@pytest.fixture(params=STATES)
def world(request: pytest.FixtureRequest, db: Database, settings: Settings) -> World:
    draw = random.Random(7)
    dataset_id = made_dataset(db, [made_row(draw) for _ in range(60)])
    world = World(db, settings, dataset_id, {})
    world.note()
    for number in range(3):
        if request.param in ("whole", "behind") and number == 0:
            update_index(db, settings, dataset_id)
        change(db, settings, dataset_id, draw)
        world.note()
        if request.param == "late" and number == 1:
            update_index(db, settings, dataset_id)
    if request.param == "whole":
        update_index(db, settings, dataset_id)
    return world


def ids(rows: list[StoredRow]) -> list[int]:
    return [row.id for row in rows]


TEXTS = st.one_of(
    st.just(""),
    st.sampled_from(WORDS),
    st.lists(st.sampled_from(WORDS), min_size=2, max_size=3).map(" ".join),
    st.text(st.sampled_from("".join(WORDS) + " \n%_"), min_size=1, max_size=4),
)
PATTERNS = st.sampled_from(["", "眼.", "^科", "a[_*]b", "привет$", r"\bAB\b", "(?!x)z+"])
FILTERS = st.builds(
    lambda said, named: Filter(**said, **named),
    st.one_of(TEXTS.map(lambda text: {"text": text}), PATTERNS.map(lambda text: {"text": text, "regex": True})),
    st.fixed_dictionaries(
        {},
        optional={
            "kind": st.sampled_from(("chat", "text", "nothing")),
            "role": st.sampled_from(("system", "tool", "user")),
            "topic": st.sampled_from([topic for topic in TOPICS if topic]),
            "tag": st.sampled_from(TAGS),
            "origin": st.sampled_from(("file", "chat")),
            "split": st.sampled_from(("train", "test", "none")),
            "min_chars": st.integers(0, 40),
            "max_chars": st.integers(5, 80),
            "flagged": st.booleans(),
            "edited": st.booleans(),
        },
    ),
)


@given(wanted=FILTERS, sort=st.sampled_from(SORTS), limit=st.sampled_from((7, 40)), revision=st.sampled_from((1, 2, 3, 4)))
@hypothesis_settings(
    max_examples=15, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_pages_forward_and_backward_give_every_row_that_matches_once_and_in_order(
    world: World, wanted: Filter, sort: Sort, limit: int, revision: int
) -> None:
    expected = naive(world.rows[revision], wanted, sort)
    forward = list(world.forward(wanted, limit, sort=sort, revision=revision))
    backward = list(world.backward(wanted, limit, sort=sort, revision=revision))
    assert [row.id for page in forward for row in page.rows] == expected
    assert [row.id for page in reversed(backward) for row in page.rows] == expected
    assert all(page.is_whole for page in forward + backward)
    assert len(forward) == max(1, -(-len(expected) // limit)), "no page is empty, but for the only one"


@given(wanted=FILTERS, revision=st.sampled_from((1, 4)))
@hypothesis_settings(
    max_examples=10, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_all_matching_rows_and_their_number_are_exact(world: World, wanted: Filter, revision: int) -> None:
    expected = naive(world.rows[revision], wanted)
    place = (world.db, world.settings, world.dataset_id, revision, wanted)
    assert [row.id for row in find.matching(*place)] == expected
    assert find.count(*place, budget_s=60) == (len(expected), True)


@given(word=st.text(min_size=1, max_size=6), around=st.text(max_size=4), upper=st.booleans())
@hypothesis_settings(
    max_examples=50, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.backends("sqlite")
def test_the_index_finds_any_text_in_any_alphabet(
    settings: Settings, word: str, around: str, upper: bool
) -> None:
    """Straight through tokens and MATCH: a text holds each part of itself, in the other case too."""
    row = IndexRow(search_text=(around + word + around).replace("\0", ""))
    search_index.drop(settings, "ds_x")
    writer = search_index.IndexWriter(search_index.new_file(settings, "ds_x"), 1)
    writer.build([row], (1024, -1))
    writer.finish()
    writer.close()
    wanted = Filter(text=(word.swapcase() if upper and word.swapcase().casefold() == word.casefold() else word).replace("\0", ""))
    with search_index.open_index(settings, "ds_x") as index:
        assert index is not None
        found = list(index.in_order(expression(wanted), wanted, after=None, before=None, descending=False))
    assert [item.row_id for item in found] == [1]


@dataclass
class IndexRow:
    """A row as the index takes it."""

    search_text: str
    id: int = 1
    position: int = 1024
    kind: str = "text"
    split: str | None = None
    topic: str | None = None
    tags: str = "[]"
    origin: str | None = None
    content: str = "{}"
    flag: str | None = None
    since: int = 1

    @property
    def n_chars(self) -> int:
        return len(self.search_text)


# --- places -----------------------------------------------------------------------------------------------------------


def test_a_page_can_begin_at_a_row(world: World) -> None:
    rows = world.rows[4]
    page = world.page(Filter(), at=rows[30].position, limit=5)
    assert ids(page.rows) == ids(rows[30:35])
    assert page.previous is not None and page.next is not None
    assert ids(world.page(Filter(), before=page.previous, limit=5).rows) == ids(rows[25:30])
    first = world.page(Filter(), at=store.GAP, limit=5)
    assert not first.has_before and ids(first.rows) == ids(rows[:5])


def test_a_place_stays_where_it_is_when_its_row_is_edited(world: World) -> None:
    first = world.page(Filter(), limit=20)
    expected = {row.position for row in world.rows[4][20:]}
    change(world.db, world.settings, world.dataset_id, random.Random(1), n_rows=60)
    rest = world.page(Filter(), after=first.next, limit=500).rows
    assert {row.position for row in rest if row.since < 5} <= expected
    assert min(row.position for row in rest) > first.rows[-1].position


@pytest.mark.parametrize("cursor", ["", "x", "1.2.3", "1;2", "٣", "9" * 40])
def test_a_broken_cursor_is_told(db: Database, settings: Settings, cursor: str) -> None:
    info = store.dataset_info(db, made_dataset(db, [NewRow("text", {"text": "a"})]))
    with pytest.raises(DataError) as caught:
        find.page(db, settings, info, Filter(), after=cursor)
    assert caught.value.key == "error.find.cursor"


def test_a_cursor_of_another_order_is_told(world: World) -> None:
    cursor = world.page(Filter(), limit=1).next
    with pytest.raises(DataError):
        world.page(Filter(), after=cursor, sort="longest")


def test_a_search_that_time_ends_goes_on_where_it_was(world: World) -> None:
    """Without patience each page looks at one row at least: all of them together still find all."""
    wanted = Filter(text="привет", kind="chat")
    expected = naive(world.rows[4], wanted)
    pages = list(world.forward(wanted, 5, patience_s=0.0))
    assert [row.id for page in pages for row in page.rows] == expected
    assert not pages[0].is_whole and pages[0].has_after
    back = list(world.backward(wanted, 5, patience_s=0.0))
    assert [row.id for page in reversed(back) for row in page.rows] == expected


def test_a_count_that_time_ends_says_so(world: World) -> None:
    place = (world.db, world.settings, world.dataset_id, 4)
    n_rows, is_exact = find.count(*place, Filter(text="眼"), budget_s=0.0)
    assert not is_exact and n_rows <= len(naive(world.rows[4], Filter(text="眼")))
    assert find.count(*place, Filter(split="test"), budget_s=0.0) == (len(naive(world.rows[4], Filter(split="test"))), True)


# --- text and patterns ------------------------------------------------------------------------------------------------


def test_what_no_row_can_meet_finds_nothing(world: World) -> None:
    for wanted in (Filter(text="\0"), Filter(tag="a\0"), Filter(min_chars=9, max_chars=2)):
        assert world.page(wanted) == Page()
    assert world.page(Filter(min_chars=2**70)).rows == []


def test_a_pattern_that_is_none_is_told_with_the_place_of_its_mistake(world: World) -> None:
    with pytest.raises(DataError) as caught:
        world.page(Filter(text="ab(c", regex=True))
    assert (caught.value.key, caught.value.params) == ("error.find.bad_pattern", {"pattern": "ab(c", "position": 5})


@pytest.mark.parametrize("pattern", ["(" * 900 + ")" * 900, "[[:foo:]]", r"\p{Nothing}", "*", "a{2,1}"])
def test_a_strange_pattern_is_told(db: Database, settings: Settings, pattern: str) -> None:
    info = store.dataset_info(db, made_dataset(db, [NewRow("text", {"text": "a"})]))
    with pytest.raises(DataError) as caught:
        find.page(db, settings, info, Filter(text=pattern, regex=True))
    assert caught.value.key == "error.find.bad_pattern"


@pytest.mark.parametrize("pattern", ["(?:a{65535}){65535}", "a{999999999}", "((x{30}){30}){30}", "(?x)(a{ 300 }){ 300 }"])
def test_a_pattern_that_would_fill_the_memory_is_refused_before_it_is_compiled(
    monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    monkeypatch.setattr("studio.data.filters.regex.compile", lambda *args: pytest.fail("compiled"))
    with pytest.raises(DataError) as caught:
        Matcher(Filter(text=pattern, regex=True))
    assert caught.value.key == "error.find.large_pattern"


def test_a_pattern_with_usual_repetitions_is_not_refused(world: World) -> None:
    for pattern in (r"\d{4}-\d{2}-\d{2}", ".{1,500}x.{1,500}", r"[眼科]{2}"):
        wanted = Filter(text=pattern, regex=True)
        assert ids(world.page(wanted, limit=500).rows) == naive(world.rows[4], wanted)


def test_a_pattern_that_would_never_end_is_told_by_name(db: Database, settings: Settings) -> None:
    dataset_id = made_dataset(db, [NewRow("text", {"text": "a" * 200 + "!"})])
    wanted = Filter(text=r"(a|aa)+$", regex=True)
    with pytest.raises(DataError) as caught:
        find.page(db, settings, store.dataset_info(db, dataset_id), wanted)
    assert (caught.value.key, caught.value.params) == ("error.find.slow_pattern", {"pattern": wanted.text})


@pytest.mark.parametrize(
    ("wanted", "text", "hit"),
    [
        (Filter(text="眼科"), "请问眼科在哪里？", "眼科"),
        (Filter(text="STRASSE"), "In der Stra\u00dfe, Stra\u00dfe", "Stra\u00dfe"),
        (Filter(text="s"), "\u00df", "\u00df"),
        (Filter(text="i\u0307s"), "\u0130STANBUL", "\u0130S"),
        (Filter(text=r"\d+ mg", regex=True), "take 250 mg of", "250 mg"),
        (Filter(text="x*", regex=True), "abc", None),
        (Filter(text="nowhere"), "abc", None),
        (Filter(split="test"), "abc", None),
    ],
)
def test_the_place_that_was_searched_for_is_told(wanted: Filter, text: str, hit: str | None) -> None:
    found = Matcher(wanted).hit(text)
    assert (text[slice(*found)] if found else None) == hit


def test_a_filter_refuses_what_it_does_not_know() -> None:
    for wrong in ({"texts": "a"}, {"split": "dev"}, {"min_chars": -1}, {"text": "x" * (MAX_TEXT + 1)}):
        with pytest.raises(ValidationError):
            Filter.model_validate(wrong)


# --- the index is a help, never a condition ---------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"", b"no database at all " * 300])
def test_a_broken_index_is_as_good_as_none(db: Database, settings: Settings, damage: bytes) -> None:
    draw = random.Random(3)
    dataset_id = made_dataset(db, [made_row(draw) for _ in range(30)])
    update_index(db, settings, dataset_id)
    (path,) = search_index.files(settings, dataset_id)
    path.write_bytes(damage)
    rows = list(store.iter_rows(db, dataset_id, 1))
    page = find.page(db, settings, store.dataset_info(db, dataset_id), Filter(text="眼"), limit=500)
    assert ids(page.rows) == naive(rows, Filter(text="眼"))
    update_index(db, settings, dataset_id)
    with search_index.open_index(settings, dataset_id) as index:
        assert index is not None and index.state.n_docs == 30


def test_an_index_with_a_page_gone_is_dropped_and_the_rows_are_found(db: Database, settings: Settings) -> None:
    draw = random.Random(3)
    dataset_id = made_dataset(db, [made_row(draw) for _ in range(300)])
    update_index(db, settings, dataset_id)
    (path,) = search_index.files(settings, dataset_id)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    rows = list(store.iter_rows(db, dataset_id, 1))
    page = find.page(db, settings, store.dataset_info(db, dataset_id), Filter(text="眼"), limit=500)
    assert ids(page.rows) == naive(rows, Filter(text="眼"))
    assert search_index.files(settings, dataset_id) == []


# --- the service ------------------------------------------------------------------------------------------------------


def test_the_service_adds_the_total_where_it_is_known(services: Services, viewer: Actor) -> None:
    draw = random.Random(5)
    rows = [made_row(draw) for _ in range(40)]
    dataset_id = made_dataset(services.db, rows)
    in_test = sum(row.split == "test" for row in rows)
    assert services.data.find(viewer, dataset_id, Filter(), limit=3).total == 40
    assert services.data.find(viewer, dataset_id, Filter(split="test")).total == in_test
    assert services.data.find(viewer, dataset_id, Filter(text="眼")).total is None
    assert services.data.count(viewer, dataset_id, Filter(split="test")) == (in_test, True)


def test_who_may_not_read_datasets_finds_no_rows(services: Services) -> None:
    dataset_id = made_dataset(services.db, [made_row(random.Random(1))])
    guest = Actor("usr_guest", Role.DEMO)
    with pytest.raises(AccessError):
        services.data.find(guest, dataset_id, Filter())
