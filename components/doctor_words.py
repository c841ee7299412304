"""What the doctor's panel is told of a finding: places in their context, what a mend would change, words of a check.

Everything that people wrote is a value here, never markup; the template escapes it.
"""

from __future__ import annotations

import re
from typing import Any

from components.data_words import row_parts
from studio.data.checks.base import Check, RowView, Spot, Words
from studio.data.compare import row_number
from studio.data.doctor_service import Cluster, Example
from studio.data.near_duplicates import asked
from studio.data.rows import last_answer
from studio.data.store import StoredRow
from studio.text import Lang, has_text, text

__all__ = ["cluster_json", "example_json", "history_words", "rule_words"]

#: Characters before and behind what was found, and of what was found at most.
_AROUND, _LONGEST = 48, 160
_SPOTS = 3
_PARTS = 3
_SHORT = 320


def rule_words(check: Check, lang: Lang) -> str:
    return text(lang, f"check.{check.key}.rule", **check.params)


def history_words(key: str, params: dict[str, Any], lang: Lang) -> str:
    return text(lang, key, **params) if has_text(key) else ""


def example_json(check: Check, example: Example, lang: Lang) -> dict[str, Any]:
    """{no, id, spots: [{label, what, pieces}], after: parts | None, fate: what becomes of the row}."""
    row = example.row
    fate, parts = "", None
    if example.after is not None:
        if example.after:
            parts = row_parts(row, example.after[0], lang)[:_PARTS]
        fate = text(lang, "doctor.goes") if not example.after else ""
        if len(example.after) > 1:
            fate = text(lang, "doctor.becomes", n=len(example.after))
    return {
        "no": row_number(row.position),
        "id": row.id,
        "spots": [_spot_json(check, spot, row, lang) for spot in example.spots[:_SPOTS]],
        "n_more": max(0, len(example.spots) - _SPOTS),
        "after": parts,
        "fate": fate,
    }


def _spot_json(check: Check, spot: Spot, row: StoredRow, lang: Lang) -> dict[str, Any]:
    words = next((words for words in RowView(row.as_new()).words if words.where == spot.where), None)
    key = f"check.{check.key}.what.{spot.what}"
    return {
        "label": "" if words is None else _label(words, lang),
        "what": text(lang, key) if spot.what and has_text(key) else "",
        "pieces": [] if words is None else _pieces(words.text, spot.start, spot.end),
    }


def _label(words: Words, lang: Lang) -> str:
    key = "doctor.role.text" if words.role == "text" else f"role.{words.role}"
    number = re.match(r"messages\[(\d+)\]", words.where)
    place = text(lang, "doctor.message", n=int(number[1]) + 1) if number else ""
    return " · ".join(part for part in (text(lang, key) if has_text(key) else words.role, place) if part)


def _pieces(words: str, start: int, end: int) -> list[list[str]]:
    """["same" | "hit", text]: what was found in its context; a place without length is shown as the text around it."""
    hit = words[start:end]
    before, behind = words[max(0, start - _AROUND) : start], words[end : end + _AROUND]
    if not hit:
        before, behind = words[max(0, start - _LONGEST) : start], words[start : start + _LONGEST]
    if len(hit) > _LONGEST:
        hit = f"{hit[: _LONGEST // 2]} … {hit[-_LONGEST // 2 :]}"
    lead = "…" if start - len(before) > 0 else ""
    tail = "…" if end + len(behind) < len(words) else ""
    return [[kind, part] for kind, part in (("same", lead + before), ("hit", hit), ("same", behind + tail)) if part]


def cluster_json(cluster: Cluster, lang: Lang) -> dict[str, Any]:
    return {
        "number": cluster.number,
        "n_more": cluster.n_rows - len(cluster.rows),
        "rows": [_member(row, cluster, lang) for row in cluster.rows],
    }


def _member(row: StoredRow, cluster: Cluster, lang: Lang) -> dict[str, Any]:
    return {
        "id": row.id,
        "no": row_number(row.position),
        "question": asked(row.kind, row.content)[:_SHORT],
        "answer": (last_answer(row.kind, row.content) or "")[:_SHORT],
        "split": text(lang, f"split.{row.split or 'none'}"),
        "is_kept": row.id == cluster.kept_id,
        "is_unsettled": row.id in cluster.unsettled,
    }
