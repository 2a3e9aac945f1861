"""Making swiftclient's connections for an address."""

from typing import Any

from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from swiftclient import Connection

from .address import Address

__all__ = ["Connections"]


class Connections:
    """Makes connections that are alike. Those with Keystone share one token, which it renews."""

    def __init__(self, address: Address) -> None:
        self._options: dict[str, Any] = {
            "timeout": address.timeout,
            # `Requests` makes a request again; without this, none goes on with a new token.
            "retries": 1,
            "starting_backoff": 0,
            "cacert": address.ca,
        }
        if address.auth == "v1":
            self._options |= {"authurl": address.auth_url, "user": address.user, "key": address.key}
        else:
            self._options |= {"session": _session(address), "os_options": address.endpoint}

    def new(self) -> Any:
        return Connection(**self._options)


def _session(address: Address) -> Session:
    if address.auth == "password":
        plugin: Any = v3.Password(
            address.auth_url, username=address.user, password=address.key, **address.domains
        )
    else:
        plugin = v3.ApplicationCredential(
            address.auth_url,
            application_credential_id=address.user,
            application_credential_secret=address.key,
        )
    return Session(auth=plugin, verify=address.ca or True, timeout=address.timeout)
