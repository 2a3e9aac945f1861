"""The values of the contract, of which the frequent ones are made in a way of their own."""

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, fields, replace

import pytest

from mqcore.contract import Claim, ClaimRequest, Handle, Message, NewMessage, QueueRef
from mqcore.service import BulkDelete, NewClaim, Post, Posting

MESSAGE = Message("id", b"body", 60, 1.5, checksum="sum")


@pytest.mark.parametrize(
    "kind",
    [
        *(BulkDelete, Claim, ClaimRequest, Handle, Message),
        *(NewClaim, NewMessage, Post, Posting, QueueRef),
    ],
)
def test_one_is_made_as_a_dataclass_is(kind: type) -> None:
    plain: type = dataclass(frozen=True, slots=True)(
        type(kind.__name__, (), {"__annotations__": kind.__annotations__, **_defaults(kind)})
    )
    ours, theirs = (inspect.signature(each).parameters.values() for each in (kind, plain))
    assert [(p.name, p.kind, p.default) for p in ours] == [
        (p.name, p.kind, p.default) for p in theirs
    ]


def _defaults(kind: type) -> dict[str, object]:
    return {
        name: parameter.default
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }


def test_it_is_a_frozen_dataclass_in_every_other_way() -> None:
    named = Message(
        id="id", body=b"body", ttl=60, posted_at=1.5, claim_id=None, claim_count=0, checksum="sum"
    )
    assert named == MESSAGE
    assert hash(MESSAGE) == hash(replace(MESSAGE))
    assert replace(MESSAGE, ttl=5) == Message("id", b"body", 5, 1.5, None, 0, "sum")
    assert pickle.loads(pickle.dumps(MESSAGE)) == copy.copy(MESSAGE) == MESSAGE
    assert [field.name for field in fields(Handle)] == ["id", "claim_ids", "force"]
    with pytest.raises(FrozenInstanceError):
        MESSAGE.ttl = 1  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del MESSAGE.ttl


def test_what_is_missing_or_too_much_is_said_as_usual() -> None:
    with pytest.raises(
        TypeError, match=r"^Message\.__init__\(\) missing 2 .*'ttl' and 'posted_at'"
    ):
        Message("id", b"body")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        Handle("id", colour="red")  # type: ignore[call-arg]
