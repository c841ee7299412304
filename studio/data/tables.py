"""Tables of this room. A row version holds for `since ≤ revision < until` (CONTRACTS 2, 3)."""

from __future__ import annotations

import sqlalchemy as sa

from studio.data.rows import MAX_LABEL
from studio.db import Json, UtcDateTime, metadata

__all__ = ["datasets", "revisions", "rows"]

datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("note", sa.Text, nullable=False, default=""),
    sa.Column("author", sa.String(40), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("job_id", sa.String(40)),  # of the import that made it; null for one made in a request
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
)

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
    sa.Column("search_text", sa.Text, nullable=False),
    sa.Column("since", sa.Integer, nullable=False),
    sa.Column("until", sa.Integer),  # null: still holds
    sa.Column("author", sa.String(40), nullable=False),
    sa.Index("ix_rows_dataset_id_position", "dataset_id", "position", "id"),
    sa.Index("ix_rows_dataset_id_prompt_hash", "dataset_id", "prompt_hash"),
)
