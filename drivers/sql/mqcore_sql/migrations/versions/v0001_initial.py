"""The first schema."""

import sqlalchemy as sa
from alembic import op

from mqcore_sql.migrations.columns import Bytes, Key, Long, Number, unique_text

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "counters",
        sa.Column("name", Key, primary_key=True),
        sa.Column("value", Number, nullable=False),
    )

    op.create_table(
        "queues",
        sa.Column("id", Number, primary_key=True, autoincrement=False),
        sa.Column("project", Key, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("metadata", Long, nullable=False),
        sa.Column("version", Number, nullable=False),
        sa.Column("next_seq", Number, nullable=False),
        sa.UniqueConstraint("project", "name", name="queues_by_name"),
    )

    op.create_table(
        "messages",
        sa.Column("queue_id", Number, primary_key=True, autoincrement=False),
        sa.Column("seq", Number, primary_key=True, autoincrement=False),
        sa.Column("id", Key, nullable=False),
        sa.Column("posted_at", sa.Double, nullable=False),
        sa.Column("client", Long),
        sa.Column("ttl", Number, nullable=False),
        sa.Column("expires_at", Number, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("visible_at", Number, nullable=False),
        sa.Column("claim_id", Key),
        sa.Column("claim_count", Number, nullable=False),
        sa.UniqueConstraint("queue_id", "id", name="messages_by_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("messages_by_state", "messages", ["queue_id", "state", "seq"])
    op.create_index(
        "messages_due",
        "messages",
        ["queue_id", "visible_at", "seq"],
        sqlite_where=sa.text("visible_at > 0"),
        postgresql_where=sa.text("visible_at > 0"),
    )

    op.create_table(
        "bodies",
        sa.Column("queue_id", Number, primary_key=True, autoincrement=False),
        sa.Column("seq", Number, primary_key=True, autoincrement=False),
        sa.Column("body", Bytes, nullable=False),
        sa.Column("checksum", Long),
    )

    op.create_table(
        "claims",
        sa.Column("queue_id", Number, primary_key=True, autoincrement=False),
        sa.Column("id", Key, primary_key=True),
        sa.Column("ttl", Number, nullable=False),
        sa.Column("grace", Number, nullable=False),
        sa.Column("renewed_at", sa.Double, nullable=False),
        sa.Column("ends_at", Number, nullable=False),
        sa.Column("seqs", Long, nullable=False),
    )
    op.create_index("claims_by_end", "claims", ["ends_at"])

    op.create_table(
        "segments",
        sa.Column("queue_id", Number, primary_key=True, autoincrement=False),
        sa.Column("segment", Number, primary_key=True, autoincrement=False),
        sa.Column("min_expires_at", Number, nullable=False),
        sa.Column("max_expires_at", Number, nullable=False),
        sa.Column("client", Long),
        sqlite_with_rowid=False,
    )
    op.create_index("segments_by_expiry", "segments", ["min_expires_at"])

    op.create_table(
        "tallies",
        sa.Column("queue_id", Number, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("level", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("bucket", Number, primary_key=True, autoincrement=False),
        sa.Column("n", Number, nullable=False),
        sqlite_with_rowid=False,
    )

    op.create_table(
        "graves",
        sa.Column("queue_id", Number, primary_key=True, autoincrement=False),
    )

    op.create_table(
        "subscriptions",
        sa.Column("project", Key, primary_key=True),
        sa.Column("queue", Key, primary_key=True),
        sa.Column("id", Key, primary_key=True),
        sa.Column("subscriber", Long, nullable=False),
        sa.Column("ttl", Number, nullable=False),
        sa.Column("options", Long, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("renewed_at", sa.Double, nullable=False),
        sa.Column("expires_at", Number, nullable=False),
        sa.Column("confirmed", sa.Boolean),
        *unique_text("project", "queue", "subscriber", name="subscriptions_by_subscriber"),
    )
    op.create_index("subscriptions_by_expiry", "subscriptions", ["expires_at"])
    counters = sa.table("counters", sa.column("name", sa.String), sa.column("value", sa.BigInteger))
    op.bulk_insert(counters, [{"name": "queue", "value": 0}, {"name": "floor", "value": 0}])


def downgrade() -> None:
    for table in (
        "counters",
        "queues",
        "messages",
        "bodies",
        "claims",
        "segments",
        "tallies",
        "graves",
        "subscriptions",
    ):
        op.drop_table(table)
