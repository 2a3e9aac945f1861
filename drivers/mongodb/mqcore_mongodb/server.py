"""What is asked of a server when a store is opened, and what is made there."""

from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from mqcore.contract import Misconfigured

from .schema import INDEXES, LAYOUT

__all__ = ["OLDEST", "Deployment", "prepare"]

OLDEST = (4, 4)


@dataclass(frozen=True, slots=True)
class Deployment:
    """`streams`: it has streams of changes. `sharded`: a `mongos` answers for it."""

    streams: bool
    sharded: bool


def prepare(database: Database[dict[str, Any]], place: str) -> Deployment:
    """Refuse servers that cannot be used, and make the indexes if they are not there.

    Several at once do no harm: an index that is there already is made in no time.
    """
    deployment = _inspect(database, place)
    numbers = database["numbers"]
    layout = numbers.find_one({"_id": "layout"})
    if layout is None:
        for name, indexes in INDEXES.items():
            database[name].create_indexes(indexes)
        numbers.update_one({"_id": "layout"}, {"$setOnInsert": {"n": LAYOUT}}, upsert=True)
        layout = numbers.find_one({"_id": "layout"})
    if layout is None or layout["n"] != LAYOUT:
        raise Misconfigured(
            f"the database {database.name!r} of {place} has the layout"
            f" {layout and layout['n']}, and this mqcore knows {LAYOUT};"
            " use the mqcore that wrote it, or another database in the URI"
        )
    return deployment


def _inspect(database: Database[dict[str, Any]], place: str) -> Deployment:
    version = tuple(database.client.server_info()["versionArray"][:2])
    if version < OLDEST:
        raise Misconfigured(
            f"the MongoDB server {place} has version {'.'.join(map(str, version))};"
            f" mqcore needs {'.'.join(map(str, OLDEST))} or newer"
        )
    hello = database.client.admin.command("hello")
    if not hello["isWritablePrimary"]:
        raise Misconfigured(
            f"the MongoDB server {place} is not a primary, and takes no writes;"
            " name the replica set, as in ?replica_set=rs0, and leave out ?direct="
        )
    sharded = hello.get("msg") == "isdbgrid"
    return Deployment(sharded or "setName" in hello, sharded)
