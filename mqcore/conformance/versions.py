"""Posts and claims by a reference to a queue in one version of its metadata."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from mqcore.contract import MetadataConflict, MQError, QueueNotFound, QueueRef

from .suite import Suite, new_messages

__all__ = ["TestVersions"]


class TestVersions(Suite):
    """A driver that does not check versions takes these references as any other."""

    def reference(self) -> QueueRef:
        """The queue, as long as its metadata is what it is now."""
        return replace(self.queue, if_version=self.driver.queues.get(self.queue).version)

    @contextmanager
    def refused(self) -> Iterator[None]:
        if not self.driver.checks_versions:
            yield
            return
        with pytest.raises(MetadataConflict):
            yield

    def test_a_reference_to_the_present_version_is_as_good_as_none(self) -> None:
        at = self.reference()
        assert at == self.queue
        first = self.post(3, queue=at)
        second = new_messages(2)
        (result,) = self.open().messages.post_to_several([(at, second)])
        assert not isinstance(result, MQError)
        assert list(result) == [message.id for message in second]
        assert self.ids(self.claim(10, queue=at)) == [*first, *result]
        self.driver.queues.set_metadata(self.queue, {"a": 1})
        self.post(queue=self.reference())

    def test_by_an_outdated_reference_nothing_is_posted(self) -> None:
        old = self.reference()
        self.open().queues.set_metadata(self.queue, {"a": 1})
        with self.refused():
            self.post(2, queue=old)
        assert len(self.everything()) == (0 if self.driver.checks_versions else 2)

    def test_by_an_outdated_reference_nothing_is_claimed(self) -> None:
        old = self.reference()
        self.open().queues.set_metadata(self.queue, {"a": 1})
        posted = self.post(2)
        with self.refused():
            self.claim(2, queue=old)
        if self.driver.checks_versions:
            assert self.ids(self.claim(2)) == posted

    def test_of_several_posts_an_outdated_one_is_refused_alone(self) -> None:
        old = self.reference()
        self.driver.queues.set_metadata(self.queue, {"a": 1})
        other = self.other_queue()
        messages = [new_messages(2) for _ in range(4)]
        places = (other, old, self.reference(), replace(other, if_version="nonsense"))
        posts = list(zip(places, messages, strict=True))
        results = self.driver.messages.post_to_several(posts)
        refused = [place for place, one in enumerate(results) if isinstance(one, MQError)]
        assert refused == ([1, 3] if self.driver.checks_versions else [])
        assert all(isinstance(results[place], MetadataConflict) for place in refused)
        for queue, mine in ((other, (0, 3)), (self.queue, (1, 2))):
            stored = [one.id for place in mine if place not in refused for one in messages[place]]
            assert sorted(self.everything(queue)) == sorted(stored)

    def test_a_reference_does_not_outlive_its_queue(self) -> None:
        old = self.reference()
        self.driver.queues.delete(self.queue)
        with pytest.raises(QueueNotFound):
            self.post(queue=old)
        assert self.try_claim(queue=old) is None
        self.driver.queues.create(self.queue, {})
        with self.refused():
            self.post(queue=old)
        posted = self.post()
        with self.refused():
            assert self.try_claim(queue=old)
        if self.driver.checks_versions:
            assert self.everything() == posted

    def test_a_purge_leaves_a_reference_good(self) -> None:
        at = self.reference()
        self.post(3)
        self.driver.messages.purge(self.queue)
        posted = self.post(2, queue=at)
        assert self.ids(self.claim(queue=at)) == posted
