"""The tables. `migrations` creates them; a test holds the two together.

What traffic reads and changes is in `messages`: narrow rows, so that a claim rewrites little.
Bodies lie apart and are never rewritten. Ends (`expires_at`, `visible_at`, `ends_at`) are whole
seconds rounded up; a thing is over when now >= its end. The project None is stored as ''.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.mysql import LONGBLOB, LONGTEXT

HEAD = "0004"
"""The newest migration: the schema that this code works on."""

VERSION_TABLE = "mqcore_version"

FREE, DELAYED, CLAIMED, RETURNED = range(4)
"""States of a message as stored. A delayed or claimed one whose `visible_at` has come is claimable
in truth; the next call that passes by makes it RETURNED (`rows.promote`). It never becomes FREE, so
that nothing appears before the first free message (`lowwater`)."""

BALLAST = 0
"""The id of no queue. On PostgreSQL there are rows of it, see the migration 0004."""

# Only INTEGER makes a primary key the row id on SQLite.
Number = BigInteger().with_variant(Integer(), "sqlite")
# Keys are compared as bytes, trailing spaces included. Three of 256 characters are the longest
# that an index of InnoDB takes.
_NOPAD = {"mariadb": "utf8mb4_nopad_bin", "mysql": "utf8mb4_0900_bin"}
Key, Long = String(255).with_variant(String(collation="C"), "postgresql"), Text()
for _kind, _collation in _NOPAD.items():
    Key = Key.with_variant(String(256, _collation), _kind)
    Long = Long.with_variant(LONGTEXT(collation=_collation), _kind)
Bytes = LargeBinary().with_variant(LONGBLOB(), *_NOPAD)

metadata = MetaData()

counters = Table(
    "counters",
    metadata,
    Column("name", Key, primary_key=True),
    Column("value", Number, nullable=False),
)
"""`queue`: the last queue id. `floor`: no queue created from now on may start below it, so that
the markers and versions of a deleted queue mean nothing in a later one of the same name."""

queues = Table(
    "queues",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=False),
    Column("project", Key, nullable=False),
    Column("name", Key, nullable=False),
    Column("metadata", Long, nullable=False),
    Column("version", Number, nullable=False),
    UniqueConstraint("project", "name", name="queues_by_name"),
)
"""A purge gives the queue another id and leaves the old one to `graves`."""

numbers = Table(
    "numbers",
    metadata,
    Column("queue_id", Number, primary_key=True, autoincrement=False),
    Column("next_seq", Number, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""A row for each queue. With the number in the key, who knows a former one passes over older
versions of the row, which stay while somebody holds a snapshot."""

messages = Table(
    "messages",
    metadata,
    Column("queue_id", Number, primary_key=True, autoincrement=False),
    Column("seq", Number, primary_key=True, autoincrement=False),
    Column("id", Key, nullable=False),
    Column("posted_at", Double, nullable=False),
    Column("client", Long),
    Column("ttl", Number, nullable=False),
    Column("expires_at", Number, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("visible_at", Number, nullable=False),
    Column("claim_id", Key),
    Column("claim_count", Number, nullable=False),
    UniqueConstraint("queue_id", "id", name="messages_by_id"),
    sqlite_with_rowid=False,
)
Index("messages_by_state", messages.c.queue_id, messages.c.state, messages.c.seq)
Index(
    "messages_due",
    messages.c.queue_id,
    messages.c.visible_at,
    messages.c.seq,
    sqlite_where=text("visible_at > 0"),
    postgresql_where=text("visible_at > 0"),
)

bodies = Table(
    "bodies",
    metadata,
    Column("queue_id", Number, primary_key=True, autoincrement=False),
    Column("seq", Number, primary_key=True, autoincrement=False),
    Column("body", Bytes, nullable=False),
    Column("checksum", Long),
)

claims = Table(
    "claims",
    metadata,
    Column("queue_id", Number, primary_key=True, autoincrement=False),
    Column("id", Key, primary_key=True),
    Column("ttl", Number, nullable=False),
    Column("grace", Number, nullable=False),
    Column("renewed_at", Double, nullable=False),
    Column("ends_at", Number, nullable=False),
    Column("seqs", Long, nullable=False),
)
"""`seqs`: a JSON array of what the claim took; it holds those that still name it."""
Index("claims_by_end", claims.c.ends_at)

segments = Table(
    "segments",
    metadata,
    Column("queue_id", Number, primary_key=True, autoincrement=False),
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("segment", Number, primary_key=True, autoincrement=False),
    Column("min_expires_at", Number, nullable=False),
    Column("max_expires_at", Number, nullable=False),
    Column("client", Long),
    sqlite_with_rowid=False,
)
"""Bounds over runs of the numbers of a queue, see the module of that name."""
Index("segments_by_expiry", segments.c.level, segments.c.min_expires_at)

tallies = Table(
    "tallies",
    metadata,
    Column("queue_id", Number, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("bucket", Number, primary_key=True, autoincrement=False),
    Column("n", Number, nullable=False),
    sqlite_with_rowid=False,
)
"""Counts by end, see the module `tally`."""

tally_deltas = Table(
    "tally_deltas",
    metadata,
    Column("queue_id", Number, primary_key=True, autoincrement=False),
    Column("id", Number, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    Column("ends_at", Number, nullable=False),
    Column("n", Number, nullable=False),
    sqlite_with_rowid=False,
)
"""Changes of counts that are not in `tallies` yet; on servers only."""

graves = Table(
    "graves",
    metadata,
    Column("queue_id", Number, primary_key=True, autoincrement=False),
)
"""Ids of deleted and purged queues whose rows are still to be removed."""

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("project", Key, primary_key=True),
    Column("queue", Key, primary_key=True),
    Column("id", Key, primary_key=True),
    Column("subscriber", Long, nullable=False),
    Column("subscriber_key", Key, nullable=False),
    Column("ttl", Number, nullable=False),
    Column("options", Long, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("renewed_at", Double, nullable=False),
    Column("expires_at", Number, nullable=False),
    Column("confirmed", Boolean),
    UniqueConstraint("project", "queue", "subscriber_key", name="subscriptions_by_subscriber"),
)
"""`subscriber_key`: a digest of the subscriber, which may be longer than an index can hold."""
Index("subscriptions_by_expiry", subscriptions.c.expires_at)
