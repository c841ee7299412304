"""Which rows somebody asks for: `Filter`, the part of it that a database can decide, and the part decided row by row.

One rule for text everywhere: upper and lower case are the same (`fold`), in every alphabet; é as one character and as two are
not. The character that a person types is the character looked for: `%`, `_` and `*` have no meaning of their own, unless the
filter says that its text is a regular expression.
"""

from __future__ import annotations

import bisect
import itertools
import json
import math
import re
from typing import Any, Literal

import regex
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from studio.data.review import are_drafts, waits
from studio.data.tables import findings, rows
from studio.errors import DataError

__all__ = ["MAX_TEXT", "Filter", "Matcher", "check_repeats", "fold", "roles_of"]

#: Characters that may be looked for at once.
MAX_TEXT = 2_000

#: A pattern that has not decided about one row after this long is one that grows with every character (seconds).
_ROW_TIMEOUT_S = 0.05

#: Copies that fixed repetitions of a pattern may make: compiled in about 0.1 s.
_MAX_COPIES = 20_000

#: The revision that an import makes; whatever holds since a later one was changed by somebody.
_IMPORTED = 1


class Filter(BaseModel):
    """All that is set must hold; an empty one takes every row.

    text      stands somewhere in the row's searchable text; with `regex` it is a regular expression (package `regex`,
              case ignored, `^` and `$` at every line)
    role      the row has a message of this role
    origin    the type of the row's origin: file, document, chat, vote, edit, model
    split     "none" for rows without one
    min_chars, max_chars   characters of the searchable text, both included
    waiting   flagged, or made by a model or a vote and not reviewed yet: the rows of the review queue
    edited    whether the row was changed or added since the import
    finding   "<examination>.<check>": rows that stand where the check found one
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field("", max_length=MAX_TEXT)
    regex: bool = False
    kind: str | None = None
    role: str | None = None
    topic: str | None = None
    tag: str | None = None
    origin: str | None = None
    split: Literal["train", "validation", "test", "none"] | None = None
    min_chars: int | None = Field(None, ge=0)
    max_chars: int | None = Field(None, ge=0)
    flagged: bool | None = None
    waiting: bool | None = None
    edited: bool | None = None
    finding: str | None = Field(None, pattern=r"^exm_[0-9a-z]{26}\.[a-z_]+$")

    @property
    def is_empty(self) -> bool:
        return self == Filter() or self == Filter(regex=True)

    @property
    def is_impossible(self) -> bool:
        """No row can meet it: a shortest length above the longest, or a NUL character."""
        if self.min_chars is not None and self.max_chars is not None and self.min_chars > self.max_chars:
            return True
        named = (self.kind, self.role, self.topic, self.tag, self.origin, "" if self.regex else self.text)
        return any(value and "\0" in value for value in named)

    @property
    def is_split_only(self) -> bool:
        return self.split is not None and self.model_copy(update={"split": None}).is_empty


def fold(text: str) -> str:
    """Text as it is compared. Unicode's case folding, nothing else: a few letters (ß, İ) become two."""
    return text.casefold()


def roles_of(content: dict[str, Any]) -> set[str]:
    return {message["role"] for name in ("messages", "chosen", "rejected") for message in content.get(name, ())}


class Matcher:
    """Decides about rows. `conditions` are for the database and let no row out that belongs in; `accepts` has the last word
    on what they let through, given a row with `columns`.

    Raises DataError for a pattern that is none, with the place of its mistake.
    """

    def __init__(self, wanted: Filter) -> None:
        self._wanted = wanted
        self._needle = "" if wanted.regex else fold(wanted.text)
        self._pattern = _compiled(wanted.text) if wanted.regex and wanted.text else None
        self.conditions = _conditions(wanted)
        self.columns = [
            sa.type_coerce(rows.c[name], sa.Text).label(name)
            for name, is_needed in (
                ("search_text", bool(wanted.text)),
                ("tags", wanted.tag is not None),
                ("origin", wanted.origin is not None or wanted.waiting is not None),
                ("flag", wanted.waiting is not None),
                ("content", wanted.role is not None),
            )
            if is_needed
        ]

    def accepts(self, row: Any) -> bool:
        """Raises DataError for a pattern that takes too long over this row."""
        wanted = self._wanted
        if wanted.tag is not None and wanted.tag not in json.loads(row.tags):
            return False
        if wanted.origin is not None and (json.loads(row.origin or "null") or {}).get("type") != wanted.origin:
            return False
        if wanted.waiting is not None and waits(row.flag, json.loads(row.origin or "null")) != wanted.waiting:
            return False
        if wanted.role is not None and wanted.role not in roles_of(json.loads(row.content)):
            return False
        if self._needle and self._needle not in fold(row.search_text):
            return False
        return self._pattern is None or self._is_found(row.search_text)

    def hit(self, text: str) -> tuple[int, int] | None:
        """Where in a row's words the first place is that was searched for, as a slice of them; None for none, or an empty one."""
        if self._pattern is not None:
            found = self._first(text)
            return None if found is None or found.start() == found.end() else found.span()
        folded = fold(text)
        at = folded.find(self._needle) if self._needle else -1
        if at < 0:
            return None
        end = at + len(self._needle)
        if len(folded) == len(text):
            return at, end
        ends = list(itertools.accumulate(len(fold(sign)) for sign in text))  # some signs were folded to two or three
        return bisect.bisect_right(ends, at), bisect.bisect_left(ends, end) + 1

    def _is_found(self, text: str) -> bool:
        return self._first(text) is not None

    def _first(self, text: str) -> regex.Match[str] | None:
        assert self._pattern is not None
        try:
            return self._pattern.search(text, timeout=_ROW_TIMEOUT_S)
        except TimeoutError:
            raise DataError("error.find.slow_pattern", field="text", pattern=self._wanted.text) from None


def check_repeats(pattern: str) -> None:
    """Raises DataError for a pattern with so many fixed repetitions that compiling it would take the machine's memory.

    The library writes `x{n}` out n times, those inside one another multiplied, and knows no limit: call it before compiling
    what a person typed.
    """
    n_copies = math.prod(max(1, int(count)) for count in _REPEATED.findall(pattern))
    if n_copies > _MAX_COPIES:
        raise DataError("error.find.large_pattern", field="text", pattern=pattern, n=n_copies, limit=_MAX_COPIES)


_REPEATED = re.compile(r"\{\s*(\d{1,9})", re.ASCII)


def _compiled(pattern: str) -> regex.Pattern[str]:
    check_repeats(pattern)
    try:
        return regex.compile(pattern, regex.IGNORECASE | regex.MULTILINE)
    except regex.error as error:
        at = (error.pos or 0) + 1
        raise DataError("error.find.bad_pattern", field="text", pattern=pattern, position=at) from None
    except (OverflowError, RecursionError):  # nested too deep, or repeated more often than can be counted
        raise DataError("error.find.bad_pattern", field="text", pattern=pattern, position=1) from None


def _conditions(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.kind is not None:
        found.append(rows.c.kind == wanted.kind)
    if wanted.topic is not None:
        found.append(rows.c.topic == wanted.topic)
    if wanted.split is not None:
        found.append(rows.c.split.is_(None) if wanted.split == "none" else rows.c.split == wanted.split)
    if wanted.min_chars is not None:
        found.append(rows.c.n_chars >= min(wanted.min_chars, 2**31 - 1))
    if wanted.max_chars is not None:
        found.append(rows.c.n_chars <= min(wanted.max_chars, 2**31 - 1))
    if wanted.flagged is not None:
        found.append(rows.c.flag.is_not(None) if wanted.flagged else rows.c.flag.is_(None))
    if wanted.waiting:
        found.append(sa.or_(rows.c.flag.is_not(None), are_drafts()))
    if wanted.edited is not None:
        found.append(rows.c.since > _IMPORTED if wanted.edited else rows.c.since == _IMPORTED)
    if wanted.finding is not None:
        examination_id, _, check = wanted.finding.partition(".")
        its = sa.and_(findings.c.examination_id == examination_id, findings.c.check_key == check)
        found.append(rows.c.position.in_(sa.select(findings.c.position).where(its)))
    # JSON as it is stored: compact, not escaped. Only most rows are left out by it; `accepts` looks closer.
    if wanted.tag is not None:
        found.append(_says("tags", _quoted(wanted.tag)))
    if wanted.origin is not None:
        found.append(_says("origin", f'"type":{_quoted(wanted.origin)}'))
    if wanted.role is not None:
        found.append(_says("content", f'"role":{_quoted(wanted.role)}'))
    return found


def _says(column: str, part: str) -> sa.ColumnElement[bool]:
    return sa.type_coerce(rows.c[column], sa.Text).contains(part, autoescape=True)


_quoted = json.JSONEncoder(ensure_ascii=False).encode
