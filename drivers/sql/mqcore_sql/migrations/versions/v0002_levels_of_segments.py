"""Segments of four sizes, the smallest of 64 messages, where there was one of 1024."""

import sqlalchemy as sa
from alembic import op

from mqcore_sql.migrations.columns import Long, Number

revision = "0002"
down_revision = "0001"


SMALLEST_IN_OLD = 16
OLD_IN_LARGER = {1: 1, 2: 16, 3: 256}
AS_IN_OLD = 1
"""The level whose runs are as long as the old ones."""


def upgrade() -> None:
    op.drop_index("segments_by_expiry", "segments")
    op.rename_table("segments", "segments_0001")
    op.create_table(
        "segments",
        sa.Column("queue_id", Number, primary_key=True, autoincrement=False),
        sa.Column("level", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("segment", Number, primary_key=True, autoincrement=False),
        sa.Column("min_expires_at", Number, nullable=False),
        sa.Column("max_expires_at", Number, nullable=False),
        sa.Column("client", Long),
        sqlite_with_rowid=False,
    )
    # The bounds of an old run hold for each part of it, if not as tightly.
    for part in range(SMALLEST_IN_OLD):
        op.execute(
            "INSERT INTO segments"  # noqa: S608 - numbers of ours
            f" SELECT queue_id, 0, segment * {SMALLEST_IN_OLD} + {part},"
            " min_expires_at, max_expires_at, client FROM segments_0001"
        )
    for level, old in OLD_IN_LARGER.items():
        larger = f"segment - segment % {old}"
        op.execute(
            "INSERT INTO segments"  # noqa: S608 - numbers of ours
            f" SELECT queue_id, {level}, ({larger}) / {old},"
            " min(min_expires_at), max(max_expires_at),"
            " CASE WHEN count(client) = count(*) AND min(client) = max(client)"
            " THEN min(client) END"
            f" FROM segments_0001 GROUP BY queue_id, {larger}"
        )
    op.drop_table("segments_0001")
    op.create_index("segments_by_expiry", "segments", ["level", "min_expires_at"])


def downgrade() -> None:
    op.drop_index("segments_by_expiry", "segments")
    op.rename_table("segments", "segments_0002")
    op.create_table(
        "segments",
        sa.Column("queue_id", Number, primary_key=True, autoincrement=False),
        sa.Column("segment", Number, primary_key=True, autoincrement=False),
        sa.Column("min_expires_at", Number, nullable=False),
        sa.Column("max_expires_at", Number, nullable=False),
        sa.Column("client", Long),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO segments"  # noqa: S608 - a number of ours
        " SELECT queue_id, segment, min_expires_at, max_expires_at, client FROM segments_0002"
        f" WHERE level = {AS_IN_OLD}"
    )
    op.drop_table("segments_0002")
    op.create_index("segments_by_expiry", "segments", ["min_expires_at"])
