"""Tables of this room: jobs, the workers that own them, and what the worker took in from their event files."""

from __future__ import annotations

import sqlalchemy as sa

from studio.db import Json, UtcDateTime, metadata

__all__ = ["checkpoints", "events", "jobs", "points", "run_datasets", "runs", "sweep_runs", "sweeps", "workers"]

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("dataset_id", sa.String(40), sa.ForeignKey("datasets.id"), nullable=False, index=True),
    sa.Column("dataset_revision", sa.Integer, nullable=False),
    sa.Column("base_id", sa.String(120), sa.ForeignKey("bases.id"), nullable=False, index=True),
    sa.Column("spec", Json, nullable=False),
    sa.Column("author", sa.String(40), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

#: All that a run is trained on; the first of them stands in its own row as well.
run_datasets = sa.Table(
    "run_datasets",
    metadata,
    sa.Column("run_id", sa.String(40), sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("dataset_id", sa.String(40), sa.ForeignKey("datasets.id"), primary_key=True, index=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("weight", sa.Float, nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("job_class", sa.String(10), nullable=False),
    sa.Column("state", sa.String(10), nullable=False, index=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("spec", Json, nullable=False),
    sa.Column("folder", sa.String(200), nullable=False),  # relative to the home
    sa.Column("run_id", sa.String(40), sa.ForeignKey("runs.id"), unique=True),
    sa.Column("request_id", sa.String(80), unique=True),
    sa.Column("author", sa.String(40), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("rank", sa.Float, nullable=False, default=0.0, server_default="0"),  # its place in the queue: lowest first
    sa.Column("started_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("stop_requested_at", UtcDateTime),
    # Who executes it: adoption needs all three, a pid alone may belong to somebody else by now.
    sa.Column("worker_id", sa.String(40)),
    sa.Column("slot", sa.Integer),  # of its host's devices
    sa.Column("device", sa.String(120)),  # what that slot is called
    sa.Column("host", sa.String(200)),
    sa.Column("pid", sa.Integer),
    sa.Column("pid_created", sa.String(120)),  # as `processes.created` spells it
    sa.Column("lease_until", UtcDateTime),
    sa.Column("deaths", sa.Integer, nullable=False, default=0, server_default="0"),  # since a person last set it going
    # What the worker has taken in from events.jsonl.
    sa.Column("ingested_seq", sa.Integer, nullable=False, default=0),
    sa.Column("ingested_bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("phase", sa.String(40)),
    sa.Column("done", sa.Float),
    sa.Column("total", sa.Float),
    sa.Column("unit", sa.String(20)),
    sa.Column("eta_s", sa.Float),
    sa.Column("result", Json),
    sa.Column("error", Json),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("host", sa.String(200), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("pid_created", sa.String(120), nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("lease_until", UtcDateTime, nullable=False, index=True),
    sa.Column("stop_requested_at", UtcDateTime),
)

#: Trainings that differ in a few fields: `axes` are their names with the values of each.
sweeps = sa.Table(
    "sweeps",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("axes", Json, nullable=False),
    sa.Column("request_id", sa.String(80), unique=True),
    sa.Column("author", sa.String(40), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

sweep_runs = sa.Table(
    "sweep_runs",
    metadata,
    sa.Column("run_id", sa.String(40), sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("sweep_id", sa.String(40), sa.ForeignKey("sweeps.id"), nullable=False, index=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("values", Json, nullable=False),  # of the axes
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("job_id", sa.String(40), sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("body", Json, nullable=False),
)

points = sa.Table(
    "points",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.String(40), sa.ForeignKey("runs.id"), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("name", sa.String(60), nullable=False),
    sa.Column("value", sa.Float),  # null: not a number
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("superseded", sa.Boolean, nullable=False, default=False),
    sa.UniqueConstraint("run_id", "attempt", "step", "name"),
    sa.Index("ix_points_run_id_seq", "run_id", "seq"),
    sa.Index("ix_points_curve", "run_id", "name", "step", "superseded", "value"),  # a curve is drawn from it alone
)

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    sa.Column("run_id", sa.String(40), sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("step", sa.Integer, primary_key=True),
    sa.Column("path", sa.String(300), nullable=False),  # relative to the home
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("val_loss", sa.Float),
    sa.Column("best", sa.Boolean, nullable=False, default=False),
    sa.Column("pinned", sa.Boolean, nullable=False, default=False, server_default=sa.false()),  # kept by somebody's wish
    sa.Column("note", sa.Text),
    sa.Column("tags", Json),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
