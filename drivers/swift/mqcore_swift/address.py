"""Reading the storage URI."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from mqcore.contract import BadUri, StoreUri

__all__ = ["Address", "read"]

PORTS = {"v1": 8080, "v3": 5000}


@dataclass(frozen=True, slots=True)
class Address:
    """Where the store is and how to ask for it.

    `auth` is v1, password or application_credential. `slow` is how long storing an object may take
    before its name may be missing in the listing.
    """

    place: str
    auth: str
    auth_url: str
    container: str
    pool_size: int
    timeout: float
    slow: float
    ca: str | None
    user: str = field(repr=False)
    key: str = field(repr=False)
    domains: dict[str, Any] = field(repr=False)
    endpoint: dict[str, Any] = field(repr=False)


def read(uri: str) -> Address:
    """Take the URI apart. Raises BadUri, which names the part that is wrong."""
    parsed = StoreUri(uri)
    auth = parsed.text("auth", "v1", ("v1", "password", "application_credential"))
    user, key = unquote(parsed.parts.username or ""), unquote(parsed.parts.password or "")
    if not user or not key:
        raise BadUri(f"{parsed}: write the user and the key, as in swift://account%3Auser:key@host")
    tls = parsed.scheme == "swift+https"
    endpoint = {}
    if auth != "v1":
        interface = parsed.text("interface", "public", ("public", "internal", "admin"))
        region = parsed.text("region", "") or None
        endpoint = {"endpoint_type": interface, "region_name": region}
    address = Address(
        place=str(parsed),
        auth=auth,
        auth_url=_auth_url(parsed, auth, tls),
        container=_container(parsed),
        pool_size=int(parsed.number("pool_size", 16, least=1, most=1000)),
        timeout=parsed.number("timeout", 10, least=0.05, most=3600),
        slow=parsed.number("slow", 0.45, least=0.05, most=60),
        ca=(parsed.text("ca", "") or None) if tls else None,
        user=user,
        key=key,
        domains=_domains(parsed) if auth == "password" else {},
        endpoint=endpoint,
    )
    if parsed.parts.fragment:
        raise BadUri(f"{parsed}: write a '#' as %23")
    parsed.done()
    return address


def _auth_url(uri: StoreUri, auth: str, tls: bool) -> str:
    host, port = uri.parts.hostname or "127.0.0.1", uri.parts.port
    host = f"[{host}]" if ":" in host else host
    usual = PORTS["v1" if auth == "v1" else "v3"]
    path = unquote(uri.parts.path).rstrip("/") or ("/auth/v1.0" if auth == "v1" else "/v3")
    return f"{'https' if tls else 'http'}://{host}:{port or usual}{path}"


def _container(uri: StoreUri) -> str:
    name = uri.text("container", "mqcore")
    if not name or "/" in name or len(name.encode()) > 256:
        raise BadUri(f"{uri}: container must be a name of up to 256 bytes without '/'")
    return name


def _domains(uri: StoreUri) -> dict[str, Any]:
    """Who the user is, and in which project."""
    project = uri.text("project", "")
    if not project:
        raise BadUri(f"{uri}: auth=password needs the project, as in &project=messaging")
    return {
        "project_name": project,
        "user_domain_name": uri.text("user_domain", "Default"),
        "project_domain_name": uri.text("project_domain", "Default"),
    }
