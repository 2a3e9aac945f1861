"""What a driver can do wrong in any call, and the sentence of the contract that it breaks."""

__all__ = ["RULES", "ContractBroken"]

RULES = {
    "entry point": (
        "The entry point of a driver, in the group `mqcore.drivers`, named after its URI scheme."
    ),
    "opening": (
        "It connects, and so raises `Unavailable` when the store is not there, or "
        "`Misconfigured` when it is but cannot be used, saying what to change."
    ),
    "driver": "A driver: four controllers on one store, and how core opens it.",
    "controllers": "The four controllers that every driver implements.",
    "capabilities": (
        "A promise. Declared ones are tested; undeclared ones are refused or doubted, never faked."
    ),
    "limits": "The largest things that a store takes; None is no limit.",
    "values": "The values that cross the line between core and a driver. All of them are frozen.",
    "errors": "Nothing else than the named errors and these may escape.",
    "batches": "Batches take a sequence and return one with one result per item, in order.",
    "waiting": "No call waits for time.",
    "close": "Let go of the store; idempotent.",
}
"""Sentences of `mqcore.contract`, word for word."""


class ContractBroken(AssertionError):
    """A driver broke a rule that holds for every call. `seen` says how, `rule` is the sentence."""

    def __init__(self, rule: str, seen: str) -> None:
        super().__init__(f"{seen}; the contract says: {RULES[rule]}")
        self.rule = RULES[rule]
        self.seen = seen
