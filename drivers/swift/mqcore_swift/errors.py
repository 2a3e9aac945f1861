"""The only place that names the exceptions of swiftclient and of what is below it."""

from keystoneauth1 import exceptions as keystone
from requests import exceptions as http
from swiftclient import ClientException
from urllib3.exceptions import HTTPError

from mqcore.contract import Misconfigured, MQError, Unavailable

__all__ = ["is_answer", "is_missing", "is_passing", "translate"]

_REFUSED = {
    400: "refuses the request; see whether the address is that of its authentication",
    401: "refuses the user or the key; correct them in the storage URI",
    403: "does not let this user do what is needed; give it the right to read and write the "
    "container, and to make it unless it is there",
    404: "lacks the container {container}, or the address is not that of its authentication; open "
    "the store again to have it made, or correct ?container= in the storage URI",
    405: "does not know the request; see whether the address is that of its authentication",
    412: "does not know the request; see whether the address is that of its authentication",
    413: "has no room left for this account or container; raise its quota, or let messages be "
    "consumed",
    507: "has no room left; add disks, or let messages be consumed",
}
_UNFIT = (400, 401, 403, 404, 405, 412)
"""What the deployer must change, when it is met while opening."""

_KEYSTONE = (
    (keystone.Unauthorized, "refuses the user or the key; correct them in the storage URI"),
    (keystone.EndpointNotFound, "has no such service; correct ?region= or ?interface= in the URI"),
    (keystone.EmptyCatalog, "gives no address; the user has no role in this project"),
    (keystone.DiscoveryFailure, "is not Keystone at this address; correct it in the storage URI"),
    (keystone.NotFound, "is not Keystone at this address; correct it in the storage URI"),
)
_ALL = (ClientException, keystone.ClientException, http.RequestException, HTTPError, OSError)


def translate(error: Exception, place: str, container: str, *, opening: bool = False) -> MQError:
    """Say it as an error of the contract. Raises `error` itself when it is none of the client's."""
    if not isinstance(error, _ALL):
        raise error
    kind = Misconfigured if opening else Unavailable
    for sign, advice in _KEYSTONE:
        if isinstance(error, sign):
            return kind(f"Keystone for {place} {advice}")
    status = _status(error)
    if status in _REFUSED:
        advice = _REFUSED[status].format(container=repr(container))
        return (kind if status in _UNFIT else Unavailable)(f"Swift at {place} {advice}")
    if isinstance(error, http.SSLError):
        return kind(f"Swift at {place} has a certificate that cannot be verified; name its ?ca=")
    if isinstance(error, http.Timeout | keystone.ConnectTimeout):
        return Unavailable(
            f"Swift at {place} did not answer in time; raise ?timeout= if it is only slow"
        )
    if status:
        return Unavailable(f"Swift at {place} refuses for now: {status}; see its log")
    return Unavailable(f"Swift at {place} cannot be reached: {type(error).__name__}")


def is_answer(error: Exception) -> bool:
    """Whether Swift said so, on a connection that is still good."""
    return isinstance(error, ClientException) and 400 <= (error.http_status or 0) < 500


def is_missing(error: Exception) -> bool:
    return isinstance(error, ClientException) and error.http_status == 404


def is_passing(error: Exception) -> bool:
    """Whether the same request may do when it is made again at once."""
    status = _status(error)
    if isinstance(error, ClientException) and status:
        return status in (408, 429, 498, 499) or (status >= 500 and status != 507)
    lost = (keystone.ConnectFailure, http.ConnectionError, HTTPError, OSError)
    return isinstance(error, lost) and not isinstance(error, http.Timeout | http.SSLError)


def _status(error: Exception) -> int | None:
    found: int | None = getattr(error, "http_status", None)
    return found
