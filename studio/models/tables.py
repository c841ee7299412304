"""Table of this room: the base models that runs start from."""

from __future__ import annotations

import sqlalchemy as sa

from studio.db import UtcDateTime, metadata

__all__ = ["bases"]

bases = sa.Table(
    "bases",
    metadata,
    sa.Column("id", sa.String(120), primary_key=True),  # also the folder's name under models/
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("source", sa.String(10), nullable=False),  # starter | hub | folder
    sa.Column("ref", sa.String(500), nullable=False),  # hub id, or the folder it was taken from
    sa.Column("revision", sa.String(80), nullable=False, default=""),  # the hub's commit, or a hash of the weights
    sa.Column("state", sa.String(10), nullable=False),  # fetching | ready | failed
    sa.Column("architecture", sa.String(100), nullable=False, default=""),
    sa.Column("parameters", sa.BigInteger, nullable=False, default=0),
    sa.Column("bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("context", sa.Integer, nullable=False, default=0),
    sa.Column("licence", sa.String(100), nullable=False, default=""),
    sa.Column("dequantised_from", sa.String(40), nullable=False, default=""),
    sa.Column("author", sa.String(40), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
