"""Types of columns in the migrations. They never change: a migration describes what it made."""

from sqlalchemy import BigInteger, Integer, String

__all__ = ["Key", "Number"]

Number = BigInteger().with_variant(Integer(), "sqlite")
Key = String(255).with_variant(String(collation="C"), "postgresql")
