"""What is sure about a history, and what may have been."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator

from .history import Event, Sight

__all__ = ["Evidence", "maybe", "surely"]


def surely(first: Event, second: Event) -> bool:
    """The first was over before the second began."""
    return first.ended < second.began


def maybe(first: Event, second: Event) -> bool:
    """The first may have taken effect before the second."""
    return first.began <= second.ended


def _rounded_up(end: float) -> float:
    return end if end == math.inf else math.ceil(end)


class Evidence:
    """The events of a history by what they are about, and what is sure from them."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.events = list(events)
        self.posts: dict[str, list[Event]] = defaultdict(list)
        self.deletes: dict[str, list[Event]] = defaultdict(list)
        self.pops: dict[str, list[Event]] = defaultdict(list)
        self.claims: dict[str, list[Event]] = defaultdict(list)
        self.leases: dict[str, list[Event]] = defaultdict(list)
        self.releases: dict[str, list[Event]] = defaultdict(list)
        self.sights: dict[str, list[tuple[Event, Sight]]] = defaultdict(list)
        self.purges: list[Event] = []
        self.lost_pops: list[Event] = []
        self.unseen_claims: list[Event] = []
        """Each may have held messages once that its answer does not show."""
        for event in self.events:
            for sight in event.shown:
                self.sights[sight.message].append((event, sight))
            if not event.refused:
                self._add(event)
        for claim in [each for tries in self.claims.values() for each in tries]:
            self.unseen_claims += [claim] * self._unseen(claim)
        self.holds = {message: dict(self._holds(message)) for message in self.sights}

    def _add(self, event: Event) -> None:
        if event.what in ("post", "delete"):
            place = self.posts if event.what == "post" else self.deletes
            place[event.message].append(event)
        elif event.what in ("claim", "renew"):
            self.leases[event.claim].append(event)
            if event.what == "claim":
                self.claims[event.claim].append(event)
        elif event.what == "release":
            self.releases[event.claim].append(event)
        elif event.what == "purge":
            self.purges.append(event)
        elif event.what == "pop":
            self.lost_pops += [] if event.answered else [event]
            for sight in event.shown:
                self.pops[sight.message].append(event)

    def _unseen(self, claim: Event) -> int:
        """How often the claim may have been made without an answer that shows what it held.

        It may end in the middle of its own call, which then makes it again.
        """
        if not claim.answered:
            return 1
        ends = sum(maybe(claim, each) and maybe(each, claim) for each in self.releases[claim.claim])
        shortest = min(each.ttl for each in self.leases[claim.claim])
        return ends + int((claim.until - claim.since) // shortest)

    def _holds(self, message: str) -> Iterator[tuple[str, Event]]:
        """The claims that held the message, each as a span in which it got hold of it.

        A claim may have been asked for again when its answer was lost: it began with the first
        try at the earliest, and with the first answer that shows the message at the latest.
        """
        shown: dict[str, list[Event]] = defaultdict(list)
        for event, _ in self.sights[message]:
            if event.what == "claim":
                shown[event.claim].append(event)
        for claim, answers in shown.items():
            tries = self.claims[claim]
            yield (
                claim,
                Event(
                    "claim",
                    claim=claim,
                    began=min(each.began for each in tries),
                    ended=min(each.ended for each in answers),
                    since=min(each.since for each in tries),
                    until=min(each.until for each in answers),
                ),
            )

    def once(self, message: str) -> bool:
        """Nobody posted it a second time, so that it cannot have come back by right."""
        return len(self.posts[message]) == 1 and self.posts[message][0].answered

    def least_end(self, claim: str, seen: Event) -> float:
        """The time before which the claim has not run out when `seen` looks."""
        leases = [each for each in self.leases[claim] if maybe(each, seen)]
        renewals = [each for each in leases if each.what == "renew" and surely(each, seen)]
        current = [each for each in leases if not any(surely(each, new) for new in renewals)]
        return min((each.since + each.ttl for each in current), default=math.inf)

    def most_end(self, claim: str, seen: Event) -> float:
        """The time from which on the claim had run out; ends may be rounded up."""
        return max(
            (
                _rounded_up(each.until + each.ttl)
                for each in self.leases[claim]
                if each is not seen and maybe(each, seen)
            ),
            default=math.inf,
        )

    def may_be_over(self, claim: str, hold: Event, seen: Event) -> bool:
        """Whether the claim that began with `hold` may have ended when `seen` took effect."""
        ends = [*self.releases[claim], *self.purges]
        return seen.until >= self.least_end(claim, seen) or any(
            maybe(hold, end) and maybe(end, seen) for end in ends
        )

    def is_over(self, claim: str, seen: Event) -> bool:
        """Whether the claim had ended for sure before `seen`, and was not made again."""
        tries = self.claims[claim]
        return bool(tries) and (
            seen.since >= self.most_end(claim, seen)
            or any(
                surely(end, seen) and all(surely(each, end) for each in tries)
                for end in (*self.releases[claim], *self.purges)
            )
        )

    def may_precede(self, claim: str, message: str, taker: Event) -> bool:
        """Whether the claim may have had the message and lost it before `taker` got it."""
        hold = self.holds[message][claim]
        if not maybe(hold, taker):
            return False
        if self.may_be_over(claim, hold, taker):
            return True
        # Deleted and posted again: then it is another message with the same id.
        return not self.once(message) and any(
            maybe(hold, end) and maybe(end, taker) for end in self.removals(message)
        )

    def removals(self, message: str) -> list[Event]:
        """What removed the message, if it was there."""
        return [*self.deletes[message], *self.pops.get(message, ()), *self.purges]

    def was_removed(self, message: str, seen: Event) -> bool:
        """Whether something other than `seen` may have removed the message before it.

        Pops without an answer do not count: they may have taken any message.
        """
        least = min((post.since + post.ttl for post in self.posts[message]), default=-math.inf)
        return seen.until >= least or any(
            maybe(each, seen) for each in self.removals(message) if each is not seen
        )

    def may_be_gone(self, message: str, seen: Event) -> bool:
        """Whether the message may be gone by anything other than `seen`."""
        lost = any(maybe(pop, seen) for pop in self.lost_pops)
        return lost or self.was_removed(message, seen)

    def is_there(self, message: str, seen: Event) -> bool:
        """Whether the message was in the queue for sure when `seen` came."""
        signs = [*self.posts[message], *(event for event, _ in self.sights[message])]
        return any(surely(each, seen) for each in signs) and not self.may_be_gone(message, seen)

    def holder(self, message: str, seen: Event) -> str | None:
        """The claim that held the message for sure, whenever `seen` looked."""
        if self.may_be_gone(message, seen):
            return None
        for claim, hold in self.holds.get(message, {}).items():
            if surely(hold, seen) and not self.may_be_over(claim, hold, seen):
                return claim
        return None

    def is_live(self, claim: str, seen: Event) -> bool:
        """Whether the claim was live for sure, whenever `seen` looked."""
        return any(
            each.shown and surely(each, seen) and not self.may_be_over(claim, each, seen)
            for each in self.claims.get(claim, ())
        )

    def may_hold(self, claim: str, message: str, seen: Event) -> bool:
        """Whether the claim may have had the message when `seen` looked."""
        if claim not in self.claims:
            return True  # made by somebody whose calls are not in the history
        # What is gone before the answer, the answer does not show.
        beside = any(maybe(each, seen) and maybe(seen, each) for each in self.claims[claim])
        hold = self.holds.get(message, {}).get(claim)
        held = beside or (hold is not None and maybe(hold, seen))
        return held and not self.is_over(claim, seen)

    def most_life(self, message: str) -> float:
        """The time from which on the message had expired, whatever extended its life."""
        if self.unseen_claims:
            return math.inf
        lives = [_rounded_up(post.until + post.ttl) for post in self.posts[message]]
        for claim in self.holds[message]:
            for each in self.leases[claim]:
                lives.append(_rounded_up(each.until + each.ttl) + each.grace)
        return max(lives, default=math.inf)

    def most_claims(self, message: str, seen: Event) -> int:
        """How often the message may have been claimed before `seen`."""
        holding = [event for event, _ in self.sights[message] if event.what == "claim"]
        answers = {each.claim for each in holding}
        others = {sight.claim for _, sight in self.sights[message] if sight.claim} - answers
        known = [*holding, *self.unseen_claims]
        return sum(maybe(each, seen) for each in known) + len(others)
