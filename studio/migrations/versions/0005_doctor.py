"""What the doctor has found in the rows of a revision."""

import sqlalchemy as sa
from alembic import op

import studio.db

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "examinations",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("dataset_id", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("base_id", sa.String(length=200), nullable=False),
        sa.Column("max_seq_len", sa.Integer(), nullable=False),
        sa.Column("author", sa.String(length=40), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=True),
        sa.Column("created_at", studio.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("finished_at", studio.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("summary", studio.db.Json(), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_examinations_dataset_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_examinations")),
    )
    op.create_index("ix_examinations_dataset_id", "examinations", ["dataset_id"])
    op.create_table(
        "findings",
        sa.Column("examination_id", sa.String(length=40), nullable=False),
        sa.Column("check_key", sa.String(length=40), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("row_id", sa.Integer(), nullable=False),
        sa.Column("group_no", sa.Integer(), nullable=True),
        sa.Column("kept_id", sa.Integer(), nullable=True),
        sa.Column("mends", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["examination_id"], ["examinations.id"], name=op.f("fk_findings_examination_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("examination_id", "check_key", "position", name=op.f("pk_findings")),
    )
