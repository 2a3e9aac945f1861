"""Nodes whose clocks differ, on one store: what one has seen end does not come back for another."""

import pytest

from ..contract import ClaimNotFound
from .harness import Clock
from .suite import Suite

__all__ = ["TestClocks"]


class TestClocks(Suite):
    """`self.driver` is of a node that is five seconds ahead of another one."""

    @pytest.mark.parametrize("passing", ["claim", "list", "pop", "release"])
    def test_what_a_node_saw_end_is_not_renewed_by_one_whose_clock_is_behind(
        self, passing: str
    ) -> None:
        """B-097."""
        behind = self.open(Clock(self.clock.now))
        self.advance(5)
        posted = self.post(2, driver=behind)
        old = self.claim(driver=behind, ttl=3)
        if passing == "claim":
            assert self.ids(self.claim(ttl=60)) == posted
        elif passing == "list":
            assert self.listed() == posted
        elif passing == "pop":
            assert self.ids(self.driver.messages.pop(self.queue, 10)) == posted
        else:
            self.release(old)
        try:
            behind.claims.renew(self.queue, old.id, ttl=60, grace=0)
        except ClaimNotFound:
            with pytest.raises(ClaimNotFound):
                behind.claims.get(self.queue, old.id)
            behind.claims.release(self.queue, old.id)
            assert bool(self.try_claim()) == (passing in ("list", "release"))
        else:
            # Nobody was given what a page showed: so it may be held again, as a whole.
            assert passing == "list"
            assert self.ids(behind.claims.get(self.queue, old.id)) == posted
            assert self.try_claim() is None
