"""Reading the storage URI."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from mqcore.contract import BadUri, StoreUri

__all__ = ["Address", "read"]

DATABASE = "mqcore"
NOT_IN_NAMES = frozenset('/\\. "$*<>:|?\0')


@dataclass(frozen=True, slots=True)
class Address:
    """Where the store is and how to talk to it. `options` are those of pymongo's client."""

    place: str
    database: str
    options: dict[str, Any] = field(repr=False)


def read(uri: str) -> Address:
    """Take the URI apart. Raises BadUri, which names the part that is wrong."""
    parsed = StoreUri(uri)
    hosts = parsed.hosts()
    by_name = parsed.scheme == "mongodb+srv"
    options: dict[str, Any] = {
        "host": _seeds(parsed, by_name, hosts),
        "socketTimeoutMS": _milliseconds(parsed, "timeout", 10),
        "connectTimeoutMS": _milliseconds(parsed, "connect_timeout", 5),
        "serverSelectionTimeoutMS": _milliseconds(parsed, "primary_timeout", 10),
        "maxPoolSize": int(parsed.number("pool_size", 64, least=1, most=10_000)),
        "waitQueueTimeoutMS": _milliseconds(parsed, "pool_timeout", 10),
        "appname": "mqcore",
        **_login(parsed),
        **_tls(parsed, by_name),
    }
    replica_set = parsed.text("replica_set", "")
    if replica_set:
        options["replicaSet"] = replica_set
    if parsed.text("direct", "no", ("no", "yes")) == "yes":
        options["directConnection"] = True
    if parsed.parts.fragment:
        raise BadUri(f"{parsed}: write a '#' as %23")
    address = Address(str(parsed), _database(parsed), options)
    parsed.done()
    return address


def _seeds(uri: StoreUri, by_name: bool, hosts: tuple[tuple[str, int | None], ...]) -> list[str]:
    if not by_name:
        places = [(host or "127.0.0.1", port or 27017) for host, port in hosts]
        return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in places]
    ((host, port), *others) = hosts
    if not host or port or others:
        raise BadUri(f"{uri}: write one name without a port, as in mongodb+srv://db.example.org")
    return [f"mongodb+srv://{host}/"]


def _milliseconds(uri: StoreUri, name: str, seconds: float) -> int:
    return int(uri.number(name, seconds, least=0.05, most=3600) * 1000)


def _database(uri: StoreUri) -> str:
    name = unquote(uri.parts.path.removeprefix("/")) or DATABASE
    if len(name.encode()) > 63 or set(name) & NOT_IN_NAMES:
        raise BadUri(f"{uri}: the database must be a name like {DATABASE}, not {name!r}")
    return name


def _login(uri: StoreUri) -> dict[str, Any]:
    source = uri.text("auth_source", "admin")
    mechanism = uri.text("auth_mechanism", "", ("", "SCRAM-SHA-256", "SCRAM-SHA-1", "MONGODB-X509"))
    if not uri.parts.username and mechanism != "MONGODB-X509":
        return {}
    login: dict[str, Any] = {"authSource": source}
    if uri.parts.username:
        login["username"] = unquote(uri.parts.username)
    if uri.parts.password:
        login["password"] = unquote(uri.parts.password)
    if mechanism:
        login["authMechanism"] = mechanism
    if mechanism == "MONGODB-X509":
        login["authSource"] = "$external"
    elif "password" not in login:
        raise BadUri(f"{uri}: write the password of the user, as in mongodb://user:PASSWORD@host")
    return login


def _tls(uri: StoreUri, by_name: bool) -> dict[str, Any]:
    on = uri.text("tls", "yes" if by_name else "no", ("no", "yes")) == "yes"
    files = {
        "tlsCAFile": uri.text("tls_ca_file", ""),
        "tlsCertificateKeyFile": uri.text("tls_certificate_key_file", ""),
    }
    given = {name: path for name, path in files.items() if path}
    check = uri.text("tls_check_hostname", "yes", ("yes", "no")) == "yes"
    if not on and (given or not check):
        raise BadUri(f"{uri}: tls_... options need tls=yes")
    if not on:
        return {"tls": False}
    return {"tls": True, "tlsAllowInvalidHostnames": not check, **given}
