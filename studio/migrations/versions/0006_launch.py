"""The order of the queue, the place where a job runs, trainings that belong together, and curves from an index alone."""

import sqlalchemy as sa
from alembic import op

import studio.db

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # Plain ALTER TABLE: making a table anew would delete what refers to it.
    with op.batch_alter_table("jobs", schema=None, recreate="never") as batch_op:
        batch_op.add_column(sa.Column("rank", sa.Float(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("slot", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("device", sa.String(length=120), nullable=True))
    op.create_table(
        "sweeps",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("axes", studio.db.Json(), nullable=False),
        sa.Column("request_id", sa.String(length=80), nullable=True),
        sa.Column("author", sa.String(length=40), nullable=False),
        sa.Column("created_at", studio.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sweeps")),
        sa.UniqueConstraint("name", name=op.f("uq_sweeps_name")),
        sa.UniqueConstraint("request_id", name=op.f("uq_sweeps_request_id")),
    )
    op.create_table(
        "sweep_runs",
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("sweep_id", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("values", studio.db.Json(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_sweep_runs_run_id")),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweeps.id"], name=op.f("fk_sweep_runs_sweep_id")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_sweep_runs")),
    )
    op.create_index("ix_sweep_runs_sweep_id", "sweep_runs", ["sweep_id"])
    op.create_index("ix_points_curve", "points", ["run_id", "name", "step", "superseded", "value"])
