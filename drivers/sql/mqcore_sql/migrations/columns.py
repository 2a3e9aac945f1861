"""Types of columns in the migrations. They never change: a migration describes what it made."""

from alembic import op
from sqlalchemy import BigInteger, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.dialects.mysql import LONGBLOB, LONGTEXT

__all__ = ["Bytes", "Key", "Long", "Number", "unique_text"]

# Without padding: otherwise trailing spaces would not count when texts are compared.
MARIADB, MYSQL = "utf8mb4_nopad_bin", "utf8mb4_0900_bin"

Number = BigInteger().with_variant(Integer(), "sqlite")
Key = (
    String(255)
    .with_variant(String(collation="C"), "postgresql")
    .with_variant(String(256, MARIADB), "mariadb")
    .with_variant(String(256, MYSQL), "mysql")
)
Long = (
    Text()
    .with_variant(LONGTEXT(collation=MARIADB), "mariadb")
    .with_variant(LONGTEXT(collation=MYSQL), "mysql")
)
Bytes = LargeBinary().with_variant(LONGBLOB(), "mariadb", "mysql")


def unique_text(*columns: str, name: str) -> tuple[UniqueConstraint, ...]:
    """The constraint, where an index can hold texts of any length."""
    indexed = op.get_bind().dialect.name not in ("mariadb", "mysql")
    return (UniqueConstraint(*columns, name=name),) if indexed else ()
