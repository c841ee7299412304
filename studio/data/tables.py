"""Tables of this room. Which row versions hold at a revision: `holding` (CONTRACTS 2, 3)."""

from __future__ import annotations

import sqlalchemy as sa

from studio.data.rows import MAX_LABEL
from studio.db import Json, UtcDateTime, metadata

__all__ = [
    "datasets",
    "drafts",
    "ended_again",
    "examinations",
    "findings",
    "locked_prompts",
    "revisions",
    "rows",
    "undone",
]

datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("note", sa.Text, nullable=False, default=""),
    sa.Column("author", sa.String(40), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("job_id", sa.String(40)),  # of the import that made it; null for one made in a request
    sa.Column("card", Json),  # what people say about it (card.Card)
    sa.Column("locked_at", UtcDateTime),  # its test rows are locked since
    sa.Column("locked_by", sa.String(40)),
)

revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("dataset_id", sa.String(40), sa.ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("state", sa.String(10), nullable=False),  # pending | committed | abandoned
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("author", sa.String(40), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("committed_at", UtcDateTime),
    sa.Column("content_hash", sa.String(64)),
    sa.Column("counts", Json),  # rows by split; "none" for rows without one
    sa.Column("report", Json),  # what an import read, took and refused
    sa.Column("name", sa.String(MAX_LABEL)),  # that a person gave it
    sa.Column("action", sa.String(16), nullable=False, server_default="import"),  # import | edit | replace | undo | ...
    sa.Column("summary", Json),  # {key, params}: what the studio says about it, in the reader's language
    sa.Column("changes", Json),  # rows {added, removed, changed}
    # An undo makes a new revision with the rows of an older one: `state_of` is the one that first had these rows (its own
    # number where they are new), `parent` the `state_of` of the revision before it.
    sa.Column("state_of", sa.Integer, nullable=False, server_default="1"),
    sa.Column("parent", sa.Integer),
    sa.Column("row_sum", sa.String(64)),  # a sum over the rows that grows with each change (revisions.row_term)
    sa.Column("job_id", sa.String(40)),  # of the job that writes it
)

#: Most rows are never replaced: the index over those that were stays small.
_GONE = sa.text("until IS NOT NULL")

rows = sa.Table(
    "rows",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("dataset_id", sa.String(40), sa.ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(12), nullable=False),
    sa.Column("content", Json, nullable=False),
    sa.Column("content_hash", sa.String(64), nullable=False),
    sa.Column("prompt_hash", sa.String(64), nullable=False),
    sa.Column("split", sa.String(12)),
    sa.Column("group_key", sa.String(MAX_LABEL)),
    sa.Column("tags", Json, nullable=False),
    sa.Column("topic", sa.String(MAX_LABEL)),
    sa.Column("references", Json, nullable=False),
    sa.Column("rule", Json),
    sa.Column("origin", Json),
    sa.Column("extra", Json),
    sa.Column("flag", sa.String(MAX_LABEL)),  # why a person wants it looked at; null: nobody does
    sa.Column("n_chars", sa.Integer, nullable=False, server_default="0"),  # characters of search_text
    sa.Column("search_text", sa.Text, nullable=False),
    sa.Column("since", sa.Integer, nullable=False),
    sa.Column("until", sa.Integer),  # the change that ended it first; null: none did
    sa.Column("author", sa.String(40), nullable=False),
    sa.Index("ix_rows_dataset_id_position", "dataset_id", "position", "id"),
    sa.Index("ix_rows_dataset_id_since", "dataset_id", "since"),
    sa.Index("ix_rows_dataset_id_until", "dataset_id", "until", sqlite_where=_GONE, postgresql_where=_GONE),
)

#: Changes that are taken back: the one made at `number` does not count for `since ≤ revision < until` (null: to this day).
undone = sa.Table(
    "undone",
    metadata,
    sa.Column("dataset_id", sa.String(40), sa.ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("since", sa.Integer, primary_key=True),
    sa.Column("until", sa.Integer),
)

#: Row versions whose first end was taken back and which another change has ended since.
ended_again = sa.Table(
    "ended_again",
    metadata,
    sa.Column("row_id", sa.Integer, sa.ForeignKey("rows.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("dataset_id", sa.String(40), nullable=False),
    sa.Index("ix_ended_again_dataset_id_number", "dataset_id", "number"),
)

#: Files that somebody has brought and looks at, before they are imported.
drafts = sa.Table(
    "drafts",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("author", sa.String(40), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("files", Json, nullable=False),  # [drafts.DraftFile]
)

#: Prompts of locked test sets: rows with these are not trained on, in any dataset.
locked_prompts = sa.Table(
    "locked_prompts",
    metadata,
    sa.Column("dataset_id", sa.String(40), sa.ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("prompt_hash", sa.String(64), primary_key=True),
)

#: What the doctor has said of a revision. Without `finished_at` it is being written, or was killed: nobody reads it.
examinations = sa.Table(
    "examinations",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("dataset_id", sa.String(40), sa.ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("content_hash", sa.String(64), nullable=False),
    sa.Column("base_id", sa.String(200), nullable=False),  # "" for none
    sa.Column("max_seq_len", sa.Integer, nullable=False),
    sa.Column("author", sa.String(40), nullable=False),
    sa.Column("job_id", sa.String(40)),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("summary", Json),  # doctor.Report
    sa.Index("ix_examinations_dataset_id", "dataset_id"),
)

#: Rows that a check of an examination found, by place and by version.
findings = sa.Table(
    "findings",
    metadata,
    sa.Column("examination_id", sa.String(40), sa.ForeignKey("examinations.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("check_key", sa.String(40), primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("row_id", sa.Integer, nullable=False),
    sa.Column("group_no", sa.Integer),  # of rows that are compared with each other
    sa.Column("kept_id", sa.Integer),  # the row of the group that the mend leaves as it is
    sa.Column("mends", sa.Boolean, nullable=False),  # False: a person decides
)
