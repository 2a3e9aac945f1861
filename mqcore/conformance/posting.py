"""Posting: ids, bodies, and what comes back of a message."""

import pytest

from ..contract import Capability, MQError, QueueNotFound, QueueRef
from .suite import Suite, new_messages, requires, without

__all__ = ["TestPosting"]

BODIES: dict[str, bytes] = {
    "empty": b"",
    "null": b"null",
    "object": b'{"a.b": {"$c": [1, 2.50, 9223372036854775807, {}]}, "\xc3\xa9": null}',
    "spaces": b'  {"kept" :  1 }\n',
    "NUL": b"\x00a\x00",
    "not UTF-8": bytes(range(256)),
    "256 KiB": b"0123456789abcdef" * 16384,
}


class TestPosting(Suite):
    def test_post_returns_the_ids_in_order(self) -> None:
        """B-040."""
        messages = new_messages(5)[::-1]
        results = self.driver.messages.post(self.queue, messages)
        assert list(results) == [message.id for message in messages]
        assert sorted(self.everything()) == sorted(message.id for message in messages)

    def test_an_empty_batch_has_an_empty_result(self) -> None:
        assert list(self.driver.messages.post(self.queue, [])) == []
        assert list(self.driver.messages.delete(self.queue, [])) == []
        assert list(self.driver.claims.claim(self.queue, [])) == []
        assert self.driver.messages.get_many(self.queue, []) == ()

    def test_a_batch_may_be_large(self) -> None:
        """B-040."""
        posted = self.post(500)
        assert self.listed() == posted

    def test_posting_to_a_missing_queue_raises_and_creates_nothing(self) -> None:
        """B-076."""
        missing = QueueRef(self.queue.project, "missing")
        with pytest.raises(QueueNotFound) as caught:
            self.driver.messages.post(missing, new_messages(2))
        assert caught.value.queue == missing
        assert self.driver.queues.exists(missing) is False
        self.driver.queues.create(missing, {})
        assert self.everything(missing) == []

    @pytest.mark.parametrize("name", BODIES)
    def test_a_body_comes_back_byte_for_byte(self, name: str) -> None:
        """B-042, B-043."""
        body = BODIES[name][: self.driver.limits.body]
        (posted,) = self.post(body=body)
        other = self.open()
        assert other.messages.get(self.queue, posted).body == body
        assert other.messages.list(self.queue).items[0].body == body
        assert self.claim(1, driver=other).messages[0].body == body

    @pytest.mark.parametrize("checksum", [None, "MD5:c4ca4238a0b923820dcc509a6f75849b", "é"])
    def test_a_checksum_comes_back_with_the_message(self, checksum: str | None) -> None:
        """B-044."""
        (posted,) = self.post(checksum=checksum)
        assert self.driver.messages.get(self.queue, posted).checksum == checksum
        assert self.driver.messages.list(self.queue).items[0].checksum == checksum
        assert self.claim().messages[0].checksum == checksum

    @pytest.mark.parametrize(
        "client", ["not-a-uuid", "é 😀", "'; DROP TABLE messages; --", "c" * 36]
    )
    def test_a_client_may_be_any_text(self, client: str) -> None:
        """B-077."""
        posted = self.post(2, client=client)
        assert self.listed() == posted
        assert self.listed(hide_client=client) == []

    def test_several_posts_are_made_each_by_itself(self) -> None:
        """B-040, B-076."""
        other, missing = QueueRef(self.queue.project, "other"), QueueRef("missing", "queue")
        self.driver.queues.create(other, {})
        posts = [
            (queue, new_messages(n))
            for queue, n in ((self.queue, 2), (missing, 2), (other, 3), (self.queue, 2), (other, 0))
        ]
        results = self.driver.messages.post_to_several(posts)
        first, refused, second, third, empty = results
        assert isinstance(refused, QueueNotFound)
        assert refused.queue == missing
        assert self.driver.queues.exists(missing) is False
        for result, (_, messages) in ((first, posts[0]), (second, posts[2]), (third, posts[3])):
            assert not isinstance(result, MQError)
            assert list(result) == [message.id for message in messages]
        assert not isinstance(empty, MQError)
        assert list(empty) == []
        stored = [message.id for n in (0, 3) for message in posts[n][1]]
        assert sorted(self.everything()) == sorted(stored)
        assert sorted(self.everything(other)) == sorted(one.id for one in posts[2][1])
        assert list(self.driver.messages.post_to_several([])) == []

    def test_several_posts_may_be_repeated(self) -> None:
        """B-040."""
        other = QueueRef(self.queue.project, "other")
        self.driver.queues.create(other, {})
        posts = [(self.queue, new_messages(2)), (other, new_messages(2))]
        first = self.driver.messages.post_to_several(posts)
        again = self.open().messages.post_to_several([*posts, posts[0]])
        assert list(map(list, again)) == list(map(list, [*first, first[0]]))  # type: ignore[arg-type]
        assert len(self.everything()) == len(self.everything(other)) == 2

    @requires(Capability.FIFO)
    def test_several_posts_to_a_queue_are_accepted_in_order(self) -> None:
        """B-078."""
        other = QueueRef(self.queue.project, "other")
        self.driver.queues.create(other, {})
        posts = [((self.queue, other)[n % 2], new_messages(2)[::-1]) for n in range(20)]
        self.driver.messages.post_to_several(posts)
        for queue in (self.queue, other):
            expected = [one.id for where, batch in posts if where == queue for one in batch]
            assert self.listed(queue) == expected

    @without(Capability.ATOMIC_BATCH)
    def test_a_batch_says_for_each_message_whether_it_is_stored(self) -> None:
        messages = new_messages(50)
        results = self.driver.messages.post(self.queue, messages)
        assert len(results) == 50
        stored = [result for result in results if not isinstance(result, MQError)]
        assert sorted(self.everything()) == sorted(stored)
