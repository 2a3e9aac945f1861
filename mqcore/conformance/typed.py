"""A thin wrapper around every handle that a test opens: it checks what each call gives back.

A driver that answers with a generator, or lets an error of its client library escape, would fail
some assert of some test. Here the fault is named, with the rule of the contract that it breaks.
"""

from collections.abc import Callable
from typing import Any, cast, get_type_hints

from ..contract import (
    Capability,
    ClaimController,
    ClaimNotFound,
    Closed,
    Driver,
    Limits,
    MessageClaimed,
    MessageController,
    MessageNotClaimedBy,
    MessageNotFound,
    MetadataConflict,
    QueueController,
    QueueEmpty,
    QueueNotFound,
    QueueRef,
    QueueStats,
    Stop,
    SubscriptionController,
    SubscriptionExists,
    SubscriptionNotFound,
    Unavailable,
    Wake,
)
from .calls import CONTROLLERS, methods_of
from .rules import ContractBroken
from .shapes import Check, a, shape

__all__ = ["NAMED_ERRORS", "TypedDriver"]

Errors = tuple[type[Exception], ...]

ALWAYS: Errors = (Unavailable, Closed)
"""What any method may raise."""

NAMED_ERRORS: dict[str, Errors] = {
    "queues.get": (QueueNotFound,),
    "queues.set_metadata": (QueueNotFound, MetadataConflict),
    "queues.stats": (QueueNotFound,),
    "messages.post": (QueueNotFound, MetadataConflict),
    "messages.get": (MessageNotFound,),
    "messages.first": (QueueEmpty, ValueError),
    "messages.delete": (MessageClaimed, ClaimNotFound, MessageNotClaimedBy),
    "claims.claim": (MetadataConflict,),
    "claims.get": (ClaimNotFound,),
    "claims.renew": (ClaimNotFound,),
    "subscriptions.get": (SubscriptionNotFound,),
    "subscriptions.get_by_subscriber": (SubscriptionNotFound,),
    "subscriptions.update": (SubscriptionNotFound, SubscriptionExists, ValueError),
    "subscriptions.confirm": (SubscriptionNotFound,),
}
"""What the contract names for a method; every other method raises only what all may raise."""

BATCHES = {
    "messages.post",
    "messages.post_to_several",
    "messages.list_several",
    "messages.delete",
    "claims.claim",
}


def _answers() -> dict[str, Check]:
    """What checks the result of each method, by `controller.method`, or `method` of the driver."""
    places = {f"{place}.": cls for place, cls in CONTROLLERS.items()} | {"": Driver}
    return {
        f"{place}{method}": shape(get_type_hints(getattr(cls, method))["return"])
        for place, cls in places.items()
        for method in methods_of(cls)
    }


ANSWERS = _answers()


def _checked(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """The call, which now raises ContractBroken where it breaks a rule of all calls."""
    permitted = NAMED_ERRORS.get(name, ()) + ALWAYS
    answer, is_batch = ANSWERS[name], name in BATCHES

    def checked(*args: Any, **options: Any) -> Any:
        try:
            result = call(*args, **options)
        except permitted:
            raise
        except (Exception, SystemExit) as exc:
            text = f": {exc}" if str(exc) else ""
            raise ContractBroken("errors", f"{name} raised {type(exc).__name__}{text}") from exc
        problem = answer(result)
        if problem:
            where, what = problem
            place = f"{name}, result{where}: " if where else f"{name} returned "
            raise ContractBroken("values", place + what)
        if is_batch and len(result) != len(args[-1]):
            many = f"{len(result)} results for {len(args[-1])} items"
            raise ContractBroken("batches", f"{name} returned {many}")
        return result

    return checked


class _Controller:
    """A controller of the driver; each method is wrapped when it is first used."""

    def __init__(self, place: str, driver: Driver) -> None:
        self._place = place
        self._inner = getattr(driver, place, None)

    def __getattr__(self, method: str) -> Any:
        name = f"{self._place}.{method}"
        wanted = CONTROLLERS[self._place]
        if not isinstance(self._inner, wanted):
            seen = f"Driver.{self._place} is {a(self._inner)}, which is no {wanted.__name__}"
            raise ContractBroken("controllers", seen)
        call = getattr(self._inner, method)
        if name in ANSWERS:
            call = _checked(name, call)
            setattr(self, method, call)
        return call


class TypedDriver(Driver):
    """Wraps a driver and checks every answer; raises ContractBroken for one of a wrong kind."""

    def __init__(self, driver: object) -> None:
        if not isinstance(driver, Driver):
            raise ContractBroken("driver", f"open returned {a(driver)}, which is no Driver")
        capabilities = getattr(driver, "capabilities", None)
        if not isinstance(capabilities, Capability):
            seen = f"Driver.capabilities is {a(capabilities)}, which is no Capability"
            raise ContractBroken("capabilities", seen)
        problem = shape(Limits)(driver.limits)
        if problem:
            raise ContractBroken("limits", f"Driver.limits{problem[0]} is {problem[1]}")
        self._driver = driver
        self.capabilities = capabilities
        self.limits = driver.limits
        self.queues = cast(QueueController, _Controller("queues", driver))
        self.messages = cast(MessageController, _Controller("messages", driver))
        self.claims = cast(ClaimController, _Controller("claims", driver))
        self.subscriptions = cast(SubscriptionController, _Controller("subscriptions", driver))

    @property
    def local(self) -> bool:  # type: ignore[override]
        """Whether the wrapped driver's store is in this process only."""
        return self._driver.local

    @property
    def checks_versions(self) -> bool:  # type: ignore[override]
        """Whether posts and claims of the wrapped driver heed `QueueRef.if_version`."""
        return self._driver.checks_versions

    def ping(self) -> None:
        _checked("ping", self._driver.ping)()

    def volume(self) -> QueueStats:
        return cast(QueueStats, _checked("volume", self._driver.volume)())

    def collect(self, limit: int = 1000) -> int:
        return cast(int, _checked("collect", self._driver.collect)(limit))

    def watch(self, queue: QueueRef, wake: Wake) -> Stop:
        return cast(Stop, _checked("watch", self._driver.watch)(queue, wake))

    def close(self) -> None:
        _checked("close", self._driver.close)()
