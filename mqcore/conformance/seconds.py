"""Fractions of a second: a store may round an end up to a whole second, but never down."""

import pytest

from ..contract import Capability, ClaimNotFound, NewSubscription, new_id
from .suite import Suite, requires

__all__ = ["TestFractionsOfSeconds"]


class TestFractionsOfSeconds(Suite):
    """Things that last ten seconds begin at half past a second."""

    @pytest.fixture(autouse=True)
    def _half_past(self, _arrange: None) -> None:
        self.clock.now += 0.5

    def nearly_ten_seconds_later(self) -> None:
        self.clock.now += 9.75

    def just_over_ten_seconds_later(self) -> None:
        """To the first whole second at which everything that lasts ten seconds is over."""
        self.clock.now += 0.75

    def test_a_message_lives_for_its_whole_ttl(self) -> None:
        """B-068."""
        (posted,) = self.post(ttl=10)
        self.nearly_ten_seconds_later()
        assert self.listed() == [posted]
        self.just_over_ten_seconds_later()
        assert self.listed() == []

    def test_a_claim_holds_for_its_whole_ttl(self) -> None:
        """B-097, B-104."""
        posted = self.post(2)
        claim = self.claim(2, ttl=10)
        self.nearly_ten_seconds_later()
        assert self.try_claim() is None
        assert self.ids(self.driver.claims.get(self.queue, claim.id)) == posted
        self.just_over_ten_seconds_later()
        with pytest.raises(ClaimNotFound):
            self.driver.claims.get(self.queue, claim.id)
        assert self.ids(self.claim(2)) == posted

    def test_a_renewed_claim_holds_for_its_whole_ttl(self) -> None:
        """B-093."""
        posted = self.post(2)
        claim = self.claim(2, ttl=60)
        self.driver.claims.renew(self.queue, claim.id, ttl=10, grace=0)
        self.nearly_ten_seconds_later()
        assert self.try_claim() is None
        self.just_over_ten_seconds_later()
        assert self.ids(self.claim(2)) == posted

    def test_a_message_outlives_the_claim_that_extends_it(self) -> None:
        """B-096."""
        (posted,) = self.post(ttl=5)
        claim = self.claim(ttl=10, grace=0)
        self.nearly_ten_seconds_later()
        assert self.ids(self.driver.claims.get(self.queue, claim.id)) == [posted]
        self.just_over_ten_seconds_later()
        assert self.everything() == []

    @requires(Capability.DELAY)
    def test_a_message_is_hidden_for_its_whole_delay(self) -> None:
        """B-105."""
        posted = self.post(2, delay=10)
        self.nearly_ten_seconds_later()
        assert self.try_claim() is None
        self.just_over_ten_seconds_later()
        assert self.ids(self.claim(2)) == posted

    def test_a_subscription_lives_for_its_whole_ttl(self) -> None:
        """B-136."""
        new = NewSubscription(new_id(), "http://a.example", 10, {})
        self.driver.subscriptions.create(self.queue, new)
        self.nearly_ten_seconds_later()
        assert self.driver.subscriptions.exists(self.queue, new.id) is True
        self.just_over_ten_seconds_later()
        assert self.driver.subscriptions.exists(self.queue, new.id) is False
