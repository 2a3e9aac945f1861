"""One call of every method, for the tests that make them all."""

import inspect
from collections.abc import Callable, Sequence

from ..contract import (
    ClaimController,
    ClaimRequest,
    Driver,
    Handle,
    MessageController,
    MQError,
    NewMessage,
    NewSubscription,
    PageRequest,
    QueueController,
    QueueFilter,
    QueueRef,
    SubscriptionController,
    new_id,
)

__all__ = ["CALLS", "CONTROLLERS", "Call", "methods_of"]

Call = Callable[[Driver, QueueRef], object]

CONTROLLERS: dict[str, type] = {
    "queues": QueueController,
    "messages": MessageController,
    "claims": ClaimController,
    "subscriptions": SubscriptionController,
}


def _only(results: Sequence[object]) -> object:
    """The result of a batch of one; raises it when it is an error."""
    (result,) = results
    if isinstance(result, MQError):
        raise result
    return result


CALLS: dict[str, Call] = {
    "queues.create": lambda d, q: d.queues.create(QueueRef(q.project, "new"), {}),
    "queues.get": lambda d, q: d.queues.get(q),
    "queues.exists": lambda d, q: d.queues.exists(q),
    "queues.set_metadata": lambda d, q: d.queues.set_metadata(q, {"a": 1}),
    "queues.delete": lambda d, q: d.queues.delete(q),
    "queues.list": lambda d, q: d.queues.list(q.project),
    "queues.list, second page": lambda d, q: d.queues.list(
        q.project, marker="a", detailed=True, where=QueueFilter(name="q")
    ),
    "queues.count": lambda d, q: d.queues.count(q.project),
    "queues.stats": lambda d, q: d.queues.stats(q),
    "messages.post": lambda d, q: d.messages.post(q, [NewMessage(new_id(), b"{}", 60)]),
    "messages.post_to_several": lambda d, q: _only(
        d.messages.post_to_several([(q, [NewMessage(new_id(), b"{}", 60)])])
    ),
    "messages.get": lambda d, q: d.messages.get(q, new_id()),
    "messages.get_many": lambda d, q: d.messages.get_many(q, [new_id()]),
    "messages.list": lambda d, q: d.messages.list(q),
    "messages.list, with all": lambda d, q: d.messages.list(
        q, include_claimed=True, include_delayed=True, hide_client="me"
    ),
    "messages.list_several": lambda d, q: _only(d.messages.list_several(q, [PageRequest()])),
    "messages.first": lambda d, q: d.messages.first(q),
    "messages.delete": lambda d, q: d.messages.delete(q, [Handle(new_id())]),
    "messages.delete, all or nothing": lambda d, q: d.messages.delete(
        q, [Handle(new_id(), (new_id(),))], all_or_nothing=True
    ),
    "messages.pop": lambda d, q: d.messages.pop(q, 1),
    "messages.purge": lambda d, q: d.messages.purge(q),
    "claims.claim": lambda d, q: d.claims.claim(q, [ClaimRequest(new_id(), 1, 60, 60)]),
    "claims.get": lambda d, q: d.claims.get(q, new_id()),
    "claims.renew": lambda d, q: d.claims.renew(q, new_id(), ttl=60, grace=60),
    "claims.release": lambda d, q: d.claims.release(q, new_id()),
    "subscriptions.create": lambda d, q: d.subscriptions.create(
        q, NewSubscription(new_id(), "http://b.example", 60, {})
    ),
    "subscriptions.get": lambda d, q: d.subscriptions.get(q, new_id()),
    "subscriptions.get_by_subscriber": lambda d, q: d.subscriptions.get_by_subscriber(q, "http://"),
    "subscriptions.exists": lambda d, q: d.subscriptions.exists(q, new_id()),
    "subscriptions.list": lambda d, q: d.subscriptions.list(q),
    "subscriptions.list, second page": lambda d, q: d.subscriptions.list(q, marker=new_id()),
    "subscriptions.update": lambda d, q: d.subscriptions.update(q, new_id(), ttl=60),
    "subscriptions.confirm": lambda d, q: d.subscriptions.confirm(q, new_id(), True),
    "subscriptions.delete": lambda d, q: d.subscriptions.delete(q, new_id()),
    "subscriptions.purge": lambda d, q: d.subscriptions.purge(q),
    "volume": lambda d, q: d.volume(),
    "ping": lambda d, q: d.ping(),
    "collect": lambda d, q: d.collect(),
}


def methods_of(controller: type) -> set[str]:
    """The names of the public methods that the contract gives a controller."""
    functions = inspect.getmembers(controller, inspect.isfunction)
    return {name for name, _ in functions if not name.startswith("_")}
