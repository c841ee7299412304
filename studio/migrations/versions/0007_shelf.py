"""What people write on checkpoints, and every dataset that a run is trained on."""

import sqlalchemy as sa
from alembic import op

import studio.db

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    # Plain ALTER TABLE: making a table anew would delete what refers to it.
    with op.batch_alter_table("checkpoints", schema=None, recreate="never") as batch_op:
        batch_op.add_column(sa.Column("note", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("tags", studio.db.Json(), nullable=True))
    op.create_table(
        "run_datasets",
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("dataset_id", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_run_datasets_dataset_id")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_datasets_run_id")),
        sa.PrimaryKeyConstraint("run_id", "dataset_id", name=op.f("pk_run_datasets")),
    )
    op.create_index("ix_run_datasets_dataset_id", "run_datasets", ["dataset_id"])
    trained = "SELECT id, dataset_id, dataset_revision, 1.0 FROM runs"
    op.execute(f"INSERT INTO run_datasets (run_id, dataset_id, revision, weight) {trained}")
