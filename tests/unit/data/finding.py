"""What tests of finding share: a small dataset with a history, rows of every make, and the same search done naively."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import regex  # type: ignore[import-untyped]

from studio.data import revisions, store
from studio.data.filters import Filter, roles_of
from studio.data.find import Sort
from studio.data.rows import NewRow, search_text
from studio.data.store import StoredRow
from studio.db import Database
from studio.settings import Settings

#: Letters whose upper and lower case SQLite does not know, signs that mean something to LIKE and FTS5, characters of four bytes.
_WORDS = (
    "眼科 患者应 眼 科眼 ПРИВЕТ привет ΣΊΣΥΦΟΣ σίσυφος CAFÉ café Straße STRASSE İzmir 100% a_b a*b \"quoted\" it's (x) AND NOT "
    "𠮷野家 👩‍⚕️ ab aB zz \\ . \t - NEAR/2 col:on ^ ß e\u0301 𝔘"
)
WORDS = _WORDS.split(" ")
TAGS = ("good", 'a "b"', "标签", "50%", "X")
TOPICS = (None, "eyes", "Глаза", "t_1")


def made_row(draw: random.Random) -> NewRow:
    """Any kind that rows have, with words from a small stock so that searches find some."""
    said = [" ".join(draw.choices(WORDS, k=draw.randint(1, 6))).strip() or "眼" for _ in range(4)]
    system = [{"role": "system", "content": said[3]}] if draw.random() < 0.3 else []
    question, answer = {"role": "user", "content": said[0]}, {"role": "assistant", "content": said[1]}
    other = {"role": "assistant", "content": said[1] + "."}
    kind, content = draw.choice(
        [
            ("chat", {"messages": [*system, question, answer]}),
            ("chat", {"messages": [question, {"role": "tool", "content": '"role":"system"'}, answer]}),
            ("preference", {"messages": [*system, question], "chosen": [answer], "rejected": [other]}),
            ("text", {"text": said[2]}),
        ]
    )
    return NewRow(
        kind,
        content,
        split=draw.choice(("train", "validation", "test", None)),
        tags=draw.sample(TAGS, draw.randint(0, 2)),
        topic=draw.choice(TOPICS),
        origin=draw.choice((None, {"type": "file", "ref": "a"}, {"type": "chat"})),
        flag=draw.choice((None, None, "look")),
    )


def made_dataset(db: Database, rows: Sequence[NewRow], name: str = "a") -> str:
    with db.write() as connection:
        dataset_id = store.create_dataset(connection, name, "usr_a")
        store.open_first_revision(connection, dataset_id, "usr_a", {"key": "data.revision.import", "params": {"files": name}})
    totals = store.write_rows(db, dataset_id, rows, "usr_a")
    store.commit_first_revision(db, dataset_id, totals, {})
    return dataset_id


def change(db: Database, settings: Settings, dataset_id: str, draw: random.Random, n_rows: int = 12) -> None:
    """A revision in which some rows are replaced, some go, and some come between others and at the end."""
    old = list(store.iter_rows(db, dataset_id, store.dataset_info(db, dataset_id).revision))
    taken = {row.position for row in old}
    with revisions.Editor(db, settings, dataset_id, author="usr_a", action="edit") as edit:
        for row in draw.sample(old, min(n_rows, len(old))):
            match draw.randrange(4):
                case 0:
                    edit.remove(row)
                case 1:
                    edit.replace(row, replace(row.as_new(), split="test", flag="new"))
                case 2 if row.position + 7 not in taken:
                    edit.add(made_row(draw), row.position + 7)
                    taken.add(row.position + 7)
                case _:
                    edit.replace(row, made_row(draw))
        edit.add(made_row(draw))


def naive(found: Sequence[StoredRow], wanted: Filter, sort: Sort = "position") -> list[int]:
    """Ids of the rows that match, in order: the whole list, looked at one by one."""
    hits = [row for row in found if _matches(row, wanted)]
    if sort == "shortest":
        hits.sort(key=lambda row: (row.n_chars, row.position))
    if sort == "longest":
        hits.sort(key=lambda row: (row.n_chars, row.position), reverse=True)
    if sort == "newest":
        hits.sort(key=lambda row: (-row.since, row.position))
    return [row.id for row in hits]


def _matches(row: StoredRow, wanted: Filter) -> bool:
    text = search_text(row.kind, row.content)
    if wanted.text and wanted.regex and not regex.search(wanted.text, text, regex.I | regex.M):
        return False
    if wanted.text and not wanted.regex and wanted.text.casefold() not in text.casefold():
        return False
    return (
        wanted.kind in (None, row.kind)
        and wanted.topic in (None, row.topic)
        and (wanted.tag is None or wanted.tag in row.tags)
        and (wanted.role is None or wanted.role in roles_of(row.content))
        and wanted.origin in (None, (row.origin or {}).get("type"))
        and wanted.split in (None, row.split or "none")
        and len(text) >= (wanted.min_chars or 0)
        and (wanted.max_chars is None or len(text) <= wanted.max_chars)
        and wanted.flagged in (None, row.flag is not None)
        and wanted.edited in (None, row.since > 1)
    )
