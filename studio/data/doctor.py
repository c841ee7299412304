"""An examination: every check on every row, what was found, and how healthy that is. Pure; knows no database.

    rows ─► one pass: row checks, the picture, set checks listen ─► set checks compare ─► findings, and a report
"""

from __future__ import annotations

import math
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from studio.data.checks import CHECKS, check_of
from studio.data.checks.base import Check, Context, RowCheck, RowView, SetCheck, Spot
from studio.data.picture import Picture
from studio.data.review import is_settled
from studio.data.revisions import checked
from studio.data.rows import NewRow
from studio.data.store import StoredRow
from studio.errors import DataError

__all__ = ["AREAS", "Examination", "Finding", "after_mend", "found_in", "health"]

AREAS = ("quality", "diversity", "quantity", "consistency", "bias")

#: A dataset of so many training rows is large enough for most fine-tunes; of fewer, each power of ten counts a third.
_ENOUGH_ROWS = 1_000

#: Rows found whose tokens are counted before and after the mend.
_COUNTED = 2_000


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that a check has found. `kept_id` is the row that stays when this one is mended away."""

    check: str
    position: int
    row_id: int
    mends: bool
    group_no: int | None = None
    kept_id: int | None = None


def found_in(check: RowCheck, view: RowView) -> Sequence[Spot]:
    """Where a check finds the row broken; nowhere, if a person has accepted it all the same."""
    return () if _is_settled(check, view) else check.spots(view)


def _is_settled(check: Check, view: RowView) -> bool:
    return bool(view.row.origin) and is_settled(view.row.origin, check.key, view.content_hash)


def after_mend(check: Check, row: NewRow) -> list[NewRow] | None:
    """What stands in the place of a row when the check's mend is done; None where it leaves the row as it is: because it is
    whole, because a person has to decide or has decided, or because what would be left is no row.
    """
    assert isinstance(check, RowCheck | SetCheck)
    view = RowView(row)
    if _is_settled(check, view) or (isinstance(check, RowCheck) and not check.spots(view)):
        return None
    new = check.mended(row)
    if new == [row]:
        return None
    try:
        for one in new:
            checked(one)
    except DataError:  # an answer of which nothing is left
        return None
    return new


@dataclass
class _Told:
    """What is counted of one check's findings."""

    n_rows: int = 0
    n_mends: int = 0
    n_groups: int = 0
    n_counted: int = 0
    tokens_before: int = 0
    tokens_after: int = 0
    whats: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        plain = ("n_rows", "n_mends", "n_groups", "n_counted", "tokens_before", "tokens_after")
        return {name: getattr(self, name) for name in plain} | {"whats": dict(self.whats)}


class Examination:
    """Use it once: `rows()` to the end, then `report()`."""

    def __init__(self, context: Context, keys: Sequence[str] = tuple(CHECKS)) -> None:
        checks = [check_of(key, context) for key in keys]
        self._row_checks = [check for check in checks if isinstance(check, RowCheck) and not check.missing]
        self._set_checks = [check for check in checks if isinstance(check, SetCheck)]
        self._checks = checks
        self._context = context
        self._picture = Picture(context)
        self._told = {check.key: _Told() for check in checks}
        self._hurt: dict[str, set[int]] = {area: set() for area in AREAS}
        self._began = time.monotonic()
        self._ids, self._positions = array("q"), array("q")
        self._settled: dict[str, set[int]] = {check.key: set() for check in self._set_checks}
        self._splits: Counter[str] = Counter()

    def findings(
        self, rows: Iterable[StoredRow], on_row: Callable[[int], None], on_step: Callable[[], None]
    ) -> Iterator[Finding]:
        """`on_row` hears of every row, `on_step` is called while rows are compared; either may raise to end it."""
        for number, stored in enumerate(rows):
            on_row(number)
            yield from self._look(number, stored)
        for check in self._set_checks:
            if not check.missing:
                yield from self._compare(check, on_step)

    def _look(self, number: int, stored: StoredRow) -> Iterator[Finding]:
        row = stored.as_new()
        view = RowView(row)
        view.__dict__["content_hash"] = stored.content_hash  # known, and dear to work out
        self._ids.append(stored.id)
        self._positions.append(stored.position)
        self._splits[stored.split or "none"] += 1
        self._picture.add(view)
        for listening in self._set_checks:
            listening.add(number, view)
            if _is_settled(listening, view):
                self._settled[listening.key].add(number)
        for check in self._row_checks:
            spots = found_in(check, view)
            if spots:
                yield self._found(check, number, self._mends(check, row, spots))

    def _mends(self, check: RowCheck, row: NewRow, spots: Sequence[Spot]) -> bool:
        told = self._told[check.key]
        told.whats.update({spot.what for spot in spots if spot.what})
        new = after_mend(check, row) if check.has_mend else None
        if new is not None and told.n_counted < _COUNTED:
            told.n_counted += 1
            told.tokens_before += self._n_tokens([row])
            told.tokens_after += self._n_tokens(new)
        return new is not None

    def _n_tokens(self, rows: list[NewRow]) -> int:
        if self._context.template is None:
            return 0
        texts = [words.text for row in rows for words in RowView(row).words]
        encodings = self._context.template.tokenizer.encode_batch(texts, add_special_tokens=False)
        return sum(len(encoding.ids) for encoding in encodings)

    def _compare(self, check: SetCheck, on_step: Callable[[], None]) -> Iterator[Finding]:
        known: set[int] = set()  # a row is told once, in the first group that it stands in
        for group_no, group in enumerate(check.groups(on_step), start=1):
            self._told[check.key].n_groups = group_no
            kept_id = None if group.kept is None else self._ids[group.kept]
            for number in group.found:
                if number in known or number in self._settled[check.key]:
                    continue
                known.add(number)
                mends = check.has_mend and number not in group.unsettled
                yield self._found(check, number, mends, group_no=group_no, kept_id=kept_id)

    def _found(self, check: Check, number: int, mends: bool, **of_group: int | None) -> Finding:
        told = self._told[check.key]
        told.n_rows += 1
        told.n_mends += mends
        self._hurt[check.area].add(number)
        return Finding(check.key, self._positions[number], self._ids[number], mends, **of_group)

    def report(self) -> dict[str, Any]:
        """Plain JSON: {n_rows, seconds, checks: {key: counts}, not_run: {key: why}, picture, health}."""
        n_rows = len(self._ids)
        return {
            "n_rows": n_rows,
            "seconds": round(time.monotonic() - self._began, 2),
            "checks": {check.key: self._told[check.key].as_json() for check in self._checks},
            "not_run": {check.key: check.missing for check in self._checks if check.missing},
            "picture": self._picture.as_json(),
            "health": health(n_rows, self._splits["train"], {area: len(hurt) for area, hurt in self._hurt.items()}),
        }


def health(n_rows: int, n_train: int, n_hurt: dict[str, int]) -> dict[str, Any]:
    """A score from 0 to 100 for each area, and their mean.

    Of an area it is the share of rows in which its checks found nothing; quantity is multiplied by
    log10(training rows) / log10(1,000), at most 1. It says how much there is to mend, not how good a model will be.
    """
    if not n_rows:
        return {"score": 0, "areas": dict.fromkeys(AREAS, 0)}
    areas = {area: 1 - n_hurt.get(area, 0) / n_rows for area in AREAS}
    areas["quantity"] *= min(1.0, math.log10(max(1, n_train)) / math.log10(_ENOUGH_ROWS))
    shown = {area: math.floor(100 * share) for area, share in areas.items()}  # 100 only where nothing was found
    return {"score": math.floor(100 * sum(areas.values()) / len(areas)), "areas": shown}
