"""Run by Alembic. `migrate.upgrade` hands over a connection that is in a transaction."""

from alembic import context

from mqcore_sql.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
