"""What the transport is told at start."""

from dataclasses import dataclass

__all__ = ["AppSettings"]


@dataclass(frozen=True, slots=True)
class AppSettings:
    """Settings of the REST API that are not limits of the service.

    `admin_mode`: offer the operations for administrators. `trust_identity_headers`: believe
    `X-Roles`. `signed_url_key`: the secret of pre-signed URLs; None turns them off.
    `request_timeout`: how long a request body may take to arrive, in seconds.
    """

    admin_mode: bool = False
    trust_identity_headers: bool = False
    signed_url_key: str | None = None
    request_timeout: float = 30.0
