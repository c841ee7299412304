"""What a spine needs that survives kills: processes known beyond doubt, deaths counted, checkpoints kept by wish."""

import sqlalchemy as sa
from alembic import op

import studio.db

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # The creation time of a process was a wall clock's, which jumps. It is a text now: the boot, and the ticks since then.
    op.drop_table("workers")  # holds the living only; the next worker enters itself
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("host", sa.String(length=200), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("pid_created", sa.String(length=120), nullable=False),
        sa.Column("started_at", studio.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("lease_until", studio.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("stop_requested_at", studio.db.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    with op.batch_alter_table("workers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_workers_lease_until"), ["lease_until"], unique=False)
    # Plain ALTER TABLE: making a table anew would delete what refers to it.
    with op.batch_alter_table("jobs", schema=None, recreate="never") as batch_op:
        batch_op.drop_column("pid_created")
        batch_op.add_column(sa.Column("pid_created", sa.String(length=120), nullable=True))
        batch_op.add_column(sa.Column("deaths", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("checkpoints", schema=None, recreate="never") as batch_op:
        batch_op.add_column(sa.Column("pinned", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("datasets", schema=None, recreate="never") as batch_op:
        batch_op.add_column(sa.Column("job_id", sa.String(length=40), nullable=True))
