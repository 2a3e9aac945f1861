"""Making swiftclient's connections for an address."""

from typing import Any

import requests as http
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from swiftclient import ClientException, Connection

from .address import Address

__all__ = ["Connections", "disconnect"]


class Connections:
    """Makes connections that are alike. They share one token."""

    def __init__(self, address: Address) -> None:
        self._options: dict[str, Any] = {
            "timeout": address.timeout,
            # `Requests` makes a request again; without this, none goes on with a new token.
            "retries": 1,
            "starting_backoff": 0,
            "cacert": address.ca,
        }
        if address.auth == "v1":
            self._options |= {"session": _TempAuth(address)}
        else:
            self._options |= {"session": _session(address), "os_options": address.endpoint}

    def new(self) -> Any:
        return Connection(**self._options)


def disconnect(connection: Any) -> None:
    """Close it now: left to itself, it is closed when Python collects what it is part of."""
    if connection.http_conn:
        for adapter in connection.http_conn[1].request_session.adapters.values():
            pools = adapter.poolmanager.pools
            for key in pools.keys():  # noqa: SIM118 - it cannot be iterated over
                pools[key].close()
    connection.close()


class _TempAuth:
    """A token of auth v1, for all connections of a handle; swiftclient asks it like Keystone's."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._found: tuple[str, str] | None = None

    def get_endpoint(self, **_: Any) -> str:
        return self._get()[0]

    def get_token(self) -> str:
        return self._get()[1]

    def invalidate(self) -> bool:
        self._found = None
        return True

    def _get(self) -> tuple[str, str]:
        found = self._found
        if found is None:
            at = self._address
            headers = {"X-Auth-User": at.user, "X-Auth-Key": at.key}
            with http.Session() as session:
                session.trust_env = False
                answer = session.get(
                    at.auth_url, headers=headers, timeout=at.timeout, verify=at.ca or True
                )
                url, token = answer.headers.get("X-Storage-Url"), answer.headers.get("X-Auth-Token")
            if not answer.ok or not url or not token:
                status = answer.status_code if not answer.ok else 404
                raise ClientException("no token", http_status=status)
            found = self._found = url, token
        return found


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
