"""A page settles what is over, by the clock of its node, so that it does not come back for others.

The suite lets a driver choose whether a page does (`TestClocks`); these have chosen.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mqcore.conformance import Clock
from mqcore.contract import (
    Claim,
    ClaimNotFound,
    ClaimRequest,
    Driver,
    NewMessage,
    QueueRef,
    new_id,
)
from mqcore.loader import bare_opener

from .backends import MongoDB, PostgreSQL, Redis

QUEUE = QueueRef("project", "queue")


@pytest.fixture(params=["memory", "sqlite", "postgresql", "redis", "mongodb"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return f"memory://{new_id()}"
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/queues.db"
    name = "redis_server" if request.param == "redis" else request.param
    server: MongoDB | PostgreSQL | Redis = request.getfixturevalue(name)
    return server.fresh_database()


@pytest.fixture
def nodes(uri: str) -> Iterator[tuple[Driver, Driver]]:
    """The clock of the second is five seconds behind."""
    ahead, behind = Clock(1_700_000_005.0), Clock(1_700_000_000.0)
    one, other = bare_opener(uri)(ahead), bare_opener(uri)(behind)
    one.queues.create(QUEUE, {})
    yield one, other
    one.close()
    other.close()


def test_a_claim_that_a_page_saw_end_is_not_renewed_by_another_node(
    nodes: tuple[Driver, Driver],
) -> None:
    ahead, behind = nodes
    behind.messages.post(QUEUE, [NewMessage(new_id(), b"1", 600) for _ in range(2)])
    (old,) = behind.claims.claim(QUEUE, [ClaimRequest(new_id(), 10, 3, 0)])
    assert isinstance(old, Claim)
    assert len(ahead.messages.list(QUEUE).items) == 2
    with pytest.raises(ClaimNotFound):
        behind.claims.renew(QUEUE, old.id, ttl=60, grace=0)
    with pytest.raises(ClaimNotFound):
        behind.claims.get(QUEUE, old.id)
    behind.claims.release(QUEUE, old.id)
    assert not ahead.queues.stats(QUEUE).claimed
