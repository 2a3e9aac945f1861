"""How ids are stored in Redis."""

from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from mqcore_redis.values import from_id, to_id, to_ids

from mqcore.contract import new_id


def test_an_id_that_core_makes_takes_14_bytes_until_2043() -> None:
    for year in (2025, 2042):
        made = int(datetime(year, 12, 31, tzinfo=UTC).timestamp() * 1e9)
        with patch("time.time_ns", return_value=made):
            text = new_id()
        assert len(text) == 32
        assert len(to_id(text)) == 14
        assert from_id(to_id(text)) == text


@pytest.mark.parametrize(
    "text", ["", "t", "t" * 13, "0" * 32, "18" + "f" * 30, "28" + "0" * 30, "A" * 32, "ä" * 7]
)
def test_any_other_id_is_stored_as_it_is(text: str) -> None:
    assert to_id(text)[1:].decode() == from_id(to_id(text)) == text


CUT = new_id() + new_id()


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [new_id()],
        [new_id() for _ in range(100)],
        [new_id(), "", new_id()],
        [new_id(), new_id() + "\n"],
        [f"{new_id()}\n{new_id()}", new_id()],
        [CUT[:31], CUT[31:]],
        ["\n".join((new_id(), new_id())), ""],
        [new_id().upper()],
    ],
)
def test_ids_together_are_stored_as_each_alone(texts: list[str]) -> None:
    assert to_ids(texts) == [to_id(text) for text in texts]
