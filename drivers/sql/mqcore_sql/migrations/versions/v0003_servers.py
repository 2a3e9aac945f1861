"""What servers need: changes of counts as a list, and subscribers of any length in an index."""

from hashlib import sha256

import sqlalchemy as sa
from alembic import op

from mqcore_sql.schema import Key, Long, Number

revision = "0003"
down_revision = "0002"

HOT = ("messages", "bodies", "claims", "segments", "tallies", "tally_deltas")


def upgrade() -> None:
    op.create_table(
        "tally_deltas",
        sa.Column("queue_id", Number, primary_key=True, autoincrement=False),
        sa.Column("id", Number, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("ends_at", Number, nullable=False),
        sa.Column("n", Number, nullable=False),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    old = sa.Table("subscriptions", sa.MetaData(), autoload_with=connection)
    rows = [dict(row) for row in connection.execute(sa.select(old)).mappings()]
    op.drop_index("subscriptions_by_expiry", "subscriptions")
    op.drop_table("subscriptions")
    new = op.create_table(
        "subscriptions",
        sa.Column("project", Key, primary_key=True),
        sa.Column("queue", Key, primary_key=True),
        sa.Column("id", Key, primary_key=True),
        sa.Column("subscriber", Long, nullable=False),
        sa.Column("subscriber_key", Key, nullable=False),
        sa.Column("ttl", Number, nullable=False),
        sa.Column("options", Long, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("renewed_at", sa.Double, nullable=False),
        sa.Column("expires_at", Number, nullable=False),
        sa.Column("confirmed", sa.Boolean),
        sa.UniqueConstraint(
            "project", "queue", "subscriber_key", name="subscriptions_by_subscriber"
        ),
    )
    op.create_index("subscriptions_by_expiry", "subscriptions", ["expires_at"])
    for row in rows:
        row["subscriber_key"] = sha256(row["subscriber"].encode()).hexdigest()
    op.bulk_insert(new, rows)
    if connection.dialect.name == "postgresql":
        _plan_for_long_queues()


def _plan_for_long_queues() -> None:
    """Have the planner trust its defaults, not the sizes of a moment, and vacuum come early.

    Statistics that were gathered while all messages were free would have a claim walk over all
    claimed ones later. The thresholds are in rows, since a share of a large table is too many.
    """
    for table in HOT:
        for column in ("queue_id", "state", "level", "kind"):
            op.execute(
                "DO $$ BEGIN IF EXISTS (SELECT FROM information_schema.columns"
                f" WHERE table_schema = current_schema AND table_name = '{table}'"
                f" AND column_name = '{column}') THEN"
                f" ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0; END IF; END $$"
            )
        op.execute(
            f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.01,"
            " autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_scale_factor = 0.05)"
        )
