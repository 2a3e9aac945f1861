"""What the state machine does to messages and claims.

Ids come from small sets, so that the calls meet each other's messages and claims, alive or over.
"""

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, multiple, rule

from ..contract import Capability, ClaimRequest, DeadLetter, Handle, NewMessage, QueueRef
from .sidebyside import QUEUES, SideBySide

__all__ = ["MessageSteps"]

queues = st.sampled_from([*QUEUES[:1] * 4, *QUEUES[:2] * 2, *QUEUES])
message_ids = st.sampled_from([f"{number:032x}" for number in range(0x11, 0x1A)])
CLAIM_IDS = [f"{number:032x}" for number in range(0xC1, 0xC5)]

claim_ids = st.sampled_from(CLAIM_IDS)
which_claim = st.integers(0, 5)
clients = st.sampled_from([None, "me", "you"])
ttls = st.sampled_from([1, 5, 10, 60, 3600])
graces = st.sampled_from([0, 1, 60])
limits = st.integers(1, 4)
dead_letters = st.none() | st.tuples(st.integers(1, 2), st.sampled_from([None, 1, 60]))
leases = st.tuples(claim_ids, limits, ttls, graces)
requests = st.lists(st.tuples(leases, dead_letters), min_size=1, max_size=3)


@dataclass(frozen=True)
class Marker:
    """Where a page ended: the driver's word for it and the model's."""

    queue: QueueRef
    driver: str
    model: str
    deletions: int
    """How often a queue had been deleted by then: a deleted queue takes its markers with it."""


class MessageSteps(SideBySide):
    markers = Bundle("markers")

    @initialize(
        ids=st.lists(message_ids, min_size=3, max_size=9, unique=True),
        ttl=ttls,
        client=clients,
    )
    def start(self, ids: list[str], ttl: int, client: str | None) -> None:
        """There is something to claim also in lists of calls that happen to post nothing."""
        for name in QUEUES[:3]:
            self.call("queues.create", self.ref(name), {})
            self.post(name, ids, ttl, 0, client)

    @rule(
        queue=queues,
        ids=st.lists(message_ids, min_size=1, max_size=5),
        ttl=ttls,
        delay=st.sampled_from([0, 0, 5, 60]),
        client=clients,
    )
    def post(self, queue: str, ids: list[str], ttl: int, delay: int, client: str | None) -> None:
        if not self.has(Capability.DELAY):
            delay = 0
        body = f"{len(self.history)}".encode()
        messages = [NewMessage(each, body, ttl, delay, client, "sum") for each in ids]
        self.change("messages.post", self.ref(queue), messages)

    @rule(queue=queues, requests=requests)
    def claim(
        self, queue: str, requests: list[tuple[tuple[str, int, int, int], tuple[int, Any] | None]]
    ) -> None:
        ref = self.ref(queue)
        other = "a" if ref.name == "dead" else "dead"
        made = []
        for lease, letter in requests:
            # Without an order, which worn messages a claim meets is the driver's choice.
            worn = DeadLetter(other, *letter) if letter and self.has(Capability.FIFO) else None
            made.append(ClaimRequest(*lease, worn))
        self.change("claims.claim", ref, made)

    @rule(queue=queues, requests=requests)
    def claim_more(self, queue: str, requests: list[Any]) -> None:
        """Hypothesis has no weights, and most of what can go wrong needs claims."""
        self.claim(queue, requests)

    def claim_id(self, queue: QueueRef, which: int) -> str:
        """A claim that is live in the queue, mostly; or one that may be."""
        box = self.model.state.box(queue)
        live = list(box.leases) if box else []
        return live[which % len(live)] if live and which < 4 else CLAIM_IDS[which % 4]

    @rule(queue=queues, which=which_claim, ttl=ttls, grace=graces)
    def renew(self, queue: str, which: int, ttl: int, grace: int) -> None:
        ref = self.ref(queue)
        self.change("claims.renew", ref, self.claim_id(ref, which), ttl=ttl, grace=grace)

    @rule(queue=queues, which=which_claim)
    def release(self, queue: str, which: int) -> None:
        ref = self.ref(queue)
        self.change("claims.release", ref, self.claim_id(ref, which))

    @rule(
        queue=queues,
        ids=st.lists(message_ids, min_size=1, max_size=4, unique=True),
        rights=st.lists(which_claim, max_size=2),
        force=st.sampled_from([False, False, True]),
        all_or_nothing=st.booleans(),
    )
    def delete(
        self, queue: str, ids: list[str], rights: list[int], force: bool, all_or_nothing: bool
    ) -> None:
        ref = self.ref(queue)
        claims = tuple(self.claim_id(ref, which) for which in rights)
        handles = [Handle(each, claims, force) for each in ids]
        self.change("messages.delete", ref, handles, all_or_nothing=all_or_nothing)

    @rule(queue=queues, limit=limits)
    def pop(self, queue: str, limit: int) -> None:
        self.change("messages.pop", self.ref(queue), limit)

    @rule(queue=queues, how=st.sampled_from(["messages.purge", "queues.delete", "queues.create"]))
    def empty(self, queue: str, how: str) -> None:
        """Calls that make a queue an empty one, or see that it is there."""
        self.change(how, self.ref(queue), *([{}] if how == "queues.create" else []))
        self.deletions += how == "queues.delete"

    @rule(queue=queues, ids=st.lists(message_ids, min_size=1, max_size=4), claim_id=claim_ids)
    def read(self, queue: str, ids: list[str], claim_id: str) -> None:
        ref = self.ref(queue)
        self.call("claims.get", ref, claim_id)
        self.call("messages.get_many", ref, ids)
        self.call("messages.get", ref, ids[0])
        if self.has(Capability.FIFO):
            self.call("messages.first", ref)
            self.call("messages.first", ref, -1)

    @rule(
        target=markers,
        queue=queues,
        limit=limits,
        hide_client=clients,
        include_claimed=st.booleans(),
        include_delayed=st.booleans(),
    )
    def list_messages(self, queue: str, limit: int, **options: Any) -> Any:
        ref = self.ref(queue)
        if not self.has(Capability.FIFO):
            self.call("messages.list", ref, limit=100, **options)
            return multiple()
        page, wanted = self.call("messages.list", ref, limit=limit, **options)
        if not wanted.items:
            return multiple()
        return Marker(ref, page.next, wanted.next, self.deletions)

    @rule(
        target=markers,
        marker=markers,
        limit=limits,
        include_claimed=st.booleans(),
        include_delayed=st.booleans(),
    )
    def list_after(self, marker: Marker, limit: int, **options: Any) -> Any:
        if marker.deletions != self.deletions:
            return multiple()
        marks = (marker.driver, marker.model)
        page, wanted = self.call(
            "messages.list", marker.queue, marker=marks, limit=limit, **options
        )
        if not wanted.items:
            return multiple()
        return replace(marker, driver=page.next, model=wanted.next)

    def change(self, method: str, queue: QueueRef, *args: Any, **options: Any) -> None:
        """Make a call that changes the queue, and look at what is in it then."""
        self.call(method, queue, *args, **options)
        self.count(queue)

    def count(self, queue: QueueRef) -> None:
        self.look("messages.list", queue, limit=100, include_claimed=True, include_delayed=True)
        if self.has(Capability.EXACT_STATS) and self.has(Capability.FIFO):
            self.look("queues.stats", queue)

    def finish(self) -> None:
        for name in QUEUES:
            ref = self.ref(name)
            self.count(ref)
            self.look("messages.list", ref, limit=100)
            for claim_id in CLAIM_IDS:
                self.look("claims.get", ref, claim_id)
