"""The retry policy of a subscriber, as queue metadata or subscription option (spec 5.5)."""

from typing import Any

from mqcore.contract import Invalid

from .validation import check_number

__all__ = ["check_retry_policy"]

DEFAULTS: dict[str, int] = {
    "retries_with_no_delay": 3,
    "minimum_delay_retries": 3,
    "minimum_delay": 5,
    "maximum_delay": 30,
    "maximum_delay_retries": 3,
}
BACKOFFS = ("linear", "arithmetic", "geometric", "exponential")
MIN_SPREAD = 10
"""The least seconds between the two delays: two steps of the back-off."""


def check_retry_policy(name: str, policy: Any) -> None:
    """Check a policy as a user gave it. Raises Invalid."""
    if not isinstance(policy, dict):
        raise Invalid(f"{name} must be an object")
    filled = DEFAULTS | {key: policy[key] for key in DEFAULTS if key in policy}
    for key, value in filled.items():
        check_number(f"{name}.{key}", value, 0, 2**31 - 1)
    backoff = policy.get("retry_backoff_function", BACKOFFS[0])
    if backoff not in BACKOFFS:
        raise Invalid(f"{name}.retry_backoff_function must be one of {', '.join(BACKOFFS)}")
    if not isinstance(policy.get("ignore_subscription_override", False), bool):
        raise Invalid(f"{name}.ignore_subscription_override must be true or false")
    if filled["maximum_delay"] - filled["minimum_delay"] < MIN_SPREAD:
        raise Invalid(f"{name}.maximum_delay must be at least {MIN_SPREAD} more than minimum_delay")
