"""Queues: creation, metadata, versions, deletion, listing."""

import json
from typing import Any

import pytest

from ..contract import (
    ClaimNotFound,
    MessageNotFound,
    MetadataConflict,
    NewSubscription,
    QueueFilter,
    QueueNotFound,
    QueueRef,
    SubscriptionNotFound,
    new_id,
)
from .suite import Suite, names

__all__ = ["TestQueueListing", "TestQueueMetadata", "TestQueues"]

DOCUMENTS: dict[str, Any] = {
    "empty": {},
    "nested": {"a": {"b": [1, {"c": [[], {}]}]}, "list": [None, True, False, "x"]},
    "dotted and dollar keys": {"a.b": 1, "$set": {"$x.y": 2}, "": 3, "__proto__": 4, "_id": 5},
    "64-bit integers": {"most": 2**63 - 1, "least": -(2**63), "beyond a float": 2**53 + 1},
    "floats": {"tenth": 0.1, "whole": 1.0, "huge": 1.5e300, "tiny": 5e-324},
    "texts": {"é 😀": "\u00e9 \U0001f600 \x7f \n \\ \" '", "nul": "a\x00b", "digits": "123"},
    "reserved keys": {"_max_claim_count": 3, "_flavor": "gold", "_ttl": 1},
}


def as_json(document: Any) -> str:
    """A text in which 1, 1.0 and true differ."""
    return json.dumps(document, sort_keys=True)


class TestQueues(Suite):
    def test_create_says_whether_the_queue_is_new(self) -> None:
        """B-001."""
        queue = QueueRef(self.queue.project, "fresh")
        assert self.driver.queues.create(queue, {}) is True
        assert self.driver.queues.create(queue, {}) is False

    def test_creating_an_existing_queue_leaves_its_metadata(self) -> None:
        """B-002."""
        queue = QueueRef(self.queue.project, "fresh")
        self.driver.queues.create(queue, {"kept": 1})
        self.driver.queues.create(queue, {"lost": 2})
        assert self.driver.queues.get(queue).metadata == {"kept": 1}

    def test_a_queue_exists_from_creation_to_deletion(self) -> None:
        """B-003."""
        queue = QueueRef(self.queue.project, "fresh")
        assert self.driver.queues.exists(queue) is False
        self.driver.queues.create(queue, {})
        assert self.open().queues.exists(queue) is True
        self.driver.queues.delete(queue)
        assert self.open().queues.exists(queue) is False

    def test_count_is_of_the_whole_project(self) -> None:
        """B-015."""
        for number in range(11):
            self.other_queue(f"q{number}")
        assert self.driver.queues.count(self.queue.project) == 12
        assert self.driver.queues.count(f"project-{new_id()}") == 0

    def test_deleting_a_missing_queue_is_silent(self) -> None:
        """B-016."""
        self.driver.queues.delete(QueueRef(self.queue.project, "never"))
        self.driver.queues.delete(self.queue)
        self.driver.queues.delete(self.queue)

    def test_nothing_of_a_deleted_queue_is_in_the_next_one_of_its_name(self) -> None:
        """B-016, B-100."""
        posted = self.post(3)
        claim = self.claim(1)
        created = self.driver.subscriptions.create(
            self.queue, NewSubscription(new_id(), "http://a.example", 600, {})
        )
        assert created is not None
        self.driver.queues.delete(self.queue)
        assert self.everything() == []
        self.driver.queues.create(self.queue, {})
        assert self.everything() == []
        assert self.try_claim() is None
        assert self.driver.messages.get_many(self.queue, posted) == ()
        assert self.driver.queues.stats(self.queue).total == 0
        assert self.driver.subscriptions.list(self.queue).items == ()
        with pytest.raises(MessageNotFound):
            self.driver.messages.get(self.queue, posted[0])
        with pytest.raises(ClaimNotFound):
            self.driver.claims.get(self.queue, claim.id)
        with pytest.raises(SubscriptionNotFound):
            self.driver.subscriptions.get(self.queue, created.id)

    @pytest.mark.parametrize(
        "project", ["'; DROP TABLE queues; --", "é 😀", "p" * 256, "%", "None"]
    )
    def test_a_project_may_have_any_name(self, project: str) -> None:
        queue = QueueRef(project, f"q-{new_id()}")
        assert self.driver.queues.create(queue, {"a": 1}) is True
        (posted,) = self.post(queue=queue)
        assert self.driver.queues.get(queue).metadata == {"a": 1}
        assert self.listed(queue) == [posted]
        assert self.driver.queues.exists(QueueRef(project + "x", queue.name)) is False

    def test_names_that_differ_in_case_are_two_queues(self) -> None:
        upper, lower = self.other_queue("Name"), self.other_queue("name")
        (posted,) = self.post(queue=upper)
        assert self.listed(upper) == [posted]
        assert self.listed(lower) == []

    def test_a_name_may_have_64_characters(self) -> None:
        first, second = self.other_queue("n" * 63 + "a"), self.other_queue("n" * 63 + "b")
        (posted,) = self.post(queue=first)
        assert self.listed(first) == [posted]
        assert self.listed(second) == []


class TestQueueMetadata(Suite):
    @pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
    def test_metadata_comes_back_as_it_was_given(self, document: dict[str, Any]) -> None:
        """B-004."""
        queue = QueueRef(self.queue.project, "documents")
        self.driver.queues.create(queue, document)
        assert as_json(self.open().queues.get(queue).metadata) == as_json(document)
        self.driver.queues.set_metadata(self.queue, document)
        assert as_json(self.open().queues.get(self.queue).metadata) == as_json(document)

    def test_a_missing_queue_has_no_metadata_to_get_or_set(self) -> None:
        """B-006."""
        missing = QueueRef(self.queue.project, "missing")
        with pytest.raises(QueueNotFound) as caught:
            self.driver.queues.get(missing)
        assert caught.value.queue == missing
        with pytest.raises(QueueNotFound):
            self.driver.queues.set_metadata(missing, {})
        assert self.driver.queues.exists(missing) is False

    def test_setting_metadata_replaces_the_whole_object(self) -> None:
        """B-007."""
        self.driver.queues.set_metadata(self.queue, {"a": 1, "b": {"c": 2}})
        self.driver.queues.set_metadata(self.queue, {"b": {"d": 3}})
        assert self.driver.queues.get(self.queue).metadata == {"b": {"d": 3}}

    def test_the_version_changes_with_the_metadata(self) -> None:
        first = self.driver.queues.get(self.queue).version
        assert first is not None
        assert self.open().queues.get(self.queue).version == first
        self.driver.queues.set_metadata(self.queue, {"a": 1})
        assert self.driver.queues.get(self.queue).version != first

    def test_no_version_comes_again(self) -> None:
        versions = []
        for n in range(4):
            versions.append(self.driver.queues.get(self.queue).version)
            for change in range(n + 1):
                self.driver.queues.set_metadata(self.queue, {"a": change})
                versions.append(self.driver.queues.get(self.queue).version)
            self.driver.queues.delete(self.queue)
            self.driver.queues.create(self.queue, {})
        assert len(set(versions)) == len(versions)

    def test_a_write_on_an_old_version_is_a_conflict(self) -> None:
        old = self.driver.queues.get(self.queue).version
        self.driver.queues.set_metadata(self.queue, {"a": 1}, if_version=old)
        with pytest.raises(MetadataConflict):
            self.driver.queues.set_metadata(self.queue, {"a": 2}, if_version=old)
        assert self.driver.queues.get(self.queue).metadata == {"a": 1}

    def test_a_version_does_not_outlive_its_queue(self) -> None:
        old = self.driver.queues.get(self.queue).version
        self.driver.queues.delete(self.queue)
        with pytest.raises(QueueNotFound):
            self.driver.queues.set_metadata(self.queue, {"a": 1}, if_version=old)
        self.driver.queues.create(self.queue, {})
        with pytest.raises(MetadataConflict):
            self.driver.queues.set_metadata(self.queue, {"a": 1}, if_version=old)


class TestQueueListing(Suite):
    """`self.queue`, named "queue", is in the project of every test."""

    def test_a_page_has_ten_and_the_next_continues_after_it(self) -> None:
        """B-008."""
        wanted = sorted(["queue", *(self.other_queue(f"q{n:02}").name for n in range(14))])
        first = self.driver.queues.list(self.queue.project)
        assert names(first) == wanted[:10]
        second = self.driver.queues.list(self.queue.project, marker=first.next)
        assert names(second) == wanted[10:]

    def test_pages_of_one_visit_each_queue_once(self) -> None:
        """B-012."""
        wanted = sorted(["queue", *(self.other_queue(f"q{n}").name for n in range(4))])
        queues = self.driver.queues
        seen = self.follow(lambda marker: queues.list(self.queue.project, marker=marker, limit=1))
        assert [queue.name for queue in seen] == wanted

    def test_a_project_without_queues_has_an_empty_page(self) -> None:
        """B-012."""
        page = self.driver.queues.list(f"project-{new_id()}")
        assert page.items == ()
        assert page.next is None

    def test_no_project_and_a_project_list_their_own(self) -> None:
        """B-009."""
        name = f"q-{new_id()}"
        nobody = self.new_queue(None, name)
        self.driver.queues.set_metadata(nobody, {"of": "nobody"})
        self.other_queue(name)
        where = QueueFilter(name=name)
        mine = self.driver.queues.list(self.queue.project, detailed=True, where=where)
        assert [queue.metadata for queue in mine.items] == [{}]
        others = self.driver.queues.list(None, detailed=True, where=where)
        assert [queue.metadata for queue in others.items] == [{"of": "nobody"}]
        self.driver.queues.delete(nobody)
        assert names(self.driver.queues.list(None, where=where)) == []
        assert names(self.driver.queues.list(self.queue.project, where=where)) == [name]

    def test_metadata_comes_with_details_only(self) -> None:
        """B-010."""
        self.driver.queues.set_metadata(self.queue, {"a": {"b": 1.0}})
        (plain,) = self.driver.queues.list(self.queue.project).items
        assert plain.metadata is None
        (detailed,) = self.driver.queues.list(self.queue.project, detailed=True).items
        assert as_json(detailed.metadata) == as_json({"a": {"b": 1.0}})

    def test_the_order_is_that_of_the_names_as_utf8(self) -> None:
        """B-011."""
        given = ["b", "a", "B", "_x", "-x", ".x", "0", "9", "10", "aa", "é", "\uff5e", "\U0001f600"]
        for name in given:
            self.other_queue(name)
        wanted = sorted([*given, "queue"], key=lambda name: name.encode())
        assert names(self.driver.queues.list(self.queue.project, limit=100)) == wanted

    def test_the_marker_need_not_exist(self) -> None:
        """B-011."""
        for name in ("a", "c"):
            self.other_queue(name)
        listed = self.driver.queues.list(self.queue.project, marker="b")
        assert names(listed) == ["c", "queue"]
        self.driver.queues.delete(QueueRef(self.queue.project, "c"))
        assert names(self.driver.queues.list(self.queue.project, marker="c")) == ["queue"]
        assert names(self.driver.queues.list(self.queue.project, marker="z")) == []

    def test_a_metadata_filter_wants_equal_values_of_equal_type(self) -> None:
        """B-013."""
        values = {"one": 1, "text": "1", "float": 1.0, "true": True, "list": [1], "null": None}
        for name, value in values.items():
            self.driver.queues.set_metadata(self.other_queue(name), {"k": value, "all": 7})

        def found(*wanted: Any) -> list[str]:
            where = QueueFilter(metadata={"k": wanted, "all": [7]})
            return names(self.driver.queues.list(self.queue.project, where=where))

        for name, value in values.items():
            assert found(value) == [name]
        assert found(1, "1") == ["one", "text"]
        assert found(2) == []
        assert found({"$ne": 1}) == []

    def test_every_condition_of_a_filter_must_hold(self) -> None:
        """B-013."""
        self.driver.queues.set_metadata(self.other_queue("a"), {"x.y": 1, "z": 1})
        self.driver.queues.set_metadata(self.other_queue("b"), {"x.y": 1, "z": 2})
        where = QueueFilter(name="b", metadata={"x.y": [1], "z": [1, 2]})
        assert names(self.driver.queues.list(self.queue.project, where=where)) == ["b"]
        where = QueueFilter(metadata={"x.y": [1], "z": [1]})
        assert names(self.driver.queues.list(self.queue.project, where=where)) == ["a"]
        where = QueueFilter(metadata={"x": [{"y": 1}]})
        assert names(self.driver.queues.list(self.queue.project, where=where)) == []

    def test_a_name_filter_is_a_part_of_the_name_as_written(self) -> None:
        """B-014."""
        for name in ("abc", "ABC", "a_c", "xabcx", "a.c", "50%"):
            self.other_queue(name)

        def found(part: str) -> list[str]:
            page = self.driver.queues.list(self.queue.project, where=QueueFilter(name=part))
            return names(page)

        assert found("abc") == ["abc", "xabcx"]
        assert found("a_c") == ["a_c"]
        assert found("a.c") == ["a.c"]
        assert found("%") == ["50%"]
        assert found("nothing") == []

    def test_a_page_is_filled_with_queues_that_match(self) -> None:
        """B-013, B-014."""
        for number in range(12):
            queue = self.other_queue(f"q{number:02}")
            self.driver.queues.set_metadata(queue, {"odd": number % 2 == 1})
        where = QueueFilter(name="q", metadata={"odd": [True]})
        first = self.driver.queues.list(self.queue.project, limit=4, where=where)
        assert names(first) == ["q01", "q03", "q05", "q07"]
        second = self.driver.queues.list(
            self.queue.project, marker=first.next, limit=4, where=where
        )
        assert names(second) == ["q09", "q11"]
