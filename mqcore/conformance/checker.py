"""Reads a whole history and says which promises of the contract it proves broken.

It never accuses wrongly. Calls that overlap may have taken effect in either order, the clock may
have moved during a call, and a call without an answer may have done everything or nothing, at any
later time: what some order and some time explain is no violation. So each rule asks `Evidence`
for what is sure.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import combinations

from .evidence import Evidence, maybe, surely
from .history import Event

__all__ = ["violations"]


def violations(events: Iterable[Event], *, durable: bool = True) -> list[str]:
    """The broken promises, one sentence each. Without `durable`, messages may be lost."""
    evidence = Evidence(events)
    rules = RULES if durable else [rule for rule in RULES if rule is not _vanished]
    return [sentence for rule in rules for sentence in rule(evidence)]


def _double_claims(evidence: Evidence) -> Iterator[str]:
    """No message is in two live claims: one must have lost it before the other got it."""
    for message, holds in evidence.holds.items():
        for (first, one), (second, other) in combinations(holds.items(), 2):
            if not (
                evidence.may_precede(first, message, other)
                or evidence.may_precede(second, message, one)
            ):
                yield f"message {message} was in two live claims: {first} and {second}"


def _double_takes(evidence: Evidence) -> Iterator[str]:
    """What was popped was popped once, and under no live claim."""
    for message, pops in evidence.pops.items():
        if not evidence.once(message):
            continue
        if len(pops) > 1:
            yield f"message {message} was popped {len(pops)} times"
        for claim, hold in evidence.holds[message].items():
            if not surely(pops[0], hold) and not evidence.may_precede(claim, message, pops[0]):
                yield f"message {message} was popped while claim {claim} held it"


def _wrong_deletes(evidence: Evidence) -> Iterator[str]:
    """A delete that removed something had the right to, also when claims changed meanwhile."""
    for message, deletes in evidence.deletes.items():
        for delete in deletes:
            if delete.force or not delete.answered or not evidence.is_there(message, delete):
                continue
            right = "no claim" if not delete.rights else f"claims {', '.join(delete.rights)}"
            for claim, hold in evidence.holds.get(message, {}).items():
                if (
                    claim not in delete.rights
                    and evidence.once(message)
                    and not surely(delete, hold)
                    and not evidence.may_precede(claim, message, delete)
                ):
                    yield f"message {message} was deleted by {right} while {claim} held it"
            if delete.rights and not any(
                evidence.may_hold(claim, message, delete) for claim in delete.rights
            ):
                yield f"message {message} was deleted by {right}, which did not hold it"


def _returned(evidence: Evidence) -> Iterator[str]:
    """What was deleted, popped, purged or expired does not come back."""
    for message, sights in evidence.sights.items():
        if not evidence.once(message):
            continue
        (post,) = evidence.posts[message]
        ends = [
            each
            for each in (*evidence.deletes[message], *evidence.pops[message], *evidence.purges)
            if surely(post, each)
        ]
        for event, _ in sights:
            for end in ends:
                if surely(end, event):
                    yield f"message {message} came back after {end.what}: {event.what} showed it"
            if event.since >= evidence.most_life(message):
                yield f"message {message} had expired when {event.what} showed it"


def _wrong_counts(evidence: Evidence) -> Iterator[str]:
    """Each claim raises the count of its messages by one, and nothing else changes it."""
    for message, sights in evidence.sights.items():
        if not evidence.once(message):
            continue
        claims = [(event, sight.count) for event, sight in sights if event.what == "claim"]
        for event, sight in sights:
            if sight.count > evidence.most_claims(message, event):
                yield f"message {message} was claimed less than {sight.count} times"
            for claim, count in claims:
                if surely(claim, event) and count > sight.count:
                    yield f"the count of message {message} fell from {count} to {sight.count}"
                if event.what == "claim" and event.claim < claim.claim and count == sight.count:
                    yield f"two claims of message {message} have the count {count}"


def _wrong_sights(evidence: Evidence) -> Iterator[str]:
    """What is shown was posted, and is shown under the claim that holds it."""
    for message, sights in evidence.sights.items():
        for event, sight in sights:
            if not any(maybe(post, event) for post in evidence.posts[message]):
                yield f"message {message} was in the answer of {event.what}, but nobody posted it"
            if event.what not in ("see", "all"):
                continue
            holder = evidence.holder(message, event)
            if holder is not None and sight.claim != holder:
                yield f"message {message} was shown under {sight.claim} while {holder} held it"
            if sight.claim is not None and evidence.is_over(sight.claim, event):
                yield f"message {message} was shown under claim {sight.claim}, which was over"


def _lost_leases(evidence: Evidence) -> Iterator[str]:
    """A live claim gives its rights until its end."""
    for event in evidence.events:
        if event.refused not in ("claim_not_found", "message_claimed", "message_not_claimed_by"):
            continue
        if event.what == "delete":
            holder = evidence.holder(event.message, event)
            if holder is not None and holder in event.rights:
                yield f"claim {holder} holds {event.message}, but its delete was {event.refused}"
        elif evidence.is_live(event.claim, event):
            yield f"claim {event.claim} was live, but {event.what} was {event.refused}"


def _revived_claims(evidence: Evidence) -> Iterator[str]:
    """A claim that is over stays over."""
    for event in evidence.events:
        if (
            event.claim
            and event.what in ("renew", "see")
            and event.answered
            and not event.refused
            and evidence.is_over(event.claim, event)
        ):
            yield f"claim {event.claim} was over, but {event.what} succeeded"


def _vanished(evidence: Evidence) -> Iterator[str]:
    """Every message whose post was acknowledged is there, or was taken out by somebody."""
    for everything in evidence.events:
        if everything.what != "all" or everything.refused or not everything.answered:
            continue
        there = {sight.message for sight in everything.shown}
        missing = [
            message
            for message, posts in evidence.posts.items()
            if message not in there
            and any(surely(post, everything) for post in posts)
            and not evidence.was_removed(message, everything)
        ]
        # A pop whose answer was lost may have taken any of them, but no more than its limit.
        taken = sum(pop.limit for pop in evidence.lost_pops if maybe(pop, everything))
        if len(missing) > taken:
            yield f"{len(missing)} messages vanished, among them {missing[0]}"


RULES: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    _double_claims,
    _double_takes,
    _wrong_deletes,
    _returned,
    _wrong_counts,
    _wrong_sights,
    _lost_leases,
    _revived_claims,
    _vanished,
)
