"""Alembic's environment: the engine comes from `Database.migrate`, which holds the lock.

All migrations are one transaction, on both databases: one that fails leaves the schema and the rows as they were.
"""

from alembic import context

from studio.db import check_references, metadata

engine = context.config.attributes["engine"]
with engine.connect().execution_options(studio_write=True) as connection:
    # SQLite changes a table by making it anew and dropping the old one, which would delete all that refers to it. The
    # switch does nothing inside a transaction, so it is the driver that is told, before SQLAlchemy begins one.
    driver = connection.connection.driver_connection
    if engine.dialect.name == "sqlite":
        driver.execute("PRAGMA foreign_keys=OFF")
    try:
        context.configure(
            connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True
        )
        with context.begin_transaction():
            context.run_migrations()
            check_references(connection)
    finally:
        if engine.dialect.name == "sqlite":
            driver.execute("PRAGMA foreign_keys=ON")
