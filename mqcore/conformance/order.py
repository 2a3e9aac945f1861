"""Order, for drivers that declare FIFO; and states that must not stand in each other's way."""

from ..contract import Capability
from .suite import Suite, new_messages, requires

__all__ = ["TestOrder"]


class TestOrder(Suite):
    @requires(Capability.FIFO)
    def test_order_is_that_of_the_posts_not_of_the_ids(self) -> None:
        """B-040, B-078."""
        batches = [new_messages(3)[::-1] for _ in range(3)][::-1]
        wanted = [message.id for batch in batches for message in batch]
        for batch in batches:
            self.open().messages.post(self.queue, batch)
        assert self.listed() == wanted
        assert self.ids(self.claim(4)) == wanted[:4]
        assert self.ids(self.driver.messages.pop(self.queue, 3)) == wanted[4:7]
        assert self.ids(self.claim(4)) == wanted[7:]

    @requires(Capability.FIFO)
    def test_order_does_not_need_the_time(self) -> None:
        """B-078."""
        wanted = [self.post(1, driver=self.open())[0] for _ in range(5)]
        self.clock.advance(-30)
        wanted += self.post(2)
        assert self.listed() == wanted

    @requires(Capability.FIFO)
    def test_claims_pops_and_pages_are_oldest_first(self) -> None:
        """B-075, B-090."""
        posted = self.post(12)
        assert self.ids(self.claim(3)) == posted[:3]
        assert self.ids(self.claim(3)) == posted[3:6]
        assert self.ids(self.driver.messages.pop(self.queue, 3)) == posted[6:9]
        assert self.listed() == posted[9:]

    @requires(Capability.FIFO)
    def test_released_messages_rejoin_at_their_old_place(self) -> None:
        """B-103."""
        posted = self.post(5)
        first = self.claim(2)
        self.claim(1)
        self.release(first)
        assert self.listed() == [*posted[:2], *posted[3:]]
        assert self.ids(self.claim(3)) == [*posted[:2], posted[3]]

    @requires(Capability.FIFO)
    def test_messages_of_an_expired_claim_rejoin_at_their_old_place(self) -> None:
        """B-104."""
        posted = self.post(4)
        self.claim(2, ttl=60)
        self.advance(60)
        assert self.ids(self.claim(3)) == posted[:3]

    @requires(Capability.FIFO)
    @requires(Capability.DELAY)
    def test_messages_whose_delay_is_over_rejoin_at_their_old_place(self) -> None:
        """B-105."""
        posted = self.post(2, delay=60) + self.post(2)
        self.advance(60)
        assert self.listed() == posted
        assert self.ids(self.claim(3)) == posted[:3]

    @requires(Capability.FIFO)
    def test_a_claim_shows_its_messages_in_posting_order(self) -> None:
        """B-091."""
        posted = self.post(4)
        early = self.claim(2)
        self.release(early)
        claim = self.claim(4)
        assert self.ids(claim) == posted
        assert self.ids(self.driver.claims.get(self.queue, claim.id)) == posted

    def test_release_of_one_claim_never_exposes_another(self) -> None:
        """B-103."""
        posted = self.post(3)
        first, second = self.claim(1), self.claim(1)
        self.release(first)
        held = self.ids(second)
        assert self.ids(self.claim(10)) == [each for each in posted if each not in held]

    def test_the_end_of_one_claim_never_exposes_another(self) -> None:
        """B-104."""
        posted = self.post(3)
        self.claim(1, ttl=60)
        longer = self.ids(self.claim(1, ttl=120))
        self.advance(60)
        assert self.ids(self.claim(10)) == [each for each in posted if each not in longer]

    @requires(Capability.DELAY)
    def test_a_delayed_message_behind_a_free_one_stays_hidden(self) -> None:
        """B-067, B-105."""
        (free,) = self.post()
        self.post(delay=60)
        assert self.listed() == [free]
        assert self.ids(self.claim(10)) == [free]

    @requires(Capability.DELAY)
    def test_a_delayed_message_does_not_hide_a_free_one_behind_it(self) -> None:
        """B-067, B-105."""
        self.post(delay=60)
        (free,) = self.post()
        assert self.listed() == [free]
        assert self.ids(self.claim(10)) == [free]

    def test_claimed_messages_do_not_hide_free_ones_behind_them(self) -> None:
        """B-066."""
        posted = self.post(40)
        claimed = self.ids(self.claim(35))
        rest = [each for each in posted if each not in claimed]
        assert self.ids(self.driver.messages.list(self.queue, limit=10)) == rest
        assert self.ids(self.claim(10)) == rest
