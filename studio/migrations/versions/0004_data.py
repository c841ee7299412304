"""Rows that people change: revisions with a story, flags, locked test sets, files that wait for their import."""

import sqlalchemy as sa
from alembic import op

import studio.db

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("datasets", schema=None, recreate="never") as batch_op:
        batch_op.add_column(sa.Column("card", studio.db.Json(), nullable=True))
        batch_op.add_column(sa.Column("locked_at", studio.db.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("locked_by", sa.String(length=40), nullable=True))
    with op.batch_alter_table("revisions", schema=None, recreate="never") as batch_op:
        batch_op.add_column(sa.Column("name", sa.String(length=200), nullable=True))
        batch_op.add_column(sa.Column("action", sa.String(length=16), nullable=False, server_default="import"))
        batch_op.add_column(sa.Column("summary", studio.db.Json(), nullable=True))
        batch_op.add_column(sa.Column("changes", studio.db.Json(), nullable=True))
        batch_op.add_column(sa.Column("state_of", sa.Integer(), nullable=False, server_default="1"))
        batch_op.add_column(sa.Column("parent", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("row_sum", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("job_id", sa.String(length=40), nullable=True))
    op.execute("UPDATE revisions SET state_of = number, parent = CASE WHEN number > 1 THEN number - 1 END")
    with op.batch_alter_table("rows", schema=None, recreate="never") as batch_op:
        batch_op.add_column(sa.Column("flag", sa.String(length=200), nullable=True))
        batch_op.add_column(sa.Column("n_chars", sa.Integer(), nullable=False, server_default="0"))
        batch_op.drop_index("ix_rows_dataset_id_prompt_hash")
        batch_op.create_index("ix_rows_dataset_id_since", ["dataset_id", "since"], unique=False)
    op.execute("UPDATE rows SET n_chars = length(search_text)")
    gone = sa.text("until IS NOT NULL")
    op.create_index(
        "ix_rows_dataset_id_until", "rows", ["dataset_id", "until"], sqlite_where=gone, postgresql_where=gone
    )
    op.create_table(
        "undone",
        sa.Column("dataset_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("since", sa.Integer(), nullable=False),
        sa.Column("until", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_undone_dataset_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("dataset_id", "number", "since", name=op.f("pk_undone")),
    )
    op.create_table(
        "ended_again",
        sa.Column("row_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("dataset_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["row_id"], ["rows.id"], name=op.f("fk_ended_again_row_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("row_id", "number", name=op.f("pk_ended_again")),
    )
    op.create_index("ix_ended_again_dataset_id_number", "ended_again", ["dataset_id", "number"])
    op.create_table(
        "drafts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("author", sa.String(length=40), nullable=False),
        sa.Column("created_at", studio.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("files", studio.db.Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drafts")),
    )
    op.create_table(
        "locked_prompts",
        sa.Column("dataset_id", sa.String(length=40), nullable=False),
        sa.Column("prompt_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_locked_prompts_dataset_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dataset_id", "prompt_hash", name=op.f("pk_locked_prompts")),
    )
