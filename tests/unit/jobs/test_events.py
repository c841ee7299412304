"""The event file: one whole object a line, numbered over all attempts, whatever a killed writer left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from studio.ids import parse_time
from studio.jobs.events import Event, EventWriter, plain_float, read_events


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@contextmanager
def attempt(path: Path, number: int) -> Iterator[EventWriter]:
    writer = EventWriter(path, number)
    try:
        yield writer
    finally:
        writer.close()


def events(path: Path, offset: int = 0) -> list[Event]:
    return [event for event, _ in read_events(path, offset)]


def test_an_event_is_one_object_a_line_in_the_contracts_form(path: Path) -> None:
    """CONTRACTS 5: `{"schema":1,"seq":n,"at":"…Z","attempt":k,"kind":"…",…}`."""
    with attempt(path, 2) as writer:
        writer.write("phase_changed", phase="训练")
    line = path.read_text("utf-8")
    value = json.loads(line)
    assert line.count("\n") == 1
    assert "训练" in line
    assert list(value) == ["schema", "seq", "at", "attempt", "kind", "phase"]
    assert (value["schema"], value["seq"], value["attempt"], value["kind"]) == (1, 1, 2, "phase_changed")
    assert value["at"].endswith("Z")
    assert parse_time(value["at"]).tzinfo is not None


def test_an_event_is_on_the_disk_before_the_writer_is_closed(path: Path) -> None:
    with attempt(path, 1) as writer:
        writer.write("phase_changed", phase="loading")
        assert [event.body for event in events(path)] == [{"phase": "loading"}]


def test_seq_grows_by_one_over_all_attempts(path: Path) -> None:
    for number in (1, 2, 3):
        with attempt(path, number) as writer:
            writer.write("attempt_started", resumed_from_step=0)
            writer.write("phase_changed", phase="training")
    assert [(event.seq, event.attempt) for event in events(path)] == [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3)]


def test_a_half_last_line_is_not_there_yet(path: Path) -> None:
    with attempt(path, 1) as writer:
        writer.write("phase_changed", phase="loading")
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(b'{"schema":1,"seq":2,"at":"2026-01-01T00:00:00.000Z","attempt":1,"kind":"phase_changed","phase":"tr')
    assert [(event.seq, end) for event, end in read_events(path)] == [(1, whole)]
    with path.open("ab") as file:
        file.write(b'aining"}\n')
    assert [event.body["phase"] for event in events(path, whole)] == ["training"]


def test_the_next_writer_cuts_a_half_line_off(path: Path) -> None:
    with attempt(path, 1) as writer:
        writer.write("phase_changed", phase="loading")
    with path.open("ab") as file:
        file.write(b'{"schema":1,"seq":2,"kind":"step_fin')
    with attempt(path, 2) as writer:
        writer.write("attempt_started", resumed_from_step=0)
    assert [(event.seq, event.attempt, event.kind) for event in events(path)] == [
        (1, 1, "phase_changed"),
        (2, 2, "attempt_started"),
    ]


def test_a_file_with_nothing_but_half_a_line_starts_anew(path: Path) -> None:
    path.write_bytes(b'{"schema":1,')
    with attempt(path, 2) as writer:
        writer.write("attempt_started", resumed_from_step=0)
    assert [event.seq for event in events(path)] == [1]


def test_reading_goes_on_from_an_offset(path: Path) -> None:
    with attempt(path, 1) as writer:
        for step in range(1, 6):
            writer.write("step_finished", step=step)
    ends = [end for _, end in read_events(path)]
    assert [event.seq for event in events(path, ends[2])] == [4, 5]
    assert events(path, ends[-1]) == []


@pytest.mark.parametrize(("value", "written"), [(float("nan"), "nan"), (float("inf"), "inf"), (float("-inf"), "-inf")])
def test_what_is_no_number_is_written_as_a_string_and_read_back(path: Path, value: float, written: str) -> None:
    """JSON has no NaN (RFC 8259, section 6), so other readers would stumble."""
    with attempt(path, 1) as writer:
        writer.write("evaluated", step=1, loss=value, scores={"a": [value, 1.5]})
    line = json.loads(path.read_text("utf-8"), parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert line["loss"] == written
    assert line["scores"] == {"a": [written, 1.5]}
    assert repr(plain_float(line["loss"])) == repr(value)


def test_an_event_that_is_too_long_is_refused_and_leaves_no_trace(path: Path) -> None:
    """CONTRACTS 5: a line has at most 64 kB."""
    with attempt(path, 1) as writer:
        writer.write("phase_changed", phase="loading")
        with pytest.raises(ValueError, match="probe_answered"):
            writer.write("probe_answered", step=1, probe="q", text="长" * 30_000)
        writer.write("probe_answered", step=1, probe="q", text="长" * 20_000)
    assert [event.seq for event in events(path)] == [1, 2]
    assert max(len(line) for line in path.read_bytes().splitlines(keepends=True)) <= 64_000


def test_a_kind_that_nobody_knows_is_refused_by_the_reader(path: Path) -> None:
    with attempt(path, 1) as writer:
        writer.write("exploded")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="exploded"):
        events(path)


bodies = st.dictionaries(
    st.sampled_from(["a", "text", "步"]),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ).filter(lambda value: "\\ud" not in json.dumps(value)),
)


@given(st.lists(bodies, max_size=5), st.integers(0, 200))
@hypothesis_settings(database=None, deadline=None, max_examples=20)
def test_whatever_is_written_is_read_back_even_after_a_cut_anywhere(
    tmp_path_factory: pytest.TempPathFactory, written: list[dict[str, Any]], cut: int
) -> None:
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    with attempt(path, 1) as writer:
        for body in written:
            writer.write("phase_changed", **body)
    assert [event.body for event in events(path)] == written
    content = path.read_bytes()
    path.write_bytes(content[: max(0, len(content) - cut)])
    left = path.read_bytes().count(b"\n")
    with attempt(path, 2) as writer:
        writer.write("attempt_started", resumed_from_step=0)
    assert [event.body for event in events(path)] == [*written[:left], {"resumed_from_step": 0}]
    assert [event.seq for event in events(path)] == list(range(1, left + 2))
