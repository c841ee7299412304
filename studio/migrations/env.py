"""Alembic's environment: the engine comes from `Database.migrate`, which holds the lock."""

from alembic import context

from studio.db import metadata

engine = context.config.attributes["engine"]
with engine.connect().execution_options(studio_write=True) as connection:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
