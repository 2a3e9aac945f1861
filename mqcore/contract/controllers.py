"""The four controllers that every driver implements.

Rules that hold for every method and are not repeated below:

- Methods are synchronous and thread-safe, and other processes work on the same store.
- Any method raises `Unavailable` (with its cause) when the store cannot be reached or refuses,
  and `Closed` after `Driver.close()`. Nothing else than the named errors and these may escape.
- A method that raises has changed nothing that a reader can see, unless its text says so. After
  `Unavailable` the caller cannot know whether the call took effect, and may repeat it: the ids
  in the request make the repetition harmless.
- The driver does not retry a refused call, but it may hide a lost connection by repeating a
  call with the same ids. The service retries `QueueNotFound`, after creating the queue, and
  `MetadataConflict`, after reading the metadata. Everything else goes to the user.
- Batches take a sequence and return one with one result per item, in order. An error of one
  item is an `MQError` *in* the result; it does not touch the others. An exception *raised* by a
  batch means that no item took effect. An empty batch gives an empty result.
- A thing of another project or queue does not exist, whatever its id. Ids, markers and claim
  ids come from strangers: any text that UTF-8 can encode is possible, and malformed means "does
  not exist".
- "Now" is the injected clock. A thing with a ttl is gone when `now >= start + ttl`; a store
  that keeps whole seconds rounds an end up, never down (spec 1.3.6). No call waits for time.
- Nothing may cost more when more messages are waiting, claimed, delayed or expired. What must
  be tidied (expired messages, ended claims) is tidied in bounded steps, by calls that pass by
  and by `Driver.collect`. What may grow: `queues.count` and a `where` with the queues of a
  project, and a page of messages with what its `hide_client` leaves out.
- Storage does not enforce the limits of the API: ttl 1, grace 0 and any `limit` >= 1 work.
"""

import abc
from collections.abc import Sequence

from .errors import MessageNotFound, MQError, QueueNotFound, SubscriptionNotFound
from .values import (
    Claim,
    ClaimRequest,
    Handle,
    Message,
    Metadata,
    NewMessage,
    NewSubscription,
    Page,
    PageRequest,
    Queue,
    QueueFilter,
    QueueRef,
    QueueStats,
    Subscription,
)

__all__ = [
    "ClaimController",
    "MessageController",
    "QueueController",
    "SubscriptionController",
]


class QueueController(abc.ABC):
    """Queues: named containers in a project, each with a metadata object."""

    @abc.abstractmethod
    def create(self, queue: QueueRef, metadata: Metadata) -> bool:
        """Create the queue. True when this call created it; of racing calls, one gets True.

        An existing queue keeps its metadata, and the answer is False (B-001, B-002).
        """

    @abc.abstractmethod
    def get(self, queue: QueueRef) -> Queue:
        """Return the queue with its metadata and version. Raises QueueNotFound (B-004, B-006)."""

    def exists(self, queue: QueueRef) -> bool:
        """Whether the queue exists now (B-003). Asks `get`; override it where less does."""
        try:
            self.get(queue)
        except QueueNotFound:
            return False
        return True

    @abc.abstractmethod
    def set_metadata(
        self, queue: QueueRef, metadata: Metadata, *, if_version: str | None = None
    ) -> None:
        """Replace the whole metadata object (B-007). Atomic.

        With `if_version`, only when the stored version is still this one; raises
        MetadataConflict otherwise, and the caller reads again. Raises QueueNotFound.
        """

    @abc.abstractmethod
    def delete(self, queue: QueueRef) -> None:
        """Delete the queue, its messages, claims and subscriptions; silent when missing, and
        subscriptions to its name go all the same.

        Atomic for readers: from the return on, nothing of it can be seen, also when a queue of
        the same name is created again. The room may be given back later, by `Driver.collect`
        (B-016; spec 9.3 D-2).
        """

    @abc.abstractmethod
    def list(
        self,
        project: str | None,
        *,
        marker: str | None = None,
        limit: int = 10,
        detailed: bool = False,
        where: QueueFilter | None = None,
    ) -> Page[Queue]:
        """List the project's queues by name, ascending as UTF-8 text.

        The marker is a queue name, which need not exist: names after it follow. Metadata comes
        with `detailed` only (B-008 to B-014).
        """

    @abc.abstractmethod
    def count(self, project: str | None) -> int:
        """How many queues the project has (B-015)."""

    @abc.abstractmethod
    def stats(self, queue: QueueRef) -> QueueStats:
        """Count the queue's messages (B-017 to B-028). Raises QueueNotFound.

        With EXACT_STATS the counts are those of one moment and show every acknowledged call.
        """


class MessageController(abc.ABC):
    """Messages: posted once, never rewritten, read by many, deleted by one."""

    @abc.abstractmethod
    def post(self, queue: QueueRef, messages: Sequence[NewMessage]) -> Sequence[str | MQError]:
        """Append messages; the results are their ids, in order (B-040). Raises QueueNotFound.

        Order of acceptance is the order of the queue where FIFO is declared. With ATOMIC_BATCH
        the call stores all or raises; without, an item that is an error was not stored.
        A message whose id is already in the queue is not stored again, and its id is the
        result as if it had been: so a post may be repeated after its answer was lost.
        MetadataConflict is raised where `Driver.checks_versions`.
        """

    joins_posts: bool = False
    """True where `post_to_several` takes little longer than one post, and no queue can hold up
    another. Core then merges posts to different queues, which it otherwise makes one by one."""

    def post_to_several(
        self, posts: Sequence[tuple[QueueRef, Sequence[NewMessage]]]
    ) -> Sequence[Sequence[str | MQError] | MQError]:
        """Make several posts; each result is what `post` would return or raise.

        They do not touch each other: each is atomic, or not, by itself. Those to one queue are
        accepted in order. Makes them one by one; override it where a store can do better.
        """
        results: list[Sequence[str | MQError] | MQError] = []
        for queue, messages in posts:
            try:
                results.append(self.post(queue, messages))
            except MQError as error:
                results.append(error)
        return results

    @abc.abstractmethod
    def get_many(self, queue: QueueRef, ids: Sequence[str]) -> tuple[Message, ...]:
        """Return those of the messages that exist, in the order asked for (B-059, B-060).

        Claimed and delayed ones are returned too, expired ones are not; an id named twice
        counts once. A missing queue has no messages.
        """

    def get(self, queue: QueueRef, message_id: str) -> Message:
        """Return one message. Raises MessageNotFound, for a missing queue too (B-041 to B-047)."""
        for message in self.get_many(queue, [message_id]):
            return message
        raise MessageNotFound(message_id, queue)

    @abc.abstractmethod
    def list(
        self,
        queue: QueueRef,
        *,
        marker: str | None = None,
        limit: int = 10,
        hide_client: str | None = None,
        include_claimed: bool = False,
        include_delayed: bool = False,
    ) -> Page[Message]:
        """List messages, oldest first; expired ones never (B-061 to B-069).

        `hide_client` leaves out what that client posted. A message that is claimed and delayed
        cannot exist. A missing queue and a malformed marker give an empty page. The marker
        stays good when messages before or at it are gone.
        """

    joins_pages: bool = False
    """True where `list_several` takes less than as many calls of `list` side by side. Core then
    reads pages of one queue together, some at a time."""

    def list_several(
        self, queue: QueueRef, requests: Sequence[PageRequest]
    ) -> Sequence[Page[Message] | MQError | None]:
        """Read several pages; each result is what `list` would return or raise.

        None is a page that would keep the others waiting, because much is to be left out of it;
        the caller asks `list` for it. Reads them one by one; override it where a store can do
        better.
        """
        results: list[Page[Message] | MQError | None] = []
        for one in requests:
            try:
                results.append(self.list(queue, **one.options()))
            except MQError as error:
                results.append(error)
        return results

    @abc.abstractmethod
    def first(self, queue: QueueRef, sort: int = 1) -> Message:
        """Return the oldest (`sort` 1) or newest (-1) message, claimed and delayed ones included.

        Raises QueueEmpty, for a missing queue too, and ValueError for any other `sort`
        (B-071 to B-073).
        """

    @abc.abstractmethod
    def delete(
        self, queue: QueueRef, handles: Sequence[Handle], *, all_or_nothing: bool = False
    ) -> Sequence[MQError | None]:
        """Delete messages, each if its handle gives the right to; None is success.

        A message that is not there (deleted, expired, malformed id, missing queue) is success
        whatever else the handle says (B-045 to B-058). For one that is there, item errors are:
        MessageClaimed when it is under a live claim and the handle names none;
        ClaimNotFound when no claim that the handle names is live in this queue;
        MessageNotClaimedBy when one is, but none of them holds the message.
        Atomic per message: the check and the delete are one step, so a message that was just
        claimed again by somebody else stays. With `all_or_nothing`, every handle is checked
        before anything is deleted; the first error is raised and all stay in place.
        """

    @abc.abstractmethod
    def pop(self, queue: QueueRef, limit: int) -> tuple[Message, ...]:
        """Take up to `limit` claimable messages out of the queue for good, oldest first.

        Atomic per message: no two calls get the same one. Neither counts as a claim nor moves
        anything to a dead-letter queue; ttls stay as they are, `claim_id` is None (B-074,
        B-075; spec 1.5). A missing queue gives nothing. The one call that cannot be repeated
        safely: after `Unavailable`, what it took may be gone.
        """

    @abc.abstractmethod
    def purge(self, queue: QueueRef) -> None:
        """Remove all messages, claimed and delayed ones included, and all claims.

        Atomic for readers, like `QueueController.delete`; silent for a missing queue. Metadata
        and subscriptions stay, and where FIFO is declared old markers stay good (spec 9.3 D-3).
        """


class ClaimController(abc.ABC):
    """Claims: leases on messages. The claim id is the capability; nobody else is asked.

    A message is claimable when it is not expired, not delayed and under no live claim.
    The heart of the contract: **no message is ever in two live claims**, whoever asks, from
    however many threads, processes and machines (B-108).
    """

    @abc.abstractmethod
    def claim(
        self, queue: QueueRef, requests: Sequence[ClaimRequest]
    ) -> Sequence[Claim | MQError | None]:
        """Make claims, one per request, each on up to `limit` claimable messages.

        Oldest first where FIFO is declared; requests are served in order. Atomic per message.
        None when nothing was claimable, for a missing queue too (B-101, B-102): an empty claim
        is never stored. (When more came back at once than the call may tidy, None can come too
        early; asking again goes on from there.)

        Every message claimed has its `claim_count` raised by one. One that would expire before
        the claim's end lives until the end plus `grace`, and its ttl becomes claim ttl + grace
        (spec 1.4, B-096).

        With a dead letter, a message whose count has reached `max_claims` is moved instead,
        atomically: same id, body, client and checksum, posted_at kept, at the end of the other
        queue, free, with count 0 and the new ttl if one is given; one whose id is there already is
        only taken away here. The claim is filled from the messages behind it (B-107). When the
        dead-letter queue does not exist, the result is QueueNotFound naming it and nothing has
        happened: the service creates it and asks again. It must not be the queue itself.

        A request whose id is a claim that lives in this queue gets that claim: so a claim may
        be repeated after its answer was lost, and strands nothing. MetadataConflict is raised
        where `Driver.checks_versions`.
        """

    @abc.abstractmethod
    def get(self, queue: QueueRef, claim_id: str) -> Claim:
        """Return a live claim with the messages it still holds (B-091, B-092; D-6).

        Raises ClaimNotFound (B-097 to B-100).
        """

    @abc.abstractmethod
    def renew(self, queue: QueueRef, claim_id: str, *, ttl: int, grace: int) -> None:
        """Restart the lease: it now ends `ttl` seconds from now, with its messages kept.

        Messages' lives are extended as at claim. Counts nothing. Atomic: a claim that is over
        cannot be brought back, and its messages may be in another one. Raises ClaimNotFound
        (B-093, B-097, B-110).
        """

    @abc.abstractmethod
    def release(self, queue: QueueRef, claim_id: str) -> None:
        """End the claim; what it held is claimable at once (B-103). Silent for unknown claims.

        Extended lives stay extended. Only this claim's messages are freed, never those that
        another claim holds by now.
        """


class SubscriptionController(abc.ABC):
    """Subscriptions to a queue name. They work whether or not that queue exists (B-120).

    One per (project, queue, subscriber). An expired one is as if it had never been, and does
    not block another of the same subscriber (B-136).
    """

    @abc.abstractmethod
    def create(self, queue: QueueRef, subscription: NewSubscription) -> Subscription | None:
        """Create it, unconfirmed, and return it; None when the subscriber has one (B-121, B-124).

        Of racing calls with one subscriber, one wins. A repeat with the id of a subscription
        that exists with this subscriber returns that one. An id is never given to two
        subscriptions: what happens then is not defined.
        """

    @abc.abstractmethod
    def get(self, queue: QueueRef, subscription_id: str) -> Subscription:
        """Raises SubscriptionNotFound (B-123, B-129, B-130, B-138)."""

    @abc.abstractmethod
    def get_by_subscriber(self, queue: QueueRef, subscriber: str) -> Subscription:
        """Raises SubscriptionNotFound (B-122)."""

    def exists(self, queue: QueueRef, subscription_id: str) -> bool:
        """Whether it is there and not expired (B-135). Asks `get`, like that of the queues."""
        try:
            self.get(queue, subscription_id)
        except SubscriptionNotFound:
            return False
        return True

    @abc.abstractmethod
    def list(
        self, queue: QueueRef, *, marker: str | None = None, limit: int = 10
    ) -> Page[Subscription]:
        """List by id, ascending, which is by creation. The marker is an id, exclusive (B-126)."""

    @abc.abstractmethod
    def update(
        self,
        queue: QueueRef,
        subscription_id: str,
        *,
        subscriber: str | None = None,
        ttl: int | None = None,
        options: Metadata | None = None,
    ) -> None:
        """Change what is given and keep the rest; a new ttl starts now (B-131). Atomic.

        Raises SubscriptionNotFound; SubscriptionExists when another subscription of the queue
        has the new subscriber (B-132); ValueError when nothing is given (B-133).
        """

    @abc.abstractmethod
    def confirm(self, queue: QueueRef, subscription_id: str, confirmed: bool) -> None:
        """Set or clear the mark. Raises SubscriptionNotFound (B-125)."""

    @abc.abstractmethod
    def delete(self, queue: QueueRef, subscription_id: str) -> None:
        """Delete it; silent for unknown ids and for another queue's (B-130, B-134)."""

    @abc.abstractmethod
    def purge(self, queue: QueueRef) -> None:
        """Delete all subscriptions of the queue name."""
