"""Errors of the contract."""

import pickle

import pytest

from mqcore import contract
from mqcore.contract import MQError, QueueNotFound, QueueRef

MADE_OF = {
    "QueueNotFound": (QueueRef("p", "q"),),
    "QueueEmpty": (QueueRef("p", "q"),),
    "MetadataConflict": (QueueRef("p", "q"),),
    "MessageNotFound": ("m", QueueRef("p", "q")),
    "ClaimNotFound": ("c", QueueRef("p", "q")),
    "SubscriptionNotFound": ("s", QueueRef("p", "q")),
    "SubscriptionExists": ("http://s", QueueRef("p", "q")),
    "MessageClaimed": ("m",),
    "MessageNotClaimedBy": ("m", "c"),
}
ERRORS = [
    value
    for value in vars(contract).values()
    if isinstance(value, type) and issubclass(value, MQError)
]


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_survives_the_way_to_another_process(kind: type[MQError]) -> None:
    error = kind(*MADE_OF.get(kind.__name__, ("what to change",)))
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error) != ""
    assert vars(copy) == vars(error)


def test_a_queue_that_was_not_found_is_still_named() -> None:
    copy = pickle.loads(pickle.dumps(QueueNotFound(QueueRef("p", "q"))))
    assert copy.queue == QueueRef("p", "q")


def test_every_class_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in ERRORS]
    assert len(set(codes)) == len(codes)
