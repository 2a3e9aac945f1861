"""A driver: four controllers on one store, and how core opens it."""

import abc
from typing import ClassVar, Protocol

from .capabilities import Capability, Limits
from .controllers import (
    ClaimController,
    MessageController,
    QueueController,
    SubscriptionController,
)
from .values import Clock, QueueRef, QueueStats
from .waking import Waking
from .watchers import Stop, Wake

__all__ = ["Driver", "OpenDriver", "Schema"]


class Driver(abc.ABC):
    """One handle on one store.

    Everything that the capabilities promise holds between handles, threads and processes: a
    lock inside the handle protects nothing. Handles in one process may share a client or an
    environment underneath where the store's library wants that, as long as closing one leaves
    the others alone. Core opens a driver after it forks; no handle is used across a fork.
    """

    capabilities: Capability
    limits: Limits = Limits()

    local: ClassVar[bool] = False
    """True when no other process can reach the store, so that a server runs one worker only."""

    blocking: ClassVar[bool] = True
    """False when every call is short and waits neither for a disk nor for another process.

    A server then makes its calls on its event loop, where a thread would only cost time.
    """

    cooperative: bool = False
    """True when calls that wait give way, as `cooperation` says.

    A server then makes its calls on its event loop, too, several beside each other. It closes the
    handle when all of them have ended.
    """

    checks_versions: ClassVar[bool] = False
    """True when posts and claims heed `QueueRef.if_version` at no cost.

    Then core remembers what the metadata of a queue asks for, instead of reading it before each
    of them. By a reference with another version than the queue's, which is that of `Queue.version`,
    `post` and `claim` raise MetadataConflict and do nothing, and `post_to_several` has it as the
    result of that post. A missing queue is missing in any version. No version comes again, in
    this queue or another one of its name, not even when a store is restored from a backup.
    """

    queues: QueueController
    messages: MessageController
    claims: ClaimController
    subscriptions: SubscriptionController

    @abc.abstractmethod
    def ping(self) -> None:
        """Ask the store whether it works. Raises Unavailable when it does not."""

    @abc.abstractmethod
    def volume(self) -> QueueStats:
        """Count the messages of all queues, for a health report; no ends are given.

        May take time in proportion to the number of queues, not of messages.
        """

    @abc.abstractmethod
    def collect(self, limit: int = 1000) -> int:
        """Give back the room of expired and deleted things; nothing visible changes (B-079, B-109).

        Removes about `limit` records at most, so that one call is short, and returns how many
        messages, claims and subscriptions it removed. Core calls it from time to time, from
        many processes; fewer than `limit` means that nothing is left to do now.
        """

    def watch(self, queue: QueueRef, wake: Wake) -> Stop:
        """Have `wake` called with each hint that messages of the queue may have become claimable.

        A hint follows a call that posted to the queue, released a claim in it, or moved messages
        to it as dead letters; where WAKING is declared, a call of any process. What the clock
        brings (a delay or a claim is over) is not told. The first hint comes at once, and what
        happens soon after it has one together, up to a tenth of a second later: so the last call
        of many is followed by a hint, too.

        A hint may be wrong, and may be lost: whoever waits looks at the queue after it began to
        watch, after each hint, and from time to time. A driver that lost what brings it hints
        gives one to everybody as soon as it is back.

        Neither waits for the store nor raises Unavailable, so an event loop may call it. The
        queue need not exist. `wake` is called from a thread that makes no calls of the contract,
        so that a slow one delays hints and nothing else. It is not called any more once the
        result of this, or `close`, has returned, but for a call that was under way then.
        Without hints to give, as here, it does nothing.
        """
        return Waking().watch(queue, wake)

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of the store; idempotent. Later calls raise Closed, and nobody is woken.

        Calls of other threads that are in flight get their answers first.
        """


class OpenDriver(Protocol):
    """The entry point of a driver, in the group `mqcore.drivers`, named after its URI scheme.

    It connects, and so raises `Unavailable` when the store is not there, or `Misconfigured`
    when it is but cannot be used, saying what to change. `uri` is the deployer's; options of the
    driver ride in its query (`StoreUri` reads them). It may hold a password: never put it into
    an error or a log.
    """

    def __call__(self, uri: str, *, clock: Clock) -> Driver: ...


class Schema(Protocol):
    """For the command `mqcore db`, when a store has tables that change between versions.

    An object, for example a module, in the group `mqcore.schemas`, named after the URI scheme.
    Errors are those of `OpenDriver`, and so is what `uri` may be used for. Opening refuses a
    schema that it cannot work on with `Misconfigured`, or upgrades it by itself.
    """

    def upgrade(self, uri: str) -> str:
        """Bring the schema to this version of the driver, whole or not at all; idempotent.

        Several at once do it once. Returns what was done, in a few words for a person.
        """

    def version(self, uri: str) -> str:
        """Say in a few words which schema is there. Changes nothing."""
