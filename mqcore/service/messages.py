"""Messages: defaults, limits, lazy creation of the queue, and batches of requests."""

import hashlib
import json
from collections.abc import Sequence
from itertools import islice
from typing import Protocol, cast

from msgspec import Struct

from mqcore.contract import (
    Capability,
    Driver,
    Handle,
    Invalid,
    Message,
    MetadataConflict,
    MQError,
    NewMessage,
    NotFound,
    NotPermitted,
    NotSupported,
    Page,
    PageRequest,
    QueueNotFound,
    QueueRef,
    TooLarge,
    Unavailable,
    new_id,
)

from .limits import MIN_TTL, ServiceLimits
from .queues import QueueService
from .rules import QueueRules
from .validation import check_count, check_number, only

__all__ = ["BulkDelete", "MessageService", "Notifier", "Post", "Posting"]


class Posting(Struct, frozen=True):
    """A message as a user gave it. `body` is JSON text; None takes the queue's default."""

    body: bytes
    ttl: int | None = None
    delay: int | None = None


class Post(Struct, frozen=True):
    """One user's request to post. `size` is that of the whole request in bytes, if it had one."""

    messages: Sequence[Posting]
    client: str | None = None
    size: int | None = None


class BulkDelete(Struct, frozen=True):
    """One user's request to delete several messages. `claim_ids` count only where configured."""

    ids: Sequence[str]
    claim_ids: Sequence[str] = ()


Ids = tuple[str, ...]


class _Batch:
    """Requests for one queue that are served together.

    `ids` of their messages stay the same when these are made anew. `at`: where to post them.
    `items`: of each request its messages, or why it has none. `messages`: all of them.
    """

    __slots__ = ("at", "ids", "items", "messages", "posts", "queue")

    def __init__(self, queue: QueueRef, posts: Sequence[Post]) -> None:
        self.queue = self.at = queue
        self.posts = posts
        self.ids = [[new_id() for _ in post.messages] for post in posts]
        self.items: list[list[NewMessage] | MQError] = []
        self.messages: list[NewMessage] = []


class Notifier(Protocol):
    """Told of what was stored. It must return at once and must not raise."""

    def posted(self, queue: QueueRef, messages: Sequence[NewMessage]) -> None: ...


class MessageService:
    """Operations on messages. All raise Unavailable when the store is."""

    def __init__(
        self,
        driver: Driver,
        limits: ServiceLimits,
        queues: QueueService,
        notifier: Notifier | None = None,
    ) -> None:
        self._driver = driver
        self._limits = limits
        self._queues = queues
        self._notifier = notifier

    def post(self, queue: QueueRef, post: Post) -> Ids:
        """Store all messages of the request or none; return their ids in order.

        The queue is created when it is missing, after the request was found good. Raises
        Invalid, TooLarge, NotSupported.
        """
        return only(self.post_many(queue, [post]))

    def post_many(self, queue: QueueRef, posts: Sequence[Post]) -> Sequence[Ids | MQError]:
        """Serve several requests in one call to the store, each with its own result or error."""
        return only(self.post_to_several([(queue, posts)]))

    @property
    def joins_posts(self) -> bool:
        """Whether posts to several queues are best made together."""
        return self._driver.messages.joins_posts

    def post_to_several(
        self, posts: Sequence[tuple[QueueRef, Sequence[Post]]]
    ) -> Sequence[Sequence[Ids | MQError] | MQError]:
        """Serve requests for several queues; each queue has its results, or an error for all."""
        batches = [_Batch(queue, requests) for queue, requests in posts]
        for batch in batches:
            self._prepare(batch)
        full = [(batch.at, batch.messages) for batch in batches if batch.messages]
        answers = iter(self._driver.messages.post_to_several(full) if full else ())
        return [
            self._results(batch, self._settled(batch, next(answers)) if batch.messages else ())
            for batch in batches
        ]

    def _prepare(self, batch: _Batch, *, anew: bool = False) -> None:
        """Make the messages of all requests by the rules of the queue.

        What is refused is refused by its rules of now: the store does not see it.
        """
        try:
            batch.at, rules = self._queues.rules(batch.queue, anew=anew)
        except MQError as error:
            batch.items = [error] * len(batch.posts)
        else:
            batch.items = [
                self._new_messages(post, ids, rules)
                for post, ids in zip(batch.posts, batch.ids, strict=True)
            ]
        refused = any(isinstance(item, MQError) for item in batch.items)
        if refused and not anew and batch.at.if_version is not None:
            self._prepare(batch, anew=True)
            return
        batch.messages = [
            new for item in batch.items if not isinstance(item, MQError) for new in item
        ]

    def _settled(
        self, batch: _Batch, outcome: Sequence[str | MQError] | MQError
    ) -> Sequence[str | MQError] | MQError:
        """The outcome; that of another try when the queue was missing or is another by now."""
        try:
            outdated = isinstance(outcome, MetadataConflict | QueueNotFound)
            if outdated and batch.at.if_version is not None:
                sent = {new.id for new in batch.messages}
                self._prepare(batch, anew=True)
                # Of a call that the driver repeated, they may be there by the first time.
                refused = sent - {new.id for new in batch.messages}
                if refused:
                    handles = [Handle(message_id, force=True) for message_id in refused]
                    self._driver.messages.delete(batch.queue, handles)
                outcome = self._post(batch)
            if isinstance(outcome, QueueNotFound):
                self._driver.queues.create(batch.queue, {})
                outcome = self._post(batch)
        except MQError as error:
            outcome = error
        if isinstance(outcome, QueueNotFound):
            return Unavailable(f"{batch.queue} is being deleted; try again")
        return outcome

    def _post(self, batch: _Batch) -> Sequence[str | MQError] | QueueNotFound:
        """Post the batch to the queue in any version."""
        try:
            return self._driver.messages.post(batch.queue, batch.messages) if batch.messages else ()
        except QueueNotFound as missing:
            return missing

    def _results(
        self, batch: _Batch, outcomes: Sequence[str | MQError] | MQError
    ) -> Sequence[Ids | MQError] | MQError:
        """What each request gets, of the outcomes for the messages of all of them."""
        if isinstance(outcomes, MQError):
            return outcomes
        queue = batch.queue
        stored = iter(outcomes)
        results: list[Ids | MQError] = []
        for item in batch.items:
            if isinstance(item, MQError):
                results.append(item)
                continue
            outcome = tuple(islice(stored, len(item)))
            failed = [one for one in outcome if not isinstance(one, str)]
            if failed:
                ids = [one for one in outcome if isinstance(one, str)]
                self._driver.messages.delete(queue, [Handle(i, force=True) for i in ids])
                results.append(failed[0])
                continue
            results.append(cast(Ids, outcome))
            if self._notifier:
                self._notifier.posted(queue, item)
        return results

    def _new_messages(
        self, post: Post, ids: Sequence[str], rules: QueueRules
    ) -> list[NewMessage] | MQError:
        try:
            if not post.messages:
                raise Invalid("messages must hold at least one message")
            size = post.size
            if size is None:
                size = sum(len(posting.body) for posting in post.messages)
            if size > rules.max_post_size:
                raise TooLarge(f"a post to this queue takes at most {rules.max_post_size} bytes")
            return [
                self._new_message(message_id, posting, post.client, rules)
                for message_id, posting in zip(ids, post.messages, strict=True)
            ]
        except MQError as error:
            return error

    def _new_message(
        self, message_id: str, posting: Posting, client: str | None, rules: QueueRules
    ) -> NewMessage:
        limits = self._limits
        ttl, delay = posting.ttl, posting.delay
        if ttl is None:
            ttl = rules.default_ttl
        check_number("ttl", ttl, MIN_TTL, limits.max_message_ttl)
        if delay is None:
            delay = rules.default_delay
        check_number("delay", delay, 0, limits.max_message_delay)
        if delay and Capability.DELAY not in self._driver.capabilities:
            raise NotSupported("the store of this server cannot delay messages")
        largest = self._driver.limits.body
        if largest is not None and len(posting.body) > largest:
            raise TooLarge(f"a message body takes at most {largest} bytes in this store")
        checksum = _checksum(posting.body) if limits.enable_checksum else None
        return NewMessage(message_id, posting.body, ttl, delay, client, checksum)

    def get(self, queue: QueueRef, message_id: str) -> Message:
        """Raises MessageNotFound, for a missing queue too."""
        return self._driver.messages.get(queue, message_id)

    def get_many(self, queue: QueueRef, ids: Sequence[str]) -> tuple[Message, ...]:
        """Those of the messages that exist, in the order asked for. Raises Invalid."""
        check_count("ids", len(ids), self._limits.max_messages_per_page)
        return self._driver.messages.get_many(queue, ids)

    def list(
        self,
        queue: QueueRef,
        request: PageRequest = PageRequest(),  # noqa: B008 - frozen
    ) -> Page[Message]:
        """A page of messages, oldest first; empty for a missing queue. Raises Invalid."""
        self._check_page(request)
        return self._driver.messages.list(queue, **request.options())

    @property
    def joins_pages(self) -> bool:
        """Whether pages of one queue are best read together."""
        return self._driver.messages.joins_pages

    def list_many(
        self, queue: QueueRef, requests: Sequence[PageRequest]
    ) -> Sequence[Page[Message] | MQError | None]:
        """Read several pages, each with its own result or error, in one call to the store.

        None is a page that would keep the others waiting: ask for it by `list`. Raises Invalid.
        """
        for one in requests:
            self._check_page(one)
        return self._driver.messages.list_several(queue, requests)

    def _check_page(self, request: PageRequest) -> None:
        check_number("limit", request.limit, 1, self._limits.max_messages_per_page)

    def delete(self, queue: QueueRef, message_id: str, claim_id: str | None = None) -> None:
        """Delete one message; silent when it is not there.

        Raises MessageClaimed, MessageNotClaimedBy and ClaimNotFound (spec 2.7, "Delete one").
        """
        only(self.delete_many(queue, [self.handle(message_id, claim_id)]))

    @staticmethod
    def handle(message_id: str, claim_id: str | None = None) -> Handle:
        """The right to delete one message, as a user gave it."""
        return Handle(message_id, () if claim_id is None else (claim_id,))

    def delete_many(self, queue: QueueRef, handles: Sequence[Handle]) -> Sequence[MQError | None]:
        """Serve several single deletes in one call to the store, each with its own result."""
        return self._driver.messages.delete(queue, handles)

    def bulk_delete(
        self, queue: QueueRef, ids: Sequence[str], claim_ids: Sequence[str] = ()
    ) -> None:
        """Delete messages by id, claimed or not (spec 2.7, "Bulk delete").

        With the option `message_delete_with_claim_id`, claim ids are required, each message must
        be held by one of them, and one that is not leaves all in place. Raises Invalid, and in
        that case MessageNotClaimedBy or ClaimNotFound.
        """
        only(self.bulk_delete_many(queue, [BulkDelete(ids, claim_ids)]))

    def bulk_delete_many(
        self, queue: QueueRef, requests: Sequence[BulkDelete]
    ) -> Sequence[MQError | None]:
        """Serve several bulk deletes, each with its own result, in one call if no claim counts."""
        if self._limits.message_delete_with_claim_id:
            return [self._delete_by_claim(queue, one) for one in requests]
        for one in requests:
            self._check_ids(one)
        handles = [Handle(i, force=True) for one in requests for i in one.ids]
        done = self._driver.messages.delete(queue, handles)
        if not any(done):
            return [None] * len(requests)
        results = iter(done)
        return [next(filter(None, [next(results) for _ in one.ids]), None) for one in requests]

    def _delete_by_claim(self, queue: QueueRef, request: BulkDelete) -> MQError | None:
        try:
            self._check_ids(request)
            if not request.claim_ids:
                return Invalid("claim_ids is required: this server deletes claimed messages only")
            handles = [Handle(i, tuple(request.claim_ids)) for i in request.ids]
            self._driver.messages.delete(queue, handles, all_or_nothing=True)
        except (Invalid, NotFound, NotPermitted) as error:
            return error
        return None

    def _check_ids(self, request: BulkDelete) -> None:
        check_count("ids", len(request.ids), self._limits.max_messages_per_page)

    def pop(self, queue: QueueRef, limit: int) -> tuple[Message, ...]:
        """Take up to `limit` claimable messages out for good, oldest first. Raises Invalid."""
        check_number("pop", limit, 1, self._limits.max_messages_per_claim_or_pop)
        return self._driver.messages.pop(queue, limit)


def _checksum(body: bytes) -> str | None:
    """The checksum of spec 1.7: MD5 over one canonical JSON form of the body; none for null."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Invalid(f"a message body must be JSON: {exc}") from exc
    if value is None:
        return None
    digest = hashlib.md5(json.dumps(value).encode(), usedforsecurity=False)
    return f"MD5:{digest.hexdigest()}"
