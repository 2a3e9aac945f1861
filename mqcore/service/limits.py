"""The limits and defaults of the API (spec 6.1, 6.2)."""

from dataclasses import dataclass

__all__ = ["MIN_TTL", "ServiceLimits"]

MIN_TTL = 60
"""The shortest ttl of a message, a claim and a subscription, and the shortest grace (seconds)."""


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """What a request may ask for. Names and defaults are those of the `[transport]` options."""

    default_message_ttl: int = 3600
    default_message_delay: int = 0
    default_claim_ttl: int = 300
    default_claim_grace: int = 60
    default_subscription_ttl: int = 3600
    max_message_ttl: int = 1_209_600
    max_message_delay: int = 900
    max_claim_ttl: int = 43_200
    max_claim_grace: int = 43_200
    max_queue_metadata: int = 65_536
    max_messages_post_size: int = 262_144
    max_queues_per_page: int = 20
    max_messages_per_page: int = 20
    max_subscriptions_per_page: int = 20
    max_messages_per_claim_or_pop: int = 20
    subscriber_types: tuple[str, ...] = ("http", "https", "mailto", "trust+http", "trust+https")
    client_id_uuid_safe: str = "strict"
    min_length_client_id: int = 10
    max_length_client_id: int = 36
    message_delete_with_claim_id: bool = False
    enable_checksum: bool = False
