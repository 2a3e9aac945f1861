"""Listing messages: pages, markers, and who sees what."""

import pytest

from ..contract import Capability, MQError, PageRequest, QueueRef
from .suite import Suite, requires

__all__ = ["TestListing"]


class TestListing(Suite):
    def test_a_page_has_ten_unless_more_are_asked_for(self) -> None:
        """B-061."""
        posted = self.post(15)
        assert len(self.driver.messages.list(self.queue).items) == 10
        assert self.ids(self.driver.messages.list(self.queue, limit=20)) == posted

    def test_the_next_page_continues_after_the_marker(self) -> None:
        """B-064."""
        posted = self.post(15)
        first = self.driver.messages.list(self.queue)
        second = self.open().messages.list(self.queue, marker=first.next)
        assert len(first.items) == 10
        assert self.ids([*first.items, *second.items]) == posted

    def test_pages_of_one_visit_each_message_once(self) -> None:
        """B-064."""
        posted = self.post(5)
        messages = self.driver.messages
        seen = self.follow(lambda marker: messages.list(self.queue, marker=marker, limit=1))
        assert self.ids(seen) == posted

    def test_an_empty_or_missing_queue_has_an_empty_page(self) -> None:
        """B-069."""
        for queue in (self.queue, QueueRef(self.queue.project, "missing")):
            page = self.driver.messages.list(queue, include_claimed=True, include_delayed=True)
            assert page.items == ()
            assert page.next is None

    @pytest.mark.parametrize(
        "marker", ["malformed", "'; DROP TABLE messages; --", "\x00", "-1", "1.5", "9" * 400, "é"]
    )
    def test_a_malformed_marker_has_an_empty_page(self, marker: str) -> None:
        """B-065."""
        self.post(3)
        page = self.driver.messages.list(self.queue, marker=marker)
        assert page.items == ()
        assert page.next is None

    @requires(Capability.FIFO)
    def test_the_last_marker_finds_what_is_posted_later(self) -> None:
        """B-064, B-078."""
        self.post(3)
        end = self.driver.messages.list(self.queue).next
        assert self.listed(marker=end) == []
        later = self.post(3, driver=self.open())
        assert self.listed(marker=end) == later

    def test_a_marker_stays_good_when_messages_are_gone(self) -> None:
        """B-064."""
        posted = self.post(6)
        page = self.driver.messages.list(self.queue, limit=3)
        seen = [message.id for message in page.items]
        self.delete(seen)
        rest = [each for each in posted if each not in seen]
        assert self.listed(marker=page.next) == rest

    @requires(Capability.FIFO)
    def test_a_marker_stays_good_when_every_message_is_gone(self) -> None:
        """B-064, B-078."""
        self.post(3, ttl=60)
        end = self.driver.messages.list(self.queue).next
        self.advance(60)
        self.driver.collect()
        later = self.post(2)
        assert self.listed(marker=end) == later
        self.driver.messages.pop(self.queue, 2)
        later = self.post(2)
        assert self.listed(marker=end) == later

    def test_ones_own_messages_can_be_hidden(self) -> None:
        """B-062."""
        self.post(3, client="me")
        theirs = self.post(2, client="them")
        nobodys = self.post(1)
        assert self.listed(hide_client="me") == [*theirs, *nobodys]
        assert self.listed(hide_client="stranger") == self.everything()

    def test_nothing_is_hidden_from_who_does_not_ask(self) -> None:
        """B-063."""
        posted = self.post(2, client="me") + self.post(1)
        assert self.listed() == posted

    def test_a_page_is_filled_with_messages_that_match(self) -> None:
        """B-062, B-064."""
        theirs: list[str] = []
        for _ in range(6):
            self.post(3, client="me")
            theirs += self.post(1, client="them")
        first = self.driver.messages.list(self.queue, limit=4, hide_client="me")
        assert len(first.items) == 4
        second = self.driver.messages.list(self.queue, marker=first.next, limit=4, hide_client="me")
        assert len(second.items) == 2
        assert self.ids([*first.items, *second.items]) == theirs

    def test_claimed_messages_are_listed_when_asked_for(self) -> None:
        """B-066."""
        posted = self.post(12)
        claimed = self.ids(self.claim(10))
        assert self.listed() == [each for each in posted if each not in claimed]
        assert self.listed(include_claimed=True) == posted

    def test_pages_with_claimed_messages_visit_each_once(self) -> None:
        """B-064, B-066."""
        posted = self.post(9)
        self.claim(4)
        messages = self.driver.messages
        seen = self.follow(
            lambda marker: messages.list(self.queue, marker=marker, limit=2, include_claimed=True)
        )
        assert self.ids(seen) == posted

    def test_pages_that_are_read_together_are_those_read_alone(self) -> None:
        """B-061, B-064, B-065, B-066, B-068, B-069."""
        self.post(6, client="me")
        self.claim(2)
        self.post(6)
        messages = self.driver.messages
        after = messages.list(self.queue, limit=3).next
        requests = [
            PageRequest(),
            PageRequest(limit=3),
            PageRequest(after, 2),
            PageRequest(hide_client="me"),
            PageRequest("malformed"),
            PageRequest(limit=20, include_claimed=True),
            PageRequest(after, 3, "me", include_claimed=True, include_delayed=True),
            PageRequest(limit=3),
        ]
        for queue in (self.queue, QueueRef(self.queue.project, "missing")):
            together = self.open().messages.list_several(queue, requests)
            assert len(together) == len(requests)
            for request, page in zip(requests, together, strict=True):
                assert not isinstance(page, MQError)
                # None says that it is to be read alone.
                if page is not None:
                    assert page == messages.list(queue, **request.options())
        assert list(messages.list_several(self.queue, [])) == []

    @requires(Capability.DELAY)
    def test_delayed_messages_are_listed_when_asked_for(self) -> None:
        """B-067."""
        delayed = self.post(2, delay=60)
        free = self.post(2)
        assert self.listed() == free
        assert self.listed(include_claimed=True) == free
        assert self.listed(include_delayed=True) == delayed + free
        self.advance(60)
        assert self.listed() == delayed + free

    @requires(Capability.DELAY)
    def test_each_state_is_asked_for_by_itself(self) -> None:
        """B-066, B-067."""
        claimed = self.post(2)
        self.claim(2)
        delayed = self.post(2, delay=60)
        free = self.post(2)
        assert self.listed() == free
        assert self.listed(include_claimed=True) == claimed + free
        assert self.listed(include_delayed=True) == delayed + free
        assert self.everything() == claimed + delayed + free
