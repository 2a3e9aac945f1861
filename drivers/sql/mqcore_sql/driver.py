"""Opening `sqlite:///path` and the handle that it gives."""

import os
import time
from pathlib import Path
from urllib.parse import unquote

from mqcore.contract import (
    BadUri,
    Capability,
    Clock,
    Driver,
    Misconfigured,
    QueueRef,
    QueueStats,
    Stop,
    StoreUri,
    Wake,
)

from . import migrate
from .claims import Claims
from .collect import collect
from .errors import translated
from .file import SqliteStore
from .messages import JoinedMessages, Messages
from .queues import Queues, volume
from .sqlite import Settings, reader_engine
from .store import Store
from .subscriptions import Subscriptions

__all__ = ["SqlDriver", "open_driver", "upgrade", "version"]


class SqlDriver(Driver):
    """A handle on a database. With `durable` False, DURABLE is not declared."""

    capabilities = (
        Capability.FIFO
        | Capability.DELAY
        | Capability.DURABLE
        | Capability.EXACT_STATS
        | Capability.ATOMIC_BATCH
    )

    checks_versions = True

    def __init__(self, store: Store, *, durable: bool) -> None:
        self._store = store
        if not durable:
            self.capabilities = self.capabilities & ~Capability.DURABLE
        self.queues = Queues(store)
        self.messages = JoinedMessages(store) if isinstance(store, SqliteStore) else Messages(store)
        self.claims = Claims(store)
        self.subscriptions = Subscriptions(store)

    def ping(self) -> None:
        self.queues.count(None)

    def volume(self) -> QueueStats:
        return volume(self._store)

    def collect(self, limit: int = 1000) -> int:
        return collect(self._store, limit)

    def watch(self, queue: QueueRef, wake: Wake) -> Stop:
        return self._store.waking.watch(queue, wake)

    def close(self) -> None:
        self._store.close()


def open_driver(uri: str, *, clock: Clock) -> SqlDriver:
    """Open `sqlite:///relative/path` or `sqlite:////absolute/path`, creating the file.

    Options: `busy_timeout`, the seconds to wait for another process that writes (5);
    `synchronous`, `full` (the default) or `normal`, which is faster and may lose the last
    moments when the machine loses power.
    """
    settings = _settings(uri)
    _create(settings.path)
    return SqlDriver(SqliteStore(settings, clock), durable=settings.synchronous == "FULL")


def upgrade(uri: str) -> str:
    """Open the file, which upgrades it. See `mqcore.contract.Schema`."""
    found = _version(_settings(uri))
    open_driver(uri, clock=time.time).close()
    return migrate.upgraded(found)


def version(uri: str) -> str:
    """What the file has, which is not touched. See `mqcore.contract.Schema`."""
    return migrate.describe(_version(_settings(uri)))


def _version(settings: Settings) -> str | None:
    if not settings.path.exists():
        return None
    engine = reader_engine(settings)
    try:
        with translated(settings.path, opening=True), engine.begin() as connection:
            return migrate.find_version(connection, settings.path)
    finally:
        engine.dispose()


def _settings(uri: str) -> Settings:
    parsed = StoreUri(uri)
    busy_timeout = parsed.number("busy_timeout", 5, least=0, most=3600)
    synchronous = parsed.text("synchronous", "full", ("full", "normal"))
    parsed.done()
    return Settings(_path(parsed), busy_timeout, synchronous.upper())


def _path(uri: StoreUri) -> Path:
    text = unquote(uri.parts.path.removeprefix("/"))
    if uri.parts.netloc:
        raise BadUri(
            f"{uri}: write three slashes before the path, sqlite:///relative/path, or four"
            " for an absolute one"
        )
    if text in ("", ":memory:"):
        raise BadUri(
            f"{uri}: name a file, as in sqlite:///queues.db; for a store in memory use memory://"
        )
    if uri.parts.fragment:
        raise BadUri(f"{uri}: write a '#' in the path as %23")
    if "\0" in text:
        raise BadUri(f"{uri}: a path cannot contain a null character")
    return Path(text).absolute()


def _create(path: Path) -> None:
    """Create the file if it is missing, for this user only; what is in it is not touched.

    An existing file is not even opened here: closing it would drop the locks that another
    handle of this process has on it (sqlite.org/howtocorrupt.html, section 2.2).
    """
    if path.is_dir():
        raise Misconfigured(f"{path} is a folder; name a file in it, like {path / 'mqcore.db'}")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    except FileNotFoundError as error:
        raise Misconfigured(
            f"the folder {path.parent} does not exist; create it or name a file elsewhere"
        ) from error
    except OSError as error:
        raise Misconfigured(
            f"the database {path} cannot be created ({error.strerror});"
            f" let this user write to {path.parent} or name a file elsewhere"
        ) from error
