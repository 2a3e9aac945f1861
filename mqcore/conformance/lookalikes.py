"""Texts that look alike are not the same: not as names, nor as ids, clients or subscribers."""

from collections.abc import Callable

import pytest

from ..contract import (
    ClaimNotFound,
    MessageNotFound,
    NewSubscription,
    QueueFilter,
    QueueRef,
    SubscriptionNotFound,
    new_id,
)
from .suite import Suite, names

__all__ = ["LOOKALIKES", "WITH_NUL", "TestLookalikes", "TestNearlyIds"]

LOOKALIKES = [
    *("name", "Name", "NAME", "names", "nam", "name ", " name", "name\t", "name\n", "n\u0430me"),
    *("nam_", "nam%", "%", "_", "n*", "name.*", "na\\me", "name\\", "'name'", '"name"', "name--"),
    *("\u00e9", "e\u0301", "e", "E\u0301", "\u00c9", "\u00e8"),
    *("\u00df", "ss", "\u1e9e", "\ufb01", "fi", "\u0131", "i", "I", "\u0130", "\u212a", "K", "k"),
    *("a", "\uff41", "a\u200b", "\u00aa", "\u0061\u0308", "\u00e4", "\u03c3", "\u03c2", "\u03a3"),
    *("1", "01", "1.0", "1e0", "+1", "\u00b9", "\u0661", "true", "True", "null", "NULL", "None"),
    *("\U0001f600", "\U0001f601", "\U0001f600\ufe0f", "\U00010000", "\U0010ffff", "\uffff", "?"),
]
"""Texts of which a store that folds, pads, trims, normalises or matches takes two for one."""

WITH_NUL = ["\x00", "a\x00", "a\x00b", "a\x00c", "\x00a"]

LONG = {
    "ASCII": "p" * 255,
    "two bytes each": "\u00e9" * 255,
    "four bytes each": "\U0001f600" * 255,
}

NEARLY: dict[str, Callable[[str], str]] = {
    "capitals": lambda text: f"a{text}".upper(),
    "a space behind": lambda text: f"{text} ",
    "a space before": lambda text: f" {text}",
    "a NUL behind": lambda text: f"{text}\x00",
    "a newline behind": lambda text: f"{text}\n",
    "a part": lambda text: text[:-1],
    "one more": lambda text: f"{text}0",
    "a wildcard": lambda text: f"{text[:-1]}%",
    "one wildcard": lambda text: f"{text[:-1]}_",
    "a glob": lambda text: f"{text[:-1]}*",
    "full width": lambda text: text[:-1] + chr(ord(text[-1]) + 0xFEE0),
    "as a UUID": lambda text: f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}",
    "a list": lambda text: f"{text},{text}",
}
"""Texts that are nearly a given id."""


class TestLookalikes(Suite):
    """Every text is a thing of its own: made, found and deleted without another one."""

    def test_projects_that_look_alike_are_different(self) -> None:
        """B-009."""
        base = new_id()
        queues = [QueueRef(f"{base}{text}", "queue") for text in LOOKALIKES]
        self.keep_apart(queues)
        for queue in queues[1:]:
            assert self.driver.queues.count(queue.project) == 1, queue
            assert names(self.driver.queues.list(queue.project)) == ["queue"], queue

    def test_queue_names_that_look_alike_are_different(self) -> None:
        """B-002."""
        self.keep_apart([QueueRef(self.queue.project, text) for text in LOOKALIKES])

    def keep_apart(self, queues: list[QueueRef]) -> None:
        """Put a message into each queue, then delete the first queue."""
        for number, queue in enumerate(queues):
            assert self.driver.queues.create(queue, {"number": number}) is True, queue
        posted = [self.post(queue=queue) for queue in queues]
        self.driver.queues.delete(queues[0])
        assert self.driver.queues.exists(queues[0]) is False
        for number, queue in enumerate(queues[1:], 1):
            assert self.driver.queues.get(queue).metadata == {"number": number}, queue
            assert self.everything(queue) == posted[number], queue

    def test_a_part_of_a_name_is_that_part_and_none_that_looks_like_it(self) -> None:
        """B-014."""
        for text in LOOKALIKES:
            self.other_queue(text)
        for text in LOOKALIKES:
            found = self.driver.queues.list(
                self.queue.project, limit=1000, where=QueueFilter(name=text)
            )
            wanted = [name for name in (self.queue.name, *LOOKALIKES) if text in name]
            assert sorted(names(found)) == sorted(wanted), text

    def test_metadata_that_looks_alike_is_different_for_a_filter(self) -> None:
        """B-013."""
        texts = LOOKALIKES + WITH_NUL
        for number, text in enumerate(texts):
            queue = self.other_queue(f"q{number:03}")
            self.driver.queues.set_metadata(queue, {"value": text, text: number})
        for number, text in enumerate(texts):
            for condition in ({"value": [text]}, {text: [number]}):
                page = self.driver.queues.list(
                    self.queue.project, where=QueueFilter(metadata=condition)
                )
                assert names(page) == [f"q{number:03}"], condition

    def test_clients_that_look_alike_are_different(self) -> None:
        """B-062."""
        texts = LOOKALIKES + WITH_NUL
        posted = [self.post(client=text)[0] for text in texts]
        for number, text in enumerate(texts):
            shown = self.listed(hide_client=text)
            assert shown == posted[:number] + posted[number + 1 :], text

    def test_subscribers_that_look_alike_are_different(self) -> None:
        """B-121, B-122."""
        subscriptions = self.driver.subscriptions
        long = [f"http://{'x' * 2000}/{end}" for end in "ab"]
        texts = [f"http://{text}" for text in LOOKALIKES + WITH_NUL] + long
        made = {}
        for text in texts:
            made[text] = subscriptions.create(self.queue, NewSubscription(new_id(), text, 600, {}))
            assert made[text] is not None, text
        for text, subscription in made.items():
            assert subscriptions.get_by_subscriber(self.queue, text) == subscription

    @pytest.mark.parametrize("long", LONG.values(), ids=LONG)
    def test_long_projects_differ_in_their_last_character(self, long: str) -> None:
        """B-009."""
        name = f"{new_id()}-{'n' * 31}"
        one, two = self.new_queue(long + "1", name), self.new_queue(long + "2", name)
        (posted,) = self.post(queue=one)
        assert self.everything(one) == [posted]
        assert self.everything(two) == []
        self.driver.queues.delete(two)
        assert self.everything(one) == [posted]
        self.driver.queues.delete(one)


@pytest.mark.parametrize("nearly", NEARLY.values(), ids=NEARLY)
class TestNearlyIds(Suite):
    def test_what_is_nearly_the_id_of_a_message_does_not_exist(
        self, nearly: Callable[[str], str]
    ) -> None:
        """B-046, B-048."""
        (posted,) = self.post()
        other = nearly(posted)
        with pytest.raises(MessageNotFound):
            self.driver.messages.get(self.queue, other)
        assert self.driver.messages.get_many(self.queue, [other]) == ()
        assert self.delete([other]) == [None]
        assert self.everything() == [posted]

    def test_what_is_nearly_the_id_of_a_claim_gives_no_right(
        self, nearly: Callable[[str], str]
    ) -> None:
        """B-055, B-098."""
        (posted,) = self.post()
        claim = self.claim()
        other = nearly(claim.id)
        with pytest.raises(ClaimNotFound):
            self.driver.claims.get(self.queue, other)
        with pytest.raises(ClaimNotFound):
            self.driver.claims.renew(self.queue, other, ttl=60, grace=0)
        self.driver.claims.release(self.queue, other)
        assert [type(error) for error in self.delete([posted], other)] == [ClaimNotFound]
        assert self.driver.claims.get(self.queue, claim.id) == claim

    def test_what_is_nearly_the_id_of_a_subscription_does_not_exist(
        self, nearly: Callable[[str], str]
    ) -> None:
        """B-129, B-134."""
        new = NewSubscription(new_id(), "http://a.example", 600, {})
        self.driver.subscriptions.create(self.queue, new)
        other = nearly(new.id)
        with pytest.raises(SubscriptionNotFound):
            self.driver.subscriptions.get(self.queue, other)
        self.driver.subscriptions.delete(self.queue, other)
        assert self.driver.subscriptions.exists(self.queue, other) is False
        assert self.driver.subscriptions.exists(self.queue, new.id) is True

    def test_what_is_nearly_a_marker_shows_only_messages_of_the_queue(
        self, nearly: Callable[[str], str]
    ) -> None:
        """B-065."""
        posted = self.post(3)
        marker = self.driver.messages.list(self.queue, limit=1).next
        assert marker is not None
        shown = self.listed(marker=nearly(marker))
        assert set(shown) <= set(posted)
        assert len(shown) == len(set(shown))
