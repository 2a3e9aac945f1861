"""Arrays for PostgreSQL.

psycopg's own dumper finds out anew what each element of a list may be, which takes longer than all
else in a statement. Ours hold values of one type, or None.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any

from psycopg import DataError
from psycopg.abc import AdaptContext, DumperKey, PyFormat
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

__all__ = ["ArrayDumper"]

_header = struct.Struct("!iiIii").pack
"""Dimensions, whether there may be NULLs, the type of the elements, how many, from which one on."""
_length = struct.Struct("!i").pack
_int, _float = struct.Struct("!iq").pack, struct.Struct("!id").pack
NULL = _length(-1)


def _bytes(value: bytes) -> bytes:
    return _length(len(value)) + value


TYPES: dict[type, tuple[int, int, Callable[[Any], bytes]]] = {
    int: (20, 1016, lambda value: _int(8, value)),
    float: (701, 1022, lambda value: _float(8, value)),
    str: (25, 1009, lambda value: _bytes(value.encode())),
    bytes: (17, 1001, _bytes),
}
"""The OIDs of a type and of its arrays, and what makes one element of it."""


def _type_in(values: Sequence[Any]) -> type:
    return next((type(each) for each in values if each is not None), str)


class ArrayDumper(Dumper):
    """Makes a list of whole numbers, numbers, texts or bytes one parameter.

    Raises DataError when a number is too large.
    """

    format = Format.BINARY

    def __init__(
        self, cls: type, context: AdaptContext | None = None, *, element: type = str
    ) -> None:
        super().__init__(cls, context)
        self._element, self.oid, self._dump = TYPES[element]

    def get_key(self, obj: Sequence[Any], format: PyFormat) -> DumperKey:  # noqa: A002 - theirs
        return (self.cls, _type_in(obj))

    def upgrade(self, obj: Sequence[Any], format: PyFormat) -> "ArrayDumper":  # noqa: A002
        return ArrayDumper(self.cls, element=_type_in(obj))

    def dump(self, obj: Sequence[Any]) -> Buffer:
        dump = self._dump
        try:
            elements = [NULL if each is None else dump(each) for each in obj]
        except struct.error as error:
            raise DataError(f"{error}, in a list of numbers") from error
        return b"".join([_header(1, 1, self._element, len(obj), 1), *elements])
