"""What belongs to another project or queue does not exist; ids from strangers do no harm."""

import pytest

from ..contract import (
    ClaimNotFound,
    ClaimRequest,
    Handle,
    MessageNotFound,
    MQError,
    NewMessage,
    NewSubscription,
    QueueRef,
    SubscriptionNotFound,
    new_id,
)
from .suite import Suite

__all__ = ["TestHostileIds", "TestIsolation"]

STRANGERS = ["another project", "no project", "another queue"]

HOSTILE = {
    "empty": "",
    "SQL": "'; DROP TABLE messages; --",
    "quote": "' OR '1'='1",
    "NUL": "\x00",
    "NUL inside": "a\x00b",
    "10 kB": "x" * 10_000,
    "digits": "9" * 400,
    "other digits": "\u0661\u0662",
    "negative": "-1",
    "not ASCII": "é😀",
    "wildcard": "%",
    "star": "*",
    "path": "../../x",
    "comma": "a,b",
    "colon": "a:b",
    "newline": "a\r\nb",
    "operator": '{"$gt": ""}',
    "capitals": new_id().upper(),
    "space": f" {new_id()}",
}


class TestIsolation(Suite):
    def stranger(self, who: str) -> QueueRef:
        """A queue that must see nothing of `self.queue`."""
        if who == "another queue":
            return self.other_queue()
        if who == "no project":
            return self.new_queue(None, f"q-{new_id()}")
        return self.new_queue(f"project-{new_id()}", self.queue.name)

    @pytest.mark.parametrize("who", STRANGERS)
    def test_a_message_cannot_be_read_or_deleted_from_elsewhere(self, who: str) -> None:
        """B-046, B-048."""
        other = self.stranger(who)
        posted = self.post(3)
        messages = self.driver.messages
        with pytest.raises(MessageNotFound):
            messages.get(other, posted[0])
        assert messages.get_many(other, posted) == ()
        assert self.everything(other) == []
        assert messages.pop(other, 10) == ()
        assert list(messages.delete(other, [Handle(posted[0])])) == [None]
        assert list(messages.delete(other, [Handle(posted[1], force=True)])) == [None]
        messages.purge(other)
        assert self.listed() == posted

    @pytest.mark.parametrize("who", STRANGERS)
    def test_a_marker_from_elsewhere_reveals_nothing(self, who: str) -> None:
        """B-065."""
        other = self.stranger(who)
        self.post(3)
        theirs = self.post(3, queue=other)
        marker = self.driver.messages.list(self.queue, limit=1).next
        assert set(self.listed(other, marker=marker)) <= set(theirs)

    @pytest.mark.parametrize("who", STRANGERS)
    def test_a_claim_cannot_be_touched_from_elsewhere(self, who: str) -> None:
        """B-098, B-099."""
        other = self.stranger(who)
        self.post(2)
        claim = self.claim(2)
        claims = self.driver.claims
        assert self.try_claim(queue=other) is None
        with pytest.raises(ClaimNotFound):
            claims.get(other, claim.id)
        with pytest.raises(ClaimNotFound):
            claims.renew(other, claim.id, ttl=1, grace=0)
        claims.release(other, claim.id)
        assert claims.get(self.queue, claim.id) == claim

    @pytest.mark.parametrize("who", STRANGERS)
    def test_a_claim_gives_no_right_elsewhere(self, who: str) -> None:
        """B-053, B-055."""
        other = self.stranger(who)
        self.post()
        mine = self.claim()
        (theirs,) = self.post(queue=other)
        for _ in ("free", "claimed"):
            (error,) = self.driver.messages.delete(other, [Handle(theirs, (mine.id,))])
            assert isinstance(error, ClaimNotFound)
            self.try_claim(queue=other)
        assert self.everything(other) == [theirs]

    @pytest.mark.parametrize("who", STRANGERS)
    def test_a_subscription_cannot_be_touched_from_elsewhere(self, who: str) -> None:
        """B-130, B-138."""
        other = self.stranger(who)
        new = NewSubscription(new_id(), "http://a.example", 600, {})
        created = self.driver.subscriptions.create(self.queue, new)
        subscriptions = self.driver.subscriptions
        with pytest.raises(SubscriptionNotFound):
            subscriptions.get(other, new.id)
        with pytest.raises(SubscriptionNotFound):
            subscriptions.get_by_subscriber(other, new.subscriber)
        with pytest.raises(SubscriptionNotFound):
            subscriptions.update(other, new.id, ttl=1)
        with pytest.raises(SubscriptionNotFound):
            subscriptions.confirm(other, new.id, True)
        assert subscriptions.exists(other, new.id) is False
        assert subscriptions.list(other).items == ()
        subscriptions.delete(other, new.id)
        subscriptions.purge(other)
        assert subscriptions.get(self.queue, new.id) == created

    @pytest.mark.parametrize("who", STRANGERS)
    def test_a_queue_is_not_changed_from_elsewhere(self, who: str) -> None:
        """B-009."""
        other = self.stranger(who)
        posted = self.post(2)
        self.driver.queues.set_metadata(other, {"theirs": 1})
        assert self.driver.queues.get(self.queue).metadata == {}
        assert self.driver.queues.stats(other).total == 0
        self.driver.queues.delete(other)
        assert self.driver.queues.exists(self.queue) is True
        assert self.listed() == posted

    @pytest.mark.parametrize("who", STRANGERS)
    def test_the_same_message_id_in_two_queues_is_two_messages(self, who: str) -> None:
        """B-046."""
        other = self.stranger(who)
        shared = new_id()
        for queue, body in ((self.queue, b"mine"), (other, b"theirs")):
            self.driver.messages.post(queue, [NewMessage(shared, body, 600)])
        assert self.driver.messages.get(self.queue, shared).body == b"mine"
        assert self.driver.messages.get(other, shared).body == b"theirs"
        self.claim()
        assert self.driver.messages.get(other, shared).claim_id is None
        assert list(self.driver.messages.delete(other, [Handle(shared)])) == [None]
        assert self.driver.messages.get(self.queue, shared).body == b"mine"

    @pytest.mark.parametrize("separator", [".", "_", "-", ":", "/", ",", "\x1f"])
    def test_project_and_name_are_never_run_together(self, separator: str) -> None:
        """B-009."""
        base = new_id()
        one = self.new_queue(f"{base}{separator}x", "y")
        two = self.new_queue(base, f"x{separator}y")
        (posted,) = self.post(queue=one)
        assert self.everything(two) == []
        self.driver.queues.delete(two)
        assert self.everything(one) == [posted]

    @pytest.mark.parametrize("project", ["None", "null", "-", "_", "default"])
    def test_no_project_has_no_name(self, project: str) -> None:
        """B-009."""
        name = f"q-{new_id()}"
        nobody = self.new_queue(None, name)
        self.post(2, queue=nobody)
        named = QueueRef(project, name)
        assert self.driver.queues.create(named, {}) is True
        assert self.everything(named) == []
        self.driver.queues.delete(named)
        assert len(self.everything(nobody)) == 2
        self.driver.queues.delete(nobody)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
class TestHostileIds(Suite):
    def test_a_message_id_does_not_exist(self, text: str) -> None:
        """B-046, B-048, B-058, B-060."""
        posted = self.post(2)
        with pytest.raises(MessageNotFound):
            self.driver.messages.get(self.queue, text)
        assert self.driver.messages.get_many(self.queue, [text]) == ()
        assert self.delete([text]) == [None]
        assert self.delete([text], text, force=True) == [None]
        assert self.listed() == posted

    def test_a_claim_id_does_not_exist(self, text: str) -> None:
        """B-055, B-098."""
        posted = self.post(2)
        claim = self.claim(1)
        with pytest.raises(ClaimNotFound):
            self.driver.claims.get(self.queue, text)
        with pytest.raises(ClaimNotFound):
            self.driver.claims.renew(self.queue, text, ttl=60, grace=0)
        self.driver.claims.release(self.queue, text)
        results = self.delete(posted, text)
        assert [type(error) for error in results] == [ClaimNotFound, ClaimNotFound]
        assert self.driver.claims.get(self.queue, claim.id) == claim

    def test_a_subscription_id_does_not_exist(self, text: str) -> None:
        """B-129, B-134."""
        new = NewSubscription(new_id(), "http://a.example", 600, {})
        self.driver.subscriptions.create(self.queue, new)
        with pytest.raises(SubscriptionNotFound):
            self.driver.subscriptions.get(self.queue, text)
        with pytest.raises(SubscriptionNotFound):
            self.driver.subscriptions.get_by_subscriber(self.queue, text)
        with pytest.raises(SubscriptionNotFound):
            self.driver.subscriptions.update(self.queue, text, ttl=60)
        assert self.driver.subscriptions.exists(self.queue, text) is False
        self.driver.subscriptions.delete(self.queue, text)
        assert self.driver.subscriptions.exists(self.queue, new.id) is True

    def test_a_marker_does_no_harm(self, text: str) -> None:
        """B-065."""
        posted = self.post(2)
        page = self.driver.messages.list(self.queue, marker=text)
        assert set(self.ids(page)) <= set(posted)
        self.driver.queues.list(self.queue.project, marker=text)
        self.driver.subscriptions.list(self.queue, marker=text)

    def test_a_queue_and_a_project_do_not_exist(self, text: str) -> None:
        """B-016, B-049, B-102."""
        for queue in (QueueRef(self.queue.project, text), QueueRef(f"{text}-{new_id()}", text)):
            assert self.driver.queues.exists(queue) is False
            assert self.everything(queue) == []
            request = ClaimRequest(new_id(), 1, 60, 0)
            assert list(self.driver.claims.claim(queue, [request])) == [None]
            results: list[MQError | None] = list(self.driver.messages.delete(queue, [Handle(text)]))
            assert results == [None]
            self.driver.queues.delete(queue)
        assert self.driver.queues.exists(self.queue) is True
