"""The rules of a queue are remembered, and are those of its metadata all the same."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mqcore.contract import MQError, Queue, QueueRef, TooLarge
from mqcore.loader import open_store
from mqcore.memory import MemoryDriver
from mqcore.memory.store import Store
from mqcore.service import NewClaim, Post, Posting, Service

from .conftest import Bench

QUEUE = QueueRef("p", "q")
Two = tuple[Service, Service]


@pytest.fixture(params=["memory", "sqlite"])
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Two]:
    """Two services on one store, like two workers of a server."""
    uri = {"memory": f"memory://{tmp_path.name}", "sqlite": f"sqlite:///{tmp_path}/q.db"}
    drivers = [open_store(uri[request.param]) for _ in range(2)]
    yield Service(drivers[0]), Service(drivers[1])
    for driver in drivers:
        driver.close()


def post(service: Service, body: bytes = b"1", queue: QueueRef = QUEUE) -> int:
    """Post a message; its ttl as stored."""
    (posted,) = service.messages.post(queue, Post([Posting(body)]))
    return service.messages.get(queue, posted).ttl


def change(service: Service, **metadata: Any) -> None:
    service.queues.update(QUEUE, lambda _: metadata)


def test_a_change_by_somebody_else_counts_from_the_next_post_on(two: Two) -> None:
    one, other = two
    assert post(one) == 3600
    for ttl in (100, 200, 300):
        change(other, _default_message_ttl=ttl)
        assert post(one) == ttl
        assert post(one) == ttl
        assert post(other) == ttl
    change(other, _max_messages_post_size=5)
    with pytest.raises(TooLarge):
        post(one, b"123456")
    change(other)
    assert post(one, b"123456") == 3600
    assert one.queues.stats(QUEUE).free == 11


def test_a_queue_that_somebody_made_anew_has_its_new_rules(two: Two) -> None:
    one, other = two
    other.queues.create(QUEUE, {"_default_message_ttl": 100})
    assert post(one) == 100
    other.queues.delete(QUEUE)
    other.queues.create(QUEUE, {"_default_message_ttl": 200})
    assert post(one) == 200
    other.queues.delete(QUEUE)
    assert post(one) == 3600
    assert other.queues.get(QUEUE)["_default_message_ttl"] == 3600
    assert one.queues.stats(QUEUE).free == 1


def test_a_post_that_is_refused_by_new_rules_makes_no_queue(two: Two) -> None:
    one, other = two
    other.queues.create(QUEUE, {"_default_message_ttl": 100})
    post(one)
    other.queues.delete(QUEUE)
    results = one.messages.post_many(QUEUE, [Post([Posting(b"1", ttl=1)])])
    assert isinstance(results[0], MQError)
    assert not other.queues.exists(QUEUE)


def test_merged_posts_are_made_by_the_new_rules_once(two: Two) -> None:
    one, other = two
    second = QueueRef("p", "second")
    post(one)
    post(one, queue=second)
    change(other, _default_message_ttl=100, _max_messages_post_size=3)
    posts = [Post([Posting(b"1"), Posting(b"2")]), Post([Posting(b"1234")]), Post([Posting(b"3")])]
    made, beside = one.messages.post_to_several([(QUEUE, posts), (second, posts)])
    assert not isinstance(made, MQError)
    assert not isinstance(beside, MQError)
    assert [isinstance(each, TooLarge) for each in (*made, *beside)] == [
        *(False, True, False),
        *(False, False, False),
    ]
    stored = one.messages.list(QUEUE).items[1:]
    assert [(each.body, each.ttl) for each in stored] == [(b"1", 100), (b"2", 100), (b"3", 100)]
    assert [each.id for each in stored] == [i for ids in (made[0], made[2]) for i in ids]  # type: ignore[union-attr]
    assert [each.ttl for each in one.messages.list(second).items] == [3600] * 5


def test_a_dead_letter_queue_that_somebody_named_counts_from_the_next_claim_on(two: Two) -> None:
    one, other = two
    post(one)
    lease = NewClaim(10, 60, 60)
    claim = one.claims.claim(QUEUE, lease)
    assert claim
    one.claims.release(QUEUE, claim.id)
    change(other, _dead_letter_queue="dead", _max_claim_count=1)
    assert one.claims.claim(QUEUE, lease) is None
    assert len(one.messages.list(QueueRef("p", "dead")).items) == 1
    change(other)
    post(one)
    for _ in range(2):
        claim = one.claims.claim(QUEUE, lease)
        assert claim
        one.claims.release(QUEUE, claim.id)


class LosesAnswers(MemoryDriver):
    """Repeats each post and claim as if the answer had been lost, after a change by others."""

    def __init__(self, change: dict[str, Any]) -> None:
        super().__init__(Store(), time.time)
        post, claim = self.messages.post, self.claims.claim

        def repeat(call: Callable[..., Any], queue: QueueRef, *arguments: Any) -> Any:
            call(queue, *arguments)
            if queue.if_version is not None:
                self.queues.set_metadata(queue, change)
            return call(queue, *arguments)

        self.messages.post = partial(repeat, post)  # type: ignore[method-assign]
        self.claims.claim = partial(repeat, claim)  # type: ignore[method-assign]


def test_a_change_between_a_lost_answer_and_the_repetition_doubles_nothing() -> None:
    driver = LosesAnswers({"_default_message_ttl": 100})
    service = Service(driver)
    service.queues.create(QUEUE)
    (posted,) = service.messages.post(QUEUE, Post([Posting(b"1")]))
    assert [message.id for message in service.messages.list(QUEUE).items] == [posted]
    service.messages.post(QUEUE, Post([Posting(b"2")]))
    claim = service.claims.claim(QUEUE, NewClaim(1, 60, 60))
    assert claim
    assert [message.id for message in claim.messages] == [posted]
    assert service.queues.stats(QUEUE).claimed == 1


def test_a_post_that_is_refused_after_a_lost_answer_leaves_nothing() -> None:
    driver = LosesAnswers({"_max_messages_post_size": 3})
    service = Service(driver)
    service.queues.create(QUEUE)
    large, small = service.messages.post_many(
        QUEUE, [Post([Posting(b"12"), Posting(b"34")]), Post([Posting(b"5")])]
    )
    assert isinstance(large, TooLarge)
    assert not isinstance(small, MQError)
    assert [message.id for message in service.messages.list(QUEUE).items] == list(small)


def test_metadata_is_read_once_where_the_store_checks_its_version(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[QueueRef] = []
    read = bench.driver.queues.get

    def get(queue: QueueRef) -> Queue:
        reads.append(queue)
        return read(queue)

    monkeypatch.setattr(bench.driver.queues, "get", get)
    bench.post()
    before = len(reads)
    for _ in range(3):
        bench.post()
        bench.claim()
    assert len(reads) == before + 1
    bench.metadata(_default_message_ttl=100)
    before = len(reads)
    for _ in range(3):
        bench.post()
    assert len(reads) == before + 1
    monkeypatch.setattr(MemoryDriver, "checks_versions", False)
    bench.metadata(_default_message_ttl=200)
    bench.post()
    before = len(reads)
    for _ in range(3):
        bench.post()
        bench.claim()
    assert len(reads) == before + 6
