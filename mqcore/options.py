"""The options of mqcore: names, groups, defaults, ranges and help texts.

Names and groups are those of the API spec (section 6) where it has them.
"""

from oslo_config import cfg, types

from .service.limits import MIN_TTL, ServiceLimits

__all__ = ["SERVER_GROUP", "Options", "list_opts"]

Options = list[tuple[str, list[cfg.Opt]]]

SERVER_GROUP = "drivers:transport:wsgi"

_LONGEST = 2**31 - 1
_DEFAULTS = ServiceLimits()


def _number(name: str, help_text: str, least: int, most: int) -> cfg.IntOpt:
    """An option of `[transport]` whose default is the service's own."""
    default = getattr(_DEFAULTS, name)
    return cfg.IntOpt(name, default=default, min=least, max=most, help=help_text)


def _default_group() -> list[cfg.Opt]:
    return [
        cfg.BoolOpt(
            "admin_mode",
            default=False,
            help="Offer the operations that are for administrators of the service.",
        ),
        cfg.StrOpt(
            "auth_strategy",
            default="",
            help="How callers prove who they are. Empty: not at all, and the X-Project-ID header "
            "is believed. No other value is available yet.",
        ),
        cfg.BoolOpt(
            "enable_checksum",
            default=_DEFAULTS.enable_checksum,
            help="Store a checksum with every message and return it with the message.",
        ),
        cfg.BoolOpt(
            "pooling",
            default=False,
            help="Spread queues over several stores. Only false is available yet.",
        ),
        cfg.BoolOpt(
            "trust_identity_headers",
            default=False,
            help="Believe the headers X-User-ID and X-Roles. Set it to true only when every "
            "request comes through a proxy that sets or removes these headers: otherwise "
            "anybody can become an administrator.",
        ),
    ]


def _times() -> list[cfg.Opt]:
    return [
        _number(
            "default_message_ttl",
            "How long a message lives when the post does not say it, in seconds.",
            MIN_TTL,
            _LONGEST,
        ),
        _number("max_message_ttl", "The longest life of a message, in seconds.", MIN_TTL, _LONGEST),
        _number(
            "default_message_delay",
            "How long a message is hidden after its post when the post does not say it, "
            "in seconds.",
            0,
            _LONGEST,
        ),
        _number("max_message_delay", "The longest delay of a message, in seconds.", 0, _LONGEST),
        _number(
            "default_claim_ttl",
            "How long a claim lasts when the request does not say it, in seconds.",
            MIN_TTL,
            _LONGEST,
        ),
        _number("max_claim_ttl", "The longest claim, in seconds.", MIN_TTL, _LONGEST),
        _number(
            "default_claim_grace",
            "How long claimed messages live at least after the end of the claim when the request "
            "does not say it, in seconds.",
            MIN_TTL,
            _LONGEST,
        ),
        _number("max_claim_grace", "The longest grace of a claim, in seconds.", MIN_TTL, _LONGEST),
        _number(
            "default_subscription_ttl",
            "How long a subscription lasts when the request does not say it, in seconds.",
            MIN_TTL,
            _LONGEST,
        ),
    ]


def _sizes() -> list[cfg.Opt]:
    most = 10_000
    return [
        _number("max_queues_per_page", "The most queues in one page of a listing.", 1, most),
        _number(
            "max_messages_per_page",
            "The most messages in one page of a listing, and the most ids in one request.",
            1,
            most,
        ),
        _number(
            "max_subscriptions_per_page",
            "The most subscriptions in one page of a listing.",
            1,
            most,
        ),
        _number("max_messages_per_claim_or_pop", "The most messages in one claim or pop.", 1, most),
        _number(
            "max_queue_metadata", "The largest metadata of a queue, in bytes of JSON.", 2, _LONGEST
        ),
        _number(
            "max_messages_post_size",
            "The largest body of a request that posts messages, in bytes.",
            64,
            _LONGEST,
        ),
    ]


def _callers() -> list[cfg.Opt]:
    schemes = list(_DEFAULTS.subscriber_types)
    return [
        cfg.ListOpt(
            "subscriber_types",
            default=schemes,
            item_type=types.String(choices=schemes),
            help="The URI schemes that a subscriber may have, separated by commas: any of "
            f"{', '.join(schemes)}.",
        ),
        cfg.StrOpt(
            "client_id_uuid_safe",
            default=_DEFAULTS.client_id_uuid_safe,
            choices=[
                ("strict", "the Client-ID header must be a UUID"),
                ("off", "any text whose length is within the two limits below"),
            ],
            help="What a Client-ID may be.",
        ),
        _number(
            "min_length_client_id",
            "The shortest Client-ID, in characters, when client_id_uuid_safe is off.",
            1,
            1000,
        ),
        _number(
            "max_length_client_id",
            "The longest Client-ID, in characters, when client_id_uuid_safe is off.",
            1,
            1000,
        ),
        cfg.BoolOpt(
            "message_delete_with_claim_id",
            default=_DEFAULTS.message_delete_with_claim_id,
            help="Delete a message only when the request names the claim that holds it.",
        ),
    ]


def _server() -> list[cfg.Opt]:
    return [
        cfg.StrOpt(
            "bind",
            default="127.0.0.1",
            help="The address to listen on: an IP address or a host name.",
        ),
        cfg.PortOpt("port", default=8888, help="The TCP port to listen on; 0 takes any free one."),
        cfg.IntOpt("workers", default=1, min=1, max=256, help="How many processes serve requests."),
        cfg.IntOpt(
            "storage_threads",
            default=8,
            min=1,
            max=256,
            help="How many calls to the store each process makes at once.",
        ),
        cfg.IntOpt(
            "max_waiting",
            default=1000,
            min=1,
            max=1000000,
            help="How many requests may wait for the store in each process. More are answered with"
            " 503 and Retry-After at once, so that a store that cannot keep up costs bounded"
            " memory.",
        ),
        cfg.IntOpt(
            "max_waiting_per_project",
            default=500,
            min=1,
            max=1000000,
            help="How many of them may be of one project.",
        ),
        cfg.IntOpt(
            "request_timeout",
            default=30,
            min=1,
            max=3600,
            help="How long a client may take to send a whole request, in seconds.",
        ),
        cfg.IntOpt(
            "shutdown_timeout",
            default=20,
            min=0,
            max=3600,
            help="How long a stopping server waits for the requests in flight, in seconds.",
        ),
        cfg.IntOpt(
            "keep_alive",
            default=75,
            min=1,
            max=3600,
            help="How long an idle connection is kept open for the next request, in seconds.",
        ),
        cfg.IntOpt(
            "max_header_size",
            default=65536,
            min=4096,
            max=1048576,
            help="The largest total of the request line and the headers, in bytes.",
        ),
    ]


def _storage() -> list[cfg.Opt]:
    return [
        cfg.StrOpt(
            "uri",
            secret=True,
            sample_default="sqlite:////var/lib/mqcore/mqcore.db",
            help="Where the queues are: scheme://user:password@host:port/path?option=value. The "
            "scheme names the driver; `mqcore drivers` lists those that are installed. Without "
            "it, a SQLite file in the state folder of the user who starts the server.",
        ),
    ]


def list_opts() -> Options:
    """All options by group, for mqcore and for the sample generator of oslo.config."""
    signed = cfg.StrOpt(
        "secret_key",
        secret=True,
        help="The key that signs pre-signed URLs; the same on every node. Without it there are "
        "no pre-signed URLs.",
    )
    log: list[cfg.Opt] = [
        cfg.StrOpt(
            "level",
            default="info",
            choices=["debug", "info", "warning", "error"],
            help="The least important records that are written.",
        ),
        cfg.StrOpt(
            "format",
            default="text",
            choices=[("text", "one line of text a record"), ("json", "one JSON object a record")],
            help="The form of the log on standard error.",
        ),
    ]
    return [
        ("DEFAULT", _default_group()),
        ("storage", _storage()),
        (SERVER_GROUP, _server()),
        ("transport", [*_times(), *_sizes(), *_callers()]),
        ("signed_url", [signed]),
        ("log", log),
    ]
