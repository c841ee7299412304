"""What the rows panel is told of a row, a revision and a change: plain JSON, worded in the reader's language.

Everything that people wrote is a value here, never markup; the panel shows it as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from studio.access import Actor
from studio.data.compare import row_number, text_diff
from studio.data.filters import Matcher
from studio.data.review import is_draft
from studio.data.revisions import Revision
from studio.data.rows import NewRow, last_answer, search_text
from studio.data.store import GAP, StoredRow
from studio.errors import StudioError
from studio.text import Lang, error_text, has_text, text

__all__ = ["Names", "brief_row", "error_json", "known_names", "position_of", "revision_json", "row_parts", "whole_row"]

#: Characters of a question or an answer in the table: two lines of a wide screen.
_SHORT = 400

#: Characters that are shown before and behind what was searched for: it has to be seen in a narrow column.
_BEFORE, _BEHIND = 12, 40
#: Characters of a part in a comparison that is only there on one side.
_LONG = 4_000
#: Characters around a change; what is the same further away is left out.
_AROUND = 60

#: What an author's id stands for, as far as the reader may know.
Names = Callable[[str], str]


# --- rows -------------------------------------------------------------------------------------------------------------


def position_of(number: str) -> int | None:
    """Where the row with a number that people see stands: 51 is the row imported as the 51st."""
    try:
        return max(0, round(float(number) * GAP))
    except (ValueError, OverflowError):
        return None


def brief_row(row: StoredRow, matcher: Matcher | None = None) -> dict[str, Any]:
    """A line of the table. With the `matcher` that found it, `hit` is the place: [before, what was searched for, behind]."""
    content = row.content
    turns = content.get("messages", ())
    asked = next((turn["content"] for turn in turns if turn["role"] == "user"), None)
    question = asked if asked is not None else content.get("question", content.get("text", ""))
    return {
        "id": row.id,
        "no": row_number(row.position),
        "position": row.position,
        "kind": row.kind,
        "question": question[:_SHORT],
        "answer": (last_answer(row.kind, content) or "")[:_SHORT],
        "n_turns": len(turns),
        "split": row.split,
        "tags": row.tags,
        "flag": row.flag,
        "waits": "draft" if is_draft(row.origin) else "flag" if row.flag is not None else None,
        "hit": None if matcher is None else _hit(matcher, search_text(row.kind, content)),
    }


def _hit(matcher: Matcher, words: str) -> list[str] | None:
    found = matcher.hit(words)
    if found is None:
        return None
    begin, end = found
    before, behind = words[max(0, begin - _BEFORE) : begin], words[end : end + _BEHIND]
    start = "\N{HORIZONTAL ELLIPSIS}" if begin > _BEFORE else ""
    stop = "\N{HORIZONTAL ELLIPSIS}" if len(words) > end + _BEHIND else ""
    return [_one_line(start + before), _one_line(words[begin:end][:_SHORT]), _one_line(behind + stop)]


def _one_line(words: str) -> str:
    return re.sub(r"\s", " ", words)


def whole_row(row: StoredRow, lang: Lang, who: Names) -> dict[str, Any]:
    """A row for its editor, and for the table's line."""
    same = ("content", "topic", "group_key", "references", "extra", "rule")
    shown = {name: getattr(row, name) for name in same}
    return brief_row(row) | shown | {"source": _source(row.origin, lang), "who": who(row.author)}


def _source(origin: dict[str, Any] | None, lang: Lang) -> str:
    """`students.csv, line 12`, `guide.pdf, page 3`, or what kind of thing it came from."""
    if not origin:
        return ""
    kind = f"rows.origin_{origin.get('type')}"
    name = str(origin.get("file") or origin.get("ref") or (text(lang, kind) if has_text(kind) else ""))
    span = origin.get("span")
    page = origin.get("page") or (span.get("page") if isinstance(span, dict) else None)
    if isinstance(page, int):
        return text(lang, "rows.source_page", name=name, page=page)
    if isinstance(origin.get("line"), int):
        return text(lang, "rows.source_line", name=name, line=origin["line"])
    return name


# --- changes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """One text of a row. Parts of the same `place` are compared with each other."""

    place: str
    label: str
    role: str
    words: str


def row_parts(before: StoredRow | NewRow | None, after: StoredRow | NewRow | None, lang: Lang) -> list[dict[str, Any]]:
    """What differs between two versions of a row, part by part: {label, role, pieces: [["same" | "gone" | "new", text]]}.

    Of a row that comes or goes, its content alone.
    """
    old, new = (list(_parts(row, lang)) for row in (before, after))
    if before is None or after is None:
        old, new = ([part for part in parts if part.role != "fact"] for parts in (old, new))
    pairs = _paired(old, new)
    return [_part_json(old, new) for old, new in pairs if old is None or new is None or old.words != new.words]


def _part_json(old: _Part | None, new: _Part | None) -> dict[str, Any]:
    shown = new or old
    assert shown is not None
    if old is None or new is None:
        pieces = [["new" if old is None else "gone", _cut(shown.words)]]
    else:
        pieces = _near([[op, words] for op, words in text_diff(old.words, new.words)])
    return {"label": shown.label, "role": shown.role, "pieces": pieces}


def _cut(words: str) -> str:
    return words if len(words) <= _LONG else words[:_LONG] + " …"


def _near(pieces: list[list[str]]) -> list[list[str]]:
    """What is the same, only around what is not."""
    shown = []
    for at, (op, words) in enumerate(pieces):
        if op == "same" and len(words) > 3 * _AROUND:
            head = words[:_AROUND] if at > 0 else ""
            tail = words[-_AROUND:] if at < len(pieces) - 1 else ""
            words = f"{head} … {tail}"
        shown.append([op, words])
    return shown


def _paired(old: list[_Part], new: list[_Part]) -> Iterator[tuple[_Part | None, _Part | None]]:
    """In order: what has stayed, what takes another's place, what has come and gone."""
    before, after = ([(part.place, part.words) for part in parts] for parts in (old, new))
    for _, old_from, old_to, new_from, new_to in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        yield from _paired_block(old[old_from:old_to], new[new_from:new_to])


def _paired_block(old: list[_Part], new: list[_Part]) -> Iterator[tuple[_Part | None, _Part | None]]:
    left = list(new)
    for part in old:
        at = next((at for at, one in enumerate(left) if one.place == part.place), None)
        if at is None:
            yield part, None
            continue
        yield from ((None, earlier) for earlier in left[:at])
        yield part, left[at]
        left = left[at + 1 :]
    yield from ((None, part) for part in left)


def _parts(row: StoredRow | NewRow | None, lang: Lang) -> Iterator[_Part]:
    if row is None:
        return
    content = row.content
    for name in ("messages", "chosen", "rejected"):
        for turn in content.get(name, ()):
            yield from _turn_parts(name, turn, lang)
    for name in ("question", "text"):
        if name in content:
            yield _Part(name, text(lang, f"rows.part_{name}"), "user", str(content[name]))
    for number, words in enumerate(content.get("options", ()), start=1):
        right = number - 1 == content.get("answer")
        label = text(lang, "rows.part_option_right" if right else "rows.part_option", n=number)
        yield _Part(f"option {number}{right}", label, "assistant", words)
    if row.kind == "prompt" and "answer" in content:
        yield _Part("answer", text(lang, "rows.part_answer"), "assistant", content["answer"])
    if "label" in content:
        label = content["label"]
        thumb = text(lang, "rows.thumb_good" if label else "rows.thumb_poor") if isinstance(label, bool) else str(label)
        yield _Part("label", text(lang, "rows.part_label"), "label", thumb)
    yield from _fact_parts(row, lang)


def _turn_parts(name: str, turn: dict[str, Any], lang: Lang) -> Iterator[_Part]:
    role = turn["role"]
    label = text(lang, f"role.{role}")
    if name != "messages":
        label = f"{text(lang, f'rows.{name}')} · {label}"
    if turn.get("reasoning_content"):
        yield _Part(f"{name} {role} reasoning", text(lang, "rows.reasoning"), role, turn["reasoning_content"])
    yield _Part(f"{name} {role}", label, role, turn["content"])
    for field in ("tool_calls", "name", "tool_call_id"):
        if field in turn:
            yield _Part(f"{name} {role} {field}", field, role, str(turn[field]))


def _fact_parts(row: StoredRow | NewRow, lang: Lang) -> Iterator[_Part]:
    split = text(lang, f"split.{row.split}") if row.split else ""
    flag = "" if row.flag is None else row.flag or text(lang, "rows.flagged")
    facts = {"split": split, "topic": row.topic or "", "tags": ", ".join(row.tags), "group": row.group_key or "", "flagged": flag}
    for name, words in facts.items():
        if words:
            yield _Part(name, text(lang, f"rows.f_{name}"), "fact", words)
    for words in row.references:
        yield _Part("reference", text(lang, "rows.references"), "fact", words)


# --- revisions and refusals -------------------------------------------------------------------------------------------


def revision_json(revision: Revision, newest: Revision, before: int | None, lang: Lang, who: Names) -> dict[str, Any]:
    """A line of the history. `before` is the committed revision under it, `now` the newest: what it can be compared with."""
    return {
        "number": revision.number,
        "name": revision.name,
        "words": _summary(revision, lang),
        "message": revision.message,
        "who": who(revision.author),
        "at": revision.committed_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "changes": revision.changes,
        "newest": revision.number == newest.number,
        "now": newest.number,
        "before": before,
    }


def _summary(revision: Revision, lang: Lang) -> str:
    summary = revision.summary or {}
    if has_text(summary.get("key", "")):
        return text(lang, summary["key"], **summary.get("params", {}))
    key = f"rows.action_{revision.action}"
    return text(lang, key if has_text(key) else "rows.action_other")


def error_json(error: StudioError, lang: Lang) -> dict[str, Any]:
    return {"key": error.key, "text": error_text(lang, error), "field": error.field}


def known_names(actor: Actor, accounts: dict[str, str]) -> Names:
    """You, an account's name, or somebody else. Without accounts it is you in whatever browser: nobody else gets in."""
    known = accounts | {actor.user_id: text(actor.lang, "rows.you")}
    other = text(actor.lang, "rows.somebody" if accounts else "rows.you")
    return lambda author: known.get(author, other)
