"""The values of the contract: structs, which are made fast, that are frozen dataclasses as well."""

import copy
import inspect
import pickle
from dataclasses import asdict, astuple, dataclass, fields, is_dataclass, replace

import pytest
from msgspec import structs

from mqcore.contract import (
    Claim,
    ClaimRequest,
    Handle,
    Message,
    NewMessage,
    Page,
    QueueRef,
    values,
)
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


def test_each_is_a_dataclass() -> None:
    kinds = [getattr(values, name) for name in values.__all__]
    records = [kind for kind in kinds if isinstance(kind, type)]
    assert len(records) > 10
    for kind in records:
        assert is_dataclass(kind)
        assert [field.name for field in fields(kind)] == [one.name for one in structs.fields(kind)]  # type: ignore[arg-type]


def test_what_dataclasses_offers_works() -> None:
    named = Message(
        id="id", body=b"body", ttl=60, posted_at=1.5, claim_id=None, claim_count=0, checksum="sum"
    )
    assert named == MESSAGE
    assert hash(MESSAGE) == hash(replace(MESSAGE))
    assert replace(MESSAGE, ttl=5) == Message("id", b"body", 5, 1.5, None, 0, "sum")
    assert pickle.loads(pickle.dumps(MESSAGE)) == copy.copy(MESSAGE) == MESSAGE
    assert [field.name for field in fields(Handle)] == ["id", "claim_ids", "force"]
    assert asdict(Handle("id")) == {"id": "id", "claim_ids": (), "force": False}
    assert astuple(replace(Page((1,), "1"), next=None)) == ((1,), None)
    assert repr(Handle("id")) == "Handle(id='id', claim_ids=(), force=False)"


def test_it_is_frozen() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        MESSAGE.ttl = 1  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del MESSAGE.ttl
    with pytest.raises(AttributeError):
        MESSAGE.colour = "red"  # type: ignore[attr-defined]


def test_what_is_missing_or_too_much_is_said() -> None:
    with pytest.raises(TypeError, match="Missing required argument 'ttl'"):
        Message("id", b"body")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Unexpected keyword argument 'colour'"):
        Handle("id", colour="red")  # type: ignore[call-arg]


def test_the_version_is_no_part_of_a_queue() -> None:
    queue, at = QueueRef("p", "q"), QueueRef("p", "q", "7")
    assert queue == at
    assert hash(queue) == hash(at)
    assert queue != QueueRef("p", "other")
    assert queue != QueueRef(None, "q")
    assert queue != ("p", "q")
    assert replace(at, name="other").if_version == "7"
