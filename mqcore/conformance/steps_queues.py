"""What the state machine does to queues and subscriptions."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from ..contract import NewSubscription, Queue, QueueFilter, SubscriptionNotFound
from .sidebyside import QUEUES, SideBySide, outcome

__all__ = ["QueueSteps", "SubscriptionSteps"]

queues = st.sampled_from(QUEUES)
metadata = st.sampled_from([{}, {"k": 1}, {"k": True}, {"k": 1.0, "l": "x"}])
filters = [None, QueueFilter(name="ea"), QueueFilter(metadata={"k": [1, "x"]})]
subscription_ids = st.sampled_from([f"{number:032x}" for number in range(0x51, 0x54)])
subscribers = st.sampled_from(["http://1.example", "http://2.example"])
ttls = st.sampled_from([1, 5, 10, 60, 3600])
limits = st.integers(1, 3)


class QueueSteps(SideBySide):
    @initialize()
    def start(self) -> None:
        for name in QUEUES[:3]:
            self.create_queue(name, {})

    @rule(queue=queues, metadata=metadata)
    def create_queue(self, queue: str, metadata: dict[str, Any]) -> None:
        self.call("queues.create", self.ref(queue), metadata)

    @rule(queue=queues)
    def delete_queue(self, queue: str) -> None:
        self.call("queues.delete", self.ref(queue))
        self.deletions += 1

    @rule(queue=queues)
    def get_queue(self, queue: str) -> None:
        ref = self.ref(queue)
        answer, wanted = self.call("queues.get", ref)
        self.call("queues.exists", ref)
        if isinstance(wanted, Queue) and wanted.version is not None:
            known = self.versions.setdefault(ref, {})
            self.compare(answer.version, known.setdefault(wanted.version, answer.version))
            self.compare(len(set(known.values())), len(known))

    @rule(queue=queues, metadata=metadata, which=st.integers(-3, -1))
    def set_metadata_of_a_version(self, queue: str, metadata: dict[str, Any], which: int) -> None:
        ref = self.ref(queue)
        known = list(self.versions.get(ref, {}).items())
        if len(known) >= -which:
            version, theirs = known[which]
            self.call("queues.set_metadata", ref, metadata, if_version=(theirs, version))

    @rule(queue=queues, metadata=metadata)
    def set_metadata(self, queue: str, metadata: dict[str, Any]) -> None:
        self.call("queues.set_metadata", self.ref(queue), metadata)

    @rule(
        queue=queues,
        marker=st.sampled_from([None, "a", "b", "dead"]),
        limit=limits,
        detailed=st.booleans(),
        where=st.sampled_from(filters),
    )
    def list_queues(self, queue: str, **options: Any) -> None:
        self.call("queues.list", self.ref(queue).project, **options)
        self.call("queues.count", self.ref(queue).project)


class SubscriptionSteps(SideBySide):
    @rule(queue=queues, id_=subscription_ids, subscriber=subscribers, ttl=ttls, options=metadata)
    def subscribe(
        self, queue: str, id_: str, subscriber: str, ttl: int, options: dict[str, Any]
    ) -> None:
        ref = self.ref(queue)
        there = outcome(self.model, "subscriptions.get", (ref, id_), {})
        # An id is made for one subscriber, so no other call with it asks for another one.
        if isinstance(there, SubscriptionNotFound) or there.subscriber == subscriber:
            new = NewSubscription(id_, subscriber, ttl, options)
            self.call("subscriptions.create", ref, new)

    @rule(queue=queues, id_=subscription_ids, subscriber=subscribers)
    def get_subscription(self, queue: str, id_: str, subscriber: str) -> None:
        self.call("subscriptions.get", self.ref(queue), id_)
        self.call("subscriptions.exists", self.ref(queue), id_)
        self.call("subscriptions.get_by_subscriber", self.ref(queue), subscriber)

    @rule(queue=queues, marker=st.none() | subscription_ids, limit=limits)
    def list_subscriptions(self, queue: str, marker: str | None, limit: int) -> None:
        self.call("subscriptions.list", self.ref(queue), marker=marker, limit=limit)

    @rule(
        queue=queues,
        id_=subscription_ids,
        subscriber=st.none() | subscribers,
        ttl=st.none() | ttls,
        options=st.none() | metadata,
    )
    def update_subscription(self, queue: str, id_: str, **changes: Any) -> None:
        self.call("subscriptions.update", self.ref(queue), id_, **changes)

    @rule(queue=queues, id_=subscription_ids, confirmed=st.booleans())
    def confirm_subscription(self, queue: str, id_: str, confirmed: bool) -> None:
        self.call("subscriptions.confirm", self.ref(queue), id_, confirmed)

    @rule(queue=queues, id_=subscription_ids)
    def unsubscribe(self, queue: str, id_: str) -> None:
        self.call("subscriptions.delete", self.ref(queue), id_)

    @rule(queue=queues)
    def purge_subscriptions(self, queue: str) -> None:
        self.call("subscriptions.purge", self.ref(queue))
