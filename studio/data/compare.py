"""What differs between two revisions, row by row, and between two texts, word by word.

Rows are compared by position, which is what a row keeps when it changes. Only versions that begin or end between the two
revisions are read, so that the cost is that of the changes and not of the dataset.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import regex
import sqlalchemy as sa

from studio.data.holding import differing
from studio.data.revisions import rows_at
from studio.data.store import GAP, StoredRow
from studio.data.tables import rows
from studio.db import Database

__all__ = [
    "Comparison",
    "MessageDiff",
    "Piece",
    "RowChange",
    "Window",
    "compare_page",
    "message_diff",
    "read_window",
    "row_number",
    "text_diff",
]

#: Changes that are counted exactly and found without reading again.
_WINDOW = 100_000


def row_number(position: int) -> str:
    """A row's number for people: 51, or 51.5 for one put in behind it."""
    return f"{round(position / GAP, 3):.3f}".rstrip("0").rstrip(".")


# --- rows -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RowChange:
    """One row: `before` is None where it was added, `after` where it was removed."""

    position: int
    before: StoredRow | None
    after: StoredRow | None


@dataclass(frozen=True)
class Comparison:
    """A page of changes in the order of their rows. `counts` are rows {added, removed, changed}, "at least" so many where not
    `is_exact`. `next` is what `after` must be for the page behind this one.
    """

    counts: dict[str, int]
    is_exact: bool
    changes: list[RowChange]
    next: int | None


@dataclass(frozen=True)
class Window:
    """All changes behind `start`, up to `end` (None: to the last). Revisions do not change, so it can be kept."""

    start: int
    end: int | None
    positions: list[int] = field(repr=False)
    counts: dict[str, int] = field(default_factory=dict)

    def has(self, after: int) -> bool:
        return self.start <= after and (self.end is None or after < self.end)


def read_window(db: Database, dataset_id: str, older: int, newer: int, start: int = 0) -> Window:
    """Positions at which two revisions differ, behind `start`; at most about 100,000, then there are more."""
    gone, is_all_gone = _versions(db, differing(dataset_id, older, newer), start)
    come, is_all_come = _versions(db, differing(dataset_id, newer, older), start)
    ends = [found[-1][0] for found, is_all in ((gone, is_all_gone), (come, is_all_come)) if not is_all]
    end = min(ends, default=None)
    before, after = dict(gone), dict(come)
    kinds = {}
    for position in sorted(before.keys() | after.keys()):
        if (end is None or position <= end) and before.get(position) != after.get(position):
            kinds[position] = "added" if position not in before else "removed" if position not in after else "changed"
    counted = Counter(kinds.values())
    return Window(start, end, list(kinds), {kind: counted[kind] for kind in ("added", "removed", "changed")})


#: What makes two versions of a row the same row: everything but who wrote it and when.
_COMPARED = ("kind", "content_hash", "split", "group_key", "topic", "tags", "references", "rule", "origin", "extra", "flag")


def _versions(db: Database, which: sa.ColumnElement[bool], start: int) -> tuple[list[tuple[int, bytes]], bool]:
    """Positions and what stands there, as a digest, in order; and whether these are all."""
    columns = [sa.type_coerce(rows.c[name], sa.Text) for name in _COMPARED]
    # Sorted by an expression, so that SQLite finds them by when they began or ended, and does not walk through all rows.
    query = sa.select(rows.c.position, *columns).where(which, rows.c.position > start).order_by(rows.c.position + 0)
    with db.read() as connection:
        found = connection.execute(query.limit(_WINDOW + 1))
        versions = [(row[0], hashlib.blake2b(repr(row[1:]).encode(), digest_size=16).digest()) for row in found]
    return versions, len(versions) <= _WINDOW


def compare_page(
    db: Database, dataset_id: str, older: int, newer: int, *, first: Window, window: Window, after: int, limit: int
) -> Comparison:
    """The changes of a window behind `after`, with both sides of each; the counts are those of the first window."""
    begin = bisect.bisect_right(window.positions, after)
    positions = window.positions[begin : begin + limit]
    before = {row.position: row for row in rows_at(db, dataset_id, older, positions)}
    now = {row.position: row for row in rows_at(db, dataset_id, newer, positions)}
    changes = [RowChange(position, before.get(position), now.get(position)) for position in positions]
    following = window.end if begin + limit >= len(window.positions) else positions[-1]
    return Comparison(first.counts, first.end is None, changes, following)


# --- texts ------------------------------------------------------------------------------------------------------------

Kind = Literal["same", "gone", "new"]
Piece = tuple[Kind, str]
Message = dict[str, Any]

#: A word of any alphabet, the space between words, or one character of the scripts that are written without it.
_DENSE = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORDS = regex.compile(rf"[\w--[{_DENSE}]]+|\s+|.", regex.VERSION1 | regex.DOTALL)

#: Longer texts are compared line by line.
_MAX_TOKENS = 20_000
#: Words or lines that may be gone or new before two texts count as having nothing in common: the cost grows with its square.
_MAX_EDITS = 1_000

T = TypeVar("T")


def text_diff(before: str, after: str) -> list[Piece]:
    """The shortest way from one text to the other, in words, or in characters of scripts without spaces.

    Joined, what is not "new" is `before`, and what is not "gone" is `after`. Long texts are compared by lines; where nearly
    all differs, one is gone and the other new.
    """
    words = _WORDS.findall(before), _WORDS.findall(after)
    steps = _shortest(*words) if max(map(len, words)) <= _MAX_TOKENS else None
    if steps is None:
        steps = _shortest(before.splitlines(keepends=True), after.splitlines(keepends=True))
    if steps is None:
        steps = [("gone", before), ("new", after)]
    return _pieces(steps)


def _pieces(steps: Sequence[tuple[Kind, str]]) -> list[Piece]:
    """Runs of steps, what is gone in front of what is new; a mere space between two changes belongs to them."""
    runs = [(is_same, list(run)) for is_same, run in itertools.groupby(steps, key=lambda step: step[0] == "same")]
    found: list[Piece] = []
    gone = new = ""
    for at, (is_same, run) in enumerate(runs):
        text = "".join(word for _, word in run)
        if is_same and not (0 < at < len(runs) - 1 and text.isspace() and "\n" not in text):
            found += [piece for piece in (("gone", gone), ("new", new), ("same", text)) if piece[1]]
            gone = new = ""
        else:
            gone += "".join(word for kind, word in run if kind != "new")
            new += "".join(word for kind, word in run if kind != "gone")
    return found + [piece for piece in (("gone", gone), ("new", new)) if piece[1]]


def _shortest(before: Sequence[T], after: Sequence[T]) -> list[tuple[Kind, T]] | None:
    """The shortest script of edits; None where it would have more than `_MAX_EDITS`.

    Source: E. W. Myers, "An O(ND) Difference Algorithm and Its Variations", Algorithmica 1, 1986, section 4, figure 2.
    """
    head = _n_common(before, after)
    tail = _n_common(before[head:][::-1], after[head:][::-1])
    one, other = before[head : len(before) - tail], after[head : len(after) - tail]
    n_shared = (Counter(one) & Counter(other)).total()
    if len(one) + len(other) - 2 * n_shared > _MAX_EDITS:  # so many are needed in any order
        return None
    trace = _furthest(one, other)
    if trace is None:
        return None
    same = [("same", item) for item in before[:head]], [("same", item) for item in before[len(before) - tail :]]
    return [*same[0], *_walked_back(one, other, trace), *same[1]]  # type: ignore[list-item]


def _n_common(one: Sequence[T], other: Sequence[T]) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _furthest(one: Sequence[T], other: Sequence[T]) -> list[dict[int, int]] | None:
    """For each number of edits d, how far into `one` d edits lead on each diagonal k = x - y; up to the d that is enough."""
    n, m = len(one), len(other)
    reached = {1: 0}
    trace: list[dict[int, int]] = []
    for d in range(min(n + m, _MAX_EDITS) + 1):
        now: dict[int, int] = {}
        for k in range(-d, d + 1, 2):
            x = reached[k + 1] if _is_down(k, d, reached) else reached[k - 1] + 1
            while x < n and x - k < m and one[x] == other[x - k]:
                x += 1
            now[k] = x
            if x >= n and x - k >= m:
                return [*trace, now]
        trace.append(now)
        reached = now
    return None


def _is_down(k: int, d: int, reached: dict[int, int]) -> bool:
    """Whether the edit that leads to diagonal k is a new item, which goes down, and not a gone one."""
    return k == -d or (k != d and reached[k - 1] < reached[k + 1])


def _walked_back(one: Sequence[T], other: Sequence[T], trace: list[dict[int, int]]) -> list[tuple[Kind, T]]:
    steps: list[tuple[Kind, T]] = []
    x, y = len(one), len(other)
    for d in range(len(trace) - 1, 0, -1):
        reached, k = trace[d - 1], x - y
        is_down = _is_down(k, d, reached)
        k_before = k + 1 if is_down else k - 1
        x_before = reached[k_before]
        y_before = x_before - k_before
        x_edited = x_before if is_down else x_before + 1
        steps += [("same", item) for item in reversed(one[x_edited:x])]
        steps.append(("new", other[y_before]) if is_down else ("gone", one[x_before]))
        x, y = x_before, y_before
    return [*(("same", item) for item in one[:x]), *reversed(steps)]


@dataclass(frozen=True)
class MessageDiff:
    """One message of a conversation: `before` is None where it is new, `after` where it is gone."""

    role: str
    before: Message | None
    after: Message | None
    pieces: list[Piece]


def message_diff(before: Sequence[Message], after: Sequence[Message]) -> list[MessageDiff]:
    """Two conversations message by message; where one of a role stands in the place of another, word by word."""
    olds = {_canonical(message): message for message in before}
    news = {_canonical(message): message for message in after}
    keys = [_canonical(message) for message in before], [_canonical(message) for message in after]
    steps = _shortest(*keys)
    if steps is None:
        steps = [*(("gone", key) for key in keys[0]), *(("new", key) for key in keys[1])]
    found: list[MessageDiff] = []
    for is_same, run in itertools.groupby(steps, key=lambda step: step[0] == "same"):
        if is_same:
            found += [_message_diff(olds[key], olds[key]) for _, key in run]
            continue
        changed = list(run)
        waiting = [news[key] for kind, key in changed if kind == "new"]
        for old in (olds[key] for kind, key in changed if kind == "gone"):
            at = next((at for at, new in enumerate(waiting) if new["role"] == old["role"]), None)
            if at is None:
                found.append(_message_diff(old, None))
                continue
            found += [*(_message_diff(None, new) for new in waiting[:at]), _message_diff(old, waiting[at])]
            waiting = waiting[at + 1 :]
        found += [_message_diff(None, new) for new in waiting]
    return found


def _message_diff(before: Message | None, after: Message | None) -> MessageDiff:
    either = before or after or {}
    words = text_diff(before["content"] if before else "", after["content"] if after else "")
    return MessageDiff(either["role"], before, after, words)


def _canonical(message: Message) -> str:
    return json.dumps(message, sort_keys=True, ensure_ascii=False)
