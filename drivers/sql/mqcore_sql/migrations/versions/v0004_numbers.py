"""The numbers of a queue apart from it, and a state of its own for messages that came back."""

import sqlalchemy as sa
from alembic import op

from mqcore_sql.migrations.columns import Number

revision = "0004"
down_revision = "0003"

FREE, RETURNED = 0, 3
BALLAST = 10_000
NEVER = 2**62
TEXT = "'ballast-' || lpad(n::text, 28, '0')"


def upgrade() -> None:
    op.create_table(
        "numbers",
        sa.Column("queue_id", Number, primary_key=True, autoincrement=False),
        sa.Column("next_seq", Number, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO numbers SELECT id, next_seq FROM queues")
    op.drop_column("queues", "next_seq")
    if op.get_bind().dialect.name == "postgresql":
        _add_ballast()


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in ("messages", "bodies", "claims", "tally_deltas"):
            op.execute(f"DELETE FROM {table} WHERE queue_id = 0")  # noqa: S608
    op.add_column("queues", sa.Column("next_seq", Number, nullable=False, server_default="0"))
    op.execute(
        "UPDATE queues SET next_seq = (SELECT CASE WHEN version >= next_seq THEN version + 1"
        " ELSE next_seq END FROM numbers WHERE queue_id = queues.id)"
    )
    op.drop_table("numbers")
    op.execute(f"UPDATE messages SET state = {FREE} WHERE state = {RETURNED}")  # noqa: S608


def _add_ballast() -> None:
    """Rows of a queue that does not exist, so that no table ever looks empty to the planner.

    PostgreSQL plans for the sizes of a moment. Tables that were empty when they were last vacuumed
    are planned for as empty, whatever they hold by then: of a queue that is thought to have no
    message, it reads all messages to find one by its id.
    """
    for table, row in {
        "messages": f"0, n, {TEXT}, 0, NULL, 0, 0, 0, 0, NULL, 0",
        "bodies": "0, n, ''",
        "claims": f"0, {TEXT}, 0, 0, 0, {NEVER}, ''",
        "tally_deltas": "0, n, 0, 0, 0",
    }.items():
        op.execute(f"INSERT INTO {table} SELECT {row} FROM generate_series(1, {BALLAST}) n")  # noqa: S608
