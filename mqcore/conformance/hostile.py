"""What users write comes back as they wrote it, whatever it is and however much of it."""

import json
from typing import Any

import pytest

from ..contract import NewSubscription, QueueRef, new_id
from .ledger import not_run
from .lookalikes import LOOKALIKES, WITH_NUL
from .queues import as_json
from .suite import Suite, new_messages

__all__ = ["TestHostileMetadata", "TestSizes"]


def nested(depth: int) -> Any:
    """Objects and lists in each other."""
    inner: Any = "end"
    for level in range(depth):
        inner = [inner] if level % 2 else {"k": inner}
    return inner


HOSTILE: dict[str, Any] = {
    "edges of floats": {"most": 1.7e308, "minus zero": -0.0, "third": 1 / 3, "small": 1e-7},
    "edges of integers": {"a": 2**31, "b": -(2**31) - 1, "c": 2**53 - 1, "d": -(2**53) - 1},
    "whole floats": {"one": 1.0, "many": 1e15, "more": 1e22, "list": [1, 1.0, True, "1"]},
    "lookalike keys": {text: number for number, text in enumerate(LOOKALIKES + WITH_NUL)},
    "lookalike values": {"texts": LOOKALIKES + WITH_NUL},
    "dots beside objects": {"a": {"b": 1}, "a.b": 2, ".": 3, "a.": 4, ".a": 5, "a..b": 6},
    "keys of operators": {"$gt": "", "$where": "1", "$ref": "x", "$id": 1, "$oid": "0" * 24},
    "keys of records": {"_id": 1, "id": 2, "name": 3, "project": 4, "version": 5, "metadata": 6},
    "keys of Python": {"__class__": 1, "self": 2, "constructor": 3, "toString": 4},
    "numbers as keys": {"0": 1, "1": 2, "-1": 3, "00": 4},
    "controls": {"all": "".join(map(chr, range(32))), "\x1b": "\x7f\x80\x9f\u2028\u2029\ufeff"},
    "astral": {"\U0001f600": "\U00010000\U0010ffff", "joined": "\U0001f468\u200d\U0001f469"},
    "empty things": {"": "", "list": [], "object": {}, "null": None, "lists": [[], [[]], [{}]]},
    "dates": {"iso": "2024-01-01T00:00:00Z", "object": {"$date": 0}, "bytes": "aGVsbG8="},
    "deep": {"deep": nested(60)},
    "wide": {f"key {number}": [number] * 3 for number in range(500)},
}
"""Metadata that only a store which keeps JSON as it is gives back."""


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE)
class TestHostileMetadata(Suite):
    def test_metadata_comes_back_however_hostile(self, document: dict[str, Any]) -> None:
        """B-004, B-007, B-010."""
        size = len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())
        if size > (self.driver.limits.metadata or size):
            not_run("without room for that much metadata")
        queue = QueueRef(self.queue.project, "documents")
        self.driver.queues.create(queue, document)
        self.driver.queues.set_metadata(self.queue, document)
        page = self.open().queues.list(self.queue.project, detailed=True)
        for found in (*page.items, self.driver.queues.get(queue)):
            assert as_json(found.metadata) == as_json(document)

    def test_options_come_back_however_hostile(self, document: dict[str, Any]) -> None:
        """B-123."""
        new = NewSubscription(new_id(), "http://a.example", 600, document)
        self.driver.subscriptions.create(self.queue, new)
        found = self.open().subscriptions.get(self.queue, new.id)
        assert as_json(found.options) == as_json(document)
        self.driver.subscriptions.update(self.queue, new.id, options={})
        self.driver.subscriptions.update(self.queue, new.id, options=document)
        (found,) = self.driver.subscriptions.list(self.queue).items
        assert as_json(found.options) == as_json(document)


class TestSizes(Suite):
    @pytest.mark.parametrize("text", ["x", "\u20ac"], ids=["ASCII", "three bytes each"])
    @pytest.mark.parametrize("size", [100, 255, 256, 4096, 65_535, 65_536])
    def test_metadata_of_up_to_64_kib_comes_back(self, size: int, text: str) -> None:
        """B-004."""
        if size > (self.driver.limits.metadata or size):
            not_run("without room for that much metadata")
        room = size - len('{"k":""}')
        bytes_each = len(text.encode())
        document = {"k": text * (room // bytes_each) + "x" * (room % bytes_each)}
        self.driver.queues.set_metadata(self.queue, document)
        assert self.open().queues.get(self.queue).metadata == document

    def test_bodies_of_sizes_at_which_stores_change_their_ways_come_back(self) -> None:
        """B-042."""
        sizes = [0, 1, *(2**power + more for power in (8, 12, 16, 18) for more in (-1, 0, 1))]
        most = min(self.driver.limits.body or 2**18, 2**18)
        bodies = [(bytes(range(256)) * 1024)[:size] for size in sizes if size <= most]
        messages = [each for body in bodies for each in new_messages(1, body=body)]
        self.driver.messages.post(self.queue, messages)
        ids = [message.id for message in messages]
        assert [found.body for found in self.open().messages.get_many(self.queue, ids)] == bodies
        claimed = self.claim(len(bodies))
        assert {found.id: found.body for found in claimed.messages} == dict(
            zip(ids, bodies, strict=True)
        )
