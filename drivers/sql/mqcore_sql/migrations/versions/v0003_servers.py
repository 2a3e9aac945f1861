"""What servers need: changes of counts as a list, and subscribers of any length in an index."""

from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem

from mqcore_sql.migrations.columns import Key, Long, Number, unique_text

revision = "0003"
down_revision = "0002"

PLANNED = {
    "messages": ("queue_id", "state"),
    "bodies": ("queue_id",),
    "claims": ("queue_id",),
    "segments": ("queue_id", "level"),
    "tallies": ("queue_id", "kind", "level"),
    "tally_deltas": ("queue_id", "kind"),
}
BUCKETS = (1, 64, 4096, 262144)
BY_SUBSCRIBER = "subscriptions_by_subscriber"


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
    rows = _take_subscriptions()
    for row in rows:
        row["subscriber_key"] = sha256(row["subscriber"].encode()).hexdigest()
    _make_subscriptions(
        rows,
        sa.Column("subscriber_key", Key, nullable=False),
        sa.UniqueConstraint("project", "queue", "subscriber_key", name=BY_SUBSCRIBER),
    )
    if op.get_bind().dialect.name == "postgresql":
        _plan_for_long_queues()


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _plan_as_usual()
    added = "ON CONFLICT (queue_id, kind, level, bucket) DO UPDATE SET n = tallies.n + excluded.n"
    if op.get_bind().dialect.name in ("mariadb", "mysql"):
        added = "ON DUPLICATE KEY UPDATE n = tallies.n + VALUES(n)"
    for level, size in enumerate(BUCKETS):
        begin = f"ends_at - ends_at % {size}"
        op.execute(
            "INSERT INTO tallies"  # noqa: S608 - numbers of ours
            f" SELECT queue_id, kind, {level}, ({begin}) / {size}, sum(n) FROM tally_deltas"
            f" WHERE true GROUP BY queue_id, kind, {begin} {added}"
        )
    op.execute("DELETE FROM tallies WHERE n = 0")
    op.drop_table("tally_deltas")
    rows = _take_subscriptions()
    for row in rows:
        del row["subscriber_key"]
    _make_subscriptions(rows, *unique_text("project", "queue", "subscriber", name=BY_SUBSCRIBER))


def _take_subscriptions() -> list[dict[str, Any]]:
    """All of them; the table goes."""
    connection = op.get_bind()
    old = sa.Table("subscriptions", sa.MetaData(), autoload_with=connection)
    rows = [dict(row) for row in connection.execute(sa.select(old)).mappings()]
    op.drop_table("subscriptions")
    return rows


def _make_subscriptions(rows: list[dict[str, Any]], *more: SchemaItem) -> None:
    new = op.create_table(
        "subscriptions",
        sa.Column("project", Key, primary_key=True),
        sa.Column("queue", Key, primary_key=True),
        sa.Column("id", Key, primary_key=True),
        sa.Column("subscriber", Long, nullable=False),
        *more,
        sa.Column("ttl", Number, nullable=False),
        sa.Column("options", Long, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("renewed_at", sa.Double, nullable=False),
        sa.Column("expires_at", Number, nullable=False),
        sa.Column("confirmed", sa.Boolean),
    )
    op.create_index("subscriptions_by_expiry", "subscriptions", ["expires_at"])
    op.bulk_insert(new, rows)


def _plan_for_long_queues() -> None:
    """Have the planner trust its defaults, not the sizes of a moment, and vacuum come early.

    Statistics that were gathered while all messages were free would have a claim walk over all
    claimed ones later. The thresholds are in rows, since a share of a large table is too many.
    """
    for table, columns in PLANNED.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0")
        op.execute(
            f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.01,"
            " autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_scale_factor = 0.05)"
        )


def _plan_as_usual() -> None:
    for table, columns in PLANNED.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS -1")
        op.execute(
            f"ALTER TABLE {table} RESET (autovacuum_vacuum_scale_factor,"
            " autovacuum_vacuum_threshold, autovacuum_vacuum_insert_scale_factor)"
        )
