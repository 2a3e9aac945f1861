"""Types of columns in the migrations. They never change: a migration describes what it made."""

from sqlalchemy import BigInteger, Integer, LargeBinary, String, Text

__all__ = ["Bytes", "Key", "Long", "Number"]

Number = BigInteger().with_variant(Integer(), "sqlite")
Key = String(255).with_variant(String(collation="C"), "postgresql")
Long = Text()
Bytes = LargeBinary()
